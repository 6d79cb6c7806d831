"""What the beam does to the specimen: by the dose of true tiles, for good, and never by what can't be."""

import math
import threading

import numpy as np
import pytest

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.damage_spec import DamageSpec, EtchSpec, GrowthSpec
from eucentric.instruments.twin.dosemap import TILE, DoseMap, edge_of, level_for
from eucentric.instruments.twin.exposure_log import ExposureLog
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.specimen_spec import ClusterSpec, ContaminationSpec, HeightSpec, ResidueSpec

NEVER = threading.Event()
STILL = {
    "height": HeightSpec(),
    "contamination": ContaminationSpec(share_of_monolayer=0.0),
    "residue": ResidueSpec(),
    "clusters": ClusterSpec(),
    "defects": (),
    "vacancy_fraction": 0.0,
}
BOX = (-6e-5, 6e-5, -6e-5, 6e-5)


def twin(world: str = "mxene", **damage: object) -> tuple[TwinDriver, Oracle]:
    spec = load_world(world).model_copy(update=STILL | {"damage": DamageSpec.model_validate(damage)})
    driver = TwinDriver(spec, 7, stage="ideal")
    return driver, Oracle(driver)


def go(driver: TwinDriver, x: float, y: float) -> None:
    driver.set_blank(True)
    driver.move({"x": x, "y": y}, NEVER)
    driver.set_blank(False)


def expose(driver: TwinDriver, fov: float, dose: float, n: int = 64) -> None:
    """Scan a square with that mean dose [e/Å²]."""
    electrons_a2 = 30e-12 / 1.602176634e-19 / (fov * 1e10 / n) ** 2
    dwell = dose / electrons_a2
    driver.acquire(ScanSpec(detectors=("haadf",), rows=n, columns=n, fov_m=fov, dwell_s=dwell), NEVER)


def suspended(oracle: Oracle, layers: int = 1):
    return next(p for p in oracle.suspended(BOX, layers) if not oracle.flakes[p.flake].twist)


def around(place, half: float) -> tuple[float, float, float, float]:
    return place.x - half, place.x + half, place.y - half, place.y + half


# --- the map --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fov", "n", "level"), [(20e-9, 128, 0), (200e-9, 64, 1), (4e-6, 128, 2)])
def test_the_map_is_the_oracles_own_integral(fov, n, level):
    driver, oracle = twin()
    go(driver, 1.23e-6, -0.77e-6)
    for dose in (10.0, 300.0):
        expose(driver, fov, dose, n)
        driver.wait(3.0, NEVER)  # the beam stands still meanwhile: a spot
    edge = edge_of(level)
    first = math.floor((1.23e-6 - 0.6 * fov) / edge), math.floor((-0.77e-6 - 0.6 * fov) / edge)
    count = math.ceil(1.2 * fov / edge)
    x, y = ((start + np.arange(count + 1)) * edge for start in first)
    expected = oracle.electrons_in_tiles(x, y) / (edge * 1e10) ** 2
    found = driver._specimen.change.dose.tiles(
        level, (first[0], first[0] + count), (first[1], first[1] + count)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert found.max() > 100


def test_it_does_not_matter_when_it_is_asked():
    early, late = (twin()[0] for _ in range(2))
    maps = [driver._specimen.change.dose for driver in (early, late)]
    for step in range(4):
        for driver in (early, late):
            go(driver, step * 3e-9, 0.0)
            expose(driver, 12e-9, 50.0)
        maps[0].tiles(0, (-20, 30), (-20, 30))
    np.testing.assert_array_equal(*(one.tiles(0, (-20, 30), (-20, 30)) for one in maps))


def test_the_quick_bound_is_never_too_low():
    driver, _ = twin()
    rng = np.random.default_rng(5)
    for _ in range(12):
        go(driver, *rng.uniform(-40e-9, 40e-9, 2).tolist())
        expose(
            driver,
            float(rng.choice([5e-9, 60e-9, 2e-6])),
            float(rng.uniform(1, 200)),
            int(rng.choice([32, 100])),
        )
        driver.wait(float(rng.uniform(0, 2)), NEVER)
    dose = driver._specimen.change.dose
    for _ in range(60):
        x, y = rng.integers(-90, 90, 2).tolist()
        box = (x * TILE, (x + 5) * TILE, y * TILE, (y + 5) * TILE)
        assert dose.tiles(0, (x, x + 5), (y, y + 5)).max() <= dose.highest(box) * (1 + 1e-12)


def test_nothing_is_filled_where_nothing_was():
    dose = DoseMap(ExposureLog())
    assert dose.highest((0, 1e-6, 0, 1e-6)) == 0.0
    assert not dose.at(np.zeros(3), np.zeros(3)).any()
    assert level_for(100e-9) == 0
    assert level_for(20e-6) == 3


# --- atoms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e-5, 1e-4])
def test_sulphur_goes_as_its_cross_section_says_and_only_where_the_beam_was(rate):
    driver, oracle = twin("mos2", excitation_a2={"S": rate})
    place = suspended(oracle)
    go(driver, place.x, place.y)
    expose(driver, 30e-9, 1e4)
    inside = oracle.sites(around(place, 13e-9))
    s = inside.sublattice == 1
    here = driver._specimen.change.dose.at(inside.x[s], inside.y[s])
    expected = -np.expm1(-rate * here).mean()
    lost = inside.missing[s].sum() / (2 * s.sum())
    assert lost == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / (2 * s.sum())))
    assert not inside.missing[~s].any()  # Mo stays
    beside = oracle.sites((place.x + 20e-9, place.x + 40e-9, place.y, place.y + 20e-9))
    assert not beside.missing.any()


def test_what_is_gone_never_comes_back():
    driver, oracle = twin("mos2", excitation_a2={"S": 3e-5})
    place = suspended(oracle)
    go(driver, place.x, place.y)
    before = None
    for _ in range(3):
        expose(driver, 20e-9, 1e4)
        now = oracle.sites(around(place, 8e-9))
        if before is not None:
            np.testing.assert_array_equal(before.x, now.x)
            assert (now.missing >= before.missing).all()
            assert now.missing.sum() > before.missing.sum()
        before = now


def test_no_dose_knocks_titanium_on_at_60_kv():
    driver, oracle = twin(displacement_ev={"Ti": 8.0, "O": 5.0})
    place = suspended(oracle)
    go(driver, place.x, place.y)
    expose(driver, 16e-9, 1e9, 32)
    assert not oracle.sites(around(place, 6e-9)).missing.any()
    assert "Ti" not in driver._specimen.change.rates
    assert driver._specimen.change.rates["O"] > 0


def test_losing_terminations_darkens_the_sheet_as_it_darkens_the_atoms():
    driver, oracle = twin(excitation_a2={"O": 1e-3})
    place = suspended(oracle)
    atoms, sheet = (
        ScanSpec(detectors=("haadf",), rows=128, columns=128, fov_m=fov, dwell_s=1e-6)
        for fov in (7e-9, 30e-9)
    )
    go(driver, place.x, place.y)
    fresh = [oracle.noiseless(one).mean() for one in (atoms, sheet)]
    expose(driver, 40e-9, 1e5)
    worn = [oracle.noiseless(one).mean() for one in (atoms, sheet)]
    o, ti, c = (oracle._specimen.flakes.material.cross_section(e) for e in ("O", "Ti", "C"))
    left = 1 - 2 * o / (3 * ti + 2 * c + 2 * o)
    for before, after in zip(fresh, worn, strict=True):
        assert after / before == pytest.approx(left, rel=0.01)


def test_disorder_takes_the_lattice_and_leaves_the_mean():
    driver, oracle = twin(amorphous_e_per_a2=1e6)
    place = suspended(oracle)
    spec = ScanSpec(detectors=("haadf",), rows=256, columns=256, fov_m=8e-9, dwell_s=1e-6)
    go(driver, place.x, place.y)
    fresh = oracle.noiseless(spec)
    expose(driver, 20e-9, 1e7)
    worn = oracle.noiseless(spec)
    assert worn.mean() == pytest.approx(fresh.mean(), rel=0.01)

    def peak(image):
        power = np.abs(np.fft.rfft2(image - image.mean())) ** 2
        return power.max() / power.sum()

    assert peak(worn) < 0.1 * peak(fresh)


# --- what grows and opens -------------------------------------------------------------------------------------


def test_contamination_grows_where_the_beam_was_and_shows_from_afar():
    driver, oracle = twin(growth=GrowthSpec(most=0.5, e_per_a2=1e5).model_dump())
    place = suspended(oracle)
    wide = ScanSpec(detectors=("haadf",), rows=128, columns=128, fov_m=256e-9, dwell_s=1e-7)
    go(driver, place.x, place.y)
    fresh = oracle.noiseless(wide)
    expose(driver, 64e-9, 1e6, 128)
    more = (oracle.noiseless(wide) - fresh) / fresh.mean()
    middle, outside = more[52:76, 52:76], np.concatenate([more[:40], more[88:]])
    assert middle.mean() == pytest.approx(0.5, rel=0.05)
    assert np.abs(outside).max() < 0.01


def test_contamination_that_runs_away_is_told_to_the_change():
    driver, oracle = twin(growth=GrowthSpec(most=0.2, e_per_a2=1e5).model_dump())
    place = suspended(oracle)
    spec = ScanSpec(detectors=("haadf",), rows=64, columns=64, fov_m=30e-9, dwell_s=1e-7)
    go(driver, place.x, place.y)
    fresh = oracle.noiseless(spec).mean()
    expose(driver, 60e-9, 1e6)
    once = oracle.noiseless(spec).mean() - fresh
    driver._specimen.change.contaminate(5.0)
    assert oracle.noiseless(spec).mean() - fresh == pytest.approx(5 * once, rel=1e-3)


@pytest.mark.parametrize("layers", [1, 3])
def test_pores_open_and_grow_with_dose_alike_near_and_far(layers):
    etch = EtchSpec(per_um2=2e4, onset_e_per_a2=1e6, radius_nm=1.0)
    driver, oracle = twin(etch=etch.model_dump())
    place = suspended(oracle, layers)
    go(driver, place.x, place.y)
    box = around(place, 45e-9)
    full = oracle._specimen.flakes.columns(oracle.flakes[place.flake], box)[0][1].weight.sum()
    porosity = []
    for _ in range(3):
        expose(driver, 100e-9, 2e6, 512)
        left = oracle._specimen.flakes.columns(oracle.flakes[place.flake], box)[0][1].weight.sum()
        porosity.append(1 - left / full)
    assert porosity == sorted(porosity)
    dose = driver._specimen.change.dose.at(np.array([place.x]), np.array([place.y])).astype(np.float32)
    mean_field = float(oracle._specimen.change.porosity(dose, layers)[0])
    assert porosity[-1] == pytest.approx(mean_field, rel=0.3)
    assert (porosity[0] > 0.02) == (layers == 1)


def test_a_hole_leaves_nothing():
    driver, oracle = twin()
    place = suspended(oracle)
    go(driver, place.x, place.y)
    driver._specimen.change.hole(place.x, place.y, 30e-9)
    for fov, n in ((10e-9, 256), (40e-9, 64)):
        spec = ScanSpec(detectors=("haadf",), rows=n, columns=n, fov_m=fov, dwell_s=1e-6)
        assert abs(oracle.noiseless(spec)).max() < 1e-5


# --- the whole ------------------------------------------------------------------------------------------------


def test_an_overview_changes_nothing_that_shows():
    driver = TwinDriver(load_world("mxene"), 7, stage="ideal")
    oracle = Oracle(driver)
    driver.set_blank(False)
    spec = ScanSpec(detectors=("haadf",), rows=256, columns=256, fov_m=20e-6, dwell_s=1e-5)
    before = oracle.noiseless(spec)
    for _ in range(5):
        driver.acquire(spec, NEVER)
    np.testing.assert_array_equal(before, oracle.noiseless(spec))


def test_a_session_with_damage_is_repeated_to_the_byte():
    def run() -> list[bytes]:
        driver, oracle = twin("mos2", excitation_a2={"S": 1e-4}, growth={"most": 0.5, "e_per_a2": 1e4})
        place = suspended(oracle)
        frames = []
        for n in range(4):
            go(driver, place.x + n * 2e-9, place.y)
            spec = ScanSpec(detectors=("haadf",), rows=128, columns=128, fov_m=8e-9, dwell_s=1e-5)
            frames.append(driver.acquire(spec, NEVER)[1][0].tobytes())
        return frames

    first = run()
    assert first == run()
    assert len(set(first)) == 4
