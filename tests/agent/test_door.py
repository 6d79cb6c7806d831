"""One door: what is not approved, recorded and inside every bound never reaches the driver."""

from dataclasses import replace

import pytest
from workbench import IMAGE, URI, Person, image, step

from eucentric.agent.acting.acts import GatedMicroscope
from eucentric.agent.consent.asked import Answer
from eucentric.agent.consent.permit import Permit, Terms, binding_of, expiry
from eucentric.agent.executor import Executor
from eucentric.agent.readback import named_state
from eucentric.agent.session import Observer
from eucentric.bench.approved import on_record
from eucentric.core.calls import Approval, Envelope, ToolCall
from eucentric.core.errors import (
    ApprovalRefused,
    BadInput,
    CommandTimeout,
    ConnectionLost,
    DoseRefused,
    EucentricError,
    InstrumentFault,
    MoveNotReached,
    NotAvailable,
    StoreFull,
)  # fmt: skip
from eucentric.core.instrument import OpticsChange, Scan, StageMove
from eucentric.tools.catalogue import CATALOGUE

TARGET = {"id": "t1", "x_um": 1.0, "y_um": 1.0, "size_nm": 500.0, "layers": 1.0, "score": 1.0, "frame": "f"}
GRAIN = {
    "crystal": "SrTiO3",
    "readings": [
        {"index": "[001]", "alpha_deg": 0.0, "beta_deg": 0.0},
        {"index": "[102]", "alpha_deg": 26.565, "beta_deg": 0.0},
    ],
}
ARGS = {
    "move_stage": {"x_um": 1.0},
    "set_optics": {"defocus_nm": 5.0},
    "insert_detector": {"detector": "bf", "inside": False},
    "acquire_image": IMAGE,
    "acquire_series": {**IMAGE, "frames": 2},
    "acquire_pattern": {"exposure_ms": 1.0},
    "autofocus": {},
    "retake_image": {**IMAGE, "why": "more_dose"},
    "survey": {"tiles_x": 1, "tiles_y": 1, "width_px": 16, "fov_um": 1.0},
    "go_to_target": {"target": TARGET},
    "tilt_to_zone_axis": {**GRAIN, "target": "[103]"},
    "tilt_edge_on": {**GRAIN, "plane": "(011)"},
    "tilt_along_band": {**GRAIN, "plane": "(010)", "to": "[103]"},
}
WIDE = {
    "tools": tuple(ARGS), "max_frames": 100, "max_dose_e_per_a2": 1e6, "x_um": (-50, 50), "y_um": (-50, 50),
    "max_probe_current_pa": 1000, "max_seconds": 1e5,
}  # fmt: skip


def executor(bench, *, permit=True, expires="", **bounds):
    """An executor with an approval in force."""
    from eucentric.agent.conduct import new_run
    from eucentric.core.request import Request

    run = bench.run = new_run(
        bench.store, bench.guard, bench.card, Request(text="t", who="t", instrument=URI), Observer()
    )
    made = Executor(run, lambda: None)
    if permit:
        state = named_state(run.capabilities.identity, True, bench.guard.state(), None)
        version = run.capabilities.limits_version
        approval = Approval(
            gate="g1", outcome="approved", by="t", binding=binding_of(Terms("p", version), state).sha256,
            envelope=Envelope(**{**WIDE, **bounds}), expires_utc=expires or expiry(1),
        )  # fmt: skip
        made.permit = Permit(on_record(run, approval), Terms("p", version), state.time_s)
        bench.guard.lease("t")
    return made


def call(tool, name="s1", **args):
    return ToolCall(id=f"r-0001/{name}", step=name, tool=tool, args=args or ARGS.get(tool, {}))


def test_the_table_of_acting_tools_is_complete():
    assert set(ARGS) == {tool.name for tool in CATALOGUE if tool.risk in ("control", "expose")}


@pytest.mark.parametrize("tool", ARGS)
def test_without_a_permit_nothing_reaches_the_driver(bench, tool):
    made = executor(bench, permit=False)
    bench.guard.lease("t")
    with pytest.raises(ApprovalRefused):
        made.call(call(tool))
    assert bench.spy.sent == []
    assert [row.body["sent"] for row in bench.rows("failed")] == [False]


@pytest.mark.parametrize(
    "act",
    [
        lambda microscope: microscope.move_stage(StageMove(x_um=1.0)),
        lambda microscope: microscope.set_optics(OpticsChange(defocus_nm=1.0)),
        lambda microscope: microscope.acquire(Scan(fov_nm=50.0, dwell_us=1.0)),
        lambda microscope: microscope.wait(1.0),
    ],
)
def test_a_reading_tool_that_acts_is_refused(bench, act):
    """A tool that is called free of approval gets a microscope without a permit."""
    made = executor(bench)
    with pytest.raises(ApprovalRefused, match="has no approval"):
        act(GatedMicroscope(made.run, call("get_state"), None))
    assert bench.spy.sent == []


@pytest.mark.parametrize("tool", ARGS)
def test_an_approval_of_another_tool_covers_nothing(bench, tool):
    made = executor(bench, tools=("get_state",))
    with pytest.raises(EucentricError):
        made.call(call(tool))
    assert bench.spy.sent == []


@pytest.mark.parametrize(
    ("change", "declared"),
    [
        ({"holder": "other"}, {}),
        ({"loading": "twin-2"}, {}),
        ({"epoch": 1}, {}),
        ({"optics": {"voltage": 8e4}}, {}),
        ({}, {"limits_version": "v9"}),
    ],
)
@pytest.mark.parametrize("when", ["before the answer", "after it"])
def test_an_approval_is_void_when_what_it_was_for_changed(bench, change, declared, when):
    def happen(*_):
        bench.spy.override, bench.spy.declared = change, declared
        bench.guard._capabilities = bench.spy.capabilities()

    def late(asked):
        happen()
        return Answer("approved", "tester")

    if when == "after it":
        lease = bench.guard.lease
        bench.guard.lease = lambda owner: (lease(owner), happen())[0]
        late = Answer("approved", "tester")
    outcome = bench.carry(image(), person=Person(late))
    assert (outcome.outcome, outcome.exit_code, bench.spy.sent) == ("refused", 3, [])


def test_an_approval_is_for_one_plan(bench):
    made = executor(bench)
    made.permit.terms = replace(made.permit.terms, plan="another")
    with pytest.raises(ApprovalRefused, match="changed since"):
        made.call(call("acquire_image"))
    assert bench.spy.sent == []


@pytest.mark.parametrize(
    ("bounds", "tool", "args", "match"),
    [
        ({"max_frames": 0}, "acquire_image", IMAGE, "frame"),
        ({"max_dose_e_per_a2": 1e-3}, "acquire_image", IMAGE, "at this place"),
        ({"max_probe_current_pa": 1.0}, "acquire_image", IMAGE, "probe current"),
        ({"max_probe_current_pa": 40.0}, "set_optics", {"probe_current_pa": 50.0}, "probe current"),
        ({"x_um": (-1, 1)}, "move_stage", {"x_um": 1.1}, "x_um"),
        ({"alpha_deg": (0, 0)}, "move_stage", {"alpha_deg": 0.1}, "alpha_deg"),
        ({"z_um": (-0.1, 0.1)}, "move_stage", {"z_um": -1.0}, "z_um"),
        ({"x_um": (5, 6)}, "acquire_image", IMAGE, "the stage at x_um"),
        ({"max_seconds": 1e-6}, "acquire_image", IMAGE, "instrument time"),
        ({"tools": ("move_stage",)}, "acquire_image", IMAGE, "tool acquire_image"),
        ({"expires": "2020-01-01T00:00:00.000Z"}, "acquire_image", IMAGE, "expired"),
    ],
)
def test_an_act_outside_one_bound_is_refused_and_not_sent(bench, bounds, tool, args, match):
    made = executor(bench, **bounds)
    with pytest.raises((ApprovalRefused, DoseRefused), match=match):
        made.call(call(tool, **args))
    assert bench.spy.sent == []


def test_frames_are_counted_over_calls(bench):
    made = executor(bench, max_frames=2)
    made.call(call("acquire_image", "a"))
    made.call(call("acquire_image", "b"))
    with pytest.raises(ApprovalRefused, match="frame 3"):
        made.call(call("acquire_image", "c"))
    assert bench.spy.names() == ["acquire"] * 2


@pytest.mark.parametrize(
    ("tool", "args", "kind"),
    [
        ("move_stage", {"x_um": float("nan")}, BadInput),
        ("move_stage", {"x_um": float("inf")}, BadInput),
        ("move_stage", {"x_um": float("-inf")}, BadInput),
        ("move_stage", {"x_um": 1e300}, BadInput),
        ("move_stage", {"x_um": 10**400}, BadInput),
        ("move_stage", {"x_um": "12"}, BadInput),
        ("move_stage", {"x_um": "12 pA"}, BadInput),
        ("move_stage", {"x_um": True}, BadInput),
        ("move_stage", {"X_um": 1.0}, BadInput),
        ("move_stage", {"x_um": 1.0, "speed": 9}, BadInput),
        ("Move_Stage", {"x_um": 1.0}, NotAvailable),
        ("move_stage ", {"x_um": 1.0}, NotAvailable),
        ("acquire_image", {**IMAGE, "width_px": 16.5}, BadInput),
        ("acquire_image", {**IMAGE, "dwell_us": 0}, BadInput),
        ("acquire_image", {**IMAGE, "dwell_us": -1}, BadInput),
        ("set_optics", {"probe_current_pa": float("nan")}, BadInput),
    ],
)
def test_what_is_wrong_is_refused_and_never_clamped(bench, tool, args, kind):
    made = executor(bench)
    before = bench.guard.state()
    with pytest.raises(kind):
        made.call(call(tool, **args))
    assert bench.spy.sent == []
    assert bench.guard.state().reported == before.reported
    assert len(bench.rows("failed")) == 1


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_a_senseless_wait_is_not_sent(bench, seconds):
    made = executor(bench)
    microscope = GatedMicroscope(made.run, call("acquire_image"), made.permit)
    with pytest.raises((EucentricError, ValueError)):
        microscope.wait(seconds)
    assert bench.spy.sent == []


def test_a_unit_is_converted_by_code(bench):
    executor(bench).call(call("move_stage", x_um="2000 nm"))
    assert bench.spy.sent == [("move", {"x": pytest.approx(2e-6)})]


def test_intent_comes_before_and_result_after_each_command(bench):
    seen = []

    def look(*_):
        rows = bench.rows("intended", "returned")
        seen.append((rows[-1].kind, rows[-1].body["act"], [row.kind for row in rows].count("intended")))

    for name in ("move", "set_optics", "acquire"):
        bench.spy.before[name] = look
    made = executor(bench)
    for tool in ("move_stage", "set_optics", "acquire_series"):
        made.call(call(tool, tool))
    assert seen == [
        ("intended", "move_stage", 1), ("intended", "set_optics", 2), ("intended", "acquire", 3),
        ("intended", "acquire", 4),
    ]  # fmt: skip
    assert [row.body["act"] for row in bench.rows("returned")] == [
        "move_stage",
        "set_optics",
        "acquire",
        "acquire",
        "store",
    ]


def test_a_frame_is_synced_to_disk_before_its_row(bench, monkeypatch):
    import os

    made, order = executor(bench), []
    sync, log = os.fsync, made.run.log
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), sync(handle))[1])

    def logged(kind, *args, **more):
        if kind == "returned":
            frame = more["body"] if "body" in more else args[1]
            sha = frame["frames"][0]["sha256"]
            assert made.run.store.blob_path(sha).is_file()
            assert (made.run.folder / "frames" / f"{frame['frames'][0]['id']}.json").is_file()
            assert order.count("sync") >= 2
        return log(kind, *args, **more)

    made.run.log = logged
    made.call(call("acquire_image"))
    assert bench.rows("returned")


def test_stop_and_blank_need_no_permit_and_no_disk(bench):
    made = executor(bench, permit=False)

    def full(*_, **__):
        raise StoreFull("full")

    made.run.log = full
    with pytest.raises(StoreFull):
        made.call(call("abort"))
    assert bench.guard.held()


@pytest.mark.parametrize(
    "error", [CommandTimeout("late"), ConnectionLost("gone"), InstrumentFault("odd"), RuntimeError("vendor")]
)
def test_an_unknown_end_is_in_doubt_and_the_run_waits_for_a_person(bench, error):
    def fail(*_):
        raise error

    bench.spy.before["move"] = fail
    outcome = bench.carry(step("go", "move_stage", x_um=1.0), image())
    assert (outcome.outcome, outcome.exit_code) == ("parked", 6)
    assert [row.body["act"] for row in bench.rows("in_doubt")] == ["move_stage"]
    assert bench.spy.names() == ["move"]
    assert bench.guard.state().blanked


def test_a_move_that_missed_is_never_retried(bench):
    bench.spy.after["move"] = lambda *_: bench.spy.override.update(reported={"x": 9e-6})
    outcome = bench.carry(step("go", "move_stage", x_um=1.0), image())
    assert outcome.error["type"] == "MoveNotReached"
    made = Executor(bench.run, lambda: None)
    made.permit = None
    with pytest.raises(EucentricError, match="was sent to"):
        made.call(ToolCall(id=f"{bench.run.id}/go", step="go", tool="move_stage", args={"x_um": 1.0}))
    assert bench.spy.names() == ["move"]


def test_a_stop_ends_the_run_dark_and_held(bench):
    bench.spy.before["acquire"] = lambda *_: bench.guard.stop("a person")
    outcome = bench.carry(image("a"), image("b"), step("f", "get_state"))
    assert (outcome.outcome, outcome.exit_code) == ("stopped", 5)
    assert bench.spy.names() == ["acquire"]
    assert bench.guard.held() == "a person"
    assert bench.guard.state().blanked
    assert bench.rows("stopped")


def test_a_stop_between_two_steps_sends_nothing_more(bench):
    session = []
    bench.spy.after["acquire"] = lambda *_: session[0].run.stopping.set()
    outcome = bench.carry(image("a"), step("f", "get_state"), prepare=session.append)
    assert (outcome.exit_code, bench.spy.names()) == (5, ["acquire"])
    assert [row.tool for row in bench.rows("called")] == ["acquire_image"], "nor is anything read"


@pytest.mark.parametrize("kind", ["intended", "returned"])
def test_a_full_disk_blanks_and_sends_nothing_more(bench, kind):
    append = bench.store.ledger.append
    state = {"full": False}

    def limited(run_id, row_kind, *args, **more):
        state["full"] |= row_kind == kind
        if state["full"]:
            raise StoreFull("no space left")
        return append(run_id, row_kind, *args, **more)

    bench.store.ledger.append = limited
    with pytest.raises(StoreFull):
        bench.carry(image("a"), image("b"))
    assert bench.spy.names() == ["acquire"] * (kind == "returned")
    assert bench.guard.state().blanked
    assert bench.guard.held()


def test_a_full_disk_for_frames_ends_the_run(bench, monkeypatch):
    def full(data):
        raise StoreFull("no space left")

    monkeypatch.setattr(bench.store, "put_blob", full)
    with pytest.raises(StoreFull):
        bench.carry(image("a"), image("b"))
    assert bench.spy.names() == ["acquire"]
    assert bench.guard.state().blanked


def test_no_tool_may_go_on_after_an_act_in_doubt(bench):
    """The `finally` of an autofocus would set the beam shift of an instrument whose state nobody knows."""

    def fail(*_):
        raise CommandTimeout("late")

    bench.spy.before["acquire"] = fail
    bench.carry(step("f", "autofocus", beside_nm=100.0))
    assert bench.spy.names().count("acquire") == 1
    assert bench.spy.names()[-1] == "acquire"


def test_two_leases_are_busy(bench):
    bench.guard.lease("somebody else")
    outcome = bench.carry(image())
    assert (outcome.error["type"], bench.spy.sent) == ("Busy", [])


def beside(bench):
    """Whether the beam is shifted beside the target, as in the last sweep of an autofocus."""
    return bench.spy.driver.read().optics["beam_shift_x"] != 0


@pytest.mark.parametrize(
    ("error", "code"), [(CommandTimeout("late"), 6), (ConnectionLost("gone"), 6), (None, 5)]
)
def test_a_tool_on_its_way_out_sends_nothing_more(bench, error, code):
    """An autofocus that is cut off would put the beam shift back: on an instrument that nobody knows, or holds."""

    def cut_off(*_):
        if not beside(bench):
            return
        if error is not None:
            raise error
        bench.guard.stop("a person")

    bench.spy.before["acquire"] = cut_off
    outcome = bench.carry(step("f", "autofocus", beside_nm=100.0))
    assert outcome.exit_code == code
    assert bench.spy.names()[-1] == "acquire"
    assert beside(bench)
    assert not [row for row in bench.rows("intended") if row.seq > bench.rows("failed", "in_doubt")[0].seq]


def test_a_failed_act_is_final_also_for_a_call_that_is_taken_up_again(bench):
    made = executor(bench)
    bench.spy.after["move"] = lambda *_: bench.spy.override.update(reported={"x": 9e-6})
    for _ in range(2):
        with pytest.raises(MoveNotReached):
            GatedMicroscope(made.run, call("move_stage"), made.permit).move_stage(StageMove(x_um=1.0))
    assert bench.spy.names() == ["move"]


def test_the_budget_of_the_card_binds_below_any_approval(bench):
    bench.card = bench.card.model_copy(update={"dose_budget_e_per_a2": 1.0})
    with pytest.raises(DoseRefused, match="budget"):
        executor(bench).call(call("acquire_image"))
    assert bench.spy.sent == []
