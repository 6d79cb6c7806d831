"""The driver's own count of commands, as rows carry it: between two rows every command must have one."""

from typing import Any

from eucentric.core.errors import EucentricError
from eucentric.instruments.instrument import Instrument


def count_of(instrument: Instrument) -> int | None:
    """The count now; None if it can't be read: no row is lost for it."""
    try:
        return instrument.state().commands
    except EucentricError:
        return None


def reading(instrument: Instrument, before: int | None = None) -> dict[str, Any]:
    """For a row of what is no act: which life of the instrument's process, and the count now.

    Parameters
    ----------
    before
        The count before what the row tells, if it was read.
    """
    try:
        life: dict[str, Any] = {"incarnation": instrument.incarnation()}
    except EucentricError:
        return {}
    counts = {"commands_before": before, "commands": count_of(instrument)}
    return life | {name: count for name, count in counts.items() if count is not None}
