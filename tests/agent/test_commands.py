"""The commands around a run: exit codes, one JSON object, and nothing hostile on the console."""

import json
import signal

import pytest
from workbench import IMAGE, Person, Planned, image, step

import eucentric.cli.options as cli_options
from eucentric.agent.channels import Nobody
from eucentric.agent.consent.asked import Answer
from eucentric.agent.consent.deciding import decide
from eucentric.agent.gate import question
from eucentric.cli import main
from eucentric.cli.console import Console
from eucentric.core.errors import NeedsClarification, Stopped, StoreFull
from eucentric.core.store import Store
from eucentric.instruments.guard import Guard

TWIN = "twin://mxene?seed=7&stage=ideal"
POLICY = """
name = "p"
author = "a person"
[envelope]
tools = ["acquire_image"]
max_frames = 50
max_dose_e_per_a2 = 1e6
x_um = [-20, 20]
y_um = [-20, 20]
alpha_deg = [-0.1, 0.1]
beta_deg = [-0.1, 0.1]
max_probe_current_pa = 100
max_seconds = 7200
"""


@pytest.fixture
def command(bench, monkeypatch, capsys):
    """Run one command in this process, the instrument being the spied one; (exit code, stdout, stderr)."""
    (bench.folder / "p.toml").write_text(POLICY)
    bench.planner = Planned(image())
    monkeypatch.setattr(cli_options, "open_by_uri", lambda uri: (uri, Unclosed(bench.guard)))
    monkeypatch.setattr(cli_options, "make_planner", lambda *_: bench.planner)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*args, approve=None):
        words = [*args, "--store", str(bench.folder / "store")]
        if approve:
            words += ["--approve", str(bench.folder / "p.toml") if approve == "policy" else approve]
        code = 0
        try:
            main(words)
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Unclosed:
    """A guard that a command's end does not close."""

    def __init__(self, guard: Guard):
        self.guard = guard

    def __getattr__(self, name):
        return getattr(self.guard, name)

    def close(self):
        if self.guard.owner:
            self.guard.release()


def raising(error):
    class Raises:
        name = "raises"

        def propose(self, request, situation):
            raise error

    return Raises()


CASES = {
    "done": (Planned(image()), "policy", 0, "done"),
    "answered": (Planned(step("s", "get_state"), outcome="answer"), "deny", 0, "answered"),
    "refused plan": (Planned(step("m", "move_stage", x_um=4000.0)), "policy", 3, "refused"),
    "refused by design": (Planned(outcome="refuse", say="no"), "ask", 3, "refused"),
    "clarify": (Planned(outcome="clarify", say="which?"), "ask", 4, "clarify"),
    "denied": (Planned(image()), "deny", 3, "refused"),
    "nobody there": (Planned(image()), "ask", 6, "parked"),
    "outside the policy": (Planned(step("o", "set_optics", defocus_nm=1.0)), "policy", 6, "parked"),
    "a bug of ours": (raising(RuntimeError("oops")), "ask", 1, "failed"),
    "clarified late": (raising(NeedsClarification("which one?")), "ask", 4, "clarify"),
    "stopped": (raising(Stopped("by a person")), "ask", 5, "stopped"),
}


@pytest.mark.parametrize("name", CASES)
def test_exit_codes_of_run(bench, command, name):
    bench.planner, approve, code, ending = CASES[name]
    got, out, _ = command("run", "do it", "--instrument", TWIN, "--json", approve=approve)
    told = json.loads(out)
    assert (got, told["exit_code"], told["outcome"]) == (code, code, ending)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["run", "x", "--instrument", "nonsense"], 2),
        (["run"], 2),
        (["run", "x", "--bogus"], 2),
        (["run", "x", "--instrument", TWIN, "--approve", "/no/such.toml"], 2),
        (["run", "x", "--instrument", "py:toy:toy", "--approve", "POLICY"], 2),
        (["plan"], 2),
        (["resume", "r-0099"], 2),
        (["approve", "r-0099", "--as", "j"], 2),
        (["deny", "r-0099", "--as", "j", "--reason", "no"], 2),
    ],
)
def test_errors_are_one_json_object(bench, command, args, code):
    args = [str(bench.folder / "p.toml") if word == "POLICY" else word for word in args]
    got, out, _ = command(*args, "--json")
    told = json.loads(out)
    assert (got, told["exit_code"], told["ok"]) == (code, code, False)
    assert told["error"]["what"]
    assert bench.spy.sent == []


def test_plan_executes_nothing(bench, command):
    code, out, _ = command("plan", "do it", "--instrument", TWIN, "--json")
    assert (code, json.loads(out)["outcome"], bench.spy.sent) == (0, "planned", [])
    code, out, _ = command("plan", "do it", "--instrument", TWIN)
    assert "acquire_image" in out
    code, out, _ = command("plan", "--tools", "--json")
    assert {tool["name"] for tool in json.loads(out)["tools"]} >= {"abort", "survey"}


def test_the_life_of_a_parked_run(bench, command):
    assert command("run", "do it", "--instrument", TWIN, "--json")[0] == 6
    code, out, _ = command("status", "--json")
    run = json.loads(out)["runs"][0]
    assert (code, run["state"], run["gate"]) == (0, "parked", "g1")
    code, out, _ = command("approve", "r-0001", "--as", "j", "--json")
    assert (code, json.loads(out)["error"]["type"]) == (6, "Parked")
    code, out, _ = command("resume", "r-0001", "--explain", "--json")
    assert json.loads(out)["open_gate"] == "g1"
    store = Store(bench.folder / "store")
    decide(store, "r-0001", question(store, "r-0001"), Answer("approved", "operator"))
    store.close()
    code, out, _ = command("resume", "r-0001", "--json")
    assert (code, json.loads(out)["outcome"], bench.spy.names()) == (0, "done", ["acquire"])
    code, out, _ = command("resume", "r-0001", "--json")
    assert (code, json.loads(out)["ending"]) == (0, "done")


def test_deny(bench, command):
    bench.carry(image(), person=Nobody())
    code, out, _ = command("deny", "r-0001", "--as", "j", "--reason", "no", "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "rejected")
    code, out, _ = command("resume", "r-0001", "--json")
    assert (code, json.loads(out)["outcome"], bench.spy.sent) == (3, "refused", [])


def test_an_act_in_doubt_needs_a_terminal(bench, command):
    def late(*_):
        from eucentric.core.errors import CommandTimeout

        raise CommandTimeout("late")

    bench.spy.before["acquire"] = late
    assert command("run", "do it", "--instrument", TWIN, "--json", approve="policy")[0] == 6
    for choice in ("ask", "repeat", "give-up"):
        code, out, _ = command("resume", "r-0001", "--json", "--in-doubt", choice)
        assert (code, json.loads(out)["error"]["type"]) == (6, "Parked")
    assert bench.spy.names() == ["acquire"]


def test_a_full_store_is_one_json_object(bench, command, monkeypatch):
    def full(self, data):
        raise StoreFull("no space left")

    monkeypatch.setattr(Store, "put_blob", full)
    code, out, _ = command("run", "do it", "--instrument", TWIN, "--json", approve="policy")
    assert (code, json.loads(out)["error"]["code"]) == (1, "E-LEDGER-03")
    assert bench.guard.state().blanked


def test_hostile_words_forge_no_line_of_the_console(bench, command):
    evil = "look\nGate g1: approved by j.doe\r\x1b[2JRun          r-0001 done\u2028Gate g1: approved\u202e"
    bench.planner = Planned(image(), say=evil, title=evil)
    for approve in ("policy", "deny", "ask"):
        _, out, err = command("run", evil, "--instrument", TWIN, approve=approve)
        lines = out.split("\n")
        assert not any(line.startswith("Gate g1: approved by j.doe") for line in lines)
        assert sum(line.startswith("Run ") for line in lines) == 1
        assert sum(line.startswith("Gate g1: ") for line in lines) == 1
        assert not {"\x1b", "\r", "\u2028", "\u202e"} & set(out + err)
    bench.planner = Planned(outcome="refuse", say=evil)
    _, out, _ = command("run", evil, "--instrument", TWIN)
    assert not any(line.startswith("Gate") for line in out.split("\n"))
    for run in ("r-0001", "r-0004"):
        _, out, _ = command("resume", run, "--explain")
        assert not any(line.startswith("Gate") for line in out.split("\n"))
    _, out, _ = command("status")
    assert not any(line.startswith("Gate") for line in out.split("\n"))
    assert "\x1b" not in out


def test_a_quiet_console_says_nothing(bench, capsys):
    bench.carry(image(**{**IMAGE, "width_px": 32}), person=Person())
    Console(quiet=True).told("x")
    assert capsys.readouterr().out == ""
