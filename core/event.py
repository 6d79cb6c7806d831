"""One row of the ledger, and the kinds there are."""

from typing import Any, Literal, get_args

from pydantic import Field

from eucentric.core.base import Model

Kind = Literal[
    "opened",      # the ledger itself was created
    "requested",   # a person's sentence
    "planned",     # what a planner proposed
    "previewed",   # time, dose, path, what will be asked
    "asked",       # a gate card was shown, or parked
    "decided",     # the outcome at a gate
    "consented",   # one of two people who have to agree did
    "granted",     # a person's standing yes to a class of questions
    "revoked",     # such a grant was ended
    "called",      # a tool call began
    "intended",    # an act on the instrument is about to be sent
    "returned",    # the act's result and read-back
    "failed",      # the act was refused before sending, or ended without effect
    "in_doubt",    # the act may or may not have happened
    "resolved",    # a person said what became of an act in doubt
    "concluded",   # a tool call ended
    "found",       # a finding
    "excluded",    # a target or frame that was not used, and why
    "judged",      # continue, skip, ask or stop, by numbers
    "reported",    # a report was written
    "stopped",     # a person or a watchdog stopped the run
    "finished",    # the run's outcome
    "resumed",     # a run was taken up again
    "changed",     # limits, policy or operators changed, or people wrote into a notebook
    "leased",      # the writer lease was taken: settings and stage as they stood then
    "control",     # a person asked the run to pause, resume, abort or finish
    "paused",      # the run waits, beam blanked, until a person releases it
    "suspended",   # a signal left its range: nothing is sent until it is good again
    "released",    # a pause or suspension ended: by whom or what, and how long it took
    "restored",    # which settings were put back at the end, which were not, and why
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)


class Clocks(Model):
    """The clocks of a row besides UTC."""

    boot: str
    """Names the boot that `mono_s` counts from: two rows are comparable by it only within one."""
    mono_s: float
    """Monotonic clock, read with the row's UTC [s]."""
    instrument_s: float | None = None
    """The instrument's own clock, as it was last read before the row [s]; None: not known."""


class Event(Model):
    """A row as it is stored."""

    seq: int = Field(ge=1)
    ts: str
    """UTC, ISO 8601 with milliseconds."""
    run_id: str
    kind: Kind
    actor: str
    action_id: str | None = None
    tool: str | None = None
    summary: str
    body: dict[str, Any] = Field(default_factory=dict)
    clocks: Clocks | None = None
    """None in rows of schema 1."""
    prev: str
    hash: str
