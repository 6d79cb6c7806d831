"""`eucentric audit`: read the ledger back. `verify` uses the standard library only and starts fast."""

import json
import sys
from pathlib import Path

import click

from eucentric.cli import options


@click.group()
def audit() -> None:
    """The ledger: list runs, follow one from request to data, verify the chain."""


def _database(store: Path | None) -> Path:
    from eucentric.core.errors import BadInput

    folder = store or Path("eucentric-store")
    if not (folder / "audit.db").exists():
        raise BadInput(f"no store at {folder}", remedy="name it with --store DIR")
    return folder / "audit.db"


@audit.command()
@options.store_option
@options.json_option
def verify(store: Path | None, as_json: bool) -> None:
    """Check every row against the chain and against heads anchored outside the database.

    Finds edited, inserted and removed rows, and a cut-off end up to the last anchor; says what is not anchored.
    """
    from eucentric.core.anchors import frame_anchors, other_ledgers, state_anchors
    from eucentric.core.chain import verify as walk

    path = _database(store)
    result = walk(path, [*state_anchors(path), *frame_anchors(path.parent)])
    notes = other_ledgers(path)
    if as_json:
        body = {
            "ok": result.ok, "events": result.events, "head": result.head, "proven_to": result.proven_to,
            "unanchored": result.unanchored, "anchors": result.anchors, "problems": result.problems,
            "notes": notes,
        }  # fmt: skip
        click.echo(json.dumps(body))
    else:
        for problem in result.problems[:20]:
            click.echo(f"PROBLEM  {problem}")
        if len(result.problems) > 20:
            click.echo(f"… and {len(result.problems) - 20} more")
        for note in notes:
            click.echo(f"note: {note}; if you did not remove it, ask who did")
        verdict = "verified" if result.ok else "VERIFICATION FAILED"
        click.echo(
            f"{verdict}: {result.events} events, head {result.head[:12]}…, proven to event {result.proven_to}"
        )
        if result.unanchored > 0:
            click.echo(
                f"unanchored: the last {result.unanchored} events are chained, but nothing outside vouches for them"
            )
    sys.exit(0 if result.ok else 1)


@audit.command(name="list")
@options.store_option
@options.json_option
def list_runs(store: Path | None, as_json: bool) -> None:
    """Runs of this store, newest first."""
    from eucentric.core.text import visible

    _database(store)
    opened = options.open_store(store or Path("eucentric-store"), existing=True)
    ends = {row.run_id: row for row in opened.ledger.events(kinds=("finished",))}
    rows = []
    for row in opened.ledger.events(kinds=("requested",), newest_first=True):
        end = ends.get(row.run_id)
        outcome = end.body["outcome"] if end else "open"
        rows.append(
            {"run": row.run_id, "ts": row.ts, "outcome": outcome, "who": row.actor, "request": row.summary}
        )
    opened.close()
    if as_json:
        click.echo(json.dumps({"runs": rows}, ensure_ascii=False))
        return
    for one in rows:
        click.echo(
            f"{one['run']}  {one['ts']}  {one['outcome']:<9}  {one['who']:<22}  {visible(one['request'], limit=80)}"
        )
    if not rows:
        click.echo("no run yet")


@audit.command()
@click.argument("run_id", metavar="RUN")
@options.store_option
@click.option("--acts", is_flag=True, help="Also every single act on the instrument.")
@options.json_option
def show(run_id: str, store: Path | None, acts: bool, as_json: bool) -> None:
    """RUN from request to plan, approval, calls and data, one row a line, with event numbers."""
    from eucentric.core.errors import BadInput

    _database(store)
    opened = options.open_store(store or Path("eucentric-store"), existing=True)
    rows = opened.ledger.events(run=run_id)
    opened.close()
    if not rows:
        raise BadInput(f"there is no run {run_id!r}", remedy="see `eucentric audit list`")
    if as_json:
        click.echo(
            json.dumps(
                {"run": run_id, "events": [row.model_dump(mode="json") for row in rows]}, ensure_ascii=False
            )
        )
        return
    from eucentric.cli.story import lines

    for line in lines(rows, acts=acts):
        click.echo(line)
