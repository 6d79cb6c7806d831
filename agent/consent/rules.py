"""The rules of a site: which calls pass, which are asked of whom, which are never made.

A file that staff write: rules in order, the first that fits a call decides it. What no rule fits is asked if it
moves or exposes, and passes if it only reads. Stopping and blanking are under no rule. A plan needs what the
strictest of its calls needs. The executor rates each call again when it is made, with the arguments it has then.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from eucentric.agent.consent.figures import Figure, Figures, known_figures
from eucentric.core.approval import Needs, Ruling
from eucentric.core.base import Model
from eucentric.core.calls import Risk
from eucentric.core.errors import BadInput
from eucentric.core.roles import Role, at_least, higher
from eucentric.core.settings import load_model
from eucentric.tools.catalogue import CATALOGUE

Decision = Literal["auto", "ask", "deny"]
_FREE = ("read", "analyse", "safety")
_STRICT: tuple[Decision, ...] = ("auto", "ask", "deny")


class Bound(Model):
    """What a figure must be for the rule to fit; all that are given must hold."""

    above: float | None = None
    below: float | None = None
    beyond: float | None = None
    """Its size passes this, whatever the sign: tilts, shifts."""
    among: tuple[str, ...] = ()
    """It is one of these words."""

    def fits(self, value: Figure) -> bool:
        """Whether a known figure fits."""
        if self.among:
            return isinstance(value, str) and value in self.among
        if not isinstance(value, float):
            return False
        return (
            (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and (self.beyond is None or abs(value) > self.beyond)
        )


class Rule(Model):
    """One rule. It fits a call if tool, planner and every figure of `where` fit."""

    name: str = Field(min_length=1, max_length=80)
    tools: tuple[str, ...] = ("*",)
    """Names of tools; * and ? stand for any letters."""
    risk: tuple[Risk, ...] = ()
    """Only calls of these risks."""
    planner: str = "*"
    """Only plans of planners of that name, such as 'llm *'."""
    where: dict[str, Bound] = Field(default_factory=dict)
    """By figure: an argument such as dwell_us, where a move ends (alpha_deg), step_um, step_deg, or a cost."""
    decision: Decision = "ask"
    role: Role = "user"
    """Who may say yes."""
    approvers: int = Field(1, ge=1, le=2)
    """Two: two different people, each with a secret."""
    impact: Literal["normal", "high"] = "normal"
    signed: bool = False
    """A yes counts only with a signature: who can write the file can't make one."""
    timeout_s: float | None = Field(None, gt=0)
    on_timeout: Literal["park", "hold"] = "park"

    @model_validator(mode="after")
    def _sense(self) -> "Rule":
        unknown = sorted(set(self.where) - known_figures())
        if unknown:
            raise ValueError(f"no call has a figure {unknown[0]!r}")
        if not any(fnmatchcase(tool.name, glob) for tool in CATALOGUE for glob in self.tools):
            raise ValueError(f"no tool is named {', '.join(self.tools)}")
        return self

    def fits(self, tool: str, risk: Risk, figures: Figures, planner: str) -> bool:
        """Whether this rule decides a call; what is not known yet fits unless the rule lets pass."""
        named = any(fnmatchcase(tool, glob) for glob in self.tools) and fnmatchcase(planner, self.planner)
        if not named or (self.risk and risk not in self.risk):
            return False
        return all(self._meets(name, bound, figures) for name, bound in self.where.items())

    def _meets(self, name: str, bound: Bound, figures: Figures) -> bool:
        if name not in figures:
            return False
        value = figures[name]
        return self.decision != "auto" if value is None else bound.fits(value)


class Rules(Model):
    """The file's content."""

    name: str = Field(min_length=1, max_length=80)
    author: str = Field(min_length=1, max_length=80)
    """Who answers for it."""
    version: int = Field(ge=1)
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class RuleBook:
    """Rules in force, and the label that an approval is tied to."""

    rules: Rules
    label: str
    path: str = ""

    def rate(self, tool: str, risk: Risk, figures: Figures, planner: str) -> Rule:
        """The rule that decides a call; one of ours where the file has none."""
        if risk == "safety":
            return _SAFETY
        fitting = (rule for rule in self.rules.rules if rule.fits(tool, risk, figures, planner))
        return next(fitting, _READING if risk in _FREE else _UNMATCHED)


_UNMATCHED = Rule(name="no rule: moves and exposures are asked", decision="ask")
_READING = Rule(name="no rule: reading passes", decision="auto")
_SAFETY = Rule(name="stopping and blanking are under no rule", decision="auto")
BUILT_IN = RuleBook(Rules(name="built-in", author="Eucentric", version=1), "built-in")


def load_rules(path: Path, instrument: str) -> RuleBook:
    """Read the rules for an instrument.

    Raises
    ------
    BadInput
        Missing, malformed, naming what does not exist; or letting moves or exposures pass unasked on an instrument
        that is not simulated: no file may stand in for a person where a real beam is concerned.
    """
    rules = load_model(path, "policy", Rules)
    passing = [rule.name for rule in rules.rules if rule.decision == "auto" and _lets_act(rule)]
    if passing and not instrument.startswith("twin:"):
        raise BadInput(
            f"policy {path}: rule {passing[0]!r} would let moves or exposures pass unasked",
            f"on {instrument} a person must be asked",
            "make it ask; a grant can answer for a while",
        )
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    return RuleBook(rules, f"v{rules.version} (sha256 {sha[:12]})", str(path))


def _lets_act(rule: Rule) -> bool:
    return any(
        tool.risk not in _FREE and any(fnmatchcase(tool.name, glob) for glob in rule.tools)
        for tool in CATALOGUE
        if not rule.risk or tool.risk in rule.risk
    )


def needs_of(rated: Iterable[tuple[str, str, Rule]]) -> Needs:
    """Who must answer for a plan, by the strictest rule of its (step, tool, rule)."""
    told = tuple(rated)
    asking = [rule for _, _, rule in told if rule.decision != "auto"]
    role: Role = "user"
    for rule in asking:
        role = higher(role, rule.role)
    limits = [rule.timeout_s for rule in asking if rule.timeout_s is not None]
    return Needs(
        role=role,
        approvers=max((rule.approvers for rule in asking), default=1),
        impact="high" if any(rule.impact == "high" for rule in asking) else "normal",
        signed=any(rule.signed for rule in asking),
        timeout_s=min(limits, default=None),
        on_timeout="hold" if any(rule.on_timeout == "hold" for rule in asking) else "park",
        rulings=tuple(
            Ruling(step=step, tool=tool, rule=rule.name, decision=rule.decision, role=rule.role)
            for step, tool, rule in told
        ),
    )


def strictest(needs: Needs) -> Decision:
    """What a plan's strictest call is: auto, ask or deny."""
    found = [ruling.decision for ruling in needs.rulings]
    return max(found, key=_STRICT.index, default="auto")


def satisfied(rule: Rule, role: str, people: int) -> bool:
    """Whether an approval of that role, by so many people, covers a call under this rule."""
    if rule.decision == "deny":
        return False
    return rule.decision == "auto" or (at_least(role, rule.role) and people >= rule.approvers)
