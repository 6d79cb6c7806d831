"""One case: a run of 28 frames is killed somewhere, two processes take it up at once, until it has ended."""

import contextlib
import importlib
import os
import runpy
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eucentric.bench.killing.process import Child
from eucentric.bench.killing.scenario import FRAMES, Scenario
from eucentric.bench.killing.spy import Witness
from eucentric.core.ledger import Ledger
from eucentric.core.stop import list_hosts
from eucentric.instruments.host import HostServer
from eucentric.instruments.uri import load_driver

RUN = "r-0001"
_POLICY = """name = "kill"
author = "the benchmark"
instruments = ["twin:"]
releases_holds = true
[envelope]
tools = ["acquire_image", "acquire_series", "survey", "move_stage", "set_optics", "get_state", "write_report"]
max_frames = 100
max_dose_e_per_a2 = 1.0e5
x_um = [-100.0, 100.0]
y_um = [-100.0, 100.0]
alpha_deg = [-0.1, 0.1]
beta_deg = [-0.1, 0.1]
max_probe_current_pa = 60.0
max_seconds = 7200.0
"""
MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one."""
_ROUNDS = 6
"""How often a run is taken up at most."""
_LONGEST_S = 25.0
"""Of one round, on a loaded machine [s]."""
_PROMPT = b"Its dose stays charged."


@dataclass
class Record:
    """What the case leaves for the judge."""

    scenario: Scenario
    killed_utc_s: float = 0.0
    killed_clock_s: float = 0.0
    heads: list[int] = field(default_factory=list)
    """Number of the last row at each death."""
    prompts: int = 0
    """Questions that a person saw on a terminal."""
    rounds: list[dict[str, Any]] = field(default_factory=list)
    resume_s: list[float] = field(default_factory=list)
    """From a process that has imported everything to its first act, its question or its end."""
    cold_s: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Case:
    """Its folders and processes; everything that it starts is dead when it is left."""

    def __init__(self, chosen: Scenario, parent: Path) -> None:
        self.chosen = chosen
        self.folder = Path(tempfile.mkdtemp(dir=parent))
        in_memory = chosen.memory and MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
        self.store = MEMORY / parent.name / self.folder.name if in_memory else self.folder / "store"
        self.policy = self.folder / "policy.toml"
        self.policy.write_text(_POLICY)
        self.log = self.folder / "witness.jsonl"
        self.children: list[Child] = []

    @contextlib.contextmanager
    def entered(self) -> Iterator["Case"]:
        """With a state directory of its own."""
        os.environ["EUCENTRIC_STATE"] = str(self.folder / "s")
        os.environ["EUCENTRIC_CONFIG"] = str(self.folder / "none.toml")
        try:
            yield self
        finally:
            for child in self.children:
                child.kill()
            for info in list_hosts():  # one that the program started for itself
                os.kill(info.pid, signal.SIGKILL)
            for folder in (self.folder, self.store):
                shutil.rmtree(folder, ignore_errors=True)

    def start(self, work: Callable[[], int | None], name: str, *, terminal: bool = False) -> Child:
        """Fork a process of this case."""
        child = Child(work, self.folder / f"{name}.{len(self.children)}", terminal=terminal)
        self.children.append(child)
        return child

    def start_host(self) -> Child:
        """A host with the witness between guard and twin; returns when it can be found."""
        child = self.start(lambda: _serve(self.chosen.uri, self.log), "host")
        _until(lambda: any(info.pid == child.pid for info in list_hosts()), _LONGEST_S)
        return child

    def start_program(self, *args: str, terminal: bool = False) -> Child:
        """The command line, as `python -m eucentric`."""
        words = [*args, "--store", str(self.store), "--approve", str(self.policy)]
        work = _cold if self.chosen.cold else _warm
        return self.start(lambda: work(words, self.chosen.sync), args[0], terminal=terminal)

    def rows(self, sql: str, *values: object) -> list[Any]:
        """A query on the ledger; empty as long as there is none."""
        path = self.store / "audit.db"
        if not path.exists():
            return []
        try:
            with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as line:
                return line.execute(sql, values).fetchall()
        except sqlite3.OperationalError:  # it is being made
            return []

    def head(self) -> int:
        """Number of the last row; a ledger whose writer was just killed may take a moment to open."""
        return int(_until(lambda: self.rows("SELECT coalesce(max(seq), 0) FROM event"), _LONGEST_S)[0][0])

    def count(self, kind: str) -> int:
        """Rows of a kind."""
        found = self.rows("SELECT count(*) FROM event WHERE kind = ?", kind)
        return int(found[0][0]) if found else 0

    def seen(self, what: str) -> int:
        """Lines of that kind in the witness's log."""
        return self.log.read_bytes().count(f'"{what}"'.encode())

    def ended(self) -> str:
        """Outcome of the last 'finished' row, if no later process took it up."""
        found = self.rows(
            "SELECT json_extract(body, '$.outcome') FROM event WHERE kind = 'finished' AND seq > "
            "(SELECT coalesce(max(seq), 0) FROM event WHERE kind = 'resumed') ORDER BY seq DESC LIMIT 1"
        )
        return str(found[0][0]) if found else ""


def _serve(uri: str, log: Path) -> None:
    server = HostServer(uri, lambda: Witness(load_driver(uri), log), idle_s=60.0)
    server.start()
    server.serve()


def _warm(words: list[str], sync: str) -> None:
    """As `python -m eucentric WORDS`, in a process that has its imports; durability as the case says."""
    prepare = Ledger._prepare

    def prepared(ledger: Ledger, create: bool) -> None:
        prepare(ledger, create)
        ledger._connection.execute(f"PRAGMA synchronous={sync}")

    Ledger._prepare = prepared  # type: ignore[method-assign,assignment]
    sys.argv = ["eucentric", *words]
    sys.modules.pop("eucentric.__main__", None)  # a parent that imported it would have it found twice
    runpy.run_module("eucentric", run_name="__main__")


def _cold(words: list[str], sync: str) -> None:
    os.execv(sys.executable, [sys.executable, "-m", "eucentric", *words])


def preload() -> None:
    """Import what the forked processes will need."""
    for name in (
        "cli",
        "cli.run",
        "cli.resume",
        "cli.console",
        "agent.conduct",
        "agent.grammar",
        "agent.report",
    ):
        importlib.import_module(f"eucentric.{name}")


def _until(true: Callable[[], Any], seconds: float) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > end:
            raise TimeoutError("it did not come")
        time.sleep(0.001)
    return found


def carried_out(case: Case, typical_s: float) -> Record:
    """Run, kill, take up by two at a time until it has ended.

    Parameters
    ----------
    typical_s
        How long the frames of such a run take undisturbed [s].
    """
    begun = time.monotonic()
    record = Record(case.chosen)
    host = case.start_host()
    run = case.start_program("run", case.chosen.words, "--instrument", case.chosen.uri)
    _until(lambda: case.count("decided") or run.poll(), _LONGEST_S)
    _wait_for_moment(case, run, typical_s)
    host = _strike(case, record, {"run": run, "host": host})
    record.heads.append(case.head())
    for number in range(_ROUNDS):
        if case.ended() in ("done", "partial") or (number and case.ended() == "stopped"):
            break
        host = _taken_up(case, record, host, number)
    record.seconds = time.monotonic() - begun
    return record


def _wait_for_moment(case: Case, run: Child, typical_s: float) -> None:
    chosen = case.chosen
    if chosen.after == "time":
        run.wait(chosen.moment * typical_s)
        return
    wanted = 1 + int(chosen.moment * FRAMES)
    if chosen.after == "commit":
        _until(lambda: case.count("intended") >= wanted or run.poll(), _LONGEST_S)
        _next_commits(case.store / "audit.db", 1 + chosen.number % 3)
    else:
        _until(lambda: case.seen(chosen.after) >= wanted or run.poll(), _LONGEST_S)
    time.sleep(chosen.late_s)


def _next_commits(ledger: Path, count: int) -> None:
    """Until so many rows more have been committed; looked at without a pause."""
    end = time.monotonic() + 1.0
    with contextlib.closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as line:
        for _ in range(count):
            before = line.execute("PRAGMA data_version").fetchone()
            while line.execute("PRAGMA data_version").fetchone() == before and time.monotonic() < end:
                pass


def _strike(case: Case, record: Record, processes: dict[str, Child]) -> Child:
    """Kill; a run that lost its host ends by itself. Returns the host that is there then."""
    record.killed_utc_s, record.killed_clock_s = time.time(), time.monotonic()
    for name in case.chosen.victims:
        processes[name].kill()
    if not processes["run"].wait(_LONGEST_S):
        raise TimeoutError("the run neither died nor ended")
    return case.start_host() if "host" in case.chosen.victims else processes["host"]


def _taken_up(case: Case, record: Record, host: Child, number: int) -> Child:
    """Two at once; now and then they are killed, too."""
    before, begun = case.head(), time.time()
    both = [case.start_program("resume", RUN, terminal=True) for _ in range(2)]
    killed_at = (
        time.monotonic() + case.chosen.again if case.chosen.again is not None and number == 0 else None
    )
    answered: dict[int, int] = {}
    first: float | None = None
    end = time.monotonic() + _LONGEST_S
    while sum(child.poll() for child in both) < 2:
        now = time.monotonic()
        for child in both:
            asked = child.read.count(_PROMPT)
            if asked > answered.get(child.pid, 0) and child.code is None:
                first = first or time.time()
                answered[child.pid] = asked
                child.type(case.chosen.answer)
        if (killed_at is not None and now > killed_at) or now > end:
            for child in both:
                child.kill()
        time.sleep(0.003)
    record.prompts += sum(child.read.count(_PROMPT) for child in both)
    record.rounds.append({"codes": [child.code for child in both], "killed": killed_at is not None})
    _time_it(case, record, begun, before, first)
    record.heads.append(case.head())
    return host


def _time_it(case: Case, record: Record, begun: float, before: int, asked: float | None) -> None:
    """To the first new act, else the question, else the end."""
    found = case.rows(
        "SELECT strftime('%s', ts) + (strftime('%f', ts) - cast(strftime('%S', ts) AS INTEGER)) FROM event "
        "WHERE seq > ? AND kind IN ('intended', 'finished') ORDER BY seq LIMIT 1",
        before,
    )
    moments = [float(row[0]) for row in found] + ([asked] if asked else [])
    if moments:
        (record.cold_s if case.chosen.cold else record.resume_s).append(min(moments) - begun)
