"""The interlock: may the stage go from here to there, whichever axis moves first? Unknown means no."""

from collections.abc import Collection, Mapping
from typing import Any

from eucentric.core.base import Model
from eucentric.core.errors import LimitRefused
from eucentric.core.text import visible
from eucentric.knowledge.clearance.judge import Hit, Judge
from eucentric.knowledge.clearance.model import AXES, LONGEST_UM, Clearance, Holder
from eucentric.knowledge.clearance.table import Box

_STEPS = 8
"""Halvings when the farthest allowed setting of an axis is looked for: 1/256 of the move."""
_STEEPEST_DEG = 90.0


class Refusal(Model):
    """Why a move is not allowed."""

    obstacle: str
    """What would be touched, or what is not known."""
    what: str
    why: str
    remedy: str
    excess_um: float | None = None
    """How far the body would go into the margin [µm]; None if unknown."""
    at: dict[str, float] | None = None
    """The worst setting on the way, in readings."""

    def error(self) -> LimitRefused:
        """The same as an error to raise."""
        return LimitRefused(self.what, self.why, self.remedy)


def check_path(
    clearance: Clearance,
    holder_name: str,
    start: Mapping[str, float],
    target: Mapping[str, float],
    inserted: Collection[str] | None = None,
) -> Refusal | None:
    """None if every way of moving the five axes from start to target keeps the margin, else why not.

    Axes may move one after the other, at once, at any speeds: everything inside the box between start and target
    is checked, not only the straight line. Against pole faces and devices without an edge the answer is exact
    for the box-shaped body (closed form); beside an edge, sweeps that come within `RESOLUTION_UM` of the margin
    may be refused.

    Parameters
    ----------
    clearance
        The measured gap, holders and devices.
    holder_name
        As the instrument reports it. A holder "*" stands for any name: allow that for simulators only.
    start, target
        x_um, y_um, z_um [µm] and alpha_deg, beta_deg [deg], all five, as the stage reads them.
    inserted
        Names of what is inserted now; None if nobody can tell, then every device counts as inserted.
    """
    named = visible(str(holder_name), limit=80)
    holder = clearance.holder(holder_name)
    if holder is None:
        return _unknown(
            f"holder {named!r}",
            "clearance is unknown: this holder is not in the limits",
            f"Known: {_listed(h.name for h in clearance.holders)}. An operator must measure and register it.",
        )
    strange = _strangers(clearance, inserted)
    if strange:
        return _unknown(
            _listed(strange),
            "clearance is unknown: something is inserted that the limits do not describe",
            "Retract it, or an operator registers it as a device or as outside the gap.",
        )
    box = box_between(start, target)
    if isinstance(box, Refusal):
        return box
    judge = Judge.of(clearance, holder, inserted)
    hit = judge.hit(box)
    return None if hit is None else _refusal(judge, hit, start, target)


def box_between(start: Mapping[str, float], target: Mapping[str, float]) -> Box | Refusal:
    """The range of every axis, in the order of `AXES`, or why there is none."""
    for where, values in (("start", start), ("target", target)):
        if set(values) != set(AXES):
            wrong = _listed(str(name) for name in set(values) ^ set(AXES))
            return _unknown(wrong, f"the {where} needs exactly {', '.join(AXES)}", "Read the stage again.")
        for axis in AXES:
            bound = _STEEPEST_DEG if axis.endswith("_deg") else LONGEST_UM
            if not _within(values[axis], bound):
                shown = visible(repr(values[axis]), limit=40)
                return _unknown(f"{where} {axis} = {shown}", f"must be a number within ±{bound:g}", "")
    pairs = ((float(start[axis]), float(target[axis])) for axis in AXES)
    return tuple((min(pair), max(pair)) for pair in pairs)


def _within(value: Any, bound: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and -bound <= value <= bound


def _strangers(clearance: Clearance, inserted: Collection[str] | None) -> list[str]:
    described = {device.name for device in clearance.devices} | set(clearance.outside_gap)
    return sorted(set(inserted or ()) - described)


def _refusal(judge: Judge, hit: Hit, start: Mapping[str, float], target: Mapping[str, float]) -> Refusal:
    holder = judge.holder
    at = {axis: round(value, 3) for axis, value in hit.at.items()}
    worst = ", ".join(shown(axis, value) for axis, value in at.items())
    return Refusal(
        obstacle=hit.obstacle,
        what=f"holder {visible(holder.name)!r} {_how(hit, holder)}",
        why=f"at {worst}; axes may move in any order; {_source(holder)}",
        remedy=_remedy(judge, start, target),
        excess_um=hit.excess_um,
        at=at,
    )


def _how(hit: Hit, holder: Holder) -> str:
    obstacle = visible(hit.obstacle)
    if hit.excess_um is None:
        return f"would go beyond {obstacle}: clearance there is unknown"
    room = holder.margin_um - hit.excess_um
    if room < 0:
        return f"would press {-room:.1f} µm into {obstacle}"
    return f"would come to {room:.1f} µm from {obstacle}; {holder.margin_um:g} µm must stay free"


def _source(holder: Holder) -> str:
    by = visible(holder.measured_by)
    return f"measured by {by} on {visible(holder.measured_on)}" if holder.measured_on else f"assumed by {by}"


def _remedy(judge: Judge, start: Mapping[str, float], target: Mapping[str, float]) -> str:
    if judge.hit(tuple((start[axis], start[axis]) for axis in AXES)):
        return "The stage is already nearer than the margin: an operator must bring it back by hand."
    for axis in ("alpha_deg", "beta_deg", "y_um", "x_um", "z_um"):
        value = farthest(judge, axis, start, target)
        if value is not None:
            return f"With the rest as asked, {shown(axis, value)} can be reached."
    return "Tilt less, or bring x, y and z back toward 0 first, in a move of their own."


def farthest(
    judge: Judge, axis: str, start: Mapping[str, float], target: Mapping[str, float]
) -> float | None:
    """How far toward its target one axis may go with the others as asked; None if not at all."""
    low, high = 0.0, 1.0
    here, wanted = start[axis], target[axis]

    def allowed(share: float) -> bool:
        tried = {**target, axis: here + share * (wanted - here)}
        return judge.hit(_box(start, tried)) is None

    if here == wanted or not allowed(0.0):
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return here + low * (wanted - here)


def _box(start: Mapping[str, float], target: Mapping[str, float]) -> Box:
    return tuple((min(start[a], target[a]), max(start[a], target[a])) for a in AXES)


def shown(axis: str, value: float) -> str:
    """A reading for a person: alpha 24.31 deg, x -120 µm."""
    name, unit = axis.rsplit("_", 1)
    return f"{name} {value:.2f} deg" if unit == "deg" else f"{name} {value:.1f} µm"


def _listed(names: Any) -> str:
    return ", ".join(repr(visible(name, limit=80)) for name in names) or "nothing"


def _unknown(obstacle: str, why: str, remedy: str) -> Refusal:
    return Refusal(obstacle=obstacle, what=f"the move can't be checked: {obstacle}", why=why, remedy=remedy)
