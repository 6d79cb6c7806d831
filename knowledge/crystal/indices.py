"""Indices of directions and planes, three or four of them, in integers."""

import math
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.core.text import visible

Indices = tuple[int, int, int]
Integers = NDArray[np.int64]

_BRACKETS = {
    "[]": ("direction", False),
    "<>": ("direction", True),
    "()": ("plane", False),
    "{}": ("plane", True),
}


def reduced(indices: Sequence[int]) -> Indices:
    """Indices divided by their greatest common divisor, signs kept.

    Raises
    ------
    BadInput
        If all are zero.
    """
    u, v, w = (int(x) for x in indices)
    divisor = math.gcd(u, v, w)
    if divisor == 0:
        raise BadInput("[0 0 0] has no direction", "at least one index is not zero", "check the indices")
    return u // divisor, v // divisor, w // divisor


def direction_indices(indices: Sequence[int]) -> Indices:
    """[uvw] of three or four indices: U V T W means 2U+V, U+2V, W, reduced; three are kept as they are.

    Raises
    ------
    BadInput
        If there are not three or four integers, all are zero, or U + V + T is not zero.
    """
    whole = _whole(indices, "[UVTW]")
    if len(whole) == 3:
        return whole[0], whole[1], whole[2]
    return reduced((2 * whole[0] + whole[1], whole[0] + 2 * whole[1], whole[3]))


def plane_indices(indices: Sequence[int]) -> Indices:
    """(hkl) of three or four indices, i = -(h + k) left out; not reduced, since (200) is not (100).

    Raises
    ------
    BadInput
        If there are not three or four integers, all are zero, or h + k + i is not zero.
    """
    whole = _whole(indices, "(hkil)")
    return whole[0], whole[1], whole[-1]


def four_direction_indices(uvw: Sequence[int]) -> tuple[int, int, int, int]:
    """[UVTW] of [uvw], the smallest integers along (2u-v, 2v-u, -(u+v), 3w)."""
    u, v, w = direction_indices(uvw)
    four = (2 * u - v, 2 * v - u, -(u + v), 3 * w)
    divisor = math.gcd(*four)
    return four[0] // divisor, four[1] // divisor, four[2] // divisor, four[3] // divisor


def four_plane_indices(hkl: Sequence[int]) -> tuple[int, int, int, int]:
    """(hkil) of (hkl)."""
    h, k, el = plane_indices(hkl)
    return h, k, -(h + k), el


def zone_axis(hkl_1: Sequence[int], hkl_2: Sequence[int]) -> Indices:
    """The direction both planes contain: their cross product, reduced, sign kept.

    Raises
    ------
    BadInput
        If the planes are parallel.
    """
    first, second = plane_indices(hkl_1), plane_indices(hkl_2)
    crossed = np.cross(first, second)
    if not crossed.any():
        raise BadInput(
            f"{shown(first, 'plane')} and {shown(second, 'plane')} are parallel",
            "parallel planes share no single zone axis",
            "give two planes that are not multiples of each other",
        )
    return reduced(crossed.tolist())


def parse_indices(text: str) -> tuple[tuple[int, ...], str, bool]:
    """Indices, "direction" or "plane", and whether a family, of '[1-10]', '<112>', '(10-10)', '1 -1 0 2'.

    Digits stand alone unless they are separated by spaces or commas; without brackets it is a direction.

    Raises
    ------
    BadInput
        If it is not three or four integers in matching brackets, all are zero, or the first three of four do not
        add up to zero.
    """
    stripped = text.strip().replace("−", "-")
    kind, family = "direction", False
    if stripped[:1] in "[<({" and stripped:
        pair = stripped[0] + stripped[-1]
        if pair not in _BRACKETS:
            raise _unreadable(text)
        kind, family = _BRACKETS[pair]
        stripped = stripped[1:-1].strip()
    pattern = r"[+-]?\d+" if re.search(r"[\s,]", stripped) else r"[+-]?\d"
    if not re.fullmatch(rf"(?:{pattern}[\s,]*)+", stripped):
        raise _unreadable(text)
    found = tuple(int(x) for x in re.findall(pattern, stripped))
    if len(found) not in (3, 4):
        raise _unreadable(text)
    _whole(found, "[UVTW]" if kind == "direction" else "(hkil)")
    return found, kind, family


@lru_cache(maxsize=16)
def low_indices(max_index: int, *, primitive: bool = True) -> Integers:
    """All (n, 3) index triples up to `max_index` without [000], both senses; primitive: no common divisor.

    Ordered by the sum of absolute indices, then by the indices.
    """
    if not 1 <= max_index <= 30:
        raise BadInput(f"largest index {max_index}", "1 ... 30 are searched", "ask for smaller indices")
    span = np.arange(-max_index, max_index + 1)
    grid = np.stack(np.meshgrid(span, span, span, indexing="ij"), axis=-1).reshape(-1, 3)
    divisor = np.gcd.reduce(grid, axis=1)
    grid = grid[(divisor == 1) if primitive else (divisor > 0)]
    order = np.lexsort((grid[:, 2], grid[:, 1], grid[:, 0], np.abs(grid).sum(axis=1)))
    found: Integers = grid[order].astype(np.int64)
    found.flags.writeable = False
    return found


def shown(indices: Sequence[int], kind: str = "direction") -> str:
    """'[1 -1 0]' or '(1 -1 0)'."""
    left, right = ("[", "]") if kind == "direction" else ("(", ")")
    return left + " ".join(str(int(x)) for x in indices) + right


def _whole(indices: Sequence[int], four: str) -> tuple[int, ...]:
    values = [float(x) for x in indices]
    if len(values) not in (3, 4) or not all(math.isfinite(x) and x == round(x) for x in values):
        raise BadInput(f"{values} are not indices", "three or four integers are", "multiply fractions out")
    whole = tuple(int(x) for x in values)
    if not any(whole):
        raise BadInput(
            f"[{' '.join(map(str, whole))}] has no direction",
            "at least one index is not zero",
            "check the indices",
        )
    if len(whole) == 4 and whole[0] + whole[1] + whole[2] != 0:
        raise BadInput(
            f"{' '.join(map(str, whole))} are not four indices {four}",
            "the first three of four indices add up to zero",
            f"the third is {-(whole[0] + whole[1])} if the first two are right",
        )
    return whole


def _unreadable(text: str) -> BadInput:
    return BadInput(
        f"{visible(text, limit=60)!r} is not a direction or plane",
        "three or four integers in [], <>, () or {}",
        "write [1 -1 0], <112>, (10-10) or {110}; put spaces between numbers of two digits",
    )
