"""What the guard asks before anything is sent, as pure functions: refuse, never clamp.

Values are SI inside; texts are in the units a microscopist says.
"""

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from eucentric.core.errors import (
    BadInput,
    InstrumentFault,
    LimitRefused,
    MoveNotReached,
    UnknownAxis,
    UnknownDetector,
    Unsupported,
)
from eucentric.core.text import visible
from eucentric.core.units import OPTICS, STAGE
from eucentric.instruments.allowance import Allowance, source_of
from eucentric.instruments.capabilities import AxisSpec, Capabilities, DetectorSpec, OpticSpec
from eucentric.instruments.driver import DriverState, Pixels, ScanSpec

NOTHING_SENT = "Nothing was sent to the instrument"
_SHOWN = {"um": "µm", "nm": "nm", "deg": "deg", "pa": "pA", "mrad": "mrad", "kv": "kV"}
_NAMED = {row.si: (field.rpartition("_")[2], row.factor) for field, row in (STAGE | OPTICS).items()}
ROUNDING = 1e-9
"""Relative slack so that 50 µm, written as 50e-6, passes a limit of 50 µm."""


def shown(name: str, value: float, unit: str = "") -> str:
    """An SI value of an axis or control as a person reads it, such as ``'12.5 µm'``."""
    suffix, factor = _NAMED.get(name, (unit, 1.0))
    return f"{value / factor:.6g} {_SHOWN.get(suffix, suffix)}".rstrip()


def place(state: DriverState, names: Iterable[str] | None = None) -> str:
    """Where the stage reads back, such as ``'x at 12.5 µm, alpha at 3 deg'``; all axes, or those named."""
    wanted = state.reported if names is None else names
    return ", ".join(f"{name} at {shown(name, state.reported[name])}" for name in wanted)


def number(name: str, value: Any, stays: str) -> float:
    """`value` as a finite float; a bool, a text or a NaN is refused, never converted."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise LimitRefused(
            f"{name} to {visible(repr(value), limit=60)}",
            f"a number is needed, not {type(value).__name__}",
            f"{NOTHING_SENT}; {stays}.",
        )
    result = _float(value)
    if not math.isfinite(result):
        raise LimitRefused(f"{name} to {result}", "a finite number is needed", f"{NOTHING_SENT}; {stays}.")
    return result


def check_move(
    capabilities: Capabilities,
    allowances: Mapping[str, Allowance],
    reported: Mapping[str, float],
    targets: Mapping[str, Any],
) -> dict[str, float]:
    """Position and step of all axes or none.

    Parameters
    ----------
    allowances
        By name, of what may be steered.
    reported
        Where the controller says the axes are [m, rad]; steps are counted from here.
    targets
        Absolute targets [m, rad].

    Returns
    -------
    dict
        The same targets as floats.

    Raises
    ------
    UnknownAxis, LimitRefused, InstrumentFault
    BadInput
        No axis is given.
    """
    if not targets:
        raise BadInput("a move without a target", "no axis is given", f"Axes: {_names(capabilities.axes)}")
    axes = [axis_of(capabilities, name) for name in targets]
    for axis in axes:
        if axis.name not in reported:
            raise InstrumentFault(f"the driver reports no position of {axis.name}", "", NOTHING_SENT + ".")
        if axis.name not in allowances:
            raise _unlimited(capabilities, axis.name, targets[axis.name], reported[axis.name], axis.unit)
    return {one.name: _target(allowances[one.name], reported[one.name], targets[one.name]) for one in axes}


def check_arrived(
    capabilities: Capabilities, wanted: Mapping[str, float], reported: Mapping[str, float]
) -> None:
    """MoveNotReached if the controller reads back farther than the declared tolerance from the target."""
    for name, target in wanted.items():
        axis = axis_of(capabilities, name)
        off = abs(reported[name] - target)
        if off > axis.tolerance * (1 + ROUNDING):
            raise MoveNotReached(
                f"{name} was sent to {shown(name, target, axis.unit)} and reads back"
                f" {shown(name, reported[name], axis.unit)}",
                f"off by {shown(name, off, axis.unit)}, tolerance {shown(name, axis.tolerance, axis.unit)}",
                "The move is not repeated. Look at the stage, then send a new target.",
            )


def check_optics(
    capabilities: Capabilities,
    allowances: Mapping[str, Allowance],
    now: Mapping[str, float],
    values: Mapping[str, Any],
) -> dict[str, float]:
    """Range and step of all controls or none [SI]; UnknownAxis for one that can't be set, else LimitRefused.

    Parameters
    ----------
    capabilities
        The driver's own.
    allowances
        By name, of what may be steered.
    """
    if not values:
        raise BadInput("an optics change without a value", "no control is given", _settable(capabilities))
    optics = [_optic(capabilities, name) for name in values]
    for optic in optics:
        if optic.name not in allowances:
            raise _unlimited(capabilities, optic.name, values[optic.name], now.get(optic.name), optic.unit)
    wanted = {one.name: _target(allowances[one.name], now.get(one.name), values[one.name]) for one in optics}
    for optic in optics:
        _check_choice(optic, wanted[optic.name])
    return wanted


def _check_choice(optic: OpticSpec, value: float) -> None:
    if not optic.offers(value):
        choices = ", ".join(shown(optic.name, one, optic.unit) for one in optic.choices)
        raise LimitRefused(
            f"{optic.name} to {shown(optic.name, value, optic.unit)}",
            "the instrument offers only some values",
            f"{NOTHING_SENT}. Works: {choices}.",
        )


def check_scan(capabilities: Capabilities, scan: ScanSpec) -> None:
    """Known detectors, a frame and a dwell the instrument declares, a field within its limits."""
    known = [detector.name for detector in capabilities.detectors]
    for name in scan.detectors:
        detector = capabilities.detector(name)
        if detector is None:
            raise UnknownDetector(
                f"no detector '{visible(name, limit=60)}'", f"known: {', '.join(known)}", NOTHING_SENT + "."
            )
        _check_exposable(capabilities, detector)
    if not scan.detectors or len(set(scan.detectors)) != len(scan.detectors):
        raise BadInput("a scan needs each detector once", f"known: {', '.join(known)}", NOTHING_SENT + ".")
    most = capabilities.max_pixels
    for edge, pixels in (("rows", scan.rows), ("columns", scan.columns)):
        if not 1 <= pixels <= most:
            raise _refused(f"scan of {pixels} {edge}", f"1 … {most} pixels along an edge", capabilities)
    if scan.pattern_px or any(one.patterns for one in capabilities.detectors if one.name in scan.detectors):
        _check_patterns(capabilities, scan)
    elif not capabilities.min_dwell_s * (1 - ROUNDING) <= scan.dwell_s < math.inf:
        least = capabilities.min_dwell_s * 1e6
        raise _refused(f"dwell of {scan.dwell_s * 1e6:.6g} µs", f"at least {least:.6g} µs", capabilities)
    _check_field(capabilities, scan.fov_m)


def _check_patterns(capabilities: Capabilities, scan: ScanSpec) -> None:
    """A camera, alone, with patterns, exposures and as many of them as it declares."""
    cameras = ", ".join(one.name for one in capabilities.detectors if one.patterns) or "none"
    spec = capabilities.camera(scan.detectors[0])
    if spec is None or len(scan.detectors) != 1 or not scan.pattern_px:
        what = f"{'patterns' if scan.pattern_px else 'an image'} with {', '.join(scan.detectors)}"
        raise Unsupported(
            visible(what, limit=120),
            f"cameras record patterns, one at a time, other detectors images; cameras: {cameras}",
            f"{NOTHING_SENT}; nothing was exposed.",
        )
    if not 32 <= scan.pattern_px <= spec.max_px:
        raise _refused(
            f"pattern of {scan.pattern_px} pixels", f"32 … {spec.max_px} along an edge", capabilities
        )
    if scan.rows * scan.columns > spec.max_patterns:
        raise _refused(f"{scan.rows} × {scan.columns} patterns", f"at most {spec.max_patterns}", capabilities)
    least, most = spec.min_exposure_s * (1 - ROUNDING), spec.max_exposure_s * (1 + ROUNDING)
    if not least <= scan.dwell_s <= most:
        bounds = f"{spec.min_exposure_s * 1e3:g} … {spec.max_exposure_s * 1e3:g} ms"
        raise _refused(f"exposure of {scan.dwell_s * 1e3:.6g} ms", bounds, capabilities)


def check_insert(capabilities: Capabilities, name: str) -> DetectorSpec:
    """The declaration of a detector that may be driven in and out; UnknownDetector or Unsupported."""
    spec = capabilities.detector(name)
    known = ", ".join(one.name for one in capabilities.detectors if one.retractable) or "none"
    if spec is None:
        raise UnknownDetector(
            f"no detector '{visible(str(name), limit=60)}'", f"retractable: {known}", NOTHING_SENT + "."
        )
    if not spec.retractable:
        raise Unsupported(f"{name} is not retractable", f"retractable: {known}", NOTHING_SENT + ".")
    _check_exposable(capabilities, spec)
    return spec


def _check_exposable(capabilities: Capabilities, spec: DetectorSpec) -> None:
    if not spec.exposable:
        free = ", ".join(one.name for one in capabilities.detectors if one.exposable) or "none"
        raise LimitRefused(
            f"detector {spec.name} can't be used",
            f"no limit is declared for it ({source_of(capabilities)})",
            f"{NOTHING_SENT}; nothing was exposed. Works: {free}; staff may add it to the limits.",
        )


def check_inserted(name: str, inside: bool, state: DriverState) -> None:
    """InstrumentFault unless the detector reads back where it was sent."""
    if state.inserted.get(name) is not inside:
        raise InstrumentFault(
            f"{name} was sent {'in' if inside else 'out'} and reads back {state.inserted.get(name)}",
            "",
            "Look at it. The move is not repeated.",
        )


def check_frames(scan: ScanSpec, pixels: Pixels) -> None:
    """InstrumentFault unless the driver returned one float32 array of the scan's shape per detector."""
    got = [(array.shape, str(array.dtype)) for array in pixels]
    wanted = [(scan.shape, "float32")] * len(scan.detectors)
    if got != wanted:
        raise InstrumentFault(
            f"the driver returned frames {got}",
            f"expected {len(wanted)} of {scan.shape[0]} × {scan.shape[1]} float32",
            "The frames are not kept. The specimen was exposed.",
        )


def check_wait(seconds: Any) -> float:
    """A finite time of 0 … 24 h [s]."""
    value = number("wait", seconds, "no time has passed")
    if not 0 <= value <= 86400:
        raise LimitRefused(f"wait of {value:.6g} s", "0 … 86400 s", f"{NOTHING_SENT}.")
    return value


def _float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond 1e308
        return math.inf


def _target(allowance: Allowance, here: float | None, value: Any) -> float:
    name, unit = allowance.name, allowance.unit
    stays = f"{name} is still {shown(name, here, unit)}" if here is not None else f"{name} is unchanged"
    target = number(name, value, stays)
    slack = ROUNDING * max(abs(allowance.lower), abs(allowance.upper))
    if not allowance.lower - slack <= target <= allowance.upper + slack:
        bounds = f"{shown(name, allowance.lower, unit)} … {shown(name, allowance.upper, unit)}"
        raise LimitRefused(
            f"{name} to {shown(name, target, unit)}",
            f"limit {bounds} ({allowance.source})",
            f"{NOTHING_SENT}; {stays}. Works: a target within {bounds}; an operator may change the limit.",
        )
    if here is None and allowance.limits_change:
        raise LimitRefused(
            f"{name} to {shown(name, target, unit)}: the instrument does not say where it is",
            f"its change is limited ({allowance.source})",
            f"{NOTHING_SENT}. Works: other controls; staff may set it by hand.",
        )
    step = 0.0 if here is None else abs(target - here)
    if step > allowance.max_step * (1 + ROUNDING):
        raise LimitRefused(
            f"{name} to {shown(name, target, unit)}, a step of {shown(name, step, unit)}",
            f"largest step {shown(name, allowance.max_step, unit)} ({allowance.source})",
            f"{NOTHING_SENT}; {stays}. Works: a target within one step of there; an operator may change the limit.",
        )
    return target


def _unlimited(
    capabilities: Capabilities, name: str, value: Any, here: float | None, unit: str
) -> LimitRefused:
    stays = f"; {name} is still {shown(name, here, unit)}" if here is not None else ""
    return LimitRefused(
        f"{name} to {visible(repr(value), limit=60)}: {name} can't be steered",
        f"no limit is declared for it ({source_of(capabilities)})",
        f"{NOTHING_SENT}{stays}. Staff must measure it and add it to the limits.",
    )


def _check_field(capabilities: Capabilities, fov_m: float) -> None:
    if not math.isfinite(fov_m) or fov_m <= 0:
        raise _refused(f"field of view of {shown('fov', fov_m)}", "more than 0 nm", capabilities)
    optic = capabilities.optic("fov")
    if optic is not None:
        number_in = optic.lower * (1 - ROUNDING) <= fov_m <= optic.upper * (1 + ROUNDING)
        if not number_in:
            bounds = f"{shown('fov', optic.lower)} … {shown('fov', optic.upper)}"
            raise _refused(f"field of view of {shown('fov', fov_m)}", bounds, capabilities)


def _refused(what: str, bound: str, capabilities: Capabilities) -> LimitRefused:
    remedy = f"{NOTHING_SENT}; nothing was exposed. Works: {bound}."
    return LimitRefused(what, f"limit {bound} ({source_of(capabilities)})", remedy)


def axis_of(capabilities: Capabilities, name: str) -> AxisSpec:
    """The declared axis of that name. UnknownAxis if there is none."""
    axis = capabilities.axis(name)
    if axis is None:
        raise UnknownAxis(
            f"no axis '{visible(str(name), limit=60)}'",
            f"known: {_names(capabilities.axes)}",
            NOTHING_SENT + ".",
        )
    return axis


def _optic(capabilities: Capabilities, name: str) -> OpticSpec:
    optic = capabilities.optic(name)
    if optic is None or not optic.settable:
        what = f"no control '{visible(str(name), limit=60)}' that may be set"
        raise UnknownAxis(what, _settable(capabilities), NOTHING_SENT + ".")
    return optic


def _settable(capabilities: Capabilities) -> str:
    return f"may be set: {_names(optic for optic in capabilities.optics if optic.settable)}"


def _names(specs: Iterable[AxisSpec | OpticSpec]) -> str:
    return ", ".join(spec.name for spec in specs) or "none"
