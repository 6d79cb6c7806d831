"""The plan of an earlier run once more, less some steps and with some arguments changed: no planner is asked."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from eucentric.agent.planner import Situation
from eucentric.agent.preview.changes import plan_changes
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.plan import Plan, Proposal, Step
from eucentric.core.request import Like, Request
from eucentric.core.store import Store
from eucentric.core.text import visible
from eucentric.tools.catalogue import tool_named


class Again:
    """Proposes what an earlier run did, changed as a person said (implements `Planner`).

    Raises
    ------
    BadInput
        There is no such run, it had no plan, or a change does not fit it.
    """

    def __init__(self, store: Store, run: str, drop: Sequence[str] = (), change: Sequence[str] = ()) -> None:
        asked, row = _plan_of(store, run)
        self.name = f"like {run}"
        self.proposal = Proposal.model_validate(row.body["proposal"])
        old = self.proposal.plan
        if old is None:
            raise BadInput(f"run {run} had no plan")
        self.plan = _described(_changed(old, drop, change), old)
        self.instrument = str(asked.body["request"]["instrument"])
        """Where it was done."""
        lines = tuple(visible(line, limit=400) for line in plan_changes(old, self.plan))
        self.like = Like(run=run, plan_sha256=old.sha256, changed=lines)

    @property
    def text(self) -> str:
        """What was asked, for the row."""
        changed = f": {'; '.join(self.like.changed)}" if self.like.changed else ""
        return f"the plan of {self.like.run} again{changed}"[:1000]

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """The plan, to be priced and approved as any other."""
        return self.proposal.model_copy(update={"plan": self.plan, "say": "", "evidence": {}})


def like_notes(like: Like) -> list[tuple[str, str]]:
    """Lines of the first card: what is not as it was in the run that this one is like."""
    if not like.changed:
        return [("Like", f"{like.run}, nothing changed")]
    words = [("Changed", f"since {like.run}  {like.changed[0]}")]
    return words + [("", line) for line in like.changed[1:]]


def _plan_of(store: Store, run: str) -> tuple[Event, Event]:
    """The request of a run and its last plan."""
    rows = store.ledger.events(run=run, kinds=("requested", "planned"))
    if not rows:
        raise BadInput(f"there is no run {visible(run, limit=60)!r}", remedy="see `eucentric audit list`")
    plans = [row for row in rows if row.kind == "planned" and row.body["proposal"].get("plan")]
    if not plans:
        raise BadInput(
            f"run {run} had no plan", "there is nothing to do again", f"see `eucentric audit show {run}`"
        )
    return rows[0], plans[-1]


def _described(plan: Plan, old: Plan) -> Plan:
    """Whoever planned it first still did. What was predicted from the old numbers is left out if they changed."""
    told = tuple(one for one in plan.assumed if "predicted" not in one and " allowed;" not in one)
    same = plan.steps == old.steps
    title = old.title if same else f"{old.title}, changed"
    return plan.model_copy(update={"title": title, "assumed": plan.assumed if same else told, "revision": 1})


# --- changes ----------------------------------------------------------------------------------------------


def _changed(plan: Plan, drop: Sequence[str], change: Sequence[str]) -> Plan:
    known = [step.id for step in _flat(plan.steps)]
    for name in drop:
        _check_known(name, known)
    steps = _without(plan.steps, frozenset(drop))
    gone = [name for name in known if name not in {step.id for step in _flat(steps)}]
    for text in change:
        steps = _set(steps, text, known, gone)
    _check_needed(steps, gone)
    if not steps:
        raise BadInput("every step is dropped", "there is nothing left to do")
    return plan.model_copy(update={"steps": steps})


def _flat(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _flat(step.do)


def _check_known(name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise BadInput(
            f"the plan has no step {visible(name, limit=40)!r}",
            f"its steps: {', '.join(known)}",
            "nothing was begun",
        )


def _without(steps: Sequence[Step], dropped: frozenset[str]) -> tuple[Step, ...]:
    """A loop of which nothing is left goes, too."""
    kept = [
        step.model_copy(update={"do": _without(step.do, dropped)}) for step in steps if step.id not in dropped
    ]
    return tuple(step for step in kept if step.tool is not None or step.do)


def _check_needed(steps: Sequence[Step], gone: Sequence[str]) -> None:
    """BadInput if a step is left that works with what a dropped one would have returned."""
    for step in _flat(steps):
        for what, source in [*step.inputs.items(), ("loop", step.for_each or "")]:
            head = source.partition(".")[0]
            if head in gone:
                raise BadInput(
                    f"step {head} can't be dropped: {step.id} takes its {what} from {source}",
                    "nothing was begun",
                    f"drop {step.id} as well, or keep {head}",
                )


def _set(steps: tuple[Step, ...], text: str, known: Sequence[str], gone: Sequence[str]) -> tuple[Step, ...]:
    place, equals, value = text.partition("=")
    name, dot, argument = place.strip().partition(".")
    if not (equals and dot and argument):
        raise BadInput(f"can't read {visible(text, limit=80)!r}", "write step.argument=value")
    _check_known(name, known)
    if name in gone:
        raise BadInput(f"step {name} is dropped, and {visible(argument, limit=40)} was to be set in it")
    return tuple(_set_in(step, name, argument, value.strip()) for step in steps)


def _set_in(step: Step, name: str, argument: str, value: str) -> Step:
    if step.id != name:
        return step.model_copy(
            update={"do": tuple(_set_in(inner, name, argument, value) for inner in step.do)}
        )
    read = _read(step, argument, _literal(value))
    return step.model_copy(update={"args": {**step.args, argument: read}})


def _read(step: Step, argument: str, value: Any) -> Any:
    """The value as the tool reads it, a text with a unit as a number."""
    fields = tool_named(step.tool).args.model_fields if step.tool else {}
    _check_argument(step, argument, fields)
    field = fields[argument]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    try:
        adapter = TypeAdapter(kind)
        return adapter.dump_python(adapter.validate_python(value), mode="json")
    except ValidationError as error:
        told = visible(str(error.errors()[0]["msg"]), limit=300)
        raise BadInput(f"{step.id}.{visible(argument, limit=40)}: {told}", "nothing was begun") from error


def _check_argument(step: Step, argument: str, fields: Mapping[str, Any]) -> None:
    if argument in step.inputs:
        raise BadInput(
            f"{step.id}.{argument} is not set: it is taken from {step.inputs[argument]} when the step is done"
        )
    if argument not in fields:
        known = ", ".join(fields) or "none: it is a loop"
        raise BadInput(
            f"step {step.id} has no argument {visible(argument, limit=40)!r}", f"its arguments: {known}"
        )


def _literal(text: str) -> Any:
    """A number, truth or list as JSON writes it; anything else is a text, and may be a number with a unit."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except ValueError:
        return text


def _no_number(text: str) -> Any:
    raise BadInput(f"{text} is not a finite number", "nothing was begun")
