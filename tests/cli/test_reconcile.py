"""`eucentric audit reconcile` against a real host process: exit codes, several stores, JSON, nothing forged."""

import json
import os
import tempfile
from pathlib import Path

import pytest

from eucentric.bench.own_state import end_hosts
from eucentric.core import stop as stopping
from eucentric.core.store import Store
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.uri import open_instrument

EXAMPLES = Path(__file__).parents[2] / "examples"
URI = "py:flat_driver:factory"
SCAN = ScanSpec(detectors=("haadf",), rows=16, columns=16, fov_m=1e-8, dwell_s=1e-6)


@pytest.fixture(autouse=True)
def place(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="eu") as name:
        folder = Path(name)
        monkeypatch.setenv("EUCENTRIC_STATE", str(folder / "s"))
        monkeypatch.setenv("EUCENTRIC_CONFIG", str(folder / "none.toml"))
        monkeypatch.setenv("PYTHONPATH", str(EXAMPLES), prepend=os.pathsep)
        monkeypatch.chdir(folder)
        yield folder
        end_hosts(folder / "s")


def move(client, store, x_um, run="r-0001"):
    """One act as a run writes it."""
    before = client.state().commands
    body = {"act": "move_stage", "args": {"x_um": x_um}, "args_sha256": "-", "commands": before}
    body["incarnation"] = client.incarnation()
    names = {"action_id": f"{run}/m{before}#1", "tool": "move_stage"}
    log = store.ledger.append
    intent = log(run, "intended", "eucentric", f"move_stage x_um={x_um}", body, **names)
    client.move({"x": x_um * 1e-6}, token=intent.hash)
    after = {"act": "move_stage", "commands": client.state().commands}
    log(run, "returned", "eucentric", "move_stage done", after, **names)


def opened(place, name):
    store = Store(place / name)
    body = {"request": {"text": "move", "who": "t", "instrument": URI}, "specimen": None}
    store.ledger.append("r-0001", "requested", "t", "move", body)
    return store


@pytest.fixture
def shared(place):
    """Two stores that share an instrument; a process that is neither has sent a command, too."""
    client = open_instrument(URI)
    client.lease("run r-0001")
    one, other = opened(place, "eucentric-store"), opened(place, "other")
    move(client, one, 1.0)
    move(client, other, 2.0)
    move(client, one, 3.0)
    for store in (one, other):
        store.close()
    yield client
    client.close()


def test_with_both_stores_everything_has_a_row(shared, eucentric):
    code, out, _ = eucentric("audit", "reconcile", "--store", "eucentric-store", "--store", "other")
    assert code == 0, out
    assert "everything has a row" in out
    assert "3 acts of r-0001 of eucentric-store, r-0001 of other" in out


def test_with_one_store_the_command_of_the_other_has_none(shared, eucentric):
    code, out, _ = eucentric("audit", "reconcile")
    assert code == 1
    assert "NO ROW       1 command between event 4 (" in out
    assert "the instrument's log: number 2, move x_um 2, at " in out
    assert "NOT EVERYTHING HAS A ROW" in out


def test_json_is_one_object_with_the_same_verdict(shared, eucentric):
    code, out, _ = eucentric("audit", "reconcile", "--json")
    body = json.loads(out)
    assert (code, body["ok"], len(out.splitlines())) == (1, False, 1)
    (life,) = body["instruments"][0]["lives"]
    assert [(one["commands"], one["after"]["what"]) for one in life["unexplained"]] == [(1, "event 4")]
    assert body["disks"][0]["without_row"] == []
    code, out, _ = eucentric("audit", "reconcile", "--json", "--store", "eucentric-store", "--store", "other")
    assert (code, json.loads(out)["ok"]) == (0, True)


def test_a_stop_is_told_by_name_and_time(shared, eucentric):
    eucentric("stop")
    for _ in range(200):
        code, out, _ = eucentric("audit", "reconcile", "--store", "eucentric-store", "--store", "other")
        if "stop by" in out:
            break
    assert code == 0
    assert any(line.startswith("stop         20") and "stop by" in line for line in out.splitlines())


def test_a_name_of_a_file_does_not_act_on_the_screen(shared, place, eucentric):
    (place / "eucentric-store" / "\x1b[2J\u202eevil").write_bytes(b"x" * 2500)
    code, out, _ = eucentric("audit", "reconcile", "--store", "eucentric-store", "--store", "other")
    assert code == 1
    assert "NO ROW       \\x1b[2J\\u202eevil  2.5 kB  of no run" in out


def test_without_a_host_the_rows_are_compared_and_it_is_said(shared, place, eucentric):
    shared.close()
    end_hosts(place / "s")
    code, out, _ = eucentric("audit", "reconcile", "--store", "eucentric-store", "--store", "other")
    assert code == 0
    assert "its count could not be read now: its host does not run" in out
    assert stopping.list_hosts() == []


@pytest.mark.parametrize(
    "args", [("--store", "nowhere"), ("--instrument", "twin://mxene"), ("--instrument", "no address")]
)
def test_what_there_is_not_is_a_usage_error(shared, eucentric, args):
    code, *_ = eucentric("audit", "reconcile", *args)
    assert code == 2
