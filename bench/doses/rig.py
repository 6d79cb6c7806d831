"""A twin, a ledger and the real door: carries a plan out and keeps what was claimed beside what was done."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eucentric.agent.acting.acts import GatedMicroscope, named_state
from eucentric.agent.consent.permit import Permit, Terms, binding_of, expiry
from eucentric.agent.dose.charge import Charge
from eucentric.agent.executor import Executor
from eucentric.agent.run import Run
from eucentric.bench.approved import on_record
from eucentric.bench.doses.plans import Act
from eucentric.core.calls import Approval, Envelope, ToolCall
from eucentric.core.errors import ApprovalRefused, CommandTimeout, DoseRefused, EucentricError
from eucentric.core.event import Event
from eucentric.core.instrument import Frame
from eucentric.core.request import SpecimenCard
from eucentric.core.store import Store
from eucentric.instruments.driver import Pixels, RawFrames, ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import TwinDriver
from eucentric.instruments.twin.oracle import Oracle
from eucentric.tools.catalogue import CATALOGUE
from eucentric.tools.select_targets import Target

_REACH_M = 1.9e-6
"""Of the beam shift."""
_TOOLS = tuple(tool.name for tool in CATALOGUE)


@dataclass(frozen=True)
class Claim:
    """What the ledger said of one scan before it was sent."""

    charge: Charge
    before_e_per_a2: float

    @property
    def after_e_per_a2(self) -> float:
        """Upper bound at any atom of the field after it."""
        return self.before_e_per_a2 + self.charge.dose_e_per_a2


class Forgetful:
    """A twin whose control software now and then loses the answer to a scan: the specimen was exposed."""

    def __init__(self, twin: TwinDriver) -> None:
        self._twin = twin
        self.lose = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._twin, name)

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        """Expose; then perhaps say nothing."""
        result = self._twin.acquire(scan, stop)
        if self.lose:
            self.lose = False
            raise CommandTimeout("the scan did not answer")
        return result


class Rig:
    """One specimen loading under one budget, for as many runs as the plan has."""

    def __init__(self, twin: TwinDriver, folder: Path, budget: float, most_electrons: float | None) -> None:
        self.driver, self.budget, self._most = Forgetful(twin), budget, most_electrons
        self._oracle = Oracle(twin)
        self.guard = Guard(self.driver)
        self.store = Store(folder)
        self.card = SpecimenCard(
            name="bench",
            material="Ti3C2",
            holder="double-tilt A",
            loading="twin-1",
            dose_budget_e_per_a2=budget,
        )
        self.runs = self.calls = self.refused = self.refused_run = self.failed = self.found_again = 0
        self.guard.lease("bench")
        self.run = self._new_run()

    def _new_run(self) -> Run:
        self.runs += 1
        run = Run(self.store, f"r-{self.runs:04d}", self.guard, self.card)
        self.executor = Executor(run, lambda: (self.store.folder, self.store.folder))
        state = named_state(run.capabilities.identity, True, self.guard.state(), self.guard.held())
        version = run.capabilities.limits_version
        envelope = Envelope(
            tools=_TOOLS, max_frames=10**6, max_dose_e_per_a2=self.budget, x_um=(-990.0, 990.0), y_um=(-990.0, 990.0),
            max_probe_current_pa=100.0, max_seconds=1e9, max_electrons=self._most,
        )  # fmt: skip
        approval = Approval(
            gate=f"g{self.runs}", outcome="approved", by="bench", envelope=envelope, expires_utc=expiry(1),
            binding=binding_of(Terms("bench", version), state).sha256,
        )  # fmt: skip
        self.executor.permit = Permit(on_record(run, approval), Terms("bench", version), state.time_s)
        return run

    def carry_out(self, plan: list[Act]) -> None:
        """Every act in turn; what is refused or fails is counted, and the plan goes on."""
        for act in plan:
            self.calls += 1
            try:
                self._do(act)
            except DoseRefused:
                self.refused += 1
            except ApprovalRefused:
                self.refused_run += 1
            except EucentricError:
                self.failed += 1

    def _do(self, act: Act) -> None:
        call = ToolCall(
            id=f"{self.run.id}/c{self.calls}", step=f"c{self.calls}", tool=act.tool, args=act.args
        )
        if act.tool == "lose next":
            self.driver.lose = True
        elif act.tool == "new run":
            self.driver.lose = False
            self.run = self._new_run()
        elif act.tool == "wait":
            GatedMicroscope(self.run, call, self.executor.permit).wait(act.args["seconds"])
        elif act.tool == "aim":
            self._aim(call, act.args["share"])
        elif act.tool == "go to":
            self._go_to(call, *act.args["share"])
        else:
            self.executor.call(call)

    def _aim(self, call: ToolCall, share: float) -> None:
        """Shift the beam so that it truly falls on an earlier field within its reach."""
        at = self._oracle.actual()
        away = [(scan.centre[0] - at["x"], scan.centre[1] - at["y"]) for scan in self._oracle.scans]
        near = [one for one in away if max(abs(one[0]), abs(one[1])) < _REACH_M]
        if near:
            x, y = near[int(share * len(near))]
            shift = {"beam_shift_x_nm": round(x * 1e9, 2), "beam_shift_y_nm": round(y * 1e9, 2)}
            self.executor.call(call.model_copy(update={"tool": "set_optics", "args": shift}))

    def _go_to(self, call: ToolCall, share: float, x_share: float, y_share: float) -> None:
        """Find a place of one of the last survey's tiles again by its image."""
        ends = self.store.ledger.events(kinds=("concluded",), newest_first=True)
        last = next((row for row in ends if row.tool == "survey" and row.body.get("ok")), None)
        if last is None:
            return
        tiles = last.body["value"]["tiles"]
        tile = Frame.model_validate(tiles[int(share * len(tiles))])
        reach_um = 0.25e-6 * (tile.pixel_pm or 0.0) * tile.shape[0]
        place = (
            (tile.x_um or 0.0) + (2 * x_share - 1) * reach_um,
            (tile.y_um or 0.0) + (2 * y_share - 1) * reach_um,
        )
        target = Target(
            id="t",
            x_um=round(place[0], 4),
            y_um=round(place[1], 4),
            size_nm=500,
            layers=1,
            score=1,
            frame=tile.id,
        )
        args = {"target": target.model_dump(mode="json")}
        self.executor.call(call.model_copy(update={"tool": "go_to_target", "args": args}))
        self.found_again += 1

    @property
    def located(self) -> int:
        """How often an image told where the stage stood."""
        rows = self.store.ledger.events(kinds=("returned",))
        return sum(row.body.get("act") == "locate" for row in rows)

    def claims(self) -> list[Claim]:
        """What was claimed of each scan that was sent, in order."""
        sent = {row.action_id for row in self._rows("returned", "in_doubt")}
        return [
            Claim(Charge.model_validate(row.body["charge"]), row.body["before_e_per_a2"])
            for row in self._rows("intended")
            if row.action_id in sent
        ]

    def _rows(self, *kinds: str) -> list[Event]:
        return [row for row in self.store.ledger.events(kinds=kinds) if row.body.get("act") == "acquire"]

    def close(self) -> None:
        """Let store and twin go."""
        self.guard.close()
        self.store.close()
