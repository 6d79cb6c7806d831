"""The instrument's own log of what it was told: from the twin and the example, through guard, host, client and wire."""

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from eucentric.core import stop as stopping
from eucentric.core.errors import ConnectionLost, InstrumentFault
from eucentric.instruments import guard as guarding
from eucentric.instruments.driver import LoggedCommand, Logs, ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import twin_driver
from eucentric.instruments.twin.controllerlog import ControllerLog
from eucentric.instruments.uri import open_instrument

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
sys.path[:0] = [str(HERE), str(EXAMPLES)]
toy, flat = importlib.import_module("toy"), importlib.import_module("flat_driver")

SCAN = ScanSpec(detectors=("haadf",), rows=16, columns=16, fov_m=1e-8, dwell_s=1e-6)
FLAT = "py:flat_driver:factory"
NEVER = threading.Event()


def twin(**query):
    return twin_driver("mxene", {"seed": "7", "stage": "ideal", **query})


def commands(instrument):
    """Move, set, scan: five commands."""
    instrument.lease("t")
    instrument.move({"x": 1e-6})
    instrument.set_optics({"defocus": 5e-9})
    instrument.acquire(SCAN)
    instrument.wait(0.0)
    instrument.blank("already dark: no switch")


WANTED = [
    (1, "move", {"x": 1e-6}),
    (2, "set_optics", {"defocus": 5e-9}),
    (3, "unblank", {}),
    (4, "acquire", SCAN.model_dump(mode="json")),
    (5, "blank", {}),
]


def told(entries):
    return [(one.number, one.name, one.args) for one in entries]


@pytest.mark.parametrize("driver", [twin, flat.factory], ids=["twin", "example"])
def test_each_command_is_in_the_log_under_its_count_and_nothing_else_is(driver):
    made = driver()
    instrument = Guard(made)
    commands(instrument)
    assert told(instrument.command_log(0)) == WANTED
    assert told(instrument.command_log(3)) == WANTED[3:]
    assert instrument.command_log(5) == ()
    assert instrument.state().commands == 5
    assert [one.time_s for one in instrument.command_log(0)] == sorted(
        one.time_s for one in instrument.command_log(0)
    )


def test_a_command_beside_the_guard_is_in_the_log_too():
    driver = twin()
    instrument = Guard(driver)
    instrument.lease("t")
    instrument.move({"x": 1e-6})
    driver.set_optics({"defocus": np.float64(7e-9)}, NEVER)
    entry = instrument.command_log(1)[0]
    assert (entry.name, entry.args) == ("set_optics", {"defocus": 7e-9})
    json.dumps(entry.model_dump(mode="json"))


def test_a_command_that_the_twin_refuses_is_neither_counted_nor_logged():
    driver = twin()
    with pytest.raises(Exception, match="travel"):
        driver.move({"x": 1.0}, NEVER)
    assert (driver.command_log(0), driver.read().commands) == ((), 0)


def test_what_the_log_says_of_a_lost_command_is_whether_it_arrived():
    """Carried out or not is drawn: the log agrees with the stage, and the number of the other is left out."""
    seen = set()
    for seed in range(12):
        driver = twin(faults="lost_connection@2", seed=str(seed))
        driver.move({"x": 1e-6}, NEVER)
        with pytest.raises(ConnectionLost):
            driver.move({"x": 2e-6}, NEVER)
        driver.move({"y": 1e-6}, NEVER)
        numbers = [one.number for one in driver.command_log(0)]
        arrived = driver.read().commanded["x"] == pytest.approx(2e-6)
        assert numbers == ([1, 2, 3] if arrived else [1, 3])
        seen.add(arrived)
    assert seen == {True, False}


def test_the_log_is_bounded_and_forgets_the_oldest():
    log = ControllerLog(kept=3)
    for number in (1, 2, 4, 3, 5):  # a blank from another thread may be entered first
        log.add(number, "move", {}, 0.0)
    assert [one.number for one in log.after(0)] == [3, 4, 5]


def test_a_driver_without_a_log_says_none():
    driver = toy.ToyDriver()
    assert not isinstance(driver, Logs)
    assert Guard(driver).command_log(0) is None


def test_a_log_that_can_not_be_read_blanks_nothing():
    class Broken(toy.ToyDriver):
        def command_log(self, after):
            raise RuntimeError("vendor")

    driver = Broken()
    with pytest.raises(InstrumentFault, match="command log"):
        Guard(driver).command_log(0)
    assert driver.calls == []


def test_one_answer_is_a_page(monkeypatch):
    monkeypatch.setattr(guarding, "LOG_PAGE", 2)
    instrument = Guard(twin())
    commands(instrument)
    pages, last = [], 0
    while page := instrument.command_log(last):
        pages.append([one.number for one in page])
        last = page[-1].number
    assert pages == [[1, 2], [3, 4], [5]]


@pytest.fixture
def hosted(tmp_path, monkeypatch):
    """Real host processes, ended by their ids."""
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{HERE}{os.pathsep}{EXAMPLES}", prepend=os.pathsep)
    yield open_instrument
    for info in stopping.list_hosts():
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.pid, signal.SIGKILL)


def test_the_log_comes_through_host_and_wire(hosted):
    client = hosted(FLAT)
    commands(client)
    assert told(client.command_log(0)) == WANTED
    assert told(client.command_log(4)) == WANTED[4:]
    assert isinstance(client.command_log(0)[0], LoggedCommand)
    client.close()
    other = hosted("py:toy:toy_driver")
    assert other.command_log(0) is None
    other.close()
