"""Words on a picture that never lie on each other: each is put where there is room, or left out."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from eucentric.knowledge.crystal import Crystal, four_direction_indices, four_plane_indices
from eucentric.knowledge.tilting.target import Kind, on_hexagonal_axes

Rect = tuple[float, float, float, float]
"""Left, bottom, right, top [pixel]."""
_AROUND = tuple(
    (math.cos(math.radians(a)), math.sin(math.radians(a)))
    for a in (45, 135, -45, -135, 0, 180, 90, -90, 22, 158, -22, -158)
)
_BRACKETS: dict[Kind, tuple[str, str]] = {
    "axis": ("[", "]"),
    "family": ("⟨", "⟩"),
    "plane": ("(", ")"),
    "plane_family": (r"\{", r"\}"),
}


class Room:
    """What is taken on a canvas, in pixels."""

    def __init__(self, frame: Rect) -> None:
        self.frame = frame
        self._taken: list[Rect] = []

    def take(self, rect: Rect) -> None:
        """From now on nothing is put there."""
        self._taken.append(rect)

    def free(self, rect: Rect) -> bool:
        """Whether it lies in the frame and on nothing."""
        inside = (
            rect[0] >= self.frame[0]
            and rect[1] >= self.frame[1]
            and rect[2] <= self.frame[2]
            and rect[3] <= self.frame[3]
        )
        return inside and not any(_meet(rect, other) for other in self._taken)

    def beside(
        self, at: tuple[float, float], width: float, height: float, gaps: Sequence[float]
    ) -> Rect | None:
        """A rectangle of that size beside a point, as near as there is room; None if there is none."""
        for gap in gaps:
            for cosine, sine in _AROUND:
                x = at[0] + cosine * (gap + width / 2)
                y = at[1] + sine * (gap + height / 2)
                rect = around((x, y), width, height)
                if self.free(rect):
                    return rect
        return None


def around(middle: tuple[float, float], width: float, height: float) -> Rect:
    """A rectangle about its middle."""
    x, y = middle
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def size_of(text: Any, renderer: Any, pad: float = 1.5) -> tuple[float, float]:
    """Width and height of a matplotlib text, with a little room around it [pixel]."""
    box = text.get_window_extent(renderer)
    return box.width + 2 * pad, box.height + 2 * pad


def math_text(crystal: Crystal, indices: Iterable[int], kind: Kind) -> str:
    """Indices as they are printed, with a bar over negative ones; four of them on hexagonal axes."""
    three = tuple(indices)
    if on_hexagonal_axes(crystal):
        four = four_direction_indices(three) if kind in ("axis", "family") else four_plane_indices(three)
        return _barred(four, kind)
    return _barred(three, kind)


def _barred(indices: Sequence[int], kind: Kind) -> str:
    space = r"\," if any(abs(x) > 9 for x in indices) else ""
    digits = space.join(rf"\overline{{{-x}}}" if x < 0 else str(x) for x in indices)
    left, right = _BRACKETS[kind]
    return rf"$\mathrm{{{left}{digits}{right}}}$"


def _meet(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
