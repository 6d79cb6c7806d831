"""How long a command takes, by the instrument's own declaration."""

from collections.abc import Mapping

from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.checks import axis_of
from eucentric.instruments.driver import DriverState, ScanSpec


def scan_seconds(capabilities: Capabilities, scan: ScanSpec) -> float:
    """Declared time of a scan [s]."""
    line = scan.columns * scan.dwell_s + capabilities.line_flyback_s
    return scan.rows * line + capabilities.frame_overhead_s


def lit_seconds(capabilities: Capabilities, scan: ScanSpec) -> float:
    """Longest time that the beam is on for a scan, parked on its first and last pixel included [s]."""
    return scan_seconds(capabilities, scan) + 2 * capabilities.parked_s


def optics_seconds(capabilities: Capabilities, values: Mapping[str, float]) -> float:
    """Declared settling time of controls, one after the other [s]."""
    return sum(row.settle_s for row in capabilities.optics if row.name in values)


def move_seconds(capabilities: Capabilities, state: DriverState, targets: Mapping[str, float]) -> float:
    """Declared time of a move, one axis after the other [s]."""
    rows = ((axis_of(capabilities, name), abs(to - state.reported[name])) for name, to in targets.items())
    return sum(axis.overhead_s + way / axis.speed for axis, way in rows)
