"""The optics controls: ranges, settings, what may be set, and what the column truly does."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import LimitRefused, Unsupported
from eucentric.instruments.capabilities import OpticSpec
from eucentric.instruments.twin.health import Health
from eucentric.instruments.twin.world import OpticsSpec


def optic_specs(optics: OpticsSpec) -> tuple[OpticSpec, ...]:
    """Controls with their ranges [SI]."""
    volts, radians = optics.voltage_kv * 1e3, optics.convergence_mrad * 1e-3
    shortest, longest = (length * 1e-3 for length in optics.camera_lengths_mm)
    return (
        OpticSpec(name="defocus", unit="m", lower=-5e-6, upper=5e-6, settle_s=0.02),
        OpticSpec(name="beam_shift_x", unit="m", lower=-2e-6, upper=2e-6, settle_s=0.01),
        OpticSpec(name="beam_shift_y", unit="m", lower=-2e-6, upper=2e-6, settle_s=0.01),
        OpticSpec(name="probe_current", unit="A", lower=1e-12, upper=1e-9, settle_s=1.0),
        OpticSpec(name="fov", unit="m", lower=0.5e-9, upper=50e-6),
        OpticSpec(name="camera_length", unit="m", lower=shortest, upper=longest, settle_s=1.0),
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
        "camera_length": optics.camera_length_mm * 1e-3,
    }


class Column:
    """The settings, and what they give: the current follows the emission, the focus may have jumped."""

    def __init__(self, optics: OpticsSpec, health: Health) -> None:
        self._health = health
        self.settings = initial_settings(optics)
        """As set; the probe current as it would be at the nominal emission."""
        self.focus_error = 0.0
        """By which the focus is off without anybody having set it [m]."""

    def set(self, values: Mapping[str, float], time_s: float) -> None:
        """Set controls; a current is set until it reads what was asked for."""
        wanted = {name: float(value) for name, value in values.items()}
        if "probe_current" in wanted:
            wanted["probe_current"] /= float(self._health.share(np.array([time_s]))[0])
        self.settings.update(wanted)

    def shown(self, time_s: float) -> dict[str, float]:
        """The read-back at a moment; the current is measured where the beam would be."""
        return {**self.settings, "probe_current": float(self.currents(np.array([time_s]))[0])}

    def currents(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probe current at each time, 0 where no beam passes the column [A]."""
        share = self._health.share(times_s) * self._health.passes(times_s)
        return np.asarray(self.settings["probe_current"] * share)

    def charge(self, start_s: float, end_s: float) -> float:
        """What the probe carries in that time [C]."""
        return self.settings["probe_current"] * self._health.seconds(start_s, end_s)

    @property
    def defocus(self) -> float:
        """True defocus [m]."""
        return self.settings["defocus"] + self.focus_error

    @property
    def beam_shift(self) -> tuple[float, float]:
        """(x, y) [m]."""
        return self.settings["beam_shift_x"], self.settings["beam_shift_y"]


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
