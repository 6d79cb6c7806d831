"""What nobody has set: residuals, wander, detuning by shift, current and aperture; and what can be chosen."""

import threading

import numpy as np
import pytest

from eucentric.core.errors import LimitRefused, Unsupported
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.column import Column
from eucentric.instruments.twin.health import Health
from eucentric.instruments.twin.optics.spec import AberrationSizes, OpticsSpec, ShiftSpec, WanderSpec
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.world import HealthSpec

NEVER = threading.Event()
WORLD = load_world("mxene")


def column(seed: int = 1, **optics: object) -> Column:
    return Column(OpticsSpec(**optics), Health(HealthSpec()), seed)


def test_a_tuned_column_shows_what_is_set_and_nothing_else():
    one = column()
    one.set({"defocus": 7e-9, "a1_x": 1e-9, "a1_y": -2e-9}, 0.0)
    for time_s in (0.0, 1e4):
        assert vars(one.aberrations(time_s)) == {
            "c1": 7e-9, "a1": 1e-9 - 2e-9j, "b2": 0j, "a2": 0j, "c3": 0.0, "c5": 0.0
        }  # fmt: skip


def test_residuals_have_the_declared_size_over_many_columns():
    sizes = AberrationSizes(c1_nm=3, a1_nm=2, b2_nm=40, a2_nm=30)
    drawn = [column(seed, residual=sizes).aberrations(0.0) for seed in range(1500)]
    for name, size in (("c1", 3), ("a1", 2), ("b2", 40), ("a2", 30)):
        values = np.array([getattr(one, name) for one in drawn]) * 1e9
        assert np.sqrt((np.abs(values) ** 2).mean()) == pytest.approx(size, rel=0.08)
        assert abs(values.mean()) < 4 * size / np.sqrt(1500)
    assert column(5, residual=sizes).aberrations(0.0) == column(5, residual=sizes).aberrations(50.0)


def test_lenses_wander_slowly_from_where_they_were_handed_over():
    wander = WanderSpec(c1_nm=10, a1_nm=2, time_s=600)
    one = column(wander=wander)
    assert one.aberrations(0.0).c1 == 0.0
    path = np.array([one.aberrations(t).c1 for t in np.arange(0, 3e5, 300.0)]) * 1e9
    assert path[100:].std() == pytest.approx(10, rel=0.2)
    assert abs(one.aberrations(1.0).c1) < 0.05e-9
    near = abs(one.aberrations(6000.0).c1 - one.aberrations(6001.0).c1)
    assert 0 < near < 0.2e-9
    many = [column(seed, wander=wander).aberrations(6300.0).a1 for seed in range(600)]
    assert np.sqrt((np.abs(many) ** 2).mean()) == pytest.approx(2e-9, rel=0.12)


def test_a_beam_shift_brings_coma_and_astigmatism_in_proportion():
    one = column(shift=ShiftSpec(a1_nm_per_um=2, b2_nm_per_um=30))
    one.set({"beam_shift_x": 1e-6}, 0.0)
    along = one.aberrations(0.0)
    assert abs(along.a1) == pytest.approx(2e-9)
    assert abs(along.b2) == pytest.approx(30e-9)
    one.set({"beam_shift_x": 0.0, "beam_shift_y": 0.5e-6}, 0.0)
    across = one.aberrations(0.0)
    assert across.b2 / along.b2 == pytest.approx(0.5j)
    assert across.a1 / along.a1 == pytest.approx(-0.5)


CHOICES = {
    "currents_pa": (10, 30, 100),
    "convergences_mrad": (1, 10, 30),
    "detune": {"c1_nm": 50, "a1_nm": 3},
}


def test_another_current_or_aperture_detunes_always_by_the_same():
    one = column(**CHOICES)
    first = one.aberrations(0.0).c1
    offsets = {}
    for current in (30e-12, 10e-12, 100e-12, 10e-12, 30e-12):
        one.set({"probe_current": current}, 0.0)
        offsets.setdefault(current, set()).add(one.aberrations(0.0).c1 - first)
    assert {current: len(found) for current, found in offsets.items()} == {30e-12: 1, 10e-12: 1, 100e-12: 1}
    assert offsets[30e-12] == {0.0}
    assert offsets[10e-12] != offsets[100e-12]
    one.set({"convergence": 10e-3}, 0.0)
    assert one.aberrations(0.0).c1 != first
    assert one.optics.convergence_mrad == pytest.approx(10)
    drawn = []
    for seed in range(800):
        other = column(seed, **CHOICES)
        other.set({"probe_current": 100e-12}, 0.0)
        drawn.append(other.aberrations(0.0).c1)
    assert np.std(drawn) == pytest.approx(50e-9, rel=0.1)


def test_the_source_grows_with_the_root_of_the_current():
    one = column(source_follows_current=True, source_fwhm_angstrom=0.8, probe_current_pa=30)
    one.set({"probe_current": 120e-12}, 0.0)
    assert one.optics.source_fwhm_angstrom == pytest.approx(1.6)
    plain = column()
    plain.set({"probe_current": 120e-12}, 0.0)
    assert plain.optics.source_fwhm_angstrom == 0.8


def chosen() -> TwinDriver:
    return TwinDriver(WORLD.model_copy(update={"optics": OpticsSpec(**CHOICES)}), 7, stage="ideal")


def test_only_what_is_declared_can_be_chosen():
    driver = chosen()
    caps = driver.capabilities()
    assert caps.optic("probe_current").choices == pytest.approx((1e-11, 3e-11, 1e-10))
    assert caps.optic("convergence").choices == pytest.approx((1e-3, 1e-2, 3e-2))
    with pytest.raises(LimitRefused, match=r"choices \[A\]: 1e-11, 3e-11, 1e-10"):
        driver.set_optics({"probe_current": 25e-12}, NEVER)
    with pytest.raises(LimitRefused):
        driver.set_optics({"convergence": 20e-3}, NEVER)
    assert driver.read().optics["probe_current"] == pytest.approx(30e-12)
    driver.set_optics({"probe_current": 100e-12, "convergence": 10e-3}, NEVER)
    assert driver.read().optics["convergence"] == pytest.approx(10e-3)
    with pytest.raises(Unsupported):
        TwinDriver(WORLD, 7).set_optics({"convergence": 10e-3}, NEVER)


def test_the_guard_refuses_before_anything_is_sent():
    driver = chosen()
    guard = Guard(driver)
    guard.lease("t")
    with pytest.raises(LimitRefused, match=r"Nothing was sent.*Works: 10 pA, 30 pA, 100 pA"):
        guard.set_optics({"probe_current": 25e-12})
    assert driver.read().commands == 0
    assert guard.set_optics({"probe_current": 10e-12}).optics["probe_current"] == pytest.approx(10e-12)


def test_a_smaller_aperture_makes_the_probe_wider_and_the_focus_deeper():
    clean = WORLD.model_copy(
        update={"optics": OpticsSpec(**{**CHOICES, "detune": {}}), "height": type(WORLD.height)()}
    )
    driver = TwinDriver(clean, 7, stage="ideal")
    spot = Oracle(driver).suspended((-60e-6, 60e-6, -60e-6, 60e-6))[0]
    driver.move({"x": spot.x, "y": spot.y}, NEVER)
    from eucentric.instruments.driver import ScanSpec

    scan = ScanSpec(detectors=("haadf",), rows=128, columns=128, fov_m=4e-9, dwell_s=2e-6)
    sharp = Oracle(driver).noiseless(scan).std()
    driver.set_optics({"convergence": 10e-3}, NEVER)
    assert Oracle(driver).noiseless(scan).std() < 0.5 * sharp


def test_a_residual_is_in_no_declaration_and_no_reading():
    sizes = AberrationSizes(c1_nm=3, a1_nm=2, b2_nm=40, a2_nm=30)
    twins = [
        TwinDriver(WORLD.model_copy(update={"optics": OpticsSpec(residual=size)}), 3)
        for size in (sizes, AberrationSizes())
    ]
    assert twins[0].read() == twins[1].read()
    assert twins[0].capabilities() == twins[1].capabilities()
    assert Oracle(twins[0]).aberrations != Oracle(twins[1]).aberrations
