"""The optics controls: ranges, settings, what may be set, and what the column truly does."""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import LimitRefused, Unsupported
from eucentric.instruments.capabilities import OpticSpec
from eucentric.instruments.twin.health import Health
from eucentric.instruments.twin.optics.aberrations import Aberrations
from eucentric.instruments.twin.optics.alignment import Alignment
from eucentric.instruments.twin.optics.spec import OpticsSpec

_KNOB_RANGE = {"a1": 200e-9, "b2": 5e-6, "a2": 5e-6}
"""How far each stigmator reaches [m]."""


def _knobs(optics: OpticsSpec) -> tuple[OpticSpec, ...]:
    return tuple(
        OpticSpec(name=f"{knob}_{axis}", unit="m", lower=-reach, upper=reach, settle_s=0.02)
        for knob, reach in _KNOB_RANGE.items()
        if knob in optics.knobs
        for axis in "xy"
    )


def _chosen(
    name: str, unit: str, choices: tuple[float, ...], scale: float, bounds: tuple[float, float]
) -> OpticSpec:
    values = tuple(sorted(value * scale for value in choices))
    lower, upper = (values[0], values[-1]) if values else bounds
    settable = bool(values) or bounds[0] < bounds[1]
    return OpticSpec(
        name=name,
        unit=unit,
        lower=lower,
        upper=upper,
        choices=values,
        settable=settable,
        settle_s=1.0 if settable else 0.0,
    )


def optic_specs(optics: OpticsSpec) -> tuple[OpticSpec, ...]:
    """Controls with their ranges [SI]."""
    volts, radians = optics.voltage_kv * 1e3, optics.convergence_mrad * 1e-3
    shortest, longest = (length * 1e-3 for length in optics.camera_lengths_mm)
    return (
        OpticSpec(name="defocus", unit="m", lower=-5e-6, upper=5e-6, settle_s=0.02),
        OpticSpec(name="beam_shift_x", unit="m", lower=-2e-6, upper=2e-6, settle_s=0.01),
        OpticSpec(name="beam_shift_y", unit="m", lower=-2e-6, upper=2e-6, settle_s=0.01),
        _chosen("probe_current", "A", optics.currents_pa, 1e-12, (1e-12, 1e-9)),
        OpticSpec(name="fov", unit="m", lower=0.5e-9, upper=50e-6),
        OpticSpec(name="camera_length", unit="m", lower=shortest, upper=longest, settle_s=1.0),
        _chosen("convergence", "rad", optics.convergences_mrad, 1e-3, (radians, radians)),
        OpticSpec(name="voltage", unit="V", lower=volts, upper=volts, settable=False),
        *_knobs(optics),
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
    } | {spec.name: 0.0 for spec in _knobs(optics)}


@lru_cache(maxsize=32)
def _as_set(optics: OpticsSpec, convergence_mrad: float, current_pa: float) -> OpticsSpec:
    """The same column with another aperture and current."""
    change: dict[str, float] = {"convergence_mrad": convergence_mrad}
    if optics.source_follows_current:
        brightness = (
            math.sqrt(current_pa / optics.probe_current_pa) * optics.convergence_mrad / convergence_mrad
        )
        change["source_fwhm_angstrom"] = optics.source_fwhm_angstrom * brightness
    return optics.model_copy(update=change)


class Column:
    """The settings, and what they give: the current follows the emission, focus and stigmators are never quite right.

    Parameters
    ----------
    seed
        Draws what nobody has measured: residual aberrations, their wander, what other currents and apertures detune.
    """

    def __init__(self, optics: OpticsSpec, health: Health, seed: int = 0) -> None:
        self._spec, self._health = optics, health
        self.settings = initial_settings(optics)
        """As set; the probe current as it would be at the nominal emission."""
        self._alignment = Alignment(optics, seed)
        self.focus_error = 0.0
        """By which the focus has jumped without anybody having set it [m]."""
        self.astigmatism_error = 0j
        """The same of A1 [m]."""

    def set(self, values: Mapping[str, float], time_s: float) -> None:
        """Set controls; a current that can be set at will is set until it reads what was asked for."""
        wanted = {name: float(value) for name, value in values.items()}
        if "probe_current" in wanted and not self._spec.currents_pa:
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
    def optics(self) -> OpticsSpec:
        """The column as it is set: aperture and source image."""
        current = self.settings["probe_current"] * 1e12
        return _as_set(self._spec, self.settings["convergence"] * 1e3, float(f"{current:.6g}"))

    def aberrations(self, time_s: float) -> Aberrations:
        """True C1, A1, B2, A2 at a moment; C1 over the eucentric plane. C3 and C5 are in `optics` [m]."""
        jumped = Aberrations(c1=self.focus_error, a1=self.astigmatism_error)
        return self._set_by_hand() + jumped + self._alignment.errors(self.settings, time_s)

    def _set_by_hand(self) -> Aberrations:
        def knob(name: str) -> complex:
            return complex(self.settings.get(f"{name}_x", 0.0), self.settings.get(f"{name}_y", 0.0))

        return Aberrations(c1=self.settings["defocus"], a1=knob("a1"), b2=knob("b2"), a2=knob("a2"))

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
        A value outside the range, or none of those that can be chosen.
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
        if not spec.offers(value):
            raise LimitRefused(
                f"{name} {value:g} {spec.unit}",
                "only some values can be chosen; nothing was changed",
                f"choices [{spec.unit}]: {', '.join(f'{one:g}' for one in spec.choices)}",
            )
    return max((known[name].settle_s for name in values), default=0.0)
