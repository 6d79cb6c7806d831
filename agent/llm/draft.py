"""A model's draft becomes a plan, or a list of errors that the model can act on.

Nothing in a draft is trusted: the tools must exist, every argument must pass the tool's own model, every
reference must point at a result of an earlier step, and what kind of plan it is follows from the tools in
it, not from what the model calls it.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import Field, ValidationError, create_model

from eucentric.agent.llm.schema import REFERENCE, AnyTool
from eucentric.core.base import Model
from eucentric.core.plan import Outcome, Step
from eucentric.core.text import visible

MOST_STEPS = 24


class DraftStep(Model):
    """One step as a model writes it: a call, or a loop over a list or a number of times."""

    tool: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    reason: str = ""
    for_each: str | None = None
    times: int | None = Field(None, ge=1, le=10_000)
    at_most: int = Field(10, ge=1, le=1000)
    do: tuple["DraftStep", ...] = ()


class PlanDraft(Model):
    """A whole reply."""

    outcome: Literal["run", "answer", "clarify", "refuse", "safety"]
    say: str = ""
    options: tuple[str, ...] = ()
    steps: tuple[DraftStep, ...] = ()


@dataclass
class Compiled:
    """Steps that passed, and what did not."""

    steps: list[Step] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    used: list[tuple[str, AnyTool, dict[str, Any]]] = field(default_factory=list)
    """Each call: its step's id, the tool, the validated arguments."""

    @property
    def outcome(self) -> Outcome:
        """What kind of plan this is, from the risk of its tools: a model can't call an exposure 'safety'."""
        risks = {tool.risk for _, tool, _ in self.used}
        if risks and risks <= {"safety"}:
            return "safety"
        return "answer" if risks <= {"read"} else "run"


@dataclass(frozen=True)
class _Scope:
    """What a step may refer to."""

    results: dict[str, AnyTool]
    looping: bool = False
    item: type[Model] | None = None
    """The loop's element, where the result declares one."""


def read_draft(value: Any) -> tuple[PlanDraft | None, list[str]]:
    """The draft in a JSON value, or errors in words."""
    try:
        return PlanDraft.model_validate(value), []
    except ValidationError as error:
        return None, in_words(error, "reply")


def in_words(error: ValidationError, where: str) -> list[str]:
    """Each problem in one line with its place and the value, safe to show."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False)[:6]:
        place = ".".join([where, *(str(part) for part in problem["loc"])])
        given = "" if problem["type"] == "missing" else f" (got {problem['input']!r:.60})"
        lines.append(visible(f"{place}: {problem['msg']}{given}", limit=300))
    return lines


def compile_steps(drafts: tuple[DraftStep, ...], tools: dict[str, AnyTool]) -> Compiled:
    """Steps s1, s2, … (s3_1, s3_2 inside a loop s3), every one of them valid, or errors."""
    done = Compiled()
    results: dict[str, AnyTool] = {}
    total = sum(1 + len(draft.do) for draft in drafts)
    if total > MOST_STEPS:
        done.errors.append(f"{total} steps; at most {MOST_STEPS}, use a loop")
        return done
    for number, draft in enumerate(drafts, 1):
        step = _step(draft, f"s{number}", _Scope(results), tools, done)
        if step:
            done.steps.append(step)
    return done


def _step(
    draft: DraftStep, name: str, scope: _Scope, tools: dict[str, AnyTool], done: Compiled
) -> Step | None:
    if draft.do or draft.for_each or draft.times:
        return _loop(draft, name, scope, tools, done)
    tool = tools.get(draft.tool or "")
    if tool is None:
        known = ", ".join(sorted(tools))
        done.errors.append(f"{name}: there is no tool {visible(str(draft.tool), limit=60)!r}; tools: {known}")
        return None
    literal, inputs = _split(draft.args, tool)
    problems = [
        text for key, value in inputs.items() if (text := _reference_problem(value, scope, f"{name}.{key}"))
    ]
    args, wrong = _validated(tool, literal, inputs, f"{name} {tool.name}")
    done.errors += problems + wrong
    scope.results[name] = tool
    if problems or wrong:
        return None
    done.used.append((name, tool, args))
    return Step(id=name, tool=tool.name, args=args, inputs=inputs, reason=visible(draft.reason, limit=300))


def _loop(
    draft: DraftStep, name: str, scope: _Scope, tools: dict[str, AnyTool], done: Compiled
) -> Step | None:
    problem = _loop_problem(draft, scope, name)
    if problem:
        done.errors.append(problem)
        return None
    inner = _Scope(dict(scope.results), draft.for_each is not None, _element(draft.for_each, scope))
    steps = [_step(entry, f"{name}_{number}", inner, tools, done) for number, entry in enumerate(draft.do, 1)]
    kept = tuple(step for step in steps if step)
    bound = draft.times if draft.times else draft.at_most
    reason = visible(draft.reason, limit=300)
    return Step(id=name, for_each=draft.for_each, times=draft.times, at_most=bound, do=kept, reason=reason)


def _loop_problem(draft: DraftStep, scope: _Scope, name: str) -> str:
    if draft.tool or not draft.do or bool(draft.for_each) == bool(draft.times):
        return f"{name}: a loop has 'do' and either 'for_each' or 'times', and no tool"
    if any(entry.do for entry in draft.do):
        return f"{name}: a loop can't hold another loop"
    if draft.for_each and draft.for_each.startswith("item"):
        return f"{name}.for_each: name a list of an earlier step, such as 's2.targets'"
    if not draft.for_each:
        return ""
    wrong = _reference_problem(draft.for_each, scope, f"{name}.for_each")
    return wrong or (
        "" if _is_list(draft.for_each, scope) else f"{name}.for_each: {draft.for_each} is not a list"
    )


def _annotation(reference: str, scope: _Scope) -> Any:
    head, _, rest = reference.partition(".")
    return scope.results[head].result.model_fields[rest].annotation


def _is_list(reference: str, scope: _Scope) -> bool:
    return get_origin(_annotation(reference, scope)) in (list, tuple)


def _element(reference: str | None, scope: _Scope) -> type[Model] | None:
    kinds = get_args(_annotation(reference, scope)) if reference else ()
    return kinds[0] if kinds and isinstance(kinds[0], type) and issubclass(kinds[0], Model) else None


def _split(args: dict[str, Any], tool: AnyTool) -> tuple[dict[str, Any], dict[str, str]]:
    """Literal arguments, and those that refer to a result; null means the argument is left out."""
    literal, inputs = {}, {}
    for key, value in args.items():
        single = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(single, str) and re.match(REFERENCE, single) and key in tool.args.model_fields:
            inputs[key] = single
        elif value is not None:
            literal[key] = value
    return literal, inputs


def _reference_problem(reference: str, scope: _Scope, place: str) -> str:
    head, _, rest = reference.partition(".")
    if head == "item":
        return _item_problem(rest, scope, place)
    tool = scope.results.get(head)
    if tool is None:
        known = ", ".join(scope.results) or "none"
        return (
            f"{place}: {visible(reference, limit=40)!r} is not a result of an earlier step (earlier: {known})"
        )
    if rest not in tool.result.model_fields:
        return f"{place}: {tool.name} returns {', '.join(tool.result.model_fields)}; not {rest!r}"
    return ""


def _item_problem(rest: str, scope: _Scope, place: str) -> str:
    if not scope.looping:
        return f"{place}: 'item' exists only inside a for_each loop"
    if rest and scope.item and rest not in scope.item.model_fields:
        return f"{place}: an item has {', '.join(scope.item.model_fields)}; not {rest!r}"
    return ""


def _validated(
    tool: AnyTool, literal: dict[str, Any], inputs: dict[str, str], where: str
) -> tuple[dict[str, Any], list[str]]:
    """Arguments as the tool's own model reads them: units converted, only those that were given."""
    model = _apart_from(tool.args, inputs) if inputs else tool.args
    try:
        return model.model_validate(literal).model_dump(mode="json", exclude_unset=True), []
    except ValidationError as error:
        return {}, in_words(error, where)


def _apart_from(args: type[Model], inputs: dict[str, str]) -> type[Model]:
    """The fields that have a value now, each with its own bounds; rules between fields wait for the run."""
    now: dict[str, Any] = {
        name: (entry.annotation, entry) for name, entry in args.model_fields.items() if name not in inputs
    }
    return create_model(f"{args.__name__}Now", __base__=Model, **now)
