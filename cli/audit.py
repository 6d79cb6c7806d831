"""`eucentric audit`: read the ledger back. `verify` uses the standard library only and starts fast."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options

if TYPE_CHECKING:
    from eucentric.core.chain import Verification
    from eucentric.core.rows import Rows


@click.group()
def audit() -> None:
    """The ledger: list runs, follow one from request to data, verify the chain."""


def _folder(store: Path | None) -> Path:
    from eucentric.core.errors import BadInput
    from eucentric.core.settings_file import default_store

    folder = store or default_store()
    if not (folder / "audit.db").is_file():
        raise BadInput(f"no store at {folder}", remedy="name it with --store DIR")
    return folder


def _rows(store: Path | None) -> "Rows":
    """The rows of a store, read only: an auditor needs no right to write."""
    from eucentric.core.rows import open_rows

    return open_rows(_folder(store) / "audit.db")


@audit.command()
@options.store_option
@click.option(
    "--data", is_flag=True, help="Also read every frame's pixels and sidecar and compare their digests."
)
@options.json_option
def verify(store: Path | None, data: bool, as_json: bool) -> None:
    """Check every row against the chain and against heads anchored outside the database.

    Finds edited, inserted and removed rows, and a cut-off end up to the last anchor; says what is not anchored.
    """
    from eucentric.core.anchors import frame_anchors, other_ledgers, state_anchors
    from eucentric.core.chain import verify as walk
    from eucentric.core.data_check import check_data

    folder = _folder(store)
    path = folder / "audit.db"
    result = walk(path, [*state_anchors(path), *frame_anchors(folder)])
    notes = other_ledgers(path)
    frames: int | None = None
    if data and result.ok:
        frames, wrong = check_data(folder)
        result.problems += wrong
    if as_json:
        body = {
            "ok": result.ok, "events": result.events, "head": result.head, "proven_to": result.proven_to,
            "unanchored": result.unanchored, "anchors": result.anchors, "problems": result.problems,
            "notes": notes, "frames_checked": frames,
        }  # fmt: skip
        click.echo(json.dumps(body))
    else:
        _print_verdict(result, notes)
        said = (
            "pixels and sidecars not read (--data reads them)" if frames is None else f"{frames} frames read"
        )
        click.echo(f"data: {said}")
    sys.exit(0 if result.ok else 1)


def _print_verdict(result: "Verification", notes: list[str]) -> None:
    from eucentric.core.text import visible

    for problem in result.problems[:20]:
        click.echo(f"PROBLEM  {visible(problem)}")
    if len(result.problems) > 20:
        click.echo(f"… and {len(result.problems) - 20} more")
    for note in notes:
        click.echo(f"note: {visible(note)}; if you did not remove it, ask who did")
    verdict = "verified" if result.ok else "VERIFICATION FAILED"
    head = visible(result.head[:12])
    click.echo(f"{verdict}: {result.events} events, head {head}…, proven to event {result.proven_to}")
    if result.ok and result.unanchored > 0:
        click.echo(
            f"unanchored: the last {result.unanchored} events are chained, but nothing outside vouches for them"
        )


@audit.command(name="list")
@options.store_option
@options.json_option
def list_runs(store: Path | None, as_json: bool) -> None:
    """Runs of this store, newest first."""
    from eucentric.core.text import visible

    opened = _rows(store)
    rows = list(reversed(list(_runs(opened))))
    opened.close()
    if as_json:
        click.echo(json.dumps({"runs": rows}))
        return
    for one in rows:
        who, outcome = visible(one["who"], limit=40), visible(one["outcome"], limit=20)
        click.echo(
            f"{visible(one['run'])}  {visible(one['ts'])}  {outcome:<9}  {who:<22}  "
            f"{visible(one['request'], limit=80)}"
        )
    if not rows:
        click.echo("no run yet")


def _runs(ledger: "Rows") -> Iterator[dict[str, str]]:
    """Runs with their latest outcome, oldest first; one that was taken up again is open until it ends."""
    outcomes: dict[str, str] = {}
    for row in ledger.events(kinds=("finished", "resumed")):
        outcomes[row.run_id] = str(row.body.get("outcome", "?")) if row.kind == "finished" else "open"
    for row in ledger.events(kinds=("requested",)):
        yield {
            "run": row.run_id, "ts": row.ts, "outcome": outcomes.get(row.run_id, "open"), "who": row.actor,
            "request": row.summary,
        }  # fmt: skip


@audit.command()
@click.argument("run_id", metavar="RUN")
@options.store_option
@click.option("--acts", is_flag=True, help="Also every single act on the instrument.")
@options.json_option
def show(run_id: str, store: Path | None, acts: bool, as_json: bool) -> None:
    """RUN from request to plan, approval, calls and data, one row a line, with event numbers."""
    from eucentric.core.errors import BadInput

    opened = _rows(store)
    rows = opened.events(run=run_id)
    opened.close()
    if not rows:
        raise BadInput(f"there is no run {run_id!r}", remedy="see `eucentric audit list`")
    if as_json:
        click.echo(json.dumps({"run": run_id, "events": [row.model_dump(mode="json") for row in rows]}))
        return
    from eucentric.cli.story import lines

    for line in lines(rows, acts=acts):
        click.echo(line)


@audit.command()
@click.argument("moment", metavar="TIME|EVENT")
@click.option("--run", "run_id", metavar="RUN", help="Look in this run only.")
@click.option("--most", default=5, show_default=True, type=click.IntRange(1, 1000), help="Rows to explain.")
@options.store_option
@options.json_option
def why(moment: str, run_id: str | None, most: int, store: Path | None, as_json: bool) -> None:
    """Why was this done? TIME is UTC (02:13, 02:13:07, 2026-10-02T02:13), EVENT a row's number.

    Answers with the request, the plan, the approval, the reason and what it did, each with its event.
    """
    from eucentric.agent.auditing import at_moment
    from eucentric.agent.auditing import why as explain
    from eucentric.cli.story import why_lines

    opened = _rows(store)
    try:
        rows = at_moment(opened, moment, run_id)
        answers = [explain(opened, row) for row in rows[:most]]
    finally:
        opened.close()
    if as_json:
        found = [one.model_dump(mode="json") for one in answers]
        click.echo(json.dumps({"answers": found, "rows": len(rows)}, ensure_ascii=False))
        return
    for answer in answers:
        for line in why_lines(answer):
            click.echo(line)
    if len(rows) > most:
        click.echo(f"… and {len(rows) - most} more at that time: give seconds, an event number or --most")


@audit.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Rows to show.")
@options.store_option
@options.json_option
def search(words: tuple[str, ...], most: int, store: Path | None, as_json: bool) -> None:
    """Rows that hold all WORDS, newest first."""
    opened = _rows(store)
    rows = opened.search(" ".join(words), limit=most)
    opened.close()
    if as_json:
        click.echo(json.dumps({"events": [row.model_dump(mode="json") for row in rows]}, ensure_ascii=False))
        return
    from eucentric.cli.story import row_line

    for row in rows:
        click.echo(f"{row.run_id:<8}{row_line(row)}")
    if not rows:
        click.echo("nothing found")


@audit.command()
@click.argument("finding", required=False, metavar="[FINDING|EVENT]")
@click.option("--run", "run_id", metavar="RUN", help="All findings of this run.")
@options.store_option
@options.json_option
def recompute(finding: str | None, run_id: str | None, store: Path | None, as_json: bool) -> None:
    """Make the analysis behind a finding again, from the raw frames, and compare.

    Nothing is sent and nothing is written. Exit 1 if anything comes out otherwise.
    """
    from eucentric.agent.auditing.recompute import findings_of
    from eucentric.agent.auditing.recompute import recompute as again
    from eucentric.core.text import visible

    opened = options.open_store(_folder(store), existing=True)
    try:
        answers = [again(opened, row) for row in findings_of(opened, run_id, finding)]
    finally:
        opened.close()
    if as_json:
        found = [one.model_dump(mode="json") for one in answers]
        click.echo(
            json.dumps({"ok": all(one.same for one in answers), "findings": found}, ensure_ascii=False)
        )
    for one in () if as_json else answers:
        verdict = "same" if one.same else "DIFFERS"
        click.echo(
            f"{verdict:<8} {visible(one.finding)}  event {one.event}, {one.tool}, {len(one.frames)} frames"
        )
        for text in one.differences[:10]:
            click.echo(f"         {visible(text)}")
    sys.exit(0 if all(one.same for one in answers) else 1)
