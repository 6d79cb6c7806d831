"""Which rule decides a call, and which ones before it did not fit."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from eucentric.agent.consent.figures import Figures, figures_of
from eucentric.agent.consent.rules import Rule, RuleBook
from eucentric.agent.readback import named_state
from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.request import SpecimenCard
from eucentric.core.text import visible
from eucentric.instruments.instrument import Instrument
from eucentric.tools.arguments import validated
from eucentric.tools.base import Setting, Tool
from eucentric.tools.catalogue import tool_named


class Explanation(Model):
    """The answer."""

    call: str
    rule: str
    decision: str
    role: str
    approvers: int
    impact: str
    verdict: str
    """In words."""
    passed_over: tuple[str, ...]
    """Rules before it that are for this tool and did not fit, each with its reason."""
    figures: dict[str, float | str | None]

    @property
    def figures_line(self) -> str:
        """What the rules were held against."""
        shown = [f"{name} {_plain(value)}" for name, value in sorted(self.figures.items())]
        return visible(", ".join(shown), limit=600)


def explained(
    book: RuleBook,
    instrument: Instrument,
    specimen: SpecimenCard | None,
    call: Sequence[str],
    planner: str = "",
) -> Explanation:
    """The rule that decides a call on an instrument as it stands now.

    Parameters
    ----------
    call
        Words 'tool', 'argument=value' …, or one JSON object with tool and args.

    Raises
    ------
    BadInput, NotAvailable
        No such tool, or arguments that it does not take.
    """
    name, args = parsed(call)
    tool = tool_named(name)
    model = validated(tool, args)
    capabilities = instrument.capabilities()
    state = named_state(capabilities.identity, capabilities.simulated, instrument.state(), instrument.held())
    card = specimen or SpecimenCard(name="none", material="unknown")
    figures = figures_of(tool, model, state, tool.cost(model, Setting(capabilities, state, card)))
    rule = book.rate(tool.name, tool.risk, figures, planner)
    return Explanation(
        call=visible(f"{name} {json.dumps(args, ensure_ascii=False)}", limit=400), rule=f"rule '{rule.name}'",
        decision=rule.decision, role=rule.role, approvers=rule.approvers, impact=rule.impact, verdict=_verdict(rule),
        passed_over=tuple(_passed_over(book, rule, tool, figures, planner)), figures=figures,
    )  # fmt: skip


def parsed(call: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Tool and arguments of a call that a person typed."""
    text = " ".join(call).strip()
    if text.startswith("{"):
        try:
            told = json.loads(text)
            return str(told["tool"]), dict(told.get("args", {}))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"not a call: {visible(text, limit=120)}",
                f"{type(error).__name__}",
                '{"tool": …, "args": {…}}',
            ) from error
    args = {}
    for word in call[1:]:
        key, equals, value = word.partition("=")
        if not equals:
            raise BadInput(f"not an argument: {visible(word, limit=80)!r}", remedy="write argument=value")
        args[key] = _value(value)
    return call[0], args


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _verdict(rule: Rule) -> str:
    if rule.decision == "auto":
        return "passes without asking"
    if rule.decision == "deny":
        return "is never made"
    who = f"two people, each at least {rule.role}" if rule.approvers > 1 else rule.role
    return f"is asked of {who}{', as high impact' if rule.impact == 'high' else ''}"


def _passed_over(
    book: RuleBook, decided: Rule, tool: Tool[Any, Any], figures: Figures, planner: str
) -> Iterator[str]:
    for rule in book.rules.rules:
        if rule is decided:
            return
        bare = rule.model_copy(update={"where": {}, "planner": "*"})
        if not bare.fits(tool.name, tool.risk, figures, planner):
            continue
        unmet = [
            f"{name} is {_plain(figures[name]) if name in figures else 'not a figure of it'}"
            for name, bound in rule.where.items()
            if name not in figures or not bound.fits(figures[name])
        ]
        reason = ", ".join(unmet) or f"it is for plans of {rule.planner}"
        yield visible(f"'{rule.name}': {reason}", limit=200)


def _plain(value: float | str | None) -> str:
    return "known later" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
