"""The twin's benchmark judges from what it measures: wrong figures, forged logs and blurred frames fail it."""

import numpy as np
import pytest

from eucentric.bench.twin import shared_data
from eucentric.bench.twins import fidelity as twin_fidelity
from eucentric.bench.twins import real as twin_real
from eucentric.bench.twins import session as twin_session
from eucentric.bench.twins import stage as twin_stage
from eucentric.bench.twins.fidelity import Frame, compared, twin_image
from eucentric.bench.twins.fit import deviation
from eucentric.instruments.twin.faults import KINDS
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.instruments.twin.presets import PRESETS


def measured(preset, judged_as, stages: int = 150) -> dict[str, float]:
    paths = [twin_stage.walk(preset, seed) for seed in range(stages)]
    return {one.name: one.off for one in twin_stage.statistics(judged_as, paths)[0]}


def test_a_preset_is_recognised_and_another_is_not():
    good = PRESETS["good"]
    assert max(measured(good, good).values()) < 0.25
    for field, name in (("jitter_nm", "jitter"), ("settle_nm", "settle"), ("readback_nm", "read-back")):
        other = good.model_copy(update={field: 1.5 * getattr(good, field)})
        assert measured(good, other, 60)[name] > 0.25


def test_missed_moves_are_counted():
    often = PRESETS["good"].model_copy(update={"miss": 0.06})
    paths = [twin_stage.walk(often, seed) for seed in range(40)]
    _, missed, moves = twin_stage.statistics(often, paths)
    assert moves == 40 * 22
    assert missed / moves == pytest.approx(0.06, abs=0.025)


def test_the_stage_that_is_measured_is_that_of_the_driver():
    assert twin_stage._same_as_the_driver("worn", 3)
    assert twin_stage.screw_amplitude(PRESETS["good"], 40).off < 0.05


def frame(weight: np.ndarray, blur: float = 0.8) -> Frame:
    """A square lattice, imaged by the twin itself."""
    xy = np.array([[x, y] for x in range(-20, 260, 20) for y in range(-20, 260, 20)], float)
    blank = Frame(
        "test", np.zeros((240, 240)), xy, weight, 0.12, OpticsSpec(source_fwhm_angstrom=blur), 1e-9, True
    )
    return Frame("test", twin_image(blank), xy, weight, 0.12, OpticsSpec(), 1e-9, True)


def test_fidelity_is_full_for_the_twin_itself_and_falls_with_its_weights():
    rng = np.random.default_rng(1)
    weight = rng.choice([0.01, 0.02], 14 * 14)
    itself = frame(weight)
    assert compared(itself)["ncc"] > 0.9999
    assert compared(itself)["column_rank"] > 0.8
    shuffled = Frame("test", itself.share, itself.xy, rng.permutation(weight), 0.12, OpticsSpec(), 1e-9, True)
    assert compared(shuffled)["ncc"] < 0.98
    assert compared(frame(weight, blur=1.6))["ncc"] < 0.99


def test_jumping_lines_are_taken_out_and_a_wrong_picture_is_not():
    itself = frame(np.random.default_rng(2).choice([0.01, 0.02], 14 * 14))
    jumps = np.random.default_rng(3).integers(-1, 2, 240)
    torn = np.stack([np.roll(line, n) for line, n in zip(itself.share, jumps, strict=True)])
    seen = compared(Frame("test", torn, itself.xy, itself.weight, 0.12, OpticsSpec(), 1e-9, True))
    assert seen["ncc_alike"] > seen["ncc"]
    assert seen["ncc_alike"] > 0.99
    upright = Frame("test", itself.share.T.copy(), itself.xy, itself.weight, 0.12, OpticsSpec(), 1e-9, True)
    assert compared(upright)["ncc_alike"] < 0.98


def test_without_data_nothing_is_claimed(tmp_path):
    figures, (bar,) = twin_fidelity.run(tmp_path, quick=True)
    assert figures == {}
    assert bar["holds"] is None
    assert twin_real.run(tmp_path, True, 7) == {}


def test_data_are_where_they_are_said_to_be(tmp_path, monkeypatch):
    assert shared_data(tmp_path) == tmp_path
    monkeypatch.setenv("EUCENTRIC_SHARED_DATA", "/data")
    assert str(shared_data(None)) == "/data"


def test_a_session_is_data_and_another_seed_another_session():
    first = twin_session.commands(1, 200)
    assert first == twin_session.commands(1, 200)
    assert first != twin_session.commands(2, 200)
    assert {name for name, _ in first} == {"move", "set_optics", "acquire", "insert", "wait", "blank"}


def test_digests_tell_sessions_apart():
    one, other = twin_session.digest(0, 25), twin_session.digest(2, 25)
    assert one == twin_session.digest(0, 25)
    assert len(one) == 26
    assert one[24] != other[24]


@pytest.mark.parametrize("kind", ["missed_move", "specimen_hole", "stop_ignored"])
def test_a_fault_is_told_once_and_shows(kind):
    assert kind in KINDS
    assert twin_session._struck(kind, 7, "good") == (1, True)


def test_a_deviation_without_a_preset_counts_against_the_jitter():
    truth = PRESETS["piezo"]
    found = truth.model_copy(update={"screw_nm": 1.0, "jitter_nm": 2.2})
    assert deviation(found, truth, "screw_nm") == 0.5
    assert deviation(found, truth, "jitter_nm") == pytest.approx(0.1)
