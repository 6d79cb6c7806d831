"""The spy's own copy of what the limits say, typed by hand in SI, and its own sums over what was sent.

Kept apart from everything that enforces: if a limit is changed there and not here, the fuzz shows it.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_DEG = math.pi / 180
_SLACK = 1 + 1e-6
_MINUTE_S = 60.0


@dataclass(frozen=True)
class Span:
    """What a quantity may be [SI]."""

    low: float
    high: float
    step: float = math.inf
    """Largest single change."""
    reach: float = math.inf
    """Farthest from where it was when the lease was taken."""
    minute: float = math.inf
    """Sum of changes in a minute of instrument time."""
    path: float = math.inf
    """Sum of changes in a lease."""


@dataclass(frozen=True)
class Tolerates:
    """What a detector may be under."""

    current_a: float
    charge_c: float
    """In a lease."""


@dataclass(frozen=True)
class Rules:
    """Everything that is limited."""

    axes: Mapping[str, Span]
    optics: Mapping[str, Span]
    detectors: Mapping[str, Tolerates]
    bf_not_at: tuple[str, float, float]
    """The bright-field detector must not be in the beam while this control is within these bounds."""

    def excluded(self, optics: Mapping[str, float]) -> bool:
        """Whether the bright-field detector must be out at these settings; the ends are left to rounding."""
        name, low, high = self.bf_not_at
        return low * _SLACK <= optics[name] <= high / _SLACK


EDGE_PX = Span(1, 4096)
DWELL_S = Span(0.1e-6, 1.0)
FLYBACK_S, OVERHEAD_S = 20e-6, 0.01
RETRACTABLE = ("bf",)
_HALF_GAP_M, _HALF_HOLDER_M, _HALF_THICK_M = 2.7e-3, 3.5e-3, 1.0e-3

_SHIFT = Span(-2e-6, 2e-6)
SHIPPED = Rules(
    axes={
        "x": Span(-1e-3, 1e-3, step=5e-4, reach=5e-4, minute=2e-3, path=5e-2),
        "y": Span(-1e-3, 1e-3, step=5e-4, reach=5e-4, minute=2e-3, path=5e-2),
        "z": Span(-3e-4, 3e-4, step=5e-4, reach=5e-4, minute=2e-3, path=1e-2),
        "alpha": Span(-35 * _DEG, 35 * _DEG, minute=300 * _DEG, path=5000 * _DEG),
        "beta": Span(-30 * _DEG, 30 * _DEG, minute=300 * _DEG, path=5000 * _DEG),
    },
    optics={
        "defocus": Span(-5e-6, 5e-6),
        "beam_shift_x": _SHIFT,
        "beam_shift_y": _SHIFT,
        "probe_current": Span(1e-12, 1e-9),
        "fov": Span(0.5e-9, 50e-6),
        "camera_length": Span(0.02, 0.4),
    },
    detectors={"haadf": Tolerates(1e-9, 1e-6), "bf": Tolerates(1e-9, 1e-6)},
    bf_not_at=("camera_length", 0.0, 0.03),
)
"""As shipped with the simulated microscope."""
TIGHT = Rules(
    axes={
        "x": Span(-4e-4, 4e-4, step=8e-5, reach=1.5e-4, minute=8e-4, path=3e-3),
        "y": Span(-4e-4, 4e-4, step=8e-5, reach=1.5e-4, minute=8e-4, path=3e-3),
        "z": Span(-5e-5, 5e-5, step=3e-5, reach=2e-5, path=2e-4),
        "alpha": Span(-20 * _DEG, 20 * _DEG, step=6 * _DEG, reach=15 * _DEG, path=90 * _DEG),
        "beta": Span(-15 * _DEG, 15 * _DEG, step=10 * _DEG, reach=10 * _DEG),
    },
    optics={
        "defocus": Span(-2e-6, 2e-6, step=1e-6, reach=1.5e-6, path=2e-5),
        "beam_shift_x": Span(-1e-6, 1e-6),
        "beam_shift_y": Span(-1e-6, 1e-6),
        "probe_current": Span(5e-12, 4e-10),
        "fov": Span(6e-10, 2e-5),
    },
    detectors={"haadf": Tolerates(3e-10, 6e-12), "bf": Tolerates(9e-11, 3e-12)},
    bf_not_at=("probe_current", 1e-10, 1.0),
)
"""As strict staff would have it; `fuzz_rig` gives the product the same in its own form and units."""


@dataclass
class Sums:
    """How far everything went since the lease was taken, and in the last minute."""

    origin: dict[str, float] = field(default_factory=dict)
    path: dict[str, float] = field(default_factory=dict)
    charge: dict[str, float] = field(default_factory=dict)
    _recent: list[tuple[float, str, float]] = field(default_factory=list)

    def new_lease(self, where: Mapping[str, float]) -> None:
        """All but the last minute begins anew; `where` is everything at that moment."""
        self.origin, self.path, self.charge = dict(where), {}, {}

    def broken(
        self,
        table: Mapping[str, Span],
        what: str,
        here: Mapping[str, float],
        to: Mapping[str, Any],
        now_s: float,
    ) -> Iterator[tuple[str, str]]:
        """Rules that a change breaks, each with words; what is sent is counted."""
        for name, value in to.items():
            span = table.get(name)
            if span is None:
                yield f"unknown {what}", repr(name)[:60]
            elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                yield "not finite", f"{name} = {value!r}"[:60]
            elif not inside(value, span):
                yield f"{what} limit", f"{name} = {value:g}"
            else:
                yield from self._counted(span, what, name, here[name], value, now_s)

    def _counted(
        self, span: Span, what: str, name: str, here: float, to: float, now_s: float
    ) -> Iterator[tuple[str, str]]:
        way = abs(to - here)
        self._recent.append((now_s, name, way))
        self._recent = [one for one in self._recent if one[0] > now_s - _MINUTE_S]
        self.path[name] = self.path.get(name, 0.0) + way
        minute = sum(amount for _, axis, amount in self._recent if axis == name)
        for rule, amount, most in (
            ("step", way, span.step),
            ("excursion", abs(to - self.origin.get(name, here)), span.reach),
            ("path", self.path[name], span.path),
            ("per minute", minute, span.minute),
        ):
            if amount > most * _SLACK:
                yield f"{what} {rule}", f"{name}: {amount:g}, limit {most:g}"

    def lit(
        self, rules: Rules, names: set[str], optics: Mapping[str, float], seconds: float
    ) -> Iterator[tuple[str, str]]:
        """Rules that a scan breaks for the detectors in the beam; their charge is counted."""
        current_a = optics["probe_current"]
        for name in sorted(names & set(rules.detectors)):
            most = rules.detectors[name]
            spent = self.charge[name] = self.charge.get(name, 0.0) + current_a * seconds
            if current_a > most.current_a * _SLACK:
                yield "detector current", f"{name} at {current_a:g} A"
            if spent > most.charge_c * _SLACK:
                yield "detector charge", f"{name}: {spent:g} C"
        if "bf" in names and rules.excluded(optics):
            yield "exclusion", "bf in the beam"


def inside(value: float, span: Span) -> bool:
    """Within a span, but for rounding."""
    return span.low - 1e-6 * abs(span.low) <= value <= span.high + 1e-6 * abs(span.high)


def collides(here: Mapping[str, float], to: Mapping[str, float]) -> bool:
    """Whether the holder's box leaves the gap at any corner of the way, whichever axis goes first.

    The highest corner of a box turned by alpha about x and beta about y, without any margin.
    """
    ends = [(here[name], to.get(name, here[name])) for name in ("z", "alpha", "beta")]
    return any(_top(*place) > _HALF_GAP_M for place in itertools.product(*ends))


def _top(z: float, alpha: float, beta: float) -> float:
    sa, ca, sb, cb = math.sin(alpha), math.cos(alpha), math.sin(beta), math.cos(beta)
    return abs(z) + _HALF_HOLDER_M * (abs(sb) + abs(sa * cb)) + _HALF_THICK_M * abs(ca * cb)
