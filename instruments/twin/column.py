"""The optics controls: ranges, settings and what may be set."""

from collections.abc import Mapping

from eucentric.core.errors import LimitRefused, Unsupported
from eucentric.instruments.capabilities import OpticSpec
from eucentric.instruments.twin.world import OpticsSpec


def optic_specs(optics: OpticsSpec) -> tuple[OpticSpec, ...]:
    """Controls with their ranges [SI]."""
    volts, radians = optics.voltage_kv * 1e3, optics.convergence_mrad * 1e-3
    return (
        OpticSpec(name="defocus", unit="m", lower=-5e-6, upper=5e-6, settle_s=0.02),
        OpticSpec(name="beam_shift_x", unit="m", lower=-2e-6, upper=2e-6, settle_s=0.01),
        OpticSpec(name="beam_shift_y", unit="m", lower=-2e-6, upper=2e-6, settle_s=0.01),
        OpticSpec(name="probe_current", unit="A", lower=1e-12, upper=1e-9, settle_s=1.0),
        OpticSpec(name="fov", unit="m", lower=0.5e-9, upper=50e-6),
        OpticSpec(name="convergence", unit="rad", lower=radians, upper=radians, settable=False),
        OpticSpec(name="voltage", unit="V", lower=volts, upper=volts, settable=False),
    )


def initial_settings(optics: OpticsSpec) -> dict[str, float]:
    """What the column shows when it is handed over."""
    return {
        "defocus": 0.0,
        "beam_shift_x": 0.0,
        "beam_shift_y": 0.0,
        "probe_current": optics.probe_current_pa * 1e-12,
        "fov": 20e-6,
        "convergence": optics.convergence_mrad * 1e-3,
        "voltage": optics.voltage_kv * 1e3,
    }


def check_settings(specs: tuple[OpticSpec, ...], values: Mapping[str, float]) -> float:
    """Longest settling time of the wanted values [s].

    Raises
    ------
    Unsupported
        A control that is unknown or can't be set.
    LimitRefused
        A value outside the range.
    """
    known = {spec.name: spec for spec in specs}
    for name, value in values.items():
        spec = known.get(name)
        if spec is None or not spec.settable:
            settable = ", ".join(spec.name for spec in specs if spec.settable)
            raise Unsupported(
                f"control {name!r} can't be set", "nothing was changed", f"settable: {settable}"
            )
        if not spec.lower <= value <= spec.upper:
            raise LimitRefused(
                f"{name} {value:g} {spec.unit}",
                f"range {spec.lower:g} to {spec.upper:g} {spec.unit}; nothing was changed",
            )
    return max((known[name].settle_s for name in values), default=0.0)
