"""The guard over a toy driver: what is refused never reaches the driver, and the beam is never left on."""

import importlib
import math
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from eucentric.core.errors import (
    BadInput,
    BeamHeld,
    BeamLost,
    Busy,
    CommandTimeout,
    InstrumentFault,
    LeaseLost,
    LimitRefused,
    MoveNotReached,
    Stopped,
    UnknownAxis,
    UnknownDetector,
)
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.guard import Guard, Hold

sys.path.insert(0, str(Path(__file__).parent))
toy = importlib.import_module("toy")

SCAN = ScanSpec(detectors=("haadf",), rows=16, columns=16, fov_m=1e-8, dwell_s=1e-6)
LONG = SCAN.model_copy(update={"rows": 500, "columns": 1000, "dwell_s": 1e-5})  # 5 s on a toy that keeps time


def leased(**options):
    driver = toy.ToyDriver(**options)
    guard = Guard(driver)
    guard.lease("test")
    return guard, driver


def in_thread(call):
    """Start `call` in a thread; the returned list will hold its result or its error."""
    out = []

    def run():
        try:
            out.append(call())
        except Exception as error:
            out.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, out


BAD_TARGETS = [
    ({"x": math.nan}, LimitRefused),
    ({"x": math.inf}, LimitRefused),
    ({"x": -math.inf}, LimitRefused),
    ({"x": 1e9}, LimitRefused),
    ({"x": -1e9}, LimitRefused),
    ({"x": 10**400}, LimitRefused),
    ({"x": "3"}, LimitRefused),
    ({"x": True}, LimitRefused),
    ({"x": False}, LimitRefused),  # would be a fine 0.0
    ({"x": np.bool_(True)}, LimitRefused),
    ({"x": None}, LimitRefused),
    ({"x": 1 + 0j}, LimitRefused),
    ({"x": np.float64("nan")}, LimitRefused),
    ({"x": 201e-6}, LimitRefused),  # within the limits, but a longer step than allowed
    ({"x": 1e-6, "alpha": 0.7}, LimitRefused),  # all or nothing: x alone would pass
    ({"x": 1e-6, "gamma": 0.0}, UnknownAxis),
    ({}, BadInput),
]


@pytest.mark.parametrize(("targets", "error"), BAD_TARGETS)
def test_bad_target_is_refused_and_nothing_moves(targets, error):
    guard, driver = leased()
    with pytest.raises(error):
        guard.move(targets)
    assert (driver.position, driver.commands) == ({"x": 0.0, "alpha": 0.0}, 0)


def test_refusal_says_value_limit_source_and_what_stays():
    guard, _ = leased()
    guard.move({"x": 100e-6})
    with pytest.raises(LimitRefused) as refused:
        guard.move({"x": 1200e-6})
    text = str(refused.value)
    for part in ("x to 1200 µm", "-1000 µm … 1000 µm", "limits v3", "staff 2026-10-02", "x is still 100 µm"):
        assert part in text
    assert "Nothing was sent to the instrument" in text


def test_unknown_names_list_the_known_ones():
    guard, _ = leased()
    with pytest.raises(UnknownAxis, match="x, alpha"):
        guard.move({"g\x1b[2J": 0.0})
    with pytest.raises(UnknownDetector, match="haadf, maadf"):
        guard.acquire(SCAN.model_copy(update={"detectors": ("eels",)}))
    with pytest.raises(UnknownAxis, match="defocus, probe_current"):
        guard.set_optics({"voltage": 6e4})


def test_step_is_counted_from_the_reported_position():
    guard, driver = leased()
    driver.position["x"] = 150e-6  # somebody turned a knob; the last command said 0
    guard.move({"x": 340e-6})
    assert driver.position["x"] == 340e-6


def test_limits_are_inclusive_and_numpy_numbers_are_numbers():
    guard, driver = leased()
    driver.position["x"] = 900e-6
    guard.move({"x": 1000 * 1e-6, "alpha": np.float32(0.25)})
    assert driver.position == {"x": 1000 * 1e-6, "alpha": 0.25}


def test_move_reads_back_and_says_how_far_off():
    guard, driver = leased(miss_m=50e-9)
    with pytest.raises(MoveNotReached, match=r"0\.05 µm, tolerance 0\.02 µm"):
        guard.move({"x": 10e-6})
    assert driver.commands == 1


@pytest.mark.parametrize(
    ("fault", "error"), [("move-timeout", CommandTimeout), ("move-crash", InstrumentFault)]
)
def test_driver_failure_blanks_and_keeps_the_cause(fault, error):
    guard, driver = leased(fault=fault)
    driver.calls.clear()
    with pytest.raises(error) as raised:
        guard.move({"x": 1e-6})
    assert driver.calls == ["blank"]
    assert driver.commands == 1  # never retried
    assert guard.operation() is None
    if error is InstrumentFault:
        assert isinstance(raised.value.__cause__, RuntimeError)


def test_python_timeout_becomes_command_timeout(monkeypatch):
    guard, driver = leased()
    monkeypatch.setattr(driver, "move", lambda *_: (_ for _ in ()).throw(TimeoutError("3 s")))
    driver.calls.clear()
    with pytest.raises(CommandTimeout, match="unknown"):
        guard.move({"x": 1e-6})
    assert driver.calls == ["blank"]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"defocus": 2e-6}, LimitRefused),
        ({"defocus": math.nan}, LimitRefused),
        ({"probe_current": True}, LimitRefused),
        ({"voltage": 6e4}, UnknownAxis),
        ({"nope": 1.0}, UnknownAxis),
        ({}, BadInput),
    ],
)
def test_bad_optics_are_refused(values, error):
    guard, driver = leased()
    with pytest.raises(error):
        guard.set_optics(values)
    assert driver.commands == 0


def test_optics_are_set_and_read_back():
    guard, _ = leased()
    assert guard.set_optics({"defocus": 5e-8}).optics["defocus"] == 5e-8


@pytest.mark.parametrize(
    ("change", "error"),
    [({"rows": 0}, LimitRefused), ({"columns": 4097}, LimitRefused), ({"dwell_s": 9e-8}, LimitRefused),
     ({"fov_m": 0.0}, LimitRefused), ({"fov_m": math.nan}, LimitRefused), ({"fov_m": 2e-5}, LimitRefused),
     ({"detectors": ()}, BadInput), ({"detectors": ("haadf", "haadf")}, BadInput),
     ({"dwell_s": math.nan}, LimitRefused), ({"dwell_s": math.inf}, LimitRefused)],
)  # fmt: skip
def test_bad_scan_is_refused_dark(change, error):
    guard, driver = leased()
    with pytest.raises(error):
        guard.acquire(SCAN.model_copy(update=change))
    assert (driver.commands, driver.unblanked_times) == (0, 0)


def test_acquire_unblanks_and_blanks():
    guard, driver = leased()
    raw, pixels = guard.acquire(SCAN.model_copy(update={"detectors": ("haadf", "maadf")}))
    assert [frame.mean() for frame in pixels] == [1.0, 1.0]  # the toy's frame is 1 only under a beam
    assert raw.before.blanked is False
    assert driver.blanked
    assert driver.unblanked_times == 1


def test_frames_of_another_shape_are_a_fault():
    guard, driver = leased(fault="bad-frames")
    with pytest.raises(InstrumentFault, match="16 × 16"):
        guard.acquire(SCAN)
    assert driver.blanked


def test_no_beam_is_said_before_exposing():
    guard, driver = leased(fault="gun")
    with pytest.raises(BeamLost):
        guard.acquire(SCAN)
    assert driver.commands == 0


def test_blanker_that_sticks_is_held_and_reported(monkeypatch):
    guard, driver = leased()
    driver.fault = "stuck-blanker"
    with pytest.raises(InstrumentFault, match="column valves"):
        guard.acquire(SCAN)
    assert guard.held()
    assert guard.stop("again") is False
    driver.fault = ""
    assert guard.stop("again") is True


def test_commands_need_the_lease_and_stop_does_not():
    guard = Guard(toy.ToyDriver())
    for command in (lambda: guard.move({"x": 0.0}), lambda: guard.acquire(SCAN), lambda: guard.wait(0.0),
                    lambda: guard.set_optics({"defocus": 0.0}), lambda: guard.clear_hold("me")):  # fmt: skip
        with pytest.raises(LeaseLost):
            command()
    assert guard.state().blanked
    assert guard.blank("b")
    assert guard.stop("s")


def test_lease_blanks_names_the_holder_and_fences():
    driver = toy.ToyDriver()
    driver.blanked = False  # left on by hand
    guard = Guard(driver)
    first = guard.lease("j.doe run r-1")
    assert driver.blanked
    with pytest.raises(Busy, match=r"j\.doe run r-1"):
        guard.lease("other")
    guard.release(epoch=first)
    second = guard.lease("other")
    assert second > first
    with pytest.raises(LeaseLost):
        guard.move({"x": 1e-6}, epoch=first)
    assert guard.move({"x": 1e-6}, epoch=second).reported["x"] == 1e-6


def test_one_operation_at_a_time_without_queueing():
    guard, driver = leased(real_time=True)
    thread, out = in_thread(lambda: guard.acquire(LONG))
    assert driver.scanning.wait(5)
    start = time.monotonic()
    for command in (lambda: guard.move({"x": 0.0}), lambda: guard.acquire(SCAN), guard.release):
        with pytest.raises(Busy, match="acquire in flight"):
            command()
    assert time.monotonic() - start < 4.0  # the scan takes 5
    assert guard.state().blanked is False  # reading is free
    assert guard.stop("test ends")
    thread.join(5)
    assert isinstance(out[0], Stopped)


def test_stop_mid_scan_blanks_before_it_stops():
    guard, driver = leased(real_time=True)
    thread, out = in_thread(lambda: guard.acquire(LONG))
    assert driver.scanning.wait(5)
    driver.calls.clear()
    start = time.monotonic()
    assert guard.stop("j.doe")
    sys.stdout.write(f"guard.stop during a scan: {(time.monotonic() - start) * 1e3:.1f} ms\n")
    assert driver.calls.index("blank") < driver.calls.index("stop")
    thread.join(5)
    assert isinstance(out[0], Stopped)
    assert "of 500 lines" in str(out[0])
    assert "j.doe" in str(out[0])
    assert driver.blanked
    assert guard.held() == "j.doe"


def test_stop_mid_move_says_where_it_is():
    guard, driver = leased(real_time=True)
    thread, out = in_thread(lambda: guard.move({"x": 150e-6}))
    while driver.position["x"] == 0.0 and thread.is_alive():
        time.sleep(0.005)
    guard.stop("crash ahead")
    thread.join(5)
    assert isinstance(out[0], Stopped)
    assert 0 < driver.position["x"] < 150e-6
    assert "x at " in str(out[0])


def test_blank_lets_a_move_finish_and_ends_a_scan():
    guard, driver = leased(real_time=True)
    thread, out = in_thread(lambda: guard.move({"x": 20e-6}))
    while driver.position["x"] == 0.0 and thread.is_alive():
        time.sleep(0.005)
    assert guard.blank("b")
    thread.join(5)
    assert out[0].reported["x"] == 20e-6
    guard.clear_hold("test")
    thread, out = in_thread(lambda: guard.acquire(LONG))
    assert driver.scanning.wait(5)
    guard.blank("b")
    thread.join(2)
    assert isinstance(out[0], Stopped)


def test_stop_with_nothing_in_flight_holds_but_does_not_poison():
    guard, driver = leased()
    guard.stop("by hand")
    with pytest.raises(BeamHeld, match="by hand"):
        guard.acquire(SCAN)
    with pytest.raises(BeamHeld):
        guard.move({"x": 1e-6})
    guard.wait(0.0)
    assert driver.unblanked_times == 0
    guard.clear_hold("j.doe")
    assert driver.blanked  # clearing never unblanks
    assert guard.acquire(SCAN)[1][0].mean() == 1.0


def test_blank_holds_the_beam_but_not_the_stage():
    guard, _ = leased()
    guard.blank("pause")
    assert guard.move({"x": 1e-6}).reported["x"] == 1e-6
    with pytest.raises(BeamHeld):
        guard.acquire(SCAN)


def test_hold_of_an_earlier_process_holds():
    guard = Guard(toy.ToyDriver(), hold=Hold("yesterday", freezes=False))
    guard.lease("t")
    with pytest.raises(BeamHeld, match="yesterday"):
        guard.acquire(SCAN)


def test_stop_never_leaves_the_beam_on_whenever_it_comes():
    """A stop between check and unblank must win: stops at all moments of scans with a slow unblank."""
    guard, driver = leased()
    quick = driver.set_blank

    def slow(on):
        time.sleep(0.0 if on else 0.002)
        quick(on)

    driver.set_blank = slow
    stopped = 0
    for turn in range(120):
        thread, out = in_thread(lambda: guard.acquire(SCAN))
        time.sleep(turn % 20 * 2e-4)
        assert guard.stop("race")
        assert driver.blanked
        thread.join(5)
        assert driver.blanked
        stopped += isinstance(out[0], Stopped | BeamHeld)
        guard.clear_hold("test")
    assert stopped > 20


def test_stop_before_the_unblank_prevents_it():
    guard, driver = leased()
    plain = driver.read

    def read_and_stop():
        guard.stop("just in time")
        return plain()

    driver.read = read_and_stop
    with pytest.raises(Stopped, match="just in time"):
        guard.acquire(SCAN)
    assert driver.unblanked_times == 0


def test_stop_during_a_slow_unblank_blanks_after_it_under_a_deaf_scan():
    guard, driver = leased()
    unblanking, go_on, end_scan = threading.Event(), threading.Event(), threading.Event()
    plain = driver.set_blank

    def slow(on):
        if not on:
            unblanking.set()
            go_on.wait(5)
        plain(on)

    def deaf(scan, stop):
        end_scan.wait(5)
        raise RuntimeError("gave up")

    driver.set_blank, driver.acquire = slow, deaf
    scan, out = in_thread(lambda: guard.acquire(SCAN))
    assert unblanking.wait(5)
    stop, said = in_thread(lambda: guard.stop("now"))
    wait_for(lambda: guard.held())
    time.sleep(0.05)
    go_on.set()
    stop.join(5)
    wait_for(lambda: driver.unblanked_times)
    assert said == [True]
    assert driver.blanked  # although the scan still hangs
    end_scan.set()
    scan.join(5)
    assert isinstance(out[0], InstrumentFault)


def test_revoke_frees_and_holds_only_if_something_was_at_risk():
    guard, driver = leased()
    guard.revoke(guard.epoch, "watchdog: gone")
    assert (guard.owner, guard.held()) == (None, None)
    guard.lease("b")
    driver.blanked = False
    guard.revoke(guard.epoch, "watchdog: gone")
    assert driver.blanked
    assert guard.held() == "watchdog: gone"
    with pytest.raises(LeaseLost):
        guard.move({"x": 0.0})


def test_hung_scan_becomes_overdue(monkeypatch):
    guard, driver = leased(fault="hang")
    monkeypatch.setattr(guard, "_allow", lambda operation, _: setattr(operation, "allowed_s", 0.05))
    thread, out = in_thread(lambda: guard.acquire(SCAN))
    assert driver.scanning.wait(5)
    assert wait_for(guard.overdue).name == "acquire"
    guard.stop("watchdog")
    thread.join(5)
    assert isinstance(out[0], Stopped)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, "5", True, 1e6])
def test_bad_wait_is_refused(seconds):
    guard, _ = leased()
    with pytest.raises(LimitRefused):
        guard.wait(seconds)


def test_close_blanks_and_lets_go():
    guard, driver = leased()
    driver.blanked = False
    guard.close()
    assert driver.calls[-2:] == ["blank", "close"]


def wait_for(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return value
