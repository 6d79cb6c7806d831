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
from eucentric.instruments.capabilities import AxisSpec, Capabilities, DetectorSpec, OpticSpec
from eucentric.instruments.driver import DriverState, Pixels, ScanSpec

NOTHING_SENT = "Nothing was sent to the instrument"
_SHOWN = {"um": "µm", "nm": "nm", "deg": "deg", "pa": "pA", "mrad": "mrad", "kv": "kV"}
_NAMED = {row.si: (field.rpartition("_")[2], row.factor) for field, row in (STAGE | OPTICS).items()}
_ROUNDING = 1e-9
"""Relative slack so that 50 µm, written as 50e-6, passes a limit of 50 µm."""


def shown(name: str, value: float, unit: str = "") -> str:
    """An SI value of an axis or control as a person reads it, such as ``'12.5 µm'``."""
    suffix, factor = _NAMED.get(name, (unit, 1.0))
    return f"{value / factor:.6g} {_SHOWN.get(suffix, suffix)}".rstrip()


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
    capabilities: Capabilities, reported: Mapping[str, float], targets: Mapping[str, Any]
) -> dict[str, float]:
    """All axes or none.

    Parameters
    ----------
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
    axes = {name: _axis(capabilities, name) for name in targets}
    for name in axes:
        if name not in reported:
            raise InstrumentFault(f"the driver reports no position of {name}", "", NOTHING_SENT + ".")
    return {name: _target(capabilities, axis, reported[name], targets[name]) for name, axis in axes.items()}


def check_arrived(
    capabilities: Capabilities, wanted: Mapping[str, float], reported: Mapping[str, float]
) -> None:
    """MoveNotReached if the controller reads back farther than the declared tolerance from the target."""
    for name, target in wanted.items():
        axis = _axis(capabilities, name)
        off = abs(reported[name] - target)
        if off > axis.tolerance * (1 + _ROUNDING):
            raise MoveNotReached(
                f"{name} was sent to {shown(name, target, axis.unit)} and reads back"
                f" {shown(name, reported[name], axis.unit)}",
                f"off by {shown(name, off, axis.unit)}, tolerance {shown(name, axis.tolerance, axis.unit)}",
                "The move is not repeated. Look at the stage, then send a new target.",
            )


def check_optics(
    capabilities: Capabilities, now: Mapping[str, float], values: Mapping[str, Any]
) -> dict[str, float]:
    """All controls or none [SI]; UnknownAxis for one not declared settable, else LimitRefused."""
    if not values:
        raise BadInput("an optics change without a value", "no control is given", _settable(capabilities))
    return {
        name: _setting(_optic(capabilities, name), now.get(name), value) for name, value in values.items()
    }


def check_scan(capabilities: Capabilities, scan: ScanSpec) -> None:
    """Known detectors, a frame and a dwell the instrument declares, a field within its limits."""
    known = [detector.name for detector in capabilities.detectors]
    for name in scan.detectors:
        if name not in known:
            raise UnknownDetector(
                f"no detector '{visible(name, limit=60)}'", f"known: {', '.join(known)}", NOTHING_SENT + "."
            )
    if not scan.detectors or len(set(scan.detectors)) != len(scan.detectors):
        raise BadInput("a scan needs each detector once", f"known: {', '.join(known)}", NOTHING_SENT + ".")
    most = capabilities.max_pixels
    for edge, pixels in (("rows", scan.rows), ("columns", scan.columns)):
        if not 1 <= pixels <= most:
            raise _refused(f"scan of {pixels} {edge}", f"1 … {most} pixels along an edge", capabilities)
    if not capabilities.min_dwell_s * (1 - _ROUNDING) <= scan.dwell_s < math.inf:
        least = capabilities.min_dwell_s * 1e6
        raise _refused(f"dwell of {scan.dwell_s * 1e6:.6g} µs", f"at least {least:.6g} µs", capabilities)
    _check_field(capabilities, scan.fov_m)


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
    return spec


def check_inserted(name: str, inside: bool, state: DriverState) -> None:
    """InstrumentFault unless the detector reads back where it was sent."""
    if state.inserted.get(name) is not inside:
        raise InstrumentFault(
            f"{name} was sent {'in' if inside else 'out'} and reads back {state.inserted.get(name)}",
            "",
            "Look at it. The move is not repeated.",
        )


def check_frames(scan: ScanSpec, pixels: Pixels) -> None:
    """InstrumentFault unless the driver returned one (rows, columns) float32 array per detector."""
    got = [(array.shape, str(array.dtype)) for array in pixels]
    wanted = [((scan.rows, scan.columns), "float32")] * len(scan.detectors)
    if got != wanted:
        raise InstrumentFault(
            f"the driver returned frames {got}",
            f"expected {len(wanted)} of {scan.rows} × {scan.columns} float32",
            "The frames are not kept. The specimen was exposed.",
        )


def check_wait(seconds: Any) -> float:
    """A finite time of 0 … 24 h [s]."""
    value = number("wait", seconds, "no time has passed")
    if not 0 <= value <= 86400:
        raise LimitRefused(f"wait of {value:.6g} s", "0 … 86400 s", f"{NOTHING_SENT}.")
    return value


def scan_seconds(capabilities: Capabilities, scan: ScanSpec) -> float:
    """Declared time of a scan [s]."""
    line = scan.columns * scan.dwell_s + capabilities.line_flyback_s
    return scan.rows * line + capabilities.frame_overhead_s


def move_seconds(capabilities: Capabilities, state: DriverState, targets: Mapping[str, float]) -> float:
    """Declared time of a move, one axis after the other [s]."""
    rows = ((_axis(capabilities, name), abs(to - state.reported[name])) for name, to in targets.items())
    return sum(axis.overhead_s + way / axis.speed for axis, way in rows)


def _float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond 1e308
        return math.inf


def _target(capabilities: Capabilities, axis: AxisSpec, reported: float, value: Any) -> float:
    name, unit = axis.name, axis.unit
    stays = f"{name} is still {shown(name, reported, unit)}"
    target = number(name, value, stays)
    slack = _ROUNDING * max(abs(axis.lower), abs(axis.upper))
    if not axis.lower - slack <= target <= axis.upper + slack:
        bounds = f"{shown(name, axis.lower, unit)} … {shown(name, axis.upper, unit)}"
        raise LimitRefused(
            f"{name} to {shown(name, target, unit)}",
            f"limit {bounds} ({_source(capabilities)})",
            f"{NOTHING_SENT}; {stays}. Works: a target within {bounds}; an operator may change the limit.",
        )
    step = abs(target - reported)
    if step > axis.max_step * (1 + _ROUNDING):
        raise LimitRefused(
            f"{name} to {shown(name, target, unit)}, a step of {shown(name, step, unit)}",
            f"largest step {shown(name, axis.max_step, unit)} ({_source(capabilities)})",
            f"{NOTHING_SENT}; {stays}. Works: a target within one step of there; an operator may change the limit.",
        )
    return target


def _setting(optic: OpticSpec, now: float | None, value: Any) -> float:
    name = optic.name
    stays = f"{name} is still {shown(name, now, optic.unit)}" if now is not None else f"{name} is unchanged"
    target = number(name, value, stays)
    slack = _ROUNDING * max(abs(optic.lower), abs(optic.upper))
    if not optic.lower - slack <= target <= optic.upper + slack:
        bounds = f"{shown(name, optic.lower, optic.unit)} … {shown(name, optic.upper, optic.unit)}"
        raise LimitRefused(
            f"{name} to {shown(name, target, optic.unit)}",
            f"limit {bounds}",
            f"{NOTHING_SENT}; {stays}. Works: a value within {bounds}.",
        )
    return target


def _check_field(capabilities: Capabilities, fov_m: float) -> None:
    if not math.isfinite(fov_m) or fov_m <= 0:
        raise _refused(f"field of view of {shown('fov', fov_m)}", "more than 0 nm", capabilities)
    optic = capabilities.optic("fov")
    if optic is not None:
        number_in = optic.lower * (1 - _ROUNDING) <= fov_m <= optic.upper * (1 + _ROUNDING)
        if not number_in:
            bounds = f"{shown('fov', optic.lower)} … {shown('fov', optic.upper)}"
            raise _refused(f"field of view of {shown('fov', fov_m)}", bounds, capabilities)


def _refused(what: str, bound: str, capabilities: Capabilities) -> LimitRefused:
    remedy = f"{NOTHING_SENT}; nothing was exposed. Works: {bound}."
    return LimitRefused(what, f"limit {bound} ({_source(capabilities)})", remedy)


def _axis(capabilities: Capabilities, name: str) -> AxisSpec:
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


def _source(capabilities: Capabilities) -> str:
    source = visible(capabilities.measured_by)
    who = f", {source if source.startswith('declared') else f'measured by {source}'}" if source else ""
    return f"limits {visible(capabilities.limits_version)}{who}"
