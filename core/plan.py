"""A plan is a frozen value: what will be called, in which order, why, and what is assumed."""

from typing import Any, Literal

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.canonical import digest


class Step(Model):
    """One call of a tool, or a loop over a list that an earlier step will return."""

    id: str = Field(pattern=r"^[a-z0-9_]{1,24}$")
    tool: str | None = None
    """A tool's name; None for a loop."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Literal arguments, validated against the tool's model before anything runs."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Arguments bound later: name -> 'step.field', 'item.field' or 'item' (of the loop around it)."""
    reason: str = ""
    for_each: str | None = None
    """'step.field' of a list: the steps of `do` run once for each item, `item` being bound."""
    times: int | None = Field(None, ge=1, le=10_000)
    """Or: the steps of `do` run this many times."""
    every_s: float | None = Field(None, gt=0, le=86_400)
    """Start-to-start interval of the repeats [s]."""
    at_most: int = Field(1, ge=1, le=10_000)
    """Bound of a loop, for the worst case of the preview."""
    do: tuple["Step", ...] = ()


class Plan(Model):
    """Steps with reasons, made by a planner and approved by a person."""

    title: str
    steps: tuple[Step, ...]
    budget_e_per_a2: float | None = None
    """Dose bound of the request itself, if it stated one [e/Å²]."""
    assumed: tuple[str, ...] = ()
    """Defaults and readings that were taken, each in one line for the person who approves."""
    not_understood: tuple[str, ...] = ()
    """Words of the request that no rule used."""
    planner: str = ""
    """Engine and version, such as 'grammar v1' or 'llm qwen2.5-coder'."""
    revision: int = 1

    @property
    def sha256(self) -> str:
        """Digest of the plan's content."""
        return digest(self.model_dump(mode="json"))


Outcome = Literal["run", "answer", "clarify", "refuse", "safety"]


class Proposal(Model):
    """What a planner returns: a plan to run, or words."""

    outcome: Outcome
    """run: a plan that a person approves. answer: reads only. safety: stop or blank, at once.
    clarify and refuse: words, no plan."""
    plan: Plan | None = None
    say: str = ""
    """To the person, one to a few short lines."""
    options: tuple[str, ...] = ()
    """Choices of a clarifying question, each with its price."""
    pixels_sent: str = ""
    """Which pixels left this machine for it, and where to; nothing if none did."""
    evidence: dict[str, str] = Field(default_factory=dict)
    """Blobs behind the proposal (prompt, reply), by name: sha256."""
