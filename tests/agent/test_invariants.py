"""What must hold whatever else changes: no silent repeat, SIMULATED or not, no card no beam, intent first."""

import dataclasses
import importlib.util
import json
import sqlite3
from pathlib import Path

import pytest
from workbench import IMAGE, URI, Spy

from eucentric.agent.acting.acts import GatedMicroscope
from eucentric.agent.conduct import new_run
from eucentric.agent.consent.permit import Permit, Terms, binding_of, expiry
from eucentric.agent.executor import Executor
from eucentric.agent.grammar import GrammarPlanner
from eucentric.agent.readback import named_state
from eucentric.agent.recovery import recover
from eucentric.agent.run import Run
from eucentric.agent.session import Observer
from eucentric.bench.approved import on_record
from eucentric.core.calls import Approval, Envelope, ToolCall
from eucentric.core.errors import ApprovalRefused, DoseRefused, InDoubt, NoSpecimenCard, Stopped
from eucentric.core.instrument import Frame, MicroscopeState, OpticsChange, Scan, StageMove
from eucentric.core.request import Request
from eucentric.instruments.guard import Guard
from eucentric.tools import get_state
from eucentric.tools.catalogue import tool_named

SCAN = Scan(**IMAGE)
ACTS = {
    "move_stage": lambda microscope: microscope.move_stage(StageMove(x_um=1.0)),
    "set_optics": lambda microscope: microscope.set_optics(OpticsChange(defocus_nm=5.0)),
    "acquire_image": lambda microscope: microscope.acquire(SCAN),
}
ARGS = {"move_stage": {"x_um": 1.0}, "set_optics": {"defocus_nm": 5.0}, "acquire_image": IMAGE}
COMMAND = {"move_stage": "move", "set_optics": "set_optics", "acquire_image": "acquire"}


def open_run(bench):
    request = Request(text="t", who="t", instrument=URI)
    bench.run = new_run(bench.store, bench.guard, bench.card, request, Observer())
    return bench.run


def permit_for(run):
    """An approval of everything used here, given now; the writer lease is taken."""
    caps = run.capabilities
    state = named_state(caps.identity, caps.simulated, run.instrument.state(), None)
    envelope = Envelope(
        tools=tuple(ARGS), max_frames=100, max_dose_e_per_a2=1e6, x_um=(-50, 50), y_um=(-50, 50),
        max_probe_current_pa=1000, max_seconds=1e5,
    )  # fmt: skip
    approval = Approval(
        gate="g1", outcome="approved", by="t", envelope=envelope, expires_utc=expiry(1),
        binding=binding_of(Terms("p", caps.limits_version), state).sha256,
    )  # fmt: skip
    run.instrument.lease("t")
    return Permit(on_record(run, approval), Terms("p", caps.limits_version), state.time_s)


def call(run, tool):
    return ToolCall(id=f"{run.id}/s1", step="s1", tool=tool, args=ARGS.get(tool, {}))


# --- (a) an act in doubt is never repeated by itself ------------------------------------------------------


class Killed(BaseException):
    """As kill -9 between the intent row and whatever would have followed it."""


class Cut:
    """An act whose process died with the intent on disk; then the same run as a new process sees it."""

    def __init__(self, bench, tool, monkeypatch):
        self.bench, self.tool = bench, tool
        first = open_run(bench)
        self.permit = permit_for(first)
        append = bench.store.ledger.append

        def die(run_id, kind, *args, **more):
            append(run_id, kind, *args, **more)
            if kind == "intended":
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(bench.store.ledger, "append", die)
            with pytest.raises(Killed):
                self.again(first)
        assert (len(bench.rows("intended")), bench.rows("returned", "failed", "in_doubt")) == (1, [])
        self.run = Run(bench.store, first.id, bench.guard, bench.card)

    def again(self, run=None):
        run = run or self.run
        return ACTS[self.tool](GatedMicroscope(run, call(run, self.tool), self.permit))

    def decide(self, choice):
        story = recover(self.bench.store, self.run.id)
        (doubt,) = story.doubts
        body = {"decision": choice, "act": doubt.act}
        self.bench.store.ledger.append(
            self.run.id, "resolved", "a person", choice, body, action_id=doubt.action_id
        )
        return doubt.action_id


@pytest.fixture
def cut(bench, monkeypatch):
    return lambda tool: Cut(bench, tool, monkeypatch)


@pytest.mark.parametrize("tool", ACTS)
def test_an_act_begun_and_never_finished_is_not_repeated(bench, cut, tool):
    made = cut(tool)
    for _ in range(2):
        with pytest.raises(InDoubt, match="begun and never finished"):
            made.again()
    assert len(bench.rows("intended")) == 1
    assert bench.spy.sent == []


@pytest.mark.parametrize("tool", ACTS)
def test_nor_does_its_tool_call_repeat_it(bench, cut, tool):
    made = cut(tool)
    executor = Executor(made.run, lambda: None)
    executor.permit = made.permit
    with pytest.raises(InDoubt):
        executor.call(call(made.run, tool))
    assert len(bench.rows("intended")) == 1
    assert bench.spy.sent == []


@pytest.mark.parametrize("tool", ACTS)
def test_an_act_given_up_is_stopped(bench, cut, tool):
    made = cut(tool)
    made.decide("give-up")
    with pytest.raises(Stopped, match="given up by a person"):
        made.again()
    assert len(bench.rows("intended")) == 1
    assert bench.spy.sent == []


@pytest.mark.parametrize("tool", ACTS)
def test_an_act_to_be_repeated_is_sent_once_under_a_new_identity(bench, cut, tool):
    made = cut(tool)
    first = made.decide("repeat")
    result = made.again()
    assert bench.spy.names() == [COMMAND[tool]]
    assert [row.action_id for row in bench.rows("intended")] == [first, f"{first}~2"]
    assert [row.action_id for row in bench.rows("returned")] == [f"{first}~2"]
    assert made.again() == result, "handed back from its row"
    assert bench.spy.names() == [COMMAND[tool]]


def test_the_dose_of_the_act_in_doubt_stays_charged_beside_its_repeat(bench, cut):
    made = cut("acquire_image")
    once = bench.rows("intended")[0].body["charge"]["dose_e_per_a2"]
    assert made.run.dose_at(None) == pytest.approx(once)
    made.decide("repeat")
    made.again()
    assert bench.rows("intended")[1].body["before_e_per_a2"] == pytest.approx(once)
    assert made.run.dose_at(None) == pytest.approx(2 * once)
    later = Run(bench.store, made.run.id, bench.guard, bench.card)
    assert later.dose_at(None) == pytest.approx(2 * once), "nor does the next process forget it"


def test_a_repeat_that_passes_the_budget_with_the_act_in_doubt_is_refused(bench, cut):
    made = cut("acquire_image")
    once = bench.rows("intended")[0].body["charge"]["dose_e_per_a2"]
    made.run.specimen = bench.card.model_copy(update={"dose_budget_e_per_a2": 1.5 * once})
    made.decide("repeat")
    with pytest.raises(DoseRefused, match="budget"):
        made.again()
    assert bench.spy.sent == []


# --- (b) simulated is said everywhere, and of nothing real ------------------------------------------------

SENTENCE = "take a 64x64 HAADF at 20 nm field of view, 1 us dwell"
STAMP = "SIMULATED — no real instrument, no real specimen"
REAL = {"simulated": False, "vendor": "Nion", "model": "HERMES", "serial": "SN-0042"}


class Watching(GrammarPlanner):
    """The grammar; keeps what it was told."""

    def propose(self, request, situation):
        self.situation = situation
        return super().propose(request, situation)


class Traces:
    """What one small run left, wherever it says which instrument it was."""

    def __init__(self, bench):
        planner = Watching()
        outcome = bench.carry(planner=planner, text=SENTENCE)
        assert (outcome.outcome, bench.spy.names()) == ("done", ["acquire"]), outcome.error
        folder = bench.run.folder
        (row,) = bench.rows("returned")
        self.frame = Frame.model_validate(row.body["frames"][0])
        (sidecar,) = (folder / "frames").iterdir()
        self.sidecar_text = sidecar.read_text("utf-8")
        self.sidecar = json.loads(self.sidecar_text)
        (called,) = bench.rows("called")
        gated = GatedMicroscope(bench.run, call(bench.run, "get_state"), None)
        states = [
            planner.situation.state,
            MicroscopeState.model_validate(called.body["state"]),
            gated.state(),
        ]
        self.states = {(state.simulated, state.instrument) for state in states}
        self.rows = [row.model_dump_json() for row in bench.rows()]
        self.reports = [(folder / name).read_text("utf-8") for name in ("report.md", "report.html")]


def declare_real(bench):
    """The example's flat driver behind the spy, declared a real instrument."""
    file = Path(__file__).parents[2] / "examples" / "flat_driver.py"
    spec = importlib.util.spec_from_file_location("flat_driver_declared_real", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bench.spy = Spy(module.factory())
    bench.spy.declared = REAL
    bench.guard = Guard(bench.spy)
    bench.card = bench.card.model_copy(update={"loading": "unknown"})


def test_a_run_on_the_twin_says_simulated_everywhere(bench):
    traces = Traces(bench)
    identity = bench.spy.capabilities().identity
    assert identity.startswith("SIMULATED ")
    assert (traces.frame.simulated, traces.frame.instrument) == (True, identity)
    assert (traces.sidecar["simulated"], traces.sidecar["instrument"]) == (True, identity)
    assert traces.states == {(True, identity)}
    for report in traces.reports:
        assert STAMP in report
        assert identity.removeprefix("SIMULATED ") in report


def test_a_run_on_a_real_instrument_says_so_nowhere(bench):
    declare_real(bench)
    traces = Traces(bench)
    identity = "Nion HERMES SN-0042"
    assert (traces.frame.simulated, traces.frame.instrument) == (False, identity)
    assert (traces.sidecar["simulated"], traces.sidecar["instrument"]) == (False, identity)
    assert traces.states == {(False, identity)}
    for report in traces.reports:
        assert identity in report
    for text in (traces.sidecar_text, *traces.reports, *traces.rows):
        assert "SIMULATED" not in text


# --- (c) no specimen card, no beam: asked twice -----------------------------------------------------------


def test_without_a_card_the_executor_does_not_even_enter_the_tool(bench, monkeypatch):
    bench.card = None
    entered = recorded(monkeypatch, tool_named("acquire_image"))
    executor = Executor(open_run(bench), lambda: None)
    executor.permit = permit_for(bench.run)
    with pytest.raises(NoSpecimenCard, match="no specimen card, no beam"):
        executor.call(call(bench.run, "acquire_image"))
    assert entered == []
    assert bench.rows("called", "intended") == []
    assert bench.spy.sent == []


def test_without_a_card_the_door_does_not_send_a_scan(bench):
    """Below the executor: any tool's microscope, with an approval in force."""
    bench.card = None
    run = open_run(bench)
    microscope = GatedMicroscope(run, call(run, "acquire_image"), permit_for(run))
    with pytest.raises(NoSpecimenCard, match="no specimen card, no beam"):
        microscope.acquire(SCAN)
    assert bench.rows("intended") == []
    assert [row.body["sent"] for row in bench.rows("failed")] == [False]
    assert bench.spy.sent == []


# --- (d) the executor asks for an approval before a tool runs ---------------------------------------------


def recorded(monkeypatch, tool):
    """The catalogue holds only `tool`; its function notes that it was entered, and reads the state."""
    entered = []

    def run(args, context):
        entered.append(tool.risk)
        return get_state.Result(state=context.microscope.state())

    watched = dataclasses.replace(tool, run=run, summary=lambda value: "read")
    monkeypatch.setattr("eucentric.agent.executor.tool_named", lambda name: watched)
    return entered


@pytest.mark.parametrize("risk", ["control", "expose"])
def test_without_a_permit_an_acting_tool_is_not_entered(bench, monkeypatch, risk):
    """Even a tool that would send nothing: the door below is not what refuses it."""
    entered = recorded(monkeypatch, dataclasses.replace(get_state.TOOL, risk=risk))
    executor = Executor(open_run(bench), lambda: None)
    with pytest.raises(ApprovalRefused, match="needs an approval"):
        executor.call(call(bench.run, "get_state"))
    assert entered == []
    assert bench.rows("called", "intended") == []
    assert [row.body["sent"] for row in bench.rows("failed")] == [False]
    executor.permit = permit_for(bench.run)
    assert executor.call(call(bench.run, "get_state")).ok
    assert entered == [risk], "the approval was all that it lacked"


@pytest.mark.parametrize("risk", ["read", "analyse", "safety"])
def test_without_a_permit_a_free_tool_is_entered(bench, monkeypatch, risk):
    entered = recorded(monkeypatch, dataclasses.replace(get_state.TOOL, risk=risk))
    assert Executor(open_run(bench), lambda: None).call(call(bench.run, "get_state")).ok
    assert entered == [risk]


# --- (e) intent, act, frame, result: in that order on disk ------------------------------------------------


def committed(bench):
    """(kind, act id) of what another program finds in the ledger's file."""
    connection = sqlite3.connect(f"file:{bench.store.ledger.path}?mode=ro", uri=True)
    try:
        sql = "SELECT kind, action_id FROM event WHERE kind IN ('intended', 'returned', 'in_doubt') ORDER BY seq"
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("tool", ACTS)
def test_the_intent_is_committed_when_the_driver_is_called_and_the_result_is_not(bench, tool):
    seen = []
    bench.spy.before[COMMAND[tool]] = lambda *_: seen.append(("begin", committed(bench)))
    bench.spy.after[COMMAND[tool]] = lambda *_: seen.append(("end", committed(bench)))
    executor = Executor(open_run(bench), lambda: None)
    executor.permit = permit_for(bench.run)
    executor.call(call(bench.run, tool))
    act = f"{bench.run.id}/s1#1"
    assert seen == [("begin", [("intended", act)]), ("end", [("intended", act)])]
    assert committed(bench) == [("intended", act), ("returned", act)]


def test_the_frame_is_whole_on_disk_before_its_result_row(bench, monkeypatch):
    store, order = bench.store, []
    append = store.ledger.append

    def watched(run_id, kind, actor, summary, body=None, **more):
        if kind in ("intended", "returned"):
            order.append((kind, sorted(path.name for path in store.folder.glob("blobs/*/*"))))
        if kind == "returned":
            (frame,) = body["frames"]
            assert store.get_array(frame["sha256"]).shape == tuple(frame["shape"])
            sidecar = store.run_folder(run_id) / "frames" / f"{frame['id']}.json"
            assert json.loads(sidecar.read_text("utf-8"))["sha256"] == frame["sha256"]
        return append(run_id, kind, actor, summary, body, **more)

    monkeypatch.setattr(store.ledger, "append", watched)
    run = open_run(bench)
    (frame,) = GatedMicroscope(run, call(run, "acquire_image"), permit_for(run)).acquire(SCAN)
    assert order == [("intended", []), ("returned", [frame.sha256])]
