"""`eucentric audit list` and `show`: runs, and one of them row by row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import rows_of

if TYPE_CHECKING:
    from eucentric.core.rows import Rows


@click.command(name="list")
@options.store_option
@options.json_option
def list_runs(store: Path | None, as_json: bool) -> None:
    """Runs of this store, newest first."""
    from eucentric.core.text import visible

    opened = rows_of(store)
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


@click.command()
@click.argument("run_id", metavar="RUN")
@options.store_option
@click.option("--acts", is_flag=True, help="Also every single act on the instrument.")
@options.json_option
def show(run_id: str, store: Path | None, acts: bool, as_json: bool) -> None:
    """RUN from request to plan, approval, calls and data, one row a line, with event numbers."""
    from eucentric.core.errors import BadInput

    opened = rows_of(store)
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
