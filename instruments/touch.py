"""The touch alarm: once it was seen, motion is locked until staff looked at the holder and cleared it."""

import logging

from eucentric.core.errors import InstrumentFault, LimitRefused
from eucentric.core.text import visible
from eucentric.instruments.checks import NOTHING_SENT, place
from eucentric.instruments.driver import DriverState

_LOG = logging.getLogger(__name__)
_CLEAR = (
    "Staff look at the holder, bring it back by hand, and then: eucentric limits clear-touch URI --as NAME."
)


class TouchLock:
    """Locks motion at the first read-back that shows a touch; an alarm that goes off by itself does not unlock it.

    Parameters
    ----------
    reason
        Why it is locked, if a touch outlived an earlier process.
    """

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason

    def see(self, state: DriverState, moving: str | None) -> bool:
        """Look at a read-back; True if this is the first touch, and something is moving."""
        if not state.touch or self.reason is not None:
            return False
        during = f" during a command ({moving})" if moving else ""
        self.reason = f"the holder touched something{during}; it stood with {place(state)}"
        _LOG.error("touch alarm: %s", visible(self.reason))
        return moving is not None

    def check(self) -> None:
        """LimitRefused while motion is locked."""
        if self.reason is not None:
            raise LimitRefused(
                "motion is locked by the touch alarm",
                visible(self.reason),
                f"{NOTHING_SENT}. {_CLEAR}",
                code="E-LIMIT-TOUCH",
            )

    def raise_after(self, what: str, state: DriverState) -> None:
        """InstrumentFault if the command that just ended has touched something."""
        if self.reason is not None:
            raise InstrumentFault(
                f"{what}: the holder touched something",
                f"it stands with {place(state)}",
                f"Everything was stopped and motion is locked. {_CLEAR}",
                code="E-INST-TOUCH",
            )

    def clear(self, state: DriverState, by: str) -> None:
        """Unlock motion; LimitRefused while the alarm itself is on."""
        if state.touch:
            raise LimitRefused(
                "the touch alarm is still on",
                f"the instrument reports it with {place(state)}",
                "Motion stays locked. Bring the holder back by hand, then clear it again.",
                code="E-LIMIT-TOUCH",
            )
        if self.reason is not None:
            _LOG.warning("touch cleared by %s: %s", visible(by), visible(self.reason))
        self.reason = None
