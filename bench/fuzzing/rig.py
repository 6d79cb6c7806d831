"""One simulated microscope, one store and two runs for a stretch of a fuzz; a spy sits at the driver.

The desks are what a run is in the product: a lease of its own, an executor, an approval that a person gave at
a gate. The rig plays the person, so it knows which approvals are real.
"""

import contextlib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eucentric.agent.consent.permit import Permit, Terms, binding_of
from eucentric.agent.executor import Executor
from eucentric.agent.readback import named_state
from eucentric.agent.run import Run
from eucentric.bench.approved import on_record
from eucentric.bench.fuzzing.calls import REACH_UM, Draft
from eucentric.bench.spying.limits import SHIPPED, TIGHT
from eucentric.bench.spying.spy import TOLERANCE, Account, Grant, Inner, Spy, Watch, facts_of
from eucentric.core.calls import Approval, Envelope, ToolCall
from eucentric.core.errors import EucentricError
from eucentric.core.request import SpecimenCard
from eucentric.core.store import Store
from eucentric.instruments.cards import card_of_twin
from eucentric.instruments.guard import Guard
from eucentric.instruments.limits import Limits
from eucentric.instruments.limits_file import limits_of
from eucentric.instruments.twin import TwinDriver, load_world

BUDGET = 2e4
"""Of the specimen card [e/Å²]."""
NARROW: dict[str, Any] = {
    "tools": ("move_stage", "set_optics", "acquire_image", "acquire_series", "survey", "insert_detector"),
    "max_frames": 2000,
    "max_dose_e_per_a2": 1.5e4,
    "x_um": (-REACH_UM, REACH_UM),
    "y_um": (-REACH_UM, REACH_UM),
    "z_um": (-10.0, 10.0),
    "alpha_deg": (-5.0, 5.0),
    "beta_deg": (-5.0, 5.0),
    "max_probe_current_pa": 100.0,
    "max_seconds": 1e6,
}
"""A campaign as a person would grant it."""
WIDE: dict[str, Any] = NARROW | {
    **dict.fromkeys(("x_um", "y_um", "z_um", "alpha_deg", "beta_deg"), (-1e5, 1e5)),
    "max_probe_current_pa": 1e6,
    "max_dose_e_per_a2": 1e9,
}
"""An approval that bounds nothing: only the instrument's own limits and the card are left to refuse."""
_AXIS = {"max_step": 80.0, "max_excursion": 150.0, "max_per_minute": 800.0, "max_path": 3000.0}
STRICT = Limits.model_validate(
    {
        "version": 1,
        "instrument": "SIMULATED *",
        "author": "the bench",
        "axes": {
            "x_um": {"lower": -400.0, "upper": 400.0, **_AXIS},
            "y_um": {"lower": -400.0, "upper": 400.0, **_AXIS},
            "z_um": {"lower": -50.0, "upper": 50.0, "max_step": 30.0, "max_excursion": 20.0, "max_path": 200.0},
            "alpha_deg": {
                "lower": -20.0, "upper": 20.0, "max_step": 6.0, "max_excursion": 15.0, "max_path": 90.0,
            },
            "beta_deg": {"lower": -15.0, "upper": 15.0, "max_step": 10.0},
        },
        "optics": {
            "defocus_nm": {
                "lower": -2000.0, "upper": 2000.0, "max_step": 1000.0, "max_excursion": 1500.0,
                "max_path": 20_000.0,
            },
            "beam_shift_x_nm": {"lower": -1000.0, "upper": 1000.0},
            "beam_shift_y_nm": {"lower": -1000.0, "upper": 1000.0},
            "probe_current_pa": {"lower": 5.0, "upper": 400.0},
            "fov_nm": {"lower": 0.6, "upper": 20_000.0},
        },
        "detectors": {
            "haadf": {"max_probe_current_pa": 300.0, "max_charge_pc": 6.0},
            "bf": {"max_probe_current_pa": 90.0, "max_charge_pc": 3.0},
        },
        "exclusions": [
            {"detectors": ["bf"], "when": {"probe_current_pa": [100.0, 1e6]}, "reason": "wears out"},
        ],
    }
)  # fmt: skip
"""What `spy_limits.TIGHT` says, as staff would write it."""
_SI = {
    "x_um": 1e-6,
    "y_um": 1e-6,
    "z_um": 1e-6,
    "alpha_deg": 0.017453292519943295,
    "beta_deg": 0.017453292519943295,
}


@dataclass
class Tally:
    """What became of the calls."""

    made: int = 0
    executed: int = 0
    """Ended well, and something arrived at the driver."""
    read: int = 0
    """Ended well without a command: reading, or the recorded result of an earlier call."""
    refused: Counter[str] = field(default_factory=Counter)
    broke: Counter[str] = field(default_factory=Counter)
    touched: int = 0
    """Instruments that were given to staff: on a worn stage a move may be missed, and the next one then collides."""
    cpu_s: list[float] = field(default_factory=list)
    """Of each executed call, without the time inside the driver [s]."""
    kinds: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, outcome: str, watch: Watch, cpu_s: float, what: str) -> None:
        """One call."""
        with self.lock:
            self.made += 1
            self.kinds[kind] += 1
            if outcome == "done" and watch.arrived:
                self.executed += 1
                self.cpu_s.append(cpu_s)
            elif outcome == "done":
                self.read += 1
            elif outcome == "broke":
                self.broke[what] += 1
            else:
                self.refused[outcome] += 1


class Seat:
    """A guard as one lease holder sees it (what a host's client is in another process)."""

    def __init__(self, guard: Guard) -> None:
        self.guard, self.epoch = guard, 0

    def lease(self, owner: str) -> int:
        """Take the lease and keep its epoch."""
        self.epoch = self.guard.lease(owner)
        return self.epoch

    def release(self) -> None:
        """Give it back."""
        self.guard.release(epoch=self.epoch)

    def __getattr__(self, name: str) -> Any:
        """Commands carry the epoch; reading, blank and stop need none."""
        found = getattr(self.guard, name)
        if name not in ("move", "set_optics", "insert", "acquire", "wait", "clear_hold"):
            return found

        def fenced(*args: Any, **more: Any) -> Any:
            return found(*args, epoch=self.epoch, **more)

        return fenced


class Unguarded:
    """The driver with nothing in between: what a guard that checks nothing would let through."""

    def __init__(self, driver: Spy) -> None:
        self.driver, self.never = driver, threading.Event()

    def lease(self, owner: str) -> int:
        return 1

    def release(self, **_: Any) -> None:
        return None

    def clear_hold(self, by: str, **_: Any) -> None:
        return None

    def state(self) -> Any:
        return self.driver.read()

    def held(self) -> str | None:
        return None

    def incarnation(self) -> str:
        return "unguarded"

    def outcome(self, token: str) -> tuple[None, tuple[()]]:
        return None, ()

    def move(self, targets: dict[str, float], **_: Any) -> Any:
        self.driver.move(targets, self.never)
        return self.driver.read()

    def set_optics(self, values: dict[str, float], **_: Any) -> Any:
        self.driver.set_optics(values, self.never)
        return self.driver.read()

    def acquire(self, scan: Any, **_: Any) -> Any:
        self.driver.set_blank(False)
        try:
            return self.driver.acquire(scan, self.never)
        finally:
            self.driver.set_blank(True)

    def insert(self, detector: str, inside: bool, **_: Any) -> Any:
        self.driver.insert(detector, inside, self.never)
        return self.driver.read()

    def wait(self, seconds: float, **_: Any) -> None:
        self.driver.wait(seconds, self.never)

    def blank(self, reason: str) -> bool:
        return True

    stop = blank

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)


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
