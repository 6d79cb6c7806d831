"""A stage is found again from a log of its moves, as a site would write one."""

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.instruments.twin.fitting.drift import thermal_speed
from eucentric.instruments.twin.fitting.moves import COLUMNS, Looks, moves_of, read_moves, write_moves
from eucentric.instruments.twin.fitting.play import Jumps, effective_steps, explain
from eucentric.instruments.twin.fitting.settling import settle
from eucentric.instruments.twin.fitting.stage_fit import binomial_95, fit_stage
from eucentric.instruments.twin.presets import PRESETS, StagePreset
from eucentric.instruments.twin.stage import Stage

LOOKS = np.array([0.0, 0.5, 1.2, 2.0, 4.0, 20.0])


def logged(preset: StagePreset, seed: int, moves: int, noise: float = 0.5e-9) -> tuple[Stage, list[Looks]]:
    """Random moves of a stage, each measured six times."""
    stage, rng, log, now = (
        Stage(preset, np.random.default_rng(seed)),
        np.random.default_rng(seed + 99),
        [],
        0.0,
    )
    for _ in range(moves):
        target = np.zeros(5)
        target[:2] = rng.uniform(-20e-6, 20e-6, 2)
        took, missed = stage.seconds(target), stage.draw_miss()
        now += took
        stage.advance(now)
        stage.arrive(target, 1.0, missed)
        since = LOOKS * preset.settle_s
        places = stage.actual(now + since)[:, :2] + noise * rng.standard_normal((len(since), 2))
        log.append(Looks(now + since, since, took, target[:2], stage.reported[:2].copy(), places))
        now += since[-1]
        stage.advance(now)
    return stage, log


@pytest.fixture(scope="module")
def worn():
    stage, log = logged(PRESETS["worn"], 1, 400)
    return stage, fit_stage(log)


@pytest.mark.parametrize(
    ("field", "rel"),
    [
        ("backlash_nm", 0.05), ("jitter_nm", 0.1), ("settle_nm", 0.1), ("settle_s", 0.02), ("screw_period_um", 0.02),
        ("screw_nm", 0.15), ("readback_nm", 1e-6), ("speed_um_per_s", 1e-3), ("overhead_s", 1e-3),
        ("thermal_nm_per_s", 0.25),
    ],
)  # fmt: skip
def test_a_worn_stage_is_found_again(worn, field, rel):
    fitted = worn[1].preset
    assert getattr(fitted, field) == pytest.approx(getattr(PRESETS["worn"], field), rel=rel)


def test_its_affine_error_is_kept_as_it_is(worn):
    stage, found = worn
    fitted = found.preset
    assert np.abs(np.array(fitted.matrix) - stage._matrix[:2, :2]).max() < 1e-3
    again = Stage(fitted, np.random.default_rng(5))
    np.testing.assert_array_equal(again._matrix[:2, :2], fitted.matrix)


def test_missed_moves_are_those_that_were_missed(worn):
    found = worn[1]
    low, high = found.miss_95
    assert found.decidable > 340
    assert 1 <= found.missed <= 25
    assert low < 0.02 < high
    assert found.noise_nm == pytest.approx(0.5, rel=0.1)


def test_a_stage_without_screw_and_backlash_gets_none():
    preset = StagePreset(jitter_nm=3, settle_nm=2, settle_s=5, scale=0.001)
    fitted = fit_stage(logged(preset, 2, 120)[1]).preset
    assert fitted.screw_nm == 0
    assert fitted.backlash_nm < 3
    assert fitted.miss == 0
    assert fitted.readback_nm == 0


def test_the_play_is_that_of_the_stage():
    preset = StagePreset(backlash_nm=1000)
    stage, rng = Stage(preset, np.random.default_rng(1)), np.random.default_rng(2)
    places, told = [], []
    for _ in range(60):
        target = np.zeros(5)
        target[:2] = rng.uniform(-3e-6, 3e-6, 2)
        stage.arrive(target, 1.0, False)
        told.append(target[:2])
        places.append(stage.actual(np.array([0.0]))[0, :2])
    through, known = effective_steps(np.diff(told, axis=0), 1000e-9, np.zeros(59, bool))
    np.testing.assert_allclose(through[known], np.diff(places, axis=0)[known], atol=1e-15)
    assert known.mean() > 0.9


def test_a_wrong_hypothesis_about_backlash_costs():
    rng = np.random.default_rng(3)
    end = rng.uniform(-5e-6, 5e-6, (300, 2))
    start = np.vstack([np.zeros(2), end[:-1]])
    seen = effective_steps(end - start, 400e-9, np.zeros(300, bool))[0] + 20e-9 * rng.standard_normal(
        (300, 2)
    )
    found = explain(Jumps(start, end, seen, np.zeros(300)))
    assert found.backlash == pytest.approx(400e-9, rel=0.03)
    assert found.jitter == pytest.approx(20e-9, rel=0.1)
    assert not found.missed.any()


def test_drift_is_told_from_noise():
    rng, speed = np.random.default_rng(4), 0.05e-9
    walk = np.cumsum(0.1 * speed * rng.standard_normal((1500, 2)), axis=0)
    seen = walk + [speed, 0.0] + 0.03e-9 * rng.standard_normal(walk.shape)
    found = thermal_speed(np.arange(1500) * 60.0, seen, np.full(1500, (0.03e-9) ** 2))
    assert found == pytest.approx(speed, rel=0.15)


def test_creep_and_drift_of_one_move():
    since = np.array([0.0, 1.0, 3.0, 8.0, 20.0, 60.0])
    track = 5e-9 + 30e-9 * (1 - np.exp(-since / 4)) + 0.02e-9 * since
    one = Looks(100 + since, since, 1.0, np.zeros(2), np.zeros(2), np.stack([track, -track], axis=1))
    found = settle([one] * 3)
    assert found.tau_s == pytest.approx(4, rel=1e-3)
    np.testing.assert_allclose(found.creep[0], (30e-9, -30e-9), rtol=1e-3)
    np.testing.assert_allclose(found.velocity[0], (0.02e-9, -0.02e-9), rtol=1e-2)


def test_a_log_survives_its_file(tmp_path):
    _, log = logged(PRESETS["good"], 3, 40)
    write_moves(tmp_path / "log.csv", log)
    again = read_moves(tmp_path / "log.csv")
    assert len(again) == 40
    for one, other in zip(log, again, strict=True):
        np.testing.assert_allclose(other.measured, one.measured, atol=1e-14)
        np.testing.assert_allclose(other.commanded, one.commanded, atol=1e-11)
        assert other.took_s == pytest.approx(one.took_s, abs=1e-4)


def row(**more: str) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "0") | more


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "lacks move"),
        ([{"move": "1"}], "lacks time_s"),
        ([row(measured_x_um="far")], "no number"),
        ([row(measured_x_um="nan")], "not finite"),
        ([row(move=str(n)) for n in range(9)], "9 moves"),
        ([row(move=str(n)) for n in range(40)], "fewer than 4 times"),
    ],
)
def test_a_bad_log_is_refused(rows, says):
    with pytest.raises(BadInput, match=says):
        moves_of(rows)


def test_no_file(tmp_path):
    with pytest.raises(BadInput, match="can't read"):
        read_moves(tmp_path / "nothing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="can't read"):
        read_moves(tmp_path / "bytes.csv")


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 100, 0.0, 0.03622), (100, 100, 0.96378, 1.0), (5, 100, 0.01643, 0.11283), (0, 0, 0.0, 1.0)],
)
def test_exact_intervals(k, n, low, high):
    assert binomial_95(k, n) == pytest.approx((low, high), abs=2e-5)
