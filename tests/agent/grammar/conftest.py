# ruff: noqa: E501 (tables of settings)
"""Two situations written by hand: the fixture of the request set (300 kV, 50 pA) and a MXene day (60 kV, 30 pA)."""

import math

import pytest

from eucentric.agent.planner import Situation
from eucentric.core.instrument import MicroscopeState, Reading
from eucentric.core.request import SpecimenCard
from eucentric.instruments.capabilities import AxisSpec, Capabilities, DetectorSpec, OpticSpec

_DEG = math.pi / 180


def _axes():
    micron = [
        AxisSpec(
            name=name,
            unit="m",
            lower=-most * 1e-6,
            upper=most * 1e-6,
            tolerance=1e-7,
            max_step=2 * most * 1e-6,
            speed=1e-5,
        )
        for name, most in (("x", 1000), ("y", 1000), ("z", 300))
    ]
    tilts = [
        AxisSpec(
            name=name,
            unit="rad",
            lower=-most * _DEG,
            upper=most * _DEG,
            tolerance=1e-3,
            max_step=2 * most * _DEG,
            speed=0.02,
        )
        for name, most in (("alpha", 35), ("beta", 30))
    ]
    return tuple(micron + tilts)


def _capabilities():
    optics = (
        ("defocus", "m", -2e-6, 2e-6), ("beam_shift_x", "m", -2e-6, 2e-6), ("beam_shift_y", "m", -2e-6, 2e-6),
        ("probe_current", "A", 1e-12, 1e-9), ("fov", "m", 1e-9, 5e-5),
    )  # fmt: skip
    return Capabilities(
        vendor="T", model="M", serial="1", simulated=True, axes=_axes(),
        optics=tuple(OpticSpec(name=name, unit=unit, lower=low, upper=high) for name, unit, low, high in optics),
        detectors=(DetectorSpec(name="haadf", collection_mrad=(60, 140)), DetectorSpec(name="bf", collection_mrad=(0, 20))),
        min_dwell_s=1e-7, max_pixels=4096, line_flyback_s=0.0, frame_overhead_s=0.0, abort="mid_frame", limits_version="v3",
    )  # fmt: skip


def build(voltage_kv, current_pa, convergence_mrad, material, budget, **stage):
    """A situation with all stage axes at 0 unless told otherwise."""
    names = ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg")
    state = MicroscopeState(
        instrument="SIMULATED T M 1", simulated=True, blanked=True,
        stage={name: Reading(commanded=stage.get(name, 0.0), reported=stage.get(name, 0.0)) for name in names},
        optics={"defocus_nm": 0.0, "beam_shift_x_nm": 0.0, "beam_shift_y_nm": 0.0, "probe_current_pa": current_pa, "fov_nm": 20.0,
                "convergence_mrad": convergence_mrad, "voltage_kv": voltage_kv},
    )  # fmt: skip
    card = SpecimenCard(name="s", material=material, dose_budget_e_per_a2=budget) if material else None
    return Situation(
        specimen=card,
        capabilities=_capabilities(),
        state=state,
        positions={"hole 1": (12.0, -4.0), "A": (5.0, 5.0)},
    )


@pytest.fixture(scope="session")
def situations():
    """By letter: s (SrTiO3, 300 kV), m (Ti3C2, 60 kV), n (no specimen card), t (tilted and displaced)."""
    return {
        "s": build(300.0, 50.0, 20.0, "SrTiO3", 1e5),
        "m": build(60.0, 30.0, 30.0, "Ti3C2", 1e5),
        "n": build(60.0, 30.0, 30.0, None, 1e5),
        "t": build(300.0, 50.0, 20.0, "SrTiO3", 1e5, alpha_deg=4.0, x_um=100.0),
    }
