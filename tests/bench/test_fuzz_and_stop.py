"""The spy sees, the executor holds, and a stop is sent before anything else is imported."""

import contextlib
import importlib
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from eucentric.bench import fuzz, stop
from eucentric.bench.fuzzing import scenes as fuzz_scenes
from eucentric.bench.fuzzing.bounds import NARROW, WIDE
from eucentric.bench.fuzzing.rig import Rig
from eucentric.bench.fuzzing.tally import Tally
from eucentric.bench.spying.account import Account, Grant, Watch, facts_of
from eucentric.bench.spying.limits import SHIPPED, TIGHT, collides
from eucentric.bench.spying.spy import Spy, dose_of
from eucentric.core import stop_early
from eucentric.core.calls import Envelope, ToolCall
from eucentric.core.errors import ApprovalRefused, Busy
from eucentric.core.stop import list_hosts
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.host import HostServer
from eucentric.instruments.twin import TwinDriver, load_world, render
from eucentric.knowledge.dose import scan_dose

SCAN = ScanSpec(detectors=("haadf",), rows=16, columns=16, fov_m=1e-6, dwell_s=1e-6)
NEVER = threading.Event()


@pytest.fixture(scope="module")
def world():
    return load_world("mxene")


@pytest.fixture
def spied(world):
    """A spy on an ideal stage, and a grant that covers everything used here."""
    spy = Spy(TwinDriver(world, 3, stage="ideal"), TIGHT, (1e-10, 1e-6), Account())
    spy.leased()
    everywhere = dict.fromkeys(("x", "y", "z", "alpha", "beta"), (-2e-5, 2e-5))
    grant = Grant(
        tools=("t",), box=everywhere, frames=3, dose_e_per_a2=1e3, current_a=6e-11, electrons=1e9, until_s=1e3,
        until_wall_s=time.time() + 60, facts=facts_of(spy.read()),
    )  # fmt: skip
    return spy, grant


# --- the spy ------------------------------------------------------------------------------------------


def scan(**changed):
    return lambda spy: spy.acquire(SCAN.model_copy(update=changed), NEVER)


def lit(spy):
    spy.set_blank(False)
    spy.move({"x": 1e-6}, NEVER)
    spy.set_blank(True)


def held(spy):
    spy.held = "all"
    spy.move({"x": 1e-6}, NEVER)


def exchanged(spy):
    spy.overlay = {"holder": "another"}
    spy.move({"x": 1e-6}, NEVER)


def twice(act, count):
    return lambda spy: [act(spy) for _ in range(count)]


@pytest.mark.parametrize(
    ("rule", "act"),
    [
        ("unknown axis", lambda spy: spy.move({"q": 1e-6}, NEVER)),
        ("not finite", lambda spy: spy.move({"x": float("nan")}, NEVER)),
        ("axis limit", lambda spy: spy.move({"x": 5e-4}, NEVER)),
        ("axis step", lambda spy: spy.move({"x": 1e-4}, NEVER)),
        ("axis excursion", twice(lambda spy: spy.move({"x": spy.read().reported["x"] + 7e-5}, NEVER), 3)),
        ("axis path", twice(lambda spy: [spy.move({"z": z}, NEVER) for z in (1.9e-5, 0.0)], 6)),
        ("axis per minute", twice(lambda spy: [spy.move({"x": x}, NEVER) for x in (7e-5, 0.0)], 8)),
        ("box", lambda spy: spy.move({"x": 2.1e-5}, NEVER)),
        ("control limit", lambda spy: spy.set_optics({"probe_current": 5e-10}, NEVER)),
        ("unknown control", lambda spy: spy.set_optics({"camera_length": 0.1}, NEVER)),
        ("current", lambda spy: spy.set_optics({"probe_current": 7e-11}, NEVER)),
        ("detector", scan(detectors=("eels",))),
        ("detector", lambda spy: spy.insert("haadf", False, NEVER)),
        ("scan limit", scan(dwell_s=1e-8)),
        ("frames", twice(scan(dwell_s=1e-7), 4)),
        ("dose", twice(scan(dwell_s=3e-6), 3)),
        ("detector charge", scan(dwell_s=1e-3, rows=64, columns=64)),
        ("lit", lit),
        ("held", held),
        ("binding", exchanged),
        ("time", lambda spy: (spy.wait(2e3, NEVER), spy.move({"x": 1e-6}, NEVER))),
    ],
)  # fmt: skip
def test_the_spy_sees_each_rule_broken(spied, rule, act):
    spy, grant = spied
    with spy.watching(Watch(grant, "t")):
        spy.set_blank(rule not in ("detector", "scan limit", "frames", "dose", "detector charge"))
        with contextlib.suppress(Exception):  # the twin refuses some of it itself: it was judged before
            act(spy)
    assert spy.account.violations[rule], dict(spy.account.violations)


def test_and_nothing_where_none_is(spied):
    spy, grant = spied
    with spy.watching(Watch(grant, "t")) as watch:
        spy.move({"x": 1e-5, "alpha": 1e-5}, NEVER)
        spy.set_optics({"probe_current": 5e-11}, NEVER)
        spy.set_blank(False)
        spy.acquire(SCAN, NEVER)
        spy.set_blank(True)
    assert (dict(spy.account.violations), watch.arrived) == ({}, 3)


@pytest.mark.parametrize(("watch", "rule"), [(Watch(None, "t"), "unapproved"), (None, "unapproved")])
def test_without_an_approval_everything_is_wrong(spied, watch, rule):
    spy, _ = spied
    if watch is None:
        spy.move({"x": 1e-6}, NEVER)
    else:
        with spy.watching(watch):
            spy.move({"x": 1e-6}, NEVER)
    assert spy.account.violations[rule] == 1


@pytest.mark.parametrize("fov_nm", [1.0, 8.0, 500.0, 5000.0])
def test_its_dose_is_the_product_s_without_the_margins(fov_nm):
    optics = {"probe_current": 5e-11, "voltage": 60e3, "convergence": 30e-3}
    spec = ScanSpec(detectors=("haadf",), rows=64, columns=64, fov_m=fov_nm * 1e-9, dwell_s=1e-6)
    own = dose_of(spec, optics)
    theirs = scan_dose(
        current_pa=50.0,
        dwell_us=1.0,
        pixel_nm=fov_nm / 64,
        columns=64,
        voltage_kv=60.0,
        convergence_mrad=30.0,
    )
    assert 0.8 * theirs.bound_e_per_a2 < own <= theirs.bound_e_per_a2


@pytest.mark.parametrize(
    ("to", "hits"),
    [
        ({"alpha": 0.3}, False),
        ({"alpha": 0.6, "z": 2.9e-4}, True),
        ({"z": 2.9e-4}, False),
        ({"beta": 0.55}, False),
    ],
)
def test_the_holder_meets_the_gap(to, hits):
    assert collides({"z": 0.0, "alpha": 0.0, "beta": 0.0}, to) is hits


def test_it_knows_more_than_one_set_of_limits():
    assert set(SHIPPED.axes) == set(TIGHT.axes) == {"x", "y", "z", "alpha", "beta"}


# --- the fuzz -----------------------------------------------------------------------------------------


def test_adversarial_calls_break_nothing_and_good_ones_pass():
    with fuzz._quiet():
        account, tally = fuzz._fuzzed(150, 5)
    assert (dict(account.violations), dict(tally.broke)) == ({}, {})
    assert tally.executed >= 0.3 * tally.made >= 45


@pytest.mark.parametrize("what", list(fuzz._SEES))
def test_what_a_check_would_have_refused_is_seen_without_it(what):
    with fuzz._quiet():
        assert sum(fuzz._control(what, 120, 5).values()) > 0


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path, 5, "ideal", Account(), Tally())
    yield made
    made.close()


def test_an_approval_that_is_not_on_record_is_none(rig):
    desk = rig.desk
    wider = desk.approval.model_copy(update={"envelope": Envelope(**WIDE)})
    real = desk.executor.permit
    for approval in (rig.approval(desk, NARROW), wider, rig.other.approval):
        with pytest.raises(ApprovalRefused, match="not in force"):
            desk.executor.permit = rig.permit(desk, approval)
    with pytest.raises(ApprovalRefused, match="in use already"):
        desk.executor.permit = rig.permit(desk, desk.approval)
    assert desk.executor.permit is real


def test_one_call_acts_at_a_time(rig, monkeypatch):
    """Both calls pass their checks before either is sent, unless one is kept out."""
    desk, meeting = rig.desk, threading.Barrier(2)
    log, ends = desk.run.log, []

    def slow(kind, *args, **more):
        if kind == "intended":
            try:
                meeting.wait(1.0)
            except threading.BrokenBarrierError:
                meeting.reset()
        return log(kind, *args, **more)

    monkeypatch.setattr(desk.run, "log", slow)

    def act(number):
        args = {"width_px": 16, "height_px": 16, "fov_nm": 500.0, "dwell_us": 0.1}
        try:
            desk.executor.call(ToolCall(id=f"c{number}", step="s", tool="acquire_image", args=args))
            ends.append("done")
        except Busy:
            ends.append("busy")

    threads = [threading.Thread(target=act, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["busy", "done"]
    assert len(rig.store.ledger.events(kinds=("intended",))) == 1


def test_what_another_run_exposed_counts(rig):
    rig.kind = "lease"
    with fuzz._quiet():
        for seed in range(4):
            fuzz_scenes.lease(rig, random.Random(seed))
    assert dict(rig.spy.account.violations) == {}
    assert rig.tally.refused["DoseRefused"] >= 2


def test_a_call_of_a_known_name_with_a_nan_is_refused_and_no_defect(rig):
    rig.make(("move_stage", {"x_um": 1.0}), call_id="c")
    assert rig.make(("move_stage", {"x_um": float("nan")}), call_id="c", allowed=False) == "BadInput"


# --- stop ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "means"),
    [
        (["stop"], ("stop", None)),
        (["blank", "--json"], ("blank", None)),
        (["stop", "--instrument", "twin://a"], ("stop", "twin://a")),
        (["stop", "--json", "--instrument", "twin://a"], ("stop", "twin://a")),
        (["stop", "--help"], None),
        (["stop", "--instrument"], None),
        (["stop", "now"], None),
        (["status"], None),
        ([], None),
        (["STOP"], None),
    ],
)
def test_only_a_plain_stop_is_sent_early(args, means):
    assert stop_early._understood(args) == means


@pytest.fixture
def served(tmp_path, monkeypatch, world):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    uri = "twin://mxene?seed=3"
    server = HostServer(uri, lambda: TwinDriver(world, 3))
    server.start()
    yield uri, server
    server.close()
    while stop_early._open:
        stop_early._open.pop().close()


def _held(server):
    end = time.monotonic() + 2.0
    while server._guard.held() is None and time.monotonic() < end:
        time.sleep(0.01)
    return server._guard.held()


@pytest.mark.parametrize("verb", ["stop", "blank"])
def test_a_host_is_told_before_the_command_is_imported(served, monkeypatch, verb):
    monkeypatch.setenv("LOGNAME", 'j."doe"\\\n')
    uri, server = served
    assert stop_early.stop_at_once([verb, "--instrument", uri + "9"]) == 0
    assert stop_early.stop_at_once([verb, "--help"]) == 0
    assert stop_early.stop_at_once([verb, "--instrument", uri]) == 1
    assert _held(server).startswith(f"{verb} by j.?doe??? (")


def test_files_that_are_none_and_dead_hosts_are_passed_over(served):
    _, server = served
    folder = Path(list_hosts()[0].lock).parent
    (folder / "a.json").write_text("{")
    for number in range(20):  # in whatever order a folder is listed, some come first
        (folder / f"{number:016d}.json").write_text('{"stop_socket": "/nowhere/at/all"}')
    (folder / "c.json").mkdir()
    assert stop_early.stop_at_once(["stop"]) == 1
    assert _held(server)


def test_without_any_state_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "none"))
    assert stop_early.stop_at_once(["stop"]) == 0


def test_the_longest_of_a_hundred_is_the_p99():
    assert stop._p99([float(n) for n in range(1, 101)]) == 99.0
    assert stop._p99([1.0, 2.0]) == 2.0


def test_stops_are_timed_through_a_real_host(monkeypatch):
    monkeypatch.setattr(stop, "QUICK_STOPS", 1)
    answer = stop.run(quick=True)
    for way in stop._WAYS:
        assert (answer["figures"][way]["stops"], answer["figures"][way]["missed"]) == (1, 0)
    assert not any(bar["holds"] is False for bar in answer["bars"] if "longest" not in bar["claim"])


def test_the_command_line_sends_before_it_imports(monkeypatch):
    order = []
    monkeypatch.setattr("sys.argv", ["eucentric", "stop", "--json"])
    monkeypatch.setattr("eucentric.__main__.stop_at_once", lambda args: order.append(args))
    monkeypatch.setattr("eucentric.cli.main", lambda: order.append("command line"))
    importlib.import_module("eucentric.__main__").main()
    assert order == [["stop", "--json"], "command line"]


def test_nothing_is_imported_for_it():
    code = "import sys; before = set(sys.modules); import eucentric.core.stop_early; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"eucentric", "eucentric.core", "eucentric.core.stop_early", "_socket"}


@pytest.mark.parametrize("pixel_m", [5e-11, 1e-9, 1e-7])
def test_a_small_frame_far_out_of_focus_is_rendered_coarsely(pixel_m):
    """16 pixels at a height of 200 µm took half a minute and gigabytes: the fuzz asks for such things."""
    reach_m = 200e-6 * 30e-3
    assert reach_m / (pixel_m * render._zoom(reach_m, pixel_m)) <= 128
