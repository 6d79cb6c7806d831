"""Dose arithmetic and the budgets of materials."""

import math

import numpy as np
import pytest

from eucentric.core.request import SpecimenCard
from eucentric.knowledge.damage import UNKNOWN_E_PER_A2, damage_default, with_budget
from eucentric.knowledge.dose import CURRENT_ERROR, Unsteady, electrons, scan_dose
from eucentric.knowledge.electron_optics import probe_area_a2

USUAL = {"current_pa": 30, "dwell_us": 2, "columns": 64, "voltage_kv": 60, "convergence_mrad": 30}
PROBE_A2 = probe_area_a2(60, 30)


def densest(pixel_a, sigma_a, pitch_a=None):
    """Peak of a raster of Gaussian probes by brute force, in electrons per pixel [1/Å²]."""
    n = np.arange(-80, 81)
    across, down = (np.exp(-((n * p) ** 2) / (2 * sigma_a**2)).sum() for p in (pixel_a, pitch_a or pixel_a))
    return across * down / (2 * math.pi * sigma_a**2)


@pytest.mark.parametrize("pixel_nm", [0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.4, 40.0])
def test_the_bound_is_the_peak_of_a_raster_of_probes(pixel_nm):
    dose = scan_dose(**{**USUAL, "columns": 512}, pixel_nm=pixel_nm)
    peak = electrons(30, 2e-6) * densest(10 * pixel_nm, math.sqrt(PROBE_A2 / (2 * math.pi)))
    assert dose.bound_e_per_a2 == pytest.approx(peak * (1 + CURRENT_ERROR), rel=2e-4)
    assert dose.bound_e_per_a2 >= dose.mean_e_per_a2


def test_lines_are_pressed_together_by_a_stage_that_moves_with_them():
    line_s = 64 * 2e-6
    speed = 0.05 / line_s  # from line to line
    still = scan_dose(**USUAL, pixel_nm=0.05)
    half = scan_dose(**USUAL, pixel_nm=0.05, unsteady=Unsteady(drift_nm_per_s=speed / 2))
    along = scan_dose(**USUAL, pixel_nm=0.05, unsteady=Unsteady(drift_nm_per_s=2 * speed))
    assert half.bound_e_per_a2 == pytest.approx(2 * still.bound_e_per_a2)
    assert along.bound_e_per_a2 == pytest.approx(
        still.bound_e_per_a2 * 64 * 0.5 / math.sqrt(PROBE_A2)
    )  # all on one line
    assert half.estimate_e_per_a2 == still.estimate_e_per_a2


def test_flyback_and_parked_time_are_charged():
    plain = scan_dose(**USUAL, pixel_nm=0.05)
    back = scan_dose(**USUAL, pixel_nm=0.05, flyback_us=12.8)
    parked = scan_dose(**USUAL, pixel_nm=0.05, unsteady=Unsteady(parked_us=50))
    assert back.estimate_e_per_a2 == pytest.approx(1.1 * plain.estimate_e_per_a2)
    assert back.bound_e_per_a2 == pytest.approx(1.1 * plain.bound_e_per_a2)
    assert back.mean_e_per_a2 == plain.mean_e_per_a2
    extra = electrons(30, 50e-6)
    assert parked.electrons - plain.electrons == pytest.approx(2 * extra * 1.03)
    assert parked.bound_e_per_a2 - plain.bound_e_per_a2 == pytest.approx(extra / PROBE_A2 * 1.03)


def test_frames_that_are_not_square():
    dose = scan_dose(**USUAL, pixel_nm=0.05, rows=16, flyback_us=5)
    assert dose.electrons == pytest.approx(1.03 * 16 * electrons(30, (64 * 2 + 5) * 1e-6))
    assert dose.estimate_e_per_a2 == pytest.approx(dose.electrons / 1.03 / (16 * 64 * 0.25))


@pytest.mark.parametrize(
    ("material", "form", "budget"),
    [
        ("Ti3C2", ("ordinary",), 1e5), ("Ti3C2Tx", ("ordinary",), 1e5), ("Ti3C2O2", ("powder",), 1e5),
        ("Ti3C2(OH)2", ("ordinary",), 1e5), ("Ti3C2Tx", ("volatile",), UNKNOWN_E_PER_A2), ("MoS2", ("ordinary",), 1e4),
        ("SrTiO3", ("ordinary",), 1e5), ("MOF-5", ("ordinary",), UNKNOWN_E_PER_A2),
        ("Ti3C2Au9", ("ordinary",), UNKNOWN_E_PER_A2), ("Ti", ("ordinary",), UNKNOWN_E_PER_A2),
    ],
)  # fmt: skip
def test_default_budgets_come_with_a_source(material, form, budget):
    found = damage_default(material, form)
    assert found.budget_e_per_a2 == budget
    assert len(found.source) > 40


def test_a_stated_budget_is_kept():
    stated = SpecimenCard(name="x", material="Ti3C2", dose_budget_e_per_a2=1e5)
    assert with_budget(stated) is stated
    filled = with_budget(SpecimenCard(name="x", material="MoS2"))
    assert filled.dose_budget_e_per_a2 == 1e4
    assert "default for MoS2" in filled.dose_budget_source
    assert with_budget(SpecimenCard.model_validate(filled.model_dump())) == filled  # read back from a row
