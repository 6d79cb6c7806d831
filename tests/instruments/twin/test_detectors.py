"""Detectors in and out of the beam, and what they collect at another camera length."""

import threading

import numpy as np
import pytest

from eucentric.core.errors import BadInput, LimitRefused, UnknownDetector, Unsupported
from eucentric.instruments.driver import Retracts, ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.detector import beyond_disc, collection_at, disc_share
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.specimen import REFERENCE_MRAD, Specimen
from eucentric.instruments.twin.specimen_spec import HeightSpec
from eucentric.instruments.twin.world import DetectorModel, OpticsSpec
from eucentric.knowledge.scattering import haadf_cross_section_a2, screened_ratio

NEVER = threading.Event()
WORLD = load_world("mxene").model_copy(update={"height": HeightSpec()})
SCAN = ScanSpec(detectors=("haadf", "bf"), rows=64, columns=64, fov_m=4e-6, dwell_s=1e-4)


def twin(stage: str = "ideal", **query: object) -> TwinDriver:
    driver = TwinDriver(WORLD, 7, stage=stage, **query)
    driver.set_blank(False)
    return driver


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_what_is_retractable_is_declared():
    caps = twin().capabilities()
    assert {d.name: (d.retractable, d.insert_s) for d in caps.detectors} == {
        "haadf": (False, 0.0),
        "bf": (True, 4.0),
    }
    assert isinstance(twin(), Retracts)
    assert twin().read().inserted == {"bf": True}


def test_a_detector_that_is_out_records_only_noise():
    driver = twin()
    driver.insert("bf", False, NEVER)
    state = driver.read()
    assert state.inserted == {"bf": False}
    assert state.time_s == pytest.approx(4.0)
    haadf, bf = driver.acquire(SCAN, NEVER)[1]
    assert haadf.mean() > 10
    assert 0.25 < bf.std() < 0.35
    assert abs(bf.mean()) < 0.05
    driver.insert("bf", True, NEVER)
    assert driver.read().inserted == {"bf": True}
    assert driver.acquire(SCAN, NEVER)[1][1].mean() > 100


def test_driving_it_where_it_is_takes_no_time():
    driver = twin()
    driver.insert("bf", True, NEVER)
    assert driver.read().time_s == 0.0
    assert driver.read().commands == 2  # unblanking, and this


@pytest.mark.parametrize(("name", "error"), [("edx", UnknownDetector), ("haadf", Unsupported)])
def test_what_can_not_be_driven_is_refused(name, error):
    driver = twin()
    before = driver.read()
    with pytest.raises(error, match="nothing moved"):
        driver.insert(name, False, NEVER)
    assert driver.read() == before


def test_stopped_on_its_way_it_is_out_of_the_beam():
    driver = TwinDriver(WORLD, 7, stage="ideal", clock="real")
    timer = threading.Timer(0.2, driver.stop)
    driver._detectors.arrive("bf", False)
    timer.start()
    driver.insert("bf", True, NEVER)
    timer.join()
    assert driver.read().inserted == {"bf": False}
    assert driver.read().time_s < 2.0
    driver.close()


def test_a_command_stopped_before_it_began_leaves_it_where_it_was():
    driver = twin()
    driver.insert("bf", False, stopped())
    assert driver.read().inserted == {"bf": True}


def test_driving_a_detector_shakes_the_stage_for_a_while():
    driver, quiet = twin("good"), twin("good")
    driver.insert("bf", False, NEVER)
    quiet.wait(4.0, NEVER)
    for one in (driver, quiet):
        one.wait(600.0, NEVER)
    a, b = Oracle(driver).actual(), Oracle(quiet).actual()
    assert np.hypot(a["x"] - b["x"], a["y"] - b["y"]) == pytest.approx(5e-9, rel=1e-3)


def test_the_guard_drives_it():
    guard = Guard(TwinDriver(WORLD, 7, stage="ideal"))
    guard.lease("t")
    assert guard.insert("bf", False).inserted == {"bf": False}
    assert guard.insert("bf", True).inserted == {"bf": True}
    with pytest.raises(Unsupported):
        guard.insert("haadf", False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("inserted = true ", "inserted = true\nspeed = 1 "), "speed"),
        (("retractable = true", "retractable = false\ninserted = false\n#"), "retractable"),
        (("collection_mrad = [0, 15]", "collection_mrad = [15, 15]"), "inner"),
    ],
)
def test_a_detector_that_makes_no_sense_is_no_world(tmp_path, change, says):
    from importlib import resources

    text = (resources.files("eucentric.instruments.twin") / "worlds" / "mxene.toml").read_text("utf-8")
    assert change[0] in text
    text = text.replace(change[0], change[1], 1)
    if "inserted = false" in text:
        text = text.replace("inserted = true", "# ", 1)
    (tmp_path / "w.toml").write_text(text)
    with pytest.raises(BadInput, match=says):
        load_world(str(tmp_path / "w.toml"))


# --- camera length ----------------------------------------------------------------------------------------


def test_collection_angles_scale_with_the_inverse_camera_length():
    haadf = DetectorModel(kind="annular", collection_mrad=(60, 140))
    assert collection_at(haadf, OpticsSpec(), 0.098) == (60, 140)
    assert collection_at(haadf, OpticsSpec(), 0.196) == pytest.approx((30, 70))
    assert collection_at(haadf, OpticsSpec(), 0.049) == pytest.approx((120, 280))


@pytest.mark.parametrize(
    ("annulus", "disc", "outside"),
    [
        ((0, 15), 0.25, None), ((0, 30), 1.0, None), ((10, 20), 1 / 3, None), ((60, 140), 0.0, (60, 140)),
        ((20, 50), 5 / 9, (30, 50)), ((30, 31), 0.0, (30, 31)),
    ],
)  # fmt: skip
def test_the_bright_disc_and_what_lies_beyond_it(annulus, disc, outside):
    assert disc_share(annulus, 30.0) == pytest.approx(disc)
    assert beyond_disc(annulus, 30.0) == outside


def test_heavy_elements_gain_with_the_angle():
    """Screened Rutherford: Z² at high angles, less at low ones; unity at the reference."""
    for element in ("C", "Ti", "Mo"):
        assert screened_ratio(element, 60.0, *REFERENCE_MRAD) == pytest.approx(1.0)
        assert screened_ratio(element, 60.0, 30, 70) + screened_ratio(
            element, 60.0, 70, 140
        ) == pytest.approx(screened_ratio(element, 60.0, 30, 140))
    titanium = [screened_ratio("Ti", 60.0, *range_) for range_ in ((30, 70), (60, 140), (120, 280))]
    carbon = [screened_ratio("C", 60.0, *range_) for range_ in ((30, 70), (60, 140), (120, 280))]
    contrast = [ti / c for ti, c in zip(titanium, carbon, strict=True)]
    assert titanium[0] > titanium[1] > titanium[2]
    assert contrast[0] < contrast[1] < contrast[2]
    with pytest.raises(BadInput):
        screened_ratio("Ti", 60.0, 70, 70)
    with pytest.raises(BadInput):
        screened_ratio("Xx", 60.0, 60, 140)


def brightness(specimen: Specimen) -> tuple[float, float, float]:
    return specimen.flakes.layer_fraction, specimen.film.fraction, specimen.dirt.mean


def test_another_annulus_leaves_the_specimen_itself_alone():
    specimen = Specimen(WORLD, 7)
    before = brightness(specimen)
    other = specimen.towards((30.0, 70.0))
    assert specimen.towards(REFERENCE_MRAD) is specimen
    assert specimen.towards((30.0, 70.0)) is other
    assert other.flakes.bed is specimen.flakes.bed
    assert before == brightness(specimen)
    layers, *carbon = (a / b for a, b in zip(brightness(other), before, strict=True))
    for ratio in carbon:
        assert ratio == pytest.approx(screened_ratio("C", 60.0, 30, 70))
    assert 1 < layers < screened_ratio("C", 60.0, 30, 70)


def at_length(length_mm: float) -> tuple[np.ndarray, ...]:
    driver = twin()
    driver.set_optics({"camera_length": length_mm * 1e-3}, NEVER)
    assert driver.read().optics["camera_length"] == length_mm * 1e-3
    return driver.acquire(SCAN, NEVER)[1]


def test_the_film_gets_brighter_where_more_is_collected():
    """Film pixels scale with carbon's own ratio: 12 nm of carbon, no Ti in it."""
    near, far = at_length(98)[0], at_length(196)[0]
    film = near > np.percentile(near, 60)
    ratio = screened_ratio("C", 60.0, 30, 70)
    assert far[film].mean() / near[film].mean() == pytest.approx(ratio, rel=0.1)
    short = at_length(49)[0]
    assert short[film].mean() / near[film].mean() == pytest.approx(
        screened_ratio("C", 60.0, 120, 280), rel=0.2
    )


def test_bright_field_collects_its_part_of_the_disc():
    electrons = 30e-12 * 1e-4 / 1.602176634e-19
    for length, share in ((98, 0.25), (49, 1.0), (196, 0.0625)):
        bf = at_length(length)[1]
        assert bf.max() / electrons == pytest.approx(share, rel=0.12)  # empty holes, Poisson tail included


def test_a_long_camera_length_brings_the_direct_beam_onto_the_dark_field_detector():
    haadf = at_length(392)[0]  # 15-35 mrad
    assert haadf.mean() > 0.5 * 30e-12 * 1e-4 / 1.602176634e-19


def test_a_detector_across_the_rim_of_the_disc_collects_both_sides():
    wide = DetectorModel(kind="annular", collection_mrad=(15, 35), loss_ratio=0.0)
    driver = TwinDriver(WORLD.model_copy(update={"detectors": {"maadf": wide}}), 7, stage="ideal")
    driver.set_blank(False)
    image = driver.acquire(SCAN.model_copy(update={"detectors": ("maadf",)}), NEVER)[1][0]
    share = image / (30e-12 * 1e-4 / 1.602176634e-19)
    film = (
        WORLD.film.thickness_nm * 10 * 0.1 * haadf_cross_section_a2("C") * screened_ratio("C", 60.0, 30, 35)
    )
    assert share.min() == pytest.approx(0.75, abs=0.03)
    assert 0.5 * film < share.mean() - 0.75 < 1.5 * film


def test_the_range_of_the_camera_length_is_declared_and_kept():
    spec = twin().capabilities().optic("camera_length")
    assert (spec.lower, spec.upper) == pytest.approx((0.02, 0.4))
    driver = twin()
    with pytest.raises(LimitRefused):
        driver.set_optics({"camera_length": 0.5}, NEVER)
    assert driver.read().optics["camera_length"] == pytest.approx(0.098)
