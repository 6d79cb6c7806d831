"""One simulated microscope, one store and two runs for a stretch of a fuzz; a spy sits at the driver.

The desks are what a run is in the product: a lease of its own, an executor, an approval that a person gave at
a gate. The rig plays the person, so it knows which approvals are real.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eucentric.agent.consent.permit import Permit, Terms, binding_of
from eucentric.agent.executor import Executor
from eucentric.agent.readback import named_state
from eucentric.agent.run import Run
from eucentric.bench.approved import on_record
from eucentric.bench.fuzzing.bounds import BUDGET, NARROW, STRICT, WIDE
from eucentric.bench.fuzzing.calls import Draft
from eucentric.bench.fuzzing.seats import Seat, Unguarded
from eucentric.bench.fuzzing.tally import Tally
from eucentric.bench.spying.account import Account, Grant, Watch, facts_of
from eucentric.bench.spying.limits import SHIPPED, TIGHT
from eucentric.bench.spying.spy import TOLERANCE, Inner, Spy
from eucentric.core.calls import Approval, Envelope, ToolCall
from eucentric.core.errors import EucentricError
from eucentric.core.request import SpecimenCard
from eucentric.core.store import Store
from eucentric.instruments.cards import card_of_twin
from eucentric.instruments.guard import Guard
from eucentric.instruments.limits_file import limits_of
from eucentric.instruments.twin import TwinDriver, load_world

_SI = {
    "x_um": 1e-6,
    "y_um": 1e-6,
    "z_um": 1e-6,
    "alpha_deg": 0.017453292519943295,
    "beta_deg": 0.017453292519943295,
}


@dataclass
class Desk:
    """One run at the instrument."""

    run: Run
    executor: Executor
    seat: Any
    plan: str
    grant: Grant | None = None
    approval: Approval | None = None


class Rig:
    """Everything for one stretch.

    Parameters
    ----------
    strict
        Tight limits of the bench's own, instead of those shipped with the twin.
    guarded
        False: commands go straight to the driver.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        stage: str,
        account: Account,
        tally: Tally,
        *,
        strict: bool = False,
        guarded: bool = True,
    ) -> None:
        driver = TwinDriver(load_world("mxene"), seed, stage=stage)
        limits = STRICT if strict else limits_of("twin://mxene", driver.capabilities())
        self.spy = Spy(driver, TIGHT if strict else SHIPPED, TOLERANCE[stage], account)
        self.tally, self.kind = tally, ""
        self.guard: Any = Guard(self.spy, limits) if guarded else Unguarded(self.spy)
        card = card_of_twin("twin://mxene")
        self.card: SpecimenCard | None = card and card.model_copy(update={"dose_budget_e_per_a2": BUDGET})
        self.folder, self.store = folder, Store(folder)
        self._numbers, self._runs = 0, 0
        self._lock = threading.Lock()
        self.desks = [self.open_desk(NARROW), self.open_desk(WIDE)]
        self.at = 0
        self.sit(0)

    # --- runs, leases, approvals ----------------------------------------------------------------

    @property
    def desk(self) -> Desk:
        """Whose turn it is."""
        return self.desks[self.at]

    @property
    def other(self) -> Desk:
        """The run that has no lease."""
        return self.desks[1 - self.at]

    def open_desk(self, bounds: dict[str, Any]) -> Desk:
        """A new run with an approval; without a lease yet."""
        self._runs += 1
        seat: Any = Seat(self.guard) if isinstance(self.guard, Guard) else self.guard
        run = Run(self.store, f"r-{self._runs:04d}", seat, self.card)
        desk = Desk(run, Executor(run, lambda: (self.folder, self.folder)), seat, f"plan of {run.id}")
        self.approve(desk, bounds)
        return desk

    def sit(self, which: int) -> None:
        """Hand the lease over."""
        if isinstance(self.guard, Guard) and self.guard.owner is not None:
            self.guard.release(epoch=self.guard.epoch)
        self.at = which
        self.desk.seat.lease(f"run {self.desk.run.id}")
        self.spy.leased()

    def renew(self, bounds: dict[str, Any] | None = None) -> None:
        """A run that was stopped is over: the next one takes its place, with a new approval."""
        self.desks[self.at] = self.open_desk(bounds or (WIDE if self.at else NARROW))
        self.sit(self.at)

    def approve(self, desk: Desk, bounds: dict[str, Any], *, seconds_valid: float = 3600.0) -> Permit:
        """Ask and decide: the row of the decision, the permit in force, and what the spy is told."""
        approval = on_record(desk.run, self.approval(desk, bounds, seconds_valid=seconds_valid))
        permit = self.permit(desk, approval)
        desk.executor.permit = permit
        state = self.guard.state()
        desk.approval = approval
        desk.grant = Grant(
            tools=bounds["tools"],
            box={
                name.rpartition("_")[0]: (bounds[name][0] * factor, bounds[name][1] * factor)
                for name, factor in _SI.items()
            },
            frames=bounds["max_frames"],
            dose_e_per_a2=min(bounds["max_dose_e_per_a2"], BUDGET),
            current_a=bounds["max_probe_current_pa"] * 1e-12,
            electrons=bounds.get("max_electrons") or math.inf,
            until_s=state.time_s + bounds["max_seconds"],
            until_wall_s=time.time() + seconds_valid,
            facts=facts_of(state),
        )
        return permit

    def approval(self, desk: Desk, bounds: dict[str, Any], *, seconds_valid: float = 3600.0) -> Approval:
        """An approval for what is there now; not in force, not on record."""
        with self._lock:
            self._numbers += 1
            gate = f"g{self._numbers}"
        caps = desk.run.capabilities
        state = named_state(caps.identity, True, self.guard.state(), None)
        return Approval(
            gate=gate,
            outcome="approved",
            by="the bench",
            binding=binding_of(Terms(desk.plan, caps.limits_version), state).sha256,
            envelope=Envelope(**bounds),
            expires_utc=_utc(time.time() + seconds_valid),
        )

    def permit(self, desk: Desk, approval: Approval) -> Permit:
        """As the session makes it."""
        version = desk.run.capabilities.limits_version
        return Permit(approval, Terms(desk.plan, version), self.guard.state().time_s)

    # --- calls ----------------------------------------------------------------------------------

    def make(
        self, draft: Draft, *, desk: Desk | None = None, allowed: bool = True, call_id: str | None = None
    ) -> str:
        """One call, watched; `allowed` says whether the approval of the desk is in force for it.

        Returns
        -------
        str
            'done', 'broke', or the type of the error that refused it.
        """
        at = desk or self.desk
        tool, args = draft
        watch = Watch(at.grant if allowed else None, tool)
        with self._lock:
            self._numbers += 1
            name = call_id or f"{at.run.id}/c{self._numbers}"

        def act() -> None:
            at.executor.call(ToolCall(id=name, step="s1", tool=tool, args=args))

        return self.watched(watch, act)

    def watched(self, watch: Watch, act: Callable[[], object]) -> str:
        """Anything that might reach the driver."""
        start, what = time.thread_time(), ""
        try:
            with self.spy.watching(watch):
                act()
            outcome = "done"
        except EucentricError as error:
            outcome = type(error).__name__
        except ValidationError:
            outcome = "no call"
        except Exception as error:
            outcome, what = "broke", f"{type(error).__name__}: {str(error)[:120]}"
        cpu = time.thread_time() - start - watch.driver_s
        self.tally.add(self.kind, outcome, watch, cpu, what)
        return outcome

    def by_hand(self, act: Callable[[Inner, threading.Event], object]) -> None:
        """Somebody at the panel, past guard and spy; a stage that has touched something does not move for him."""
        with contextlib.suppress(EucentricError):
            act(self.spy.inner, threading.Event())

    @property
    def touched(self) -> bool:
        """The holder met a pole piece (a worn stage was not where it said): the instrument is for staff now."""
        return self.spy.inner.read().touch

    def new_id(self) -> str:
        """An identity for a call."""
        with self._lock:
            self._numbers += 1
            return f"{self.desk.run.id}/c{self._numbers}"

    def close(self) -> None:
        """Let the driver and the store go."""
        self.guard.close()
        self.store.close()


def _utc(moment: float) -> str:
    parts = time.gmtime(moment)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', parts)}.{int(moment % 1 * 1000):03d}Z"
