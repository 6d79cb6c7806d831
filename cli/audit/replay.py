"""`eucentric audit replay`: a run made again on a fresh twin, and compared."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import folder_of

if TYPE_CHECKING:
    from eucentric.agent.auditing.replay import Compared, Replayed

_EXIT = {"identical": 0, "differs": 1, "can't be replayed": 3}
_SHOWN = 20
"""Differences that are printed; `--json` has all."""
_PARTS = (
    ("call", "calls"),
    ("act", "acts"),
    ("frame", "frames"),
    ("finding", "findings"),
    ("row", "other rows"),
)


@click.command()
@click.argument("run_id", metavar="RUN")
@options.store_option
@options.json_option
def replay(run_id: str, store: Path | None, as_json: bool) -> None:
    """Carry RUN out again on a fresh twin, without model or planner, and compare call by call and frame by frame.

    Decisions and requests of people come from the ledger. Nothing is written into the store. Only runs on a twin with
    the virtual clock can be replayed. Exit 0 if all is the same, 1 if anything differs, 3 if it can't be replayed.
    """
    from eucentric.agent.auditing.replay import replay as again

    answer = again(folder_of(store), run_id)
    if as_json:
        click.echo(answer.model_dump_json())
    else:
        for line in _lines(answer):
            click.echo(line)
    sys.exit(_EXIT[answer.verdict])


def _lines(answer: "Replayed") -> Iterator[str]:
    from eucentric.core.text import visible

    yield f"Run {visible(answer.run)} on a fresh {visible(answer.instrument, limit=200)}"
    if answer.sent_before:
        runs = list(dict.fromkeys(one.run for one in answer.sent_before))
        yield f"  before it    {len(answer.sent_before)} acts of {', '.join(map(visible, runs[:6]))} sent again"
    if answer.processes > 1:
        yield f"  processes    {answer.processes} worked on it, one after the other"
    for part, words in _PARTS:
        found = [one for one in answer.compared if one.part == part]
        if found:
            yield f"  {words:<12} {sum(one.same for one in found)} of {len(found)} the same"
    if answer.taken_over:
        yield f"  taken over   {answer.taken_over} rows of people and other processes, as they are"
    for text in answer.software:
        yield f"  made with    {visible(text, limit=200)}"
    yield from _differing(answer)
    why = f": {visible(answer.why, limit=400)}" if answer.why else ""
    yield f"{answer.verdict.upper()}{why}"


def _differing(answer: "Replayed") -> Iterator[str]:
    from eucentric.core.text import visible

    for sent in [one for one in answer.sent_before if not one.same][:_SHOWN]:
        told = ", ".join(sent.differences)
        yield f"  event {sent.event} of {visible(sent.run)} (before): {visible(sent.what, limit=120)}: {visible(told)}"
    found = [one for one in answer.compared if not one.same]
    for one in found[:_SHOWN]:
        yield from _one(one)
    if len(found) > _SHOWN:
        yield f"  … and {len(found) - _SHOWN} more (--json has all)"
    if answer.left and answer.verdict != "can't be replayed":
        yield f"  not reached  events {answer.left[0].event} to {answer.left[-1].event}"


def _one(one: "Compared") -> Iterator[str]:
    from eucentric.core.text import visible

    yield f"  event {one.event}  {visible(one.id, limit=60)}  {visible(one.what, limit=120)}"
    for found in one.differences[:4]:
        told = f"recorded {_short(found.recorded)}, replayed {_short(found.replayed)}"
        yield f"      {visible(found.where, limit=100)}: {told}"


def _short(value: Any) -> str:
    from eucentric.core.text import visible

    return visible(json.dumps(value, ensure_ascii=False), limit=100)
