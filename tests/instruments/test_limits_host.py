"""Limits through a host process: what clients see, and a touch that outlives the host."""

import contextlib
import importlib
import os
import signal
import sys
from pathlib import Path

import pytest

from eucentric.core import stop as stopping
from eucentric.core.errors import BadInput, InstrumentFault, LimitRefused
from eucentric.instruments.client import HostClient
from eucentric.instruments.host import HostServer
from eucentric.instruments.uri import open_instrument

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
rig = importlib.import_module("rig")

URI = "py:rig:rig_driver"
FILE = """
version = {version}
instrument = "* Rig R1 7"
[axes.x_um]
lower = -100
upper = 100
max_step = 50
measured_by = "staff"
measured_on = 2026-10-02
"""


@pytest.fixture(autouse=True)
def _rooms(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
    (tmp_path / "settings.toml").write_text(f'limits = {{ "py:rig" = "{tmp_path}/rig.toml" }}')
    write(tmp_path, 1)
    yield
    for info in stopping.list_hosts():
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.pid, signal.SIGKILL)


def write(folder, version):
    (folder / "rig.toml").write_text(FILE.format(version=version))


@pytest.fixture
def served():
    servers = []

    def start(driver):
        servers.append(HostServer(URI, lambda: driver))
        return servers[-1], HostClient(servers[-1].start())

    yield start
    for server in servers:
        server.close()


def test_a_host_enforces_the_file_of_its_address_and_a_changed_file_is_another_host(tmp_path):
    client = open_instrument(URI)
    assert client.limits().version == 1
    assert client.limits() is client.limits()
    assert client.capabilities().limits_version == client.limits().label
    assert client.declaration().limits_version == "factory"
    assert client.declaration().axis("x").upper == 1e-3
    client.lease("t")
    with pytest.raises(LimitRefused, match="measured by staff 2026-10-02"):
        client.move({"x": 60e-6})
    client.close()
    write(tmp_path, 2)
    second = open_instrument(URI)
    assert second.info.pid != client.info.pid
    assert second.limits().version == 2
    second.close()


def test_a_wrong_file_keeps_the_host_from_starting(tmp_path):
    (tmp_path / "rig.toml").write_text("version = 1\n")
    with pytest.raises(BadInput, match="instrument"):
        open_instrument(URI)
    assert stopping.list_hosts() == []


def test_a_driver_is_closed_when_its_limits_are_wrong(tmp_path):
    (tmp_path / "rig.toml").write_text("version = 1\n")
    closed = []
    driver = rig.TouchRig()
    driver.close = lambda: closed.append(True)
    with pytest.raises(BadInput):
        HostServer(URI, lambda: driver)
    assert closed == [True]


def test_a_touch_outlives_the_host_until_staff_clear_it(served, tmp_path):
    driver = rig.TouchRig()
    server, client = served(driver)
    client.lease("t")
    driver.fault = "touch"
    with pytest.raises(InstrumentFault, match="touched something"):
        client.move({"x": 50e-6})
    client.close()
    server.close()
    second = rig.TouchRig()
    server, client = served(second)
    client.lease("another")
    client.clear_hold("a person")
    with pytest.raises(LimitRefused, match="locked by the touch alarm"):
        client.move({"x": 1e-6})
    assert second.sent == []
    client.clear_touch("staff")
    assert client.move({"x": 1e-6}).reported["x"] == 1e-6
    client.close()
    server.close()
    _, client = served(rig.TouchRig())
    client.lease("after")
    client.move({"x": 1e-6})
    client.close()


def test_a_lock_that_cant_be_read_still_locks(served, tmp_path):
    server, client = served(rig.TouchRig())
    client.close()
    server.close()
    lock = next((tmp_path / "hosts").glob("*.lock")).with_suffix(".touch")
    lock.write_bytes(b"\xff\xfe\x80")
    _, client = served(rig.TouchRig())
    client.lease("t")
    with pytest.raises(LimitRefused, match="can't be read"):
        client.move({"x": 1e-6})
    client.close()


def test_clearing_needs_a_name(served):
    _, client = served(rig.TouchRig())
    with pytest.raises(BadInput, match="clear_touch"):
        client._reads.ask("clear_touch", by=7)
    client.close()
