"""The stop client: light, tolerant, and never content with silence."""

import importlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from eucentric.cli.host import host as host_command
from eucentric.cli.stop import blank as blank_command
from eucentric.cli.stop import stop as stop_command
from eucentric.core import stop as stopping
from eucentric.core.places import host_key, hosts_dir, state_dir
from eucentric.instruments.host import HostServer

sys.path.insert(0, str(Path(__file__).parent.parent / "instruments"))
toy = importlib.import_module("toy")


@pytest.fixture
def serve(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    servers = []

    def start(name, **options):
        driver = toy.ToyDriver(**options)
        server = HostServer(f"py:toy:toy_driver?name={name}", lambda: driver)
        server.start()
        servers.append(server)
        return driver

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def hung(tmp_path, monkeypatch):
    """A host that accepts a connection and never answers."""
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    monkeypatch.setattr(stopping, "ANSWER_S", 0.3)
    monkeypatch.setattr(stopping.ask, "__defaults__", ("", 0.3))
    from eucentric.instruments.hostfiles import HostFiles

    files = HostFiles("py:toy:toy_driver?name=hung")
    files.take()
    path = str(files.sockets()[1])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(5)
        info = stopping.HostInfo(
            files.uri, os.getpid(), path, path, "2026", 1, "f", str(files.log), str(files.lock)
        )
        files.publish(info)
        yield info
    files.leave()


def test_places_follow_the_environment(monkeypatch):
    for name in ("EUCENTRIC_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/h")
    assert state_dir() == Path("/h/.local/state/eucentric")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # the XDG rule: a relative path is ignored
    assert state_dir() == Path("/h/.local/state/eucentric")
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert state_dir() == Path("/x/eucentric")
    monkeypatch.setenv("EUCENTRIC_STATE", "/e")
    assert hosts_dir() == Path("/e/hosts")


def test_stop_client_imports_nothing_heavy():
    script = "import sys, eucentric.core.stop; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pydantic", "click", "torch", "pint", "asyncio"} & set(done.stdout.split())
    assert heavy == set()


def test_stop_reaches_every_host_or_the_one_named(serve):
    drivers = {name: serve(name) for name in ("a", "b")}
    for driver in drivers.values():
        driver.blanked = False
    reports = stopping.stop("py:toy:toy_driver?name=b", "me")
    assert [(row["uri"], row["blanked"], row["held"]) for row in reports] == [
        ("py:toy:toy_driver?name=b", True, "me")
    ]
    assert drivers["a"].blanked is False
    assert [row["blanked"] for row in stopping.stop(None, "me")] == [True, True]
    assert drivers["a"].blanked
    assert drivers["a"].calls[-3:].count("stop") == 1


def test_blank_does_not_stop_motion(serve):
    driver = serve("a")
    driver.blanked = False
    assert stopping.blank(None, "me")[0]["blanked"]
    assert "stop" not in driver.calls


def test_a_beam_that_stays_on_is_reported_so(serve):
    driver = serve("a", fault="stuck-blanker")
    driver.blanked = False
    assert stopping.stop(None, "me")[0]["blanked"] is False
    driver.fault = ""


def test_status_touches_nothing(serve):
    driver = serve("a")
    driver.blanked = False
    before = list(driver.calls)
    row = stopping.status()[0]
    assert (row["blanked"], row["held"], row["lease"], row["operation"]) == (False, None, None, None)
    assert driver.calls == before


def test_hung_host_is_not_verified_and_delays_nobody(serve, hung):
    driver = serve("a")
    driver.blanked = False
    start = time.monotonic()
    waiting = threading.Thread(target=stopping.stop, args=(None, "me"))
    waiting.start()
    while not driver.blanked:
        assert time.monotonic() - start < 5
        time.sleep(0.005)
    waiting.join(10)
    rows = {row["uri"]: row for row in stopping.stop(None, "me")}
    assert rows[hung.uri]["blanked"] is False
    assert rows[hung.uri]["error"]
    assert rows["py:toy:toy_driver?name=a"]["blanked"]


def test_files_that_are_no_info_are_skipped(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    assert stopping.list_hosts() == []
    hosts_dir().mkdir(parents=True)
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"uri": "x"}')):
        (hosts_dir() / f"{name}.json").write_text(text)
    assert stopping.stop(None, "me") == []


def test_file_of_a_dead_host_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    hosts_dir().mkdir(parents=True)
    stem = hosts_dir() / host_key("twin://a")
    stem.with_suffix(".lock").touch()
    info = stopping.HostInfo(
        "twin://a", os.getpid(), "s", "t", "2026", 1, "f", "l", str(stem.with_suffix(".lock"))
    )
    stem.with_suffix(".json").write_text(json.dumps(info._asdict()))
    assert stopping.list_hosts() == []  # the process id is alive (ours), but nobody holds the lock


def test_command_says_blanked_and_exits_0(serve):
    driver = serve("a")
    driver.blanked = False
    done = CliRunner().invoke(stop_command, ["--json"])
    answer = json.loads(done.stdout)["hosts"][0]
    assert (done.exit_code, answer["blanked"]) == (0, True)
    assert "stop by " in answer["held"]
    assert "blanked, read back" in CliRunner().invoke(blank_command, []).stdout


@pytest.mark.parametrize("fault", ["stuck-blanker"])
def test_command_exits_1_if_not_verified(serve, fault):
    driver = serve("a", fault=fault)
    driver.blanked = False
    done = CliRunner().invoke(stop_command, [])
    assert done.exit_code == 1
    assert "NOT VERIFIED" in done.stdout
    driver.fault = ""


def test_command_with_nothing_running_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    done = CliRunner().invoke(stop_command, [])
    assert (done.exit_code, done.stdout) == (0, "No instrument host is running: nothing to stop.\n")


def test_mistyped_instrument_stops_nothing_and_is_no_success(serve):
    driver = serve("a")
    driver.blanked = False
    done = CliRunner().invoke(stop_command, ["--instrument", "py:toy:toy_driver?name=A"])
    assert done.exit_code == 1
    assert "NOTHING was stopped" in done.stdout
    assert "py:toy:toy_driver?name=a" in done.stdout
    assert driver.blanked is False


def test_list_command(serve):
    assert "No instrument host" in CliRunner().invoke(host_command, ["--list"]).stdout
    serve("a")
    done = CliRunner().invoke(host_command, ["--list", "--json"])
    assert json.loads(done.stdout)["hosts"][0]["uri"] == "py:toy:toy_driver?name=a"
    assert "lease: free" in CliRunner().invoke(host_command, ["--list"]).stdout


def test_a_cold_process_stops_without_much_work(serve):
    serve("a")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = "from eucentric.core.stop import stop; print(stop()[0]['ms'])"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    total = (time.monotonic() - start) * 1e3
    sys.stdout.write(f"cold stop {total:.0f} ms, of which asking {float(done.stdout):.1f} ms\n")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert used.ru_utime - before.ru_utime < 1.0  # of the processor: how busy the machine is does not count
