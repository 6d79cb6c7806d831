"""The stage: commanded, reported and actual differ the way the preset says."""

import math

import numpy as np
import pytest

from eucentric.instruments.twin.declaration import position_errors
from eucentric.instruments.twin.presets import PRESETS, StagePreset
from eucentric.instruments.twin.stage import Stage


def stage(preset: StagePreset | str, seed: int = 1) -> Stage:
    return Stage(PRESETS[preset] if isinstance(preset, str) else preset, np.random.default_rng(seed))


def go(s: Stage, x: float, y: float = 0.0, missed: bool = False, share: float = 1.0) -> np.ndarray:
    s.arrive(np.array([x, y, 0.0, 0.0, 0.0]), share, missed)
    return s.actual(np.array([s._time_s]))[0]


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("good", "backlash_nm", 250), ("good", "jitter_nm", 40), ("good", "scale", 0.002), ("good", "miss", 0.002),
        ("good", "cross_axis", 0.004), ("good", "thermal_nm_per_s", 0.008), ("good", "settle_nm", 25),
        ("good", "settle_s", 8), ("good", "readback_nm", 10), ("good", "screw_nm", 60), ("good", "overhead_s", 1.0),
        ("worn", "backlash_nm", 1500), ("worn", "jitter_nm", 180), ("worn", "scale", 0.006), ("worn", "miss", 0.02),
        ("worn", "cross_axis", 0.02), ("worn", "thermal_nm_per_s", 0.05), ("worn", "settle_nm", 80),
        ("worn", "settle_s", 20), ("worn", "readback_nm", 100), ("worn", "screw_nm", 200), ("worn", "overhead_s", 1.5),
        ("worn", "screw_period_um", 20), ("worn", "speed_um_per_s", 30),
        ("piezo", "backlash_nm", 0), ("piezo", "jitter_nm", 2), ("piezo", "settle_nm", 1.5), ("piezo", "settle_s", 6),
        ("piezo", "readback_nm", 0.1), ("piezo", "speed_um_per_s", 2), ("piezo", "travel_um", 2),
    ],
)  # fmt: skip
def test_presets_are_those_of_the_reference(name, field, value):
    assert getattr(PRESETS[name], field) == value


def test_an_ideal_stage_goes_where_it_is_told():
    s = stage("ideal")
    for x in (5e-6, -3e-6, 1e-9):
        np.testing.assert_allclose(go(s, x)[:2], (x, 0.0), atol=1e-15)
        s.advance(s._time_s + 100)
        assert s.reported[0] == s.commanded[0] == x


def test_backlash_swallows_a_reversal_and_nothing_else():
    s = stage(StagePreset(backlash_nm=1000))
    first = go(s, 10e-6)[0]
    assert go(s, 12e-6)[0] - first == pytest.approx(2e-6)
    before = go(s, 12e-6)[0]
    assert go(s, 11.4e-6)[0] == pytest.approx(before)  # inside the play: it stays
    assert go(s, 9e-6)[0] == pytest.approx(before - 2e-6)  # 3 µm back, 1 µm lost


@pytest.mark.parametrize("name", ["good", "worn"])
def test_jitter_and_misses_have_the_stated_size(name):
    preset = PRESETS[name].model_copy(update={"backlash_nm": 0.0, "settle_nm": 0.0, "screw_nm": 0.0})
    s, errors, missed = stage(preset), [], 0
    for n in range(3000):
        step = 2e-6 if n % 2 == 0 else -2e-6
        gone = s.draw_miss()
        missed += gone
        before = s.actual(np.array([0.0]))[0]
        moved = go(s, s.commanded[0] + step, missed=gone) - before
        if not gone:
            errors.append(moved[0] - s._matrix[0, 0] * step)
    assert np.std(errors) == pytest.approx(preset.jitter_nm * 1e-9, rel=0.1)
    assert abs(missed / 3000 - preset.miss) < 4 * math.sqrt(preset.miss / 3000)


def test_a_missed_move_lies_in_the_reading():
    s = stage(StagePreset())
    assert go(s, 5e-6, missed=True)[0] == 0.0
    assert s.reported[0] == s.commanded[0] == 5e-6


def test_a_stopped_move_shows_where_it_stopped():
    s = stage(StagePreset())
    assert go(s, 10e-6, share=0.25)[0] == pytest.approx(2.5e-6)
    assert (s.commanded[0], s.reported[0]) == (10e-6, 2.5e-6)


@pytest.mark.parametrize(("name", "quantum"), [("good", 10e-9), ("worn", 100e-9)])
def test_the_reading_is_rounded(name, quantum):
    s = stage(name)
    go(s, 3.14159e-6)
    assert s.reported[0] / quantum == pytest.approx(round(s.reported[0] / quantum))
    assert 0 < abs(s.reported[0] - s.commanded[0]) <= quantum / 2


def test_settling_is_exponential_and_kept_by_the_next_move():
    s = stage(StagePreset(settle_nm=100, settle_s=10))
    go(s, 5e-6)
    path = s.actual(np.array([0.0, 10.0, 1000.0]))[:, 0]
    creep = path[2] - path[0]
    assert 0 < abs(creep) < 400e-9
    assert (path[1] - path[0]) / creep == pytest.approx(1 - math.exp(-1))
    s.advance(1000.0)
    go(s, 5e-6)  # nothing commanded: the settled place stays
    assert s.actual(np.array([1000.0]))[0, 0] == pytest.approx(path[2], abs=1e-12)


def test_thermal_drift_has_the_stated_speed_and_wanders():
    s = stage("worn")
    path = s.actual(np.array([0.0, 1.0]))
    assert np.hypot(*(path[1] - path[0])[:2]) == pytest.approx(0.05e-9, rel=1e-6)
    first = s._velocity.copy()
    s.advance(600.0)
    assert 0 < np.linalg.norm(s._velocity - first) < 5 * 0.1 * 0.05e-9 * math.sqrt(10)


def test_scale_and_cross_axis_over_many_stages():
    matrices = np.array([stage("worn", seed)._matrix[:2, :2] for seed in range(800)])
    assert np.std(matrices[:, 0, 0]) == pytest.approx(0.006, rel=0.1)
    assert np.std(matrices[:, 0, 1]) == pytest.approx(0.02 * math.hypot(1, 0.5), rel=0.1)


def test_the_screw_repeats_after_its_period():
    s = stage(StagePreset(screw_nm=200, screw_period_um=20))
    errors = [go(s, x * 1e-6)[0] - x * 1e-6 for x in (0, 5, 10, 15, 20)]
    assert max(errors) - min(errors) > 150e-9
    assert errors[0] == pytest.approx(errors[4], abs=1e-12)


@pytest.mark.parametrize(("name", "alpha_deg", "beta_deg"), [("good", 0.05, 0.2), ("worn", 0.05, 0.5)])
def test_tilts_have_backlash_of_their_own(name, alpha_deg, beta_deg):
    s = stage(PRESETS[name].model_copy(update={"tilt_jitter_deg": 0.0}))
    for axis, backlash in ((3, alpha_deg), (4, beta_deg)):
        target = np.zeros(5)
        target[axis] = 0.2
        s.arrive(target, 1.0, False)
        before = s.actual(np.array([0.0]))[0, axis]
        target[axis] = 0.1
        s.arrive(target.copy(), 1.0, False)
        lost = 0.1 - (before - s.actual(np.array([0.0]))[0, axis])
        assert math.degrees(lost) == pytest.approx(backlash, rel=1e-6)


def tilted(preset: StagePreset, degrees: float, seed: int = 1) -> Stage:
    s = stage(preset, seed)
    s.arrive(np.array([0.0, 0.0, 0.0, math.radians(degrees), 0.0]), 1.0, False)
    return s


def test_a_large_tilt_lets_the_specimen_wander_and_stop():
    preset = StagePreset(tilt_drift_nm_per_deg=3.0, transient_s=50)
    path = tilted(preset, 20).actual(np.array([0.0, 50.0, 5000.0]))[:, :2]
    assert np.hypot(*(path[2] - path[0])) == pytest.approx(60e-9)
    assert np.hypot(*(path[1] - path[0])) == pytest.approx(60e-9 * (1 - math.exp(-1)))
    still = tilted(preset, 0.5).actual(np.array([0.0, 5000.0]))
    np.testing.assert_array_equal(still[0], still[1])


def test_transients_add_up_and_outlive_the_next_move():
    s = tilted(StagePreset(tilt_drift_nm_per_deg=3.0, transient_s=50), 20)
    s.advance(10.0)
    go(s, 0.0)  # back to level: 20 degrees again
    assert len(s._transients) == 2
    whole = sum(transient.amplitude for transient in s._transients)
    for n in range(1, 40):
        s.advance(n * 5000.0)
        s.disturb(1e-9)
        whole = whole + s._transients[-1].amplitude
    assert len(s._transients) == 1  # what has ended is kept as a place
    np.testing.assert_allclose(s.actual(np.array([1e6]))[0, :2], whole[:2], atol=1e-15)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_no_transient_is_faster_than_the_drift_that_is_declared(name):
    preset = PRESETS[name]
    errors = position_errors(preset)
    tilt = preset.tilt_drift_nm_per_deg * 70e-9 / preset.transient_s
    insertion = preset.insertion_drift_nm * 1e-9 / preset.transient_s
    thermal = preset.thermal_nm_per_s * 1e-9
    assert tilt + insertion + thermal <= errors.drift_m_per_s * (1 + 1e-9)


def test_a_tilt_leaves_the_jitter_of_later_moves_as_it_was():
    preset = StagePreset(jitter_nm=40, tilt_drift_nm_per_deg=1.0)
    ends = []
    for degrees in (0.9, 1.1):  # without and with a transient
        s = tilted(preset, degrees)
        before = s.actual(np.array([0.0]))[0, 0]
        ends.append(go(s, 5e-6)[0] - before)
    assert ends[0] == pytest.approx(ends[1], abs=1e-15)
