"""A move as the vendor's control software does it: faults, contact with a pole piece, the touch alarm."""

from dataclasses import dataclass

import numpy as np

from eucentric.core.errors import CommandTimeout, InstrumentFault, LimitRefused
from eucentric.instruments.twin.faults import FaultBox, FaultSpec, of_kind
from eucentric.instruments.twin.polepiece import first_contact
from eucentric.instruments.twin.stage import AXES, Creep, Stage, Vector
from eucentric.instruments.twin.world import PolePieceSpec

TIMEOUT_S = 10.0
"""How long the control software waits for a stage that does not answer [s]."""


@dataclass(frozen=True)
class Going:
    """A move that has begun."""

    asked: Vector
    """Where it was told to go, (5,) [m, rad]."""
    target: Vector
    """Where it will go unless something is in the way, (5,)."""
    due: tuple[FaultSpec, ...]
    missed: bool
    seconds: float
    """Until the control software is done with it [s]."""
    touches: float | None
    """Share of the way at which the holder meets a pole piece."""

    def fault(self, kind: str) -> FaultSpec | None:
        """The fault of that kind that strikes it."""
        return next((spec for spec in self.due if spec.kind == kind), None)

    @property
    def furthest(self) -> float:
        """Share of the way that it can make."""
        stuck = self.fault("stage_error")
        shares = (1.0, 1.0 if stuck is None else stuck.done, 1.0 if self.touches is None else self.touches)
        return min(shares)


class Goniometer:
    """Begins and ends moves of a stage. Not locked: whoever calls it holds the instrument's locks."""

    def __init__(
        self, stage: Stage, pole_piece: PolePieceSpec, faults: FaultBox, rng: np.random.Generator
    ) -> None:
        self.stage, self._pole_piece, self._faults, self._rng = stage, pole_piece, faults, rng
        self.touch = False
        """The alarm: on from a contact until it is cleared."""

    def refuse_if_touching(self, what: str) -> None:
        """LimitRefused while the alarm is on."""
        if self.touch:
            raise LimitRefused(
                what, "the touch alarm is on; nothing moved", "staff must look at the holder and clear it"
            )

    def begin(self, target: Vector, time_s: float) -> Going:
        """Draw what will happen to a move that starts now."""
        asked, due = target, self._faults.due("move", time_s)
        missed = self.stage.draw_miss() or of_kind(due, "missed_move") is not None
        silent = of_kind(due, "time_out")
        if silent:
            missed = missed or bool(self._rng.random() < 0.5)
        if runs := of_kind(due, "runaway"):
            target = self._limit_switch(target)
            missed = False
            self._note(runs, time_s, "ran to the limit switch of x")
        self._wear(due, time_s)
        seconds = TIMEOUT_S if silent else self.stage.seconds(target)
        slips = of_kind(due, "partial_move")
        touches = None if missed else self._contact(target, slips.done if slips else 1.0, time_s)
        return Going(asked, target, due, missed, seconds, touches)

    def _limit_switch(self, target: Vector) -> Vector:
        """The end of travel in the direction in which x was going."""
        end = target.copy()
        forward = target[0] >= self.stage.commanded[0]
        end[0] = self.stage.motion.travel[0] * (1.0 if forward else -1.0)
        return end

    def _wear(self, due: tuple[FaultSpec, ...], time_s: float) -> None:
        if loose := of_kind(due, "backlash"):
            self.stage.loosen(loose.backlash_nm * 1e-9)
            self._note(loose, time_s, f"{loose.backlash_nm:g} nm more")
        if lies := of_kind(due, "readback_lies"):
            self.stage.misreport(lies.offset_nm * 1e-9)
            self._note(lies, time_s, f"x reads {lies.offset_nm:g} nm too much")

    def _contact(self, target: Vector, done: float, time_s: float) -> float | None:
        start = self.stage.actual(np.array([time_s]))[0]
        return first_contact(self._pole_piece, start, done * self.stage.way(target))

    def end(self, going: Going, share: float, time_s: float) -> None:
        """Leave the stage where it came to, `share` of the way at most.

        Raises
        ------
        CommandTimeout
            The stage did not answer; it may or may not have moved.
        InstrumentFault
            Its controller reports an error; it stands where it reads back.
        """
        silent, slips, stuck = (going.fault(kind) for kind in ("time_out", "partial_move", "stage_error"))
        share = min(1.0 if silent else share, going.furthest)
        if old := going.fault("stale_readback"):
            self.stage.freeze_reading(old.stale_s)
        slow = going.fault("slow_settle")
        creep = slow and Creep(time_s, slow.settle_s, np.array([slow.settle_nm * 1e-9] * 3 + [0.0] * 2))
        self.stage.arrive(
            going.target, share, going.missed, slips=1 - slips.done if slips else 0.0, slow=creep or None
        )
        self.stage.commanded = going.asked.copy()
        if going.touches is not None and share >= going.touches:
            self._touch(time_s)
        for fault in going.due:
            if fault.kind not in ("runaway", "backlash", "readback_lies"):
                self._note(fault, time_s, "did not move" if going.missed else "moved")
        if silent:
            raise _silence()
        if stuck:
            raise _controller_error("error 14: motor current", self.stage)
        if going.fault("runaway"):
            raise _controller_error("limit switch of x", self.stage)

    def _touch(self, time_s: float) -> None:
        self.touch = True
        place = dict(zip(AXES, self.stage.actual(np.array([time_s]))[0].tolist(), strict=True))
        self._faults.record_touch(time_s, ", ".join(f"{name} {value:.6g}" for name, value in place.items()))

    def _note(self, fault: FaultSpec, time_s: float, note: str) -> None:
        self._faults.record(fault, time_s, note)


def _silence() -> CommandTimeout:
    return CommandTimeout(
        f"the stage did not answer within {TIMEOUT_S:g} s", "its position is unknown", "read it, then look"
    )


def _controller_error(said: str, stage: Stage) -> InstrumentFault:
    x, y = stage.reported[:2] * 1e6
    return InstrumentFault(
        f"the stage controller reports {said}",
        f"it has stopped and reads x {x:.3f} µm, y {y:.3f} µm",
        "look at the stage before it is moved again",
    )
