"""The driver: commands, refusals, blanker, clock, stop, faults, dose and replay."""

import hashlib
import math
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from eucentric.core.errors import (
    BeamLost,
    Busy,
    CommandTimeout,
    LimitRefused,
    UnknownAxis,
    UnknownDetector,
    Unsupported,
)
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, twin_driver
from eucentric.instruments.twin.oracle import Oracle
from eucentric.knowledge.dose import scan_dose

NEVER = threading.Event()


def twin(**query: str) -> TwinDriver:
    return twin_driver("mxene", {"seed": "7", **query})


def scan(
    fov: float = 1e-6, n: int = 64, dwell: float = 1e-6, detectors: tuple[str, ...] = ("haadf",)
) -> ScanSpec:
    return ScanSpec(detectors=detectors, rows=n, columns=n, fov_m=fov, dwell_s=dwell)


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_what_it_declares():
    caps = twin(stage="worn").capabilities()
    assert caps.simulated
    assert [axis.name for axis in caps.axes] == ["x", "y", "z", "alpha", "beta"]
    x, z, alpha, beta = (caps.axis(name) for name in ("x", "z", "alpha", "beta"))
    assert (x.lower, x.upper, x.max_step, x.dead_band) == (-1e-3, 1e-3, 500e-6, pytest.approx(1500e-9))
    assert x.tolerance >= 50e-9
    assert z.upper == pytest.approx(300e-6)
    assert (alpha.upper, beta.upper) == (pytest.approx(math.radians(35)), pytest.approx(math.radians(30)))
    assert not caps.optic("voltage").settable
    assert not caps.optic("convergence").settable
    assert caps.optic("probe_current").upper == pytest.approx(1e-9)
    assert {d.name for d in caps.detectors} == {"haadf", "bf"}


def test_it_starts_blanked_with_known_settings():
    state = twin().read()
    assert state.blanked
    assert state.beam_on
    assert state.optics["voltage"] == 60e3
    assert state.optics["convergence"] == pytest.approx(0.03)
    assert state.optics["probe_current"] == pytest.approx(30e-12)
    assert set(state.commanded) == set(state.reported) == {"x", "y", "z", "alpha", "beta"}


@pytest.mark.parametrize(
    ("targets", "error"),
    [
        ({"x": 2e-3}, LimitRefused), ({"x": math.nan}, LimitRefused), ({"alpha": 1.0}, LimitRefused),
        ({"gamma": 0.0}, UnknownAxis), ({"y": 1e-6, "x": math.inf}, LimitRefused),
    ],
)  # fmt: skip
def test_a_refused_move_moves_nothing(targets, error):
    driver = twin()
    before = driver.read()
    with pytest.raises(error, match="nothing moved"):
        driver.move(targets, NEVER)
    assert driver.read() == before


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"defocus": 1e-3}, LimitRefused), ({"voltage": 60e3}, Unsupported), ({"convergence": 0.02}, Unsupported),
        ({"stig": 1.0}, Unsupported), ({"defocus": 1e-7, "beam_shift_x": math.nan}, LimitRefused),
    ],
)  # fmt: skip
def test_a_refused_setting_sets_nothing(values, error):
    driver = twin()
    before = driver.read()
    with pytest.raises(error):
        driver.set_optics(values, NEVER)
    assert driver.read() == before


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (scan(detectors=("edx",)), UnknownDetector), (scan(n=5000), Unsupported), (scan(dwell=1e-9), Unsupported),
        (scan(n=0), Unsupported), (scan(fov=0.0), Unsupported), (scan(fov=1.0), Unsupported),
    ],
)  # fmt: skip
def test_an_impossible_scan_is_refused(spec, error):
    driver = twin()
    with pytest.raises(error):
        driver.acquire(spec, NEVER)
    assert driver.read().commands == 0


def test_time_passes_as_declared():
    driver = twin(stage="ideal")
    caps = driver.capabilities()
    driver.move({"x": 30e-6}, NEVER)
    assert driver.read().time_s == pytest.approx(caps.axis("x").overhead_s + 1.0)
    start = driver.read().time_s
    driver.set_blank(False)
    frames, _ = driver.acquire(scan(n=64, dwell=1e-6), NEVER)
    line = 64e-6 + caps.line_flyback_s
    assert frames.time_s == pytest.approx(start + caps.frame_overhead_s)
    assert frames.beam_s == pytest.approx(64 * line)
    assert frames.duration_s == pytest.approx(caps.frame_overhead_s + 64 * line)
    assert driver.read().time_s == pytest.approx(start + frames.duration_s)
    driver.wait(5.0, NEVER)
    assert driver.read().time_s == pytest.approx(start + frames.duration_s + 5.0)


def test_a_blanked_scan_is_noise_and_costs_no_dose():
    driver = twin()
    frames, (image,) = driver.acquire(scan(), NEVER)
    assert frames.beam_s == 0
    assert frames.lines_done == 64
    assert 0.2 < image.std() < 0.4
    assert abs(image.mean()) < 0.05
    assert Oracle(driver).electrons == 0


def test_two_detectors_at_once_see_opposite_contrast():
    driver = twin(stage="ideal")
    driver.set_blank(False)
    frames, (haadf, bf) = driver.acquire(scan(8e-6, 128, 1e-4, ("haadf", "bf")), NEVER)
    assert frames.scan.detectors == ("haadf", "bf")
    assert haadf.dtype == bf.dtype == np.float32
    assert np.corrcoef(haadf.ravel(), bf.ravel())[0, 1] < -0.8
    assert bf.mean() > haadf.mean()


def test_counts_are_poisson_with_the_expected_mean():
    driver = twin(stage="ideal")
    driver.set_blank(False)
    spec = scan(4e-6, 64, 1e-5)
    expected = Oracle(driver).noiseless(spec) * 30e-12 * 1e-5 / 1.602176634e-19
    images = np.array([driver.acquire(spec, NEVER)[1][0] for _ in range(40)])
    bright = expected > 20
    assert bright.any()
    assert images.mean(axis=0)[bright].mean() == pytest.approx(expected[bright].mean(), rel=0.01)
    assert images.var(axis=0)[bright].mean() == pytest.approx(expected[bright].mean() + 0.09, rel=0.05)


def test_dose_agrees_with_the_formula_everybody_uses():
    driver = twin(stage="ideal")
    driver.set_blank(False)
    oracle = Oracle(driver)
    driver.acquire(scan(8e-9, 256, 2e-6), NEVER)
    dose = scan_dose(
        current_pa=30,
        dwell_us=2,
        pixel_nm=8 / 256,
        columns=256,
        voltage_kv=60,
        convergence_mrad=30,
        flyback_us=20,
    )
    overhead = 1 + 20 / 512
    assert oracle.dose_e_per_a2(0.0, 0.0) == pytest.approx(dose.mean_e_per_a2 * overhead, rel=1e-6)
    assert oracle.dose_e_per_a2(20e-9, 0.0) == 0.0


def test_a_parked_beam_burns_a_spot():
    driver = twin(stage="ideal")
    driver.set_blank(False)
    driver.wait(2.0, NEVER)
    driver.set_blank(True)
    driver.wait(2.0, NEVER)
    assert Oracle(driver).electrons == pytest.approx(2.0 * 30e-12 / 1.602176634e-19)
    assert Oracle(driver).dose_e_per_a2(0.0, 0.0) > 1e7


def test_a_stop_before_the_first_line_leaves_zeros():
    driver = twin()
    driver.set_blank(False)
    frames, (image,) = driver.acquire(scan(), stopped())
    assert frames.aborted
    assert (frames.lines_done, frames.beam_s) == (0, 0.0)
    assert not image.any()
    assert not driver.acquire(scan(), NEVER)[0].aborted  # the next command is not affected


def test_a_stopped_move_does_not_arrive():
    driver = twin(stage="ideal")
    driver.move({"x": 10e-6}, stopped())
    state = driver.read()
    assert (state.commanded["x"], state.reported["x"]) == (10e-6, 0.0)


@pytest.mark.parametrize("how", ["event", "method"])
def test_on_a_real_clock_a_stop_ends_a_scan_at_once(how):
    driver = twin(clock="real")
    driver.set_blank(False)
    event, answer = threading.Event(), []

    def work() -> None:
        answer.append((driver.acquire(scan(1e-6, 256, 200e-6), event), time.monotonic()))  # 13 s

    thread = threading.Thread(target=work)
    begun = driver.read().time_s
    thread.start()
    while driver.read().time_s < begun + 0.5:
        time.sleep(0.01)
    with pytest.raises(Busy):
        driver.move({"x": 1e-6}, NEVER)
    driver.read()  # never waits for the scan
    asked = time.monotonic()
    event.set() if how == "event" else driver.stop()
    thread.join(5)
    (frames, (image,)), ended = answer[0]
    assert ended - asked < 4.0  # 20 ms on an idle machine
    assert frames.aborted
    assert 5 < frames.lines_done < 200
    assert image[: frames.lines_done].any()
    assert not image[frames.lines_done :].any()
    assert frames.beam_s < 10.0
    driver.close()
    assert driver.is_blanked()


def test_blanking_during_a_real_scan_darkens_the_rest():
    driver = twin(clock="real", stage="ideal")
    driver.set_blank(False)
    timer = threading.Timer(0.3, driver.set_blank, (True,))
    timer.start()
    frames, (image,) = driver.acquire(scan(1e-6, 64, 3.2e-4), NEVER)  # 1.3 s
    timer.join()
    assert frames.lines_done == 64
    assert not frames.aborted
    assert 0 < frames.beam_s < frames.duration_s
    assert image[:10].mean() > 20 * abs(image[-10:].mean())


def test_the_real_clock_runs_at_its_speed():
    driver = twin(clock="real", speed="100", stage="ideal")
    start = time.monotonic()
    driver.wait(20.0, NEVER)
    assert 0.19 < time.monotonic() - start < 10.0
    assert driver.read().time_s >= 20.0


def test_a_missed_move_is_not_in_the_reading():
    driver = twin(stage="ideal", faults="missed_move@2")
    oracle = Oracle(driver)
    driver.move({"x": 5e-6}, NEVER)
    driver.move({"x": 9e-6}, NEVER)
    assert driver.read().reported["x"] == 9e-6
    assert oracle.actual()["x"] == pytest.approx(5e-6)
    assert [(f.kind, f.note) for f in oracle.faults] == [("missed_move", "did not move")]
    driver.move({"x": 10e-6}, NEVER)
    assert oracle.actual()["x"] == pytest.approx(6e-6)


def test_a_time_out_leaves_the_position_unknown():
    notes = set()
    for seed in range(12):
        driver = twin_driver("mxene", {"seed": str(seed), "stage": "ideal", "faults": "time_out@1"})
        with pytest.raises(CommandTimeout, match="unknown"):
            driver.move({"x": 5e-6}, NEVER)
        (fault,) = Oracle(driver).faults
        notes.add(fault.note)
        assert (Oracle(driver).actual()["x"] > 4e-6) == (fault.note == "moved")
    assert notes == {"moved", "did not move"}


def test_a_drift_step_starts_at_its_time():
    driver = twin(stage="ideal", faults="drift_step@30s")
    oracle = Oracle(driver)
    driver.acquire(scan(), NEVER)
    assert not oracle.faults
    driver.wait(30.0, NEVER)
    driver.acquire(scan(), NEVER)
    before = oracle.actual()
    driver.wait(10.0, NEVER)
    after = oracle.actual()
    assert math.hypot(after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx(5e-9, rel=1e-6)
    assert [fault.id for fault in oracle.faults] == ["drift_step@30s"]


def test_a_tripped_gun_stays_off_until_an_operator_comes():
    driver = twin(faults="beam_trip@2")
    driver.set_blank(False)
    driver.acquire(scan(), NEVER)
    for _ in range(2):
        with pytest.raises(BeamLost):
            driver.acquire(scan(), NEVER)
        assert not driver.read().beam_on
        assert driver.is_blanked()
    Oracle(driver).restore_beam()
    assert driver.acquire(scan(), NEVER)[0].beam_s > 0


def test_a_worlds_own_fault_list_and_stage(tmp_path):
    from importlib import resources

    text = (resources.files("eucentric.instruments.twin") / "worlds" / "mxene.toml").read_text("utf-8")
    text += '\n[stages.sticky]\nmiss = 1.0\n[[faults.morning]]\nkind = "beam_trip"\nid = "F1"\nonset_n = 1\n'
    (tmp_path / "w.toml").write_text(text)
    driver = twin_driver(str(tmp_path / "w.toml"), {"stage": "sticky", "faults": "morning"})
    driver.move({"x": 1e-6}, NEVER)
    assert Oracle(driver).actual()["x"] == 0.0
    with pytest.raises(BeamLost):
        driver.acquire(scan(), NEVER)
    assert Oracle(driver).faults[0].id == "F1"


REPLAY = """
import hashlib, threading, random
from eucentric.core.errors import EucentricError
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import twin_driver
never = threading.Event()
driver = twin_driver("mxene", {"seed": "11", "stage": "worn", "faults": "missed_move@4,drift_step@5,time_out@9"})
rng, digest = random.Random(5), hashlib.sha256()
for n in range(60):
    kind = ("move", "acquire", "optics", "wait", "blank")[n % 5]
    try:
        if kind == "move":
            driver.move({"x": rng.uniform(-20e-6, 20e-6), "y": rng.uniform(-20e-6, 20e-6)}, never)
        elif kind == "optics":
            driver.set_optics({"defocus": rng.uniform(-1e-7, 1e-7), "beam_shift_x": rng.uniform(-1e-6, 1e-6)}, never)
        elif kind == "wait":
            driver.wait(rng.uniform(0, 30), never)
        elif kind == "blank":
            driver.set_blank(rng.random() < 0.3)
        else:
            spec = ScanSpec(detectors=("haadf", "bf"), rows=64, columns=64,
                            fov_m=10 ** rng.uniform(-8.5, -5), dwell_s=2e-6)
            frames, pixels = driver.acquire(spec, never)
            digest.update(frames.model_dump_json().encode())
            for plane in pixels:
                digest.update(plane.tobytes())
    except EucentricError as error:
        digest.update(str(error).encode())
    digest.update(driver.read().model_dump_json().encode())
print(digest.hexdigest())
"""


def test_the_same_sixty_commands_give_the_same_bytes_in_two_processes():
    answers = {
        subprocess.run([sys.executable, "-c", REPLAY], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(answers) == 1
    assert len(answers.pop().strip()) == hashlib.sha256().digest_size * 2


def test_another_seed_gives_other_noise():
    images = []
    for seed in ("1", "2"):
        driver = twin_driver("mxene", {"seed": seed})
        driver.set_blank(False)
        images.append(driver.acquire(scan(), NEVER)[1][0])
    assert not np.array_equal(*images)
