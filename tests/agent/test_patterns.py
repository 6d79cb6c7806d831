"""Diffraction patterns through the door: charged, kept, read, refused where there is no camera."""

import pytest
from workbench import Bench, Spy, step

from eucentric.core.request import SpecimenCard
from eucentric.instruments.twin.driver import TwinDriver
from eucentric.instruments.twin.world import load_world


@pytest.fixture
def crystal(own_places, tmp_path):
    bench = Bench(tmp_path)
    bench.spy = Spy(TwinDriver(load_world("polycrystal"), 7, stage="ideal"))
    bench.new_guard()
    bench.card = SpecimenCard(
        name="foil", material="SrTiO3", holder="double-tilt A", loading="twin-1", dose_budget_e_per_a2=1e8
    )
    return bench


def frames(bench):
    return [frame for row in bench.rows("returned") for frame in row.body.get("frames", ())]


def test_a_pattern_is_charged_under_the_probe_kept_and_read(crystal):
    outcome = crystal.carry(step("p", "acquire_pattern", exposure_ms=100), step("i", "index_diffraction"))
    assert outcome.outcome == "done", outcome.error
    (frame,) = frames(crystal)
    assert (frame["purpose"], frame["detector"], frame["shape"]) == ("diffraction", "camera", [256, 256])
    assert frame["pixel_mrad"] == pytest.approx(77 / 256)
    assert frame["camera_length_mm"] == pytest.approx(98)
    assert frame["pixel_pm"] is None
    assert frame["alpha_deg"] == pytest.approx(0, abs=1e-3)
    row = next(row for row in crystal.rows("intended") if row.body["act"] == "acquire")
    assert row.body["args"]["pattern_px"] == 256
    electrons = 30e-12 * 0.1 / 1.602176634e-19
    assert electrons <= row.body["charge"]["electrons"] <= 1.05 * electrons
    assert row.body["charge"]["dose_e_per_a2"] == pytest.approx(electrons / 650, rel=0.5)  # a probe of 2.5 nm
    assert crystal.guard.is_blanked()
    assert crystal.store.get_array(frame["sha256"]).sum() > 1e5


def test_a_small_raster_is_one_frame_and_its_dose_is_that_of_the_raster(crystal):
    outcome = crystal.carry(step("p", "acquire_pattern", exposure_ms=2, size_px=64, grid_px=4, fov_nm=400))
    assert outcome.outcome == "done", outcome.error
    (frame,) = frames(crystal)
    assert (frame["shape"], frame["grid"]) == ([256, 256], [4, 4])
    one = crystal.rows("intended")[-1].body["charge"]
    assert one["width_um"] == pytest.approx(0.4)
    assert one["electrons"] == pytest.approx(16 * 30e-12 * 2e-3 / 1.602176634e-19, rel=0.1)


def test_the_budget_holds_for_patterns(crystal):
    crystal.card = crystal.card.model_copy(update={"dose_budget_e_per_a2": 1e4})
    outcome = crystal.carry(step("p", "acquire_pattern", exposure_ms=5000))
    assert outcome.outcome == "refused"
    assert "acquire" not in crystal.spy.names()


def test_without_a_camera_nothing_is_exposed(crystal, tmp_path):
    mxene = Bench(tmp_path / "other")
    outcome = mxene.carry(step("p", "acquire_pattern", exposure_ms=1))
    assert outcome.outcome != "done"
    assert "camera" in str(outcome.error)
    assert "acquire" not in mxene.spy.names()


def test_an_image_with_the_camera_is_refused(crystal):
    outcome = crystal.carry(step("p", "acquire_image", detectors=["camera"]))
    assert outcome.outcome != "done"
    assert "acquire" not in crystal.spy.names()
