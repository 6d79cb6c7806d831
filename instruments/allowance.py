"""What binds: the driver's declaration narrowed by the limits, the tighter of both, in SI."""

import math
from dataclasses import dataclass

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.core.units import OPTICS, STAGE
from eucentric.instruments.capabilities import AxisSpec, Capabilities, OpticSpec
from eucentric.instruments.limits import ANY, DetectorLimit, Limit, Limits

UNMEASURED = {"x": 20e-6, "y": 20e-6, "z": 5e-6}
"""Step and excursion on a real stage where nobody measured the travel [m].

Sideways 20 µm is a fifth of a 200 mesh opening and less than half a percent of the narrowest gap (5 mm); up and down
5 µm is what finding the eucentric height takes on a flat grid. Neither brings an untilted holder to anything.
"""
UNMEASURED_PATH = 10
"""Travel of one lease there, in steps: enough to look around, too little to wear anything."""
_FIELDS = {row.si: field for field, row in (STAGE | OPTICS).items()}
_TILTS = ("alpha", "beta")
_SAME = 1e-12
"""Bounds that differ by no more than this share are one bound, written in two units."""


@dataclass(frozen=True)
class Allowance:
    """What one axis or control may do, in SI; infinite where nothing limits it."""

    name: str
    unit: str
    lower: float
    upper: float
    max_step: float
    max_per_minute: float
    max_excursion: float
    max_path: float
    source: str
    """Which limits say so, and who measured them."""

    @property
    def limits_change(self) -> bool:
        """Whether it matters where it is now."""
        most = min(self.max_step, self.max_per_minute, self.max_excursion, self.max_path)
        return math.isfinite(most)


def declared(capabilities: Capabilities) -> Limits:
    """The driver's own declaration as limits, where nobody wrote any."""
    label = capabilities.limits_version
    return Limits(
        version=1,
        instrument=capabilities.identity,
        author=capabilities.measured_by[:80],
        axes={_FIELDS[one.name]: _row(one, one.max_step) for one in capabilities.axes if _has_room(one)},
        optics={
            _FIELDS[one.name]: _row(one, None)
            for one in capabilities.optics
            if one.settable and _has_room(one)
        },
        detectors={one.name: DetectorLimit() for one in capabilities.detectors},
        declared=(label if capabilities.simulated else f"unmeasured (driver {label})")[:200],
    )


def effective(capabilities: Capabilities, limits: Limits) -> Capabilities:
    """The declaration narrowed by the limits: what callers see, and what approvals are tied to.

    Raises
    ------
    BadInput
        The limits name a detector that the instrument does not have, or stand for any on a real one.
    """
    _check_fits(capabilities, limits)
    own = capabilities.simulated and limits.declared
    return capabilities.model_copy(
        update={
            "axes": tuple(_narrow_axis(capabilities, limits, spec) for spec in capabilities.axes),
            "optics": tuple(_narrow_optic(limits, spec) for spec in capabilities.optics),
            "detectors": tuple(
                one.model_copy(update={"exposable": one.exposable and limits.detector(one.name) is not None})
                for one in capabilities.detectors
            ),
            "limits_version": limits.label,
            "measured_by": capabilities.measured_by if own else limits.measured_by,
        }
    )


def allowances(capabilities: Capabilities, limits: Limits) -> dict[str, Allowance]:
    """What binds, by the driver's names, of everything that may be steered.

    Parameters
    ----------
    capabilities
        The effective ones.
    """
    axes = (_axis_allowance(capabilities, limits, one) for one in capabilities.axes if one.steerable)
    optics = (_optic_allowance(capabilities, limits, one) for one in capabilities.optics if one.settable)
    return {one.name: one for one in (*axes, *optics)}


def source_of(capabilities: Capabilities, row: Limit | None = None) -> str:
    """Such as 'limits v3 (sha256 9c1f2a…), measured by staff 2026-10-02'."""
    said = visible(capabilities.measured_by, limit=300)
    if row is not None and row.measured:
        said = f"measured by {visible(row.measured_by)} {row.measured_on}"
    elif row is not None and not capabilities.simulated:
        said = "nobody measured it: travel is small until somebody does"
    elif said and not said.startswith(("declared", "measured")):
        said = f"measured by {said}"
    return f"limits {visible(capabilities.limits_version)}" + (f", {said}" if said else "")


def _check_fits(capabilities: Capabilities, limits: Limits) -> None:
    known = [one.name for one in capabilities.detectors]
    strange = {name for row in limits.exclusions for name in row.detectors} - set(known)
    if strange:
        names = ", ".join(visible(name) for name in sorted(strange))
        raise BadInput(f"limits: exclusions: no detector {names}", f"known: {', '.join(known)}")
    holders = [holder.name for holder in limits.clearance.holders] if limits.clearance else []
    if not capabilities.simulated and ANY in (*limits.detectors, *holders):
        raise BadInput('limits: "*" stands for any detector or holder', "that is for simulated ones only")


def _has_room(spec: AxisSpec | OpticSpec) -> bool:
    return spec.name in _FIELDS and spec.lower < spec.upper


def _row(spec: AxisSpec | OpticSpec, max_step: float | None) -> Limit:
    factor = _factor(spec.name)
    return Limit(
        lower=spec.lower / factor,
        upper=spec.upper / factor,
        max_step=None if max_step is None else max_step / factor,
    )


def _factor(name: str) -> float:
    return (STAGE | OPTICS)[_FIELDS[name]].factor


def _narrow_axis(capabilities: Capabilities, limits: Limits, spec: AxisSpec) -> AxisSpec:
    row = limits.axes.get(_FIELDS.get(spec.name, ""))
    small = row is not None and not capabilities.simulated and not row.measured
    blind = not capabilities.simulated and limits.clearance is None
    if row is None or not spec.steerable or (spec.name in _TILTS and (small or blind)):
        return spec.model_copy(update={"steerable": False})
    lower, upper = _within(spec, row)
    step = _tighter(spec.max_step, row.max_step, _factor(spec.name))
    return spec.model_copy(
        update={
            "lower": lower,
            "upper": upper,
            "max_step": min(step, UNMEASURED[spec.name]) if small else step,
            "steerable": lower < upper,
        }
    )


def _narrow_optic(limits: Limits, spec: OpticSpec) -> OpticSpec:
    row = limits.optics.get(_FIELDS.get(spec.name, ""))
    if row is None or not spec.settable:
        return spec.model_copy(update={"settable": False})
    lower, upper = _within(spec, row)
    return spec.model_copy(update={"lower": lower, "upper": upper, "settable": lower < upper})


def _within(spec: AxisSpec | OpticSpec, row: Limit) -> tuple[float, float]:
    """The driver's bounds where they are as tight."""
    factor = _factor(spec.name)
    lower, upper = row.lower * factor, row.upper * factor
    slack = _SAME * max(abs(spec.lower), abs(spec.upper))
    return (
        spec.lower if lower <= spec.lower + slack else lower,
        spec.upper if upper >= spec.upper - slack else upper,
    )


def _tighter(own: float, given: float | None, factor: float) -> float:
    return own if given is None or given * factor >= own * (1 - _SAME) else given * factor


def _axis_allowance(capabilities: Capabilities, limits: Limits, spec: AxisSpec) -> Allowance:
    row, factor = limits.axes[_FIELDS[spec.name]], _factor(spec.name)
    excursion = spec.max_step if row.max_excursion is None else row.max_excursion * factor
    path = _or_infinite(row.max_path, factor)
    if not capabilities.simulated and not row.measured:
        small = UNMEASURED[spec.name]
        excursion, path = min(excursion, small), min(path, UNMEASURED_PATH * small)
    return Allowance(
        spec.name, spec.unit, spec.lower, spec.upper, spec.max_step,
        _or_infinite(row.max_per_minute, factor), excursion, path, source_of(capabilities, row),
    )  # fmt: skip


def _optic_allowance(capabilities: Capabilities, limits: Limits, spec: OpticSpec) -> Allowance:
    row, factor = limits.optics[_FIELDS[spec.name]], _factor(spec.name)
    step, minute, excursion, path = (
        _or_infinite(value, factor)
        for value in (row.max_step, row.max_per_minute, row.max_excursion, row.max_path)
    )
    return Allowance(
        spec.name, spec.unit, spec.lower, spec.upper, step, minute, excursion, path,
        source_of(capabilities, row if row.measured else None),
    )  # fmt: skip


def _or_infinite(value: float | None, factor: float) -> float:
    return math.inf if value is None else value * factor
