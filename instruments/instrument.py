"""The one interface in SI that a guard, a host client and a test double share."""

from typing import Protocol

from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import DriverState, LoggedCommand, Pixels, RawFrames, ScanSpec
from eucentric.instruments.journal import Outcome
from eucentric.instruments.limits import Limits


class Instrument(Protocol):
    """A guarded instrument: limits, lease, blanking and read-back are inside; policy is not.

    Commands need the writer lease of the caller; reading, `blank` and `stop` never do.
    """

    def capabilities(self) -> Capabilities:
        """The driver's declaration, narrowed by the limits in force."""
        ...

    def limits(self) -> Limits:
        """The limits in force."""
        ...

    def state(self) -> DriverState: ...

    def held(self) -> str | None:
        """Why the beam is held blanked, or None."""
        ...

    def incarnation(self) -> str:
        """Which life of the process that owns the driver this is."""
        ...

    def outcome(self, token: str) -> tuple[Outcome | None, Pixels]:
        """What became of the command with that token, with the pixels of the last scan; None: never sent here."""
        ...

    def command_log(self, after: int) -> tuple[LoggedCommand, ...] | None:
        """The instrument's own log after that number, perhaps a part: ask on from its last; None if it has none."""
        ...

    def lease(self, owner: str) -> int:
        """Take the writer lease; the returned epoch fences every earlier holder (Busy if it is taken)."""
        ...

    def release(self) -> None:
        """Give the lease back; blanks. Busy while a command is in flight."""
        ...

    def clear_hold(self, by: str) -> None:
        """Allow the beam again after a stop; only the executor calls it, on a person's approval."""
        ...

    def move(self, targets: dict[str, float], *, token: str = "") -> DriverState:
        """Absolute targets [m, rad], all or none, blanked; read back in tolerance or MoveNotReached."""
        ...

    def set_optics(self, values: dict[str, float], *, token: str = "") -> DriverState:
        """Controls [SI], all or none, blanked; returns the read-back."""
        ...

    def insert(self, detector: str, inside: bool, *, token: str = "") -> DriverState:
        """Drive a retractable detector in or out, blanked; returns the read-back."""
        ...

    def acquire(self, scan: ScanSpec, *, token: str = "") -> tuple[RawFrames, Pixels]:
        """Unblank, scan, blank. BeamHeld if the beam is held; Stopped, with no frame, if it ended early."""
        ...

    def wait(self, seconds: float) -> None: ...

    def blank(self, reason: str) -> bool:
        """Blank and hold the beam; returns whether the read-back says blanked. Never gated.

        A scan in flight ends (`Stopped`); a move goes on, and further moves are allowed.
        """
        ...

    def stop(self, reason: str) -> bool:
        """Blank first, then stop scan and motion; returns whether it is blanked. Never gated.

        The hold that follows freezes motion and optics as well as the beam, until `clear_hold`.
        """
        ...

    def close(self) -> None: ...
