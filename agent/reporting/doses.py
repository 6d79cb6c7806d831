"""Dose by place, from the charges of the run's own acts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eucentric.agent.dose.charge import Charge
from eucentric.agent.reporting.record import ChargeRecord, RunRecord

_EXACT = 40
"""Up to so many overlapping fields the deepest point is found exactly; beyond, their sum is the bound."""


def deepest(charges: Sequence[Charge]) -> float:
    """Highest dose that any one point got from these charges, at the reported positions [e/Å²]."""
    boxes = _merged(charges)
    if not len(boxes):
        return 0.0
    left, right, top, bottom, _ = boxes.T
    best = 0.0
    for n in range(len(boxes)):
        near = (left < right[n]) & (right > left[n]) & (top < bottom[n]) & (bottom > top[n])
        best = max(best, _deepest_of(boxes[near]))
    return best


def _merged(charges: Sequence[Charge]) -> np.ndarray:
    """(n, 5) float64: left, right, top, bottom [µm] and dose [e/Å²], equal fields added up."""
    fields: dict[tuple[float, ...], float] = {}
    for one in charges:
        half_x, half_y = one.width_um / 2, one.height_um / 2
        box = (one.x_um - half_x, one.x_um + half_x, one.y_um - half_y, one.y_um + half_y)
        key = tuple(round(edge, 7) for edge in box)
        fields[key] = fields.get(key, 0.0) + one.dose_e_per_a2
    return np.array([[*key, value] for key, value in fields.items()]).reshape(-1, 5)


def _deepest_of(boxes: np.ndarray) -> float:
    left, right, top, bottom, doses = boxes.T
    if len(boxes) > _EXACT:
        return float(doses.sum())
    # The deepest region has the left edge of some field and the top edge of some field.
    in_x = (left[None] <= left[:, None]) & (left[:, None] < right[None])
    in_y = (top[None] <= top[:, None]) & (top[:, None] < bottom[None])
    inside = in_x[:, None, :] & in_y[None, :, :]
    return float((inside * doses).sum(axis=2).max())


@dataclass(frozen=True)
class Area:
    """Fields of one purpose during one stay of the stage."""

    place: str
    """Name of the target, 'survey', or the stay's number."""
    purpose: str
    x_um: float
    y_um: float
    fov_um: float
    frames: int
    dose_e_per_a2: float
    """By these frames, at the deepest point [e/Å²]."""
    so_far_e_per_a2: float
    """With all that may have touched the area before, as the dose book bounds it [e/Å²]."""
    events: tuple[int, ...]


def areas(record: RunRecord) -> tuple[Area, ...]:
    """Every place that was exposed, in order; the tiles of a survey are one line."""
    groups: dict[tuple[str, str], list[ChargeRecord]] = {}
    for one in record.charges:
        stay = "survey" if one.charge.purpose == "survey" else one.charge.stay
        groups.setdefault((stay, one.charge.purpose), []).append(one)
    names = _names(record)
    return tuple(_area(names.get(stay, stay), purpose, group) for (stay, purpose), group in groups.items())


def _names(record: RunRecord) -> dict[str, str]:
    """Targets by the stays in which they were approached; other stays are numbered."""
    names: dict[str, str] = {"survey": "survey"}
    for one in record.charges:
        if one.charge.stay in names or one.charge.purpose == "survey":
            continue
        call = record.call(one.call)
        target = call.args.get("target") if call else None
        known = isinstance(target, dict) and target.get("id")
        numbered = f"place {sum(name.startswith('place') for name in names.values()) + 1}"
        names[one.charge.stay] = str(target["id"]) if known and isinstance(target, dict) else numbered
    return names


def _area(place: str, purpose: str, group: list[ChargeRecord]) -> Area:
    charges = [one.charge for one in group]
    widest = max(charges, key=lambda charge: charge.width_um)
    return Area(
        place=place,
        purpose=purpose,
        x_um=float(np.mean([charge.x_um for charge in charges])),
        y_um=float(np.mean([charge.y_um for charge in charges])),
        fov_um=widest.width_um,
        frames=len(charges),
        dose_e_per_a2=deepest(charges),
        so_far_e_per_a2=max(one.before_e_per_a2 + one.charge.dose_e_per_a2 for one in group),
        events=tuple(one.seq for one in group),
    )
