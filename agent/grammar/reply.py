"""What goes back to the person: a plan, a question or a refusal, with everything that was not used."""

from typing import Final

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.tokens import Sentence, Token
from eucentric.agent.grammar.safety import LATER
from eucentric.core.plan import Plan, Proposal, Step
from eucentric.core.text import visible

READS: Final = frozenset(
    {
        "get_state",
        "query_log",
        "detect_defects",
        "measure_lattice",
        "estimate_density",
        "rank_places",
        "recommend_acquisition",
        "write_report",
        "grid_positions",
    }
)
"""Tools that only look at what is stored or reported."""


EXAMPLES: Final = (
    "take a 512x512 HAADF at 20 nm field of view, dwell 2 µs",
    "move 5 µm to the right, then autofocus",
    "find 3 monolayer flakes, image them at atomic resolution below 2e4 e/Å2, count the vacancies and write a report",
)


def reply(draft: Draft, clauses: list[Clause], sentence: Sentence, planner: str) -> Proposal:
    left = [token for clause in clauses for token in clause.tokens if token.matters and token.kind != "quote"]
    _check_tools(draft)
    _check_forbidden_by_person(draft)
    notes = tuple(dict.fromkeys(draft.not_understood))
    if draft.refusals:
        return Proposal(outcome="refuse", say=_lines(sentence, "Abgelehnt.", *draft.refusals, *notes))
    if draft.questions:
        return _clarify(draft, sentence, notes, left)
    blocking = [part for part in draft.missing if part.blocking]
    if blocking or (draft.missing and not draft.steps):
        return Proposal(
            outcome="refuse", say=_lines(sentence, "Nicht verfügbar.", *_missing_lines(draft), *notes)
        )
    if any(token.concept == "STOP" for token in left):
        draft.ask(
            LATER,
            "STOP",
            "blank the beam",
        )
        return _clarify(draft, sentence, notes, left)
    if left or not draft.steps:
        return _not_understood(draft, sentence, left, notes)
    return _plan(draft, sentence, notes, planner)


def _missing_lines(draft: Draft) -> list[str]:
    lines = [
        f"Not available yet: {part.what} ('{visible(part.phrase, limit=120)}'). What exists: {part.exists}."
        for part in draft.missing
    ]
    return [*lines, "Nothing was sent to the instrument."]


def _lines(sentence: Sentence, german: str, *lines: str) -> str:
    return "\n".join(line for line in ([german] if sentence.german else []) + list(lines) if line)


def _clarify(draft: Draft, sentence: Sentence, notes: tuple[str, ...], left: list[Token]) -> Proposal:
    says = [question.say for question in draft.questions]
    options = [option for question in draft.questions for option in question.options]
    unread = [_named(left)] if left else []
    missing = _missing_lines(draft)[:-1] if draft.missing else []
    return Proposal(
        outcome="clarify",
        say=_lines(sentence, "Rückfrage:", *says, *unread, *missing, *notes),
        options=tuple(options[:6]),
    )


def _named(left: list[Token]) -> str:
    words = ", ".join(f"'{visible(token.text.strip(), limit=40)}'" for token in left[:8])
    return f"Not understood: {words}{' and more' if len(left) > 8 else ''}."


def _not_understood(draft: Draft, sentence: Sentence, left: list[Token], notes: tuple[str, ...]) -> Proposal:
    got = f"Understood so far: {_title(draft)}." if draft.steps else ""
    named = _named(left) if left else "No instruction was found in that."
    return Proposal(
        outcome="clarify",
        say=_lines(
            sentence,
            "Nicht ganz verstanden.",
            named,
            got,
            "Nothing was started. Ways to say it:",
            *notes,
        ),
        options=EXAMPLES,
    )


def _title(draft: Draft) -> str:
    names = [step.tool or " + ".join(inner.tool or "loop" for inner in step.do) for step in draft.steps]
    return " → ".join(dict.fromkeys(name.replace("_", " ") for name in names))[:300]


def _tools(steps: list[Step] | tuple[Step, ...]) -> set[str]:
    return {step.tool for step in steps if step.tool} | {tool for step in steps for tool in _tools(step.do)}


def _check_tools(draft: Draft) -> None:
    """A step whose tool this catalogue lacks is said, never planned."""
    have = draft.situation.tools
    lacking = sorted(_tools(draft.steps) - set(have)) if have else []
    if lacking:
        draft.refusals.append(
            f"Refused: no tool {', '.join(lacking)} in this catalogue.\n  What exists: {', '.join(have)}."
        )


def _check_forbidden_by_person(draft: Draft) -> None:
    for words, tools in draft.forbids:
        clash = sorted(_tools(draft.steps) & set(tools))
        if clash:
            draft.ask(
                f"'{words}', but the rest needs {', '.join(clash)}. Which holds?",
                "the rest, with it",
                "leave that part out",
            )
        else:
            draft.assume(f"kept as a constraint: '{words}'")


def _plan(draft: Draft, sentence: Sentence, notes: tuple[str, ...], planner: str) -> Proposal:
    missing = tuple(
        f"not available yet: {part.what} ('{visible(part.phrase, limit=120)}'); exists: {part.exists}"
        for part in draft.missing
    )
    plan = Plan(
        title=_title(draft),
        steps=tuple(draft.steps),
        budget_e_per_a2=draft.budget_e_per_a2,
        assumed=tuple(dict.fromkeys(draft.assumed)),
        not_understood=notes + missing,
        planner=planner,
    )
    reading = _tools(draft.steps) <= READS
    german = "Verstanden, nur lesend:" if reading else "Verstanden, als Plan zur Freigabe:"
    say = _lines(sentence, german, *draft.answers, *plan.not_understood)
    return Proposal(outcome="answer" if reading else "run", plan=plan, say=say)
