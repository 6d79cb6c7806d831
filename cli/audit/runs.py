"""`eucentric audit list` and `show`: runs, and one of them row by row."""

import heapq
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import OfStores, many_of, stores_option

if TYPE_CHECKING:
    from eucentric.core.rows import Rows


@click.command(name="list", cls=OfStores)
@stores_option
@options.json_option
def list_runs(stores: tuple[Path, ...], as_json: bool) -> None:
    """Runs of one or more stores, newest first."""
    from eucentric.core.text import named, visible

    opened = many_of(stores)
    try:
        each = [list(_runs(label, rows))[::-1] for label, rows in opened.stores.items()]
    finally:
        opened.close()
    runs = list(heapq.merge(*each, key=lambda one: one["ts"], reverse=True))
    if as_json:
        click.echo(json.dumps({"runs": runs}))
        return
    wide = max((len(named(one["store"])) for one in runs), default=0) if len(each) > 1 else 0
    for one in runs:
        who, outcome = visible(one["who"], limit=40), named(one["outcome"], limit=20)
        store = f"{named(one['store']):<{wide}}  " if wide else ""
        click.echo(
            f"{store}{named(one['run'])}  {named(one['ts'])}  {outcome:<9}  {who:<22}  "
            f"{visible(one['request'], limit=80)}"
        )
    if not runs:
        click.echo("no run yet")


def _runs(store: str, ledger: "Rows") -> Iterator[dict[str, str]]:
    """Runs with their latest outcome, oldest first; one that was taken up again is open until it ends."""
    outcomes: dict[str, str] = {}
    for row in ledger.events(kinds=("finished", "resumed")):
        outcomes[row.run_id] = str(row.body.get("outcome", "?")) if row.kind == "finished" else "open"
    for row in ledger.events(kinds=("requested",)):
        yield {
            "run": row.run_id, "ts": row.ts, "outcome": outcomes.get(row.run_id, "open"), "who": row.actor,
            "request": row.summary, "store": store,
        }  # fmt: skip


@click.command(cls=OfStores)
@click.argument("run_id", metavar="RUN")
@stores_option
@click.option("--acts", is_flag=True, help="Also every single act on the instrument.")
@click.option(
    "--clocks", is_flag=True, help="Also the clocks of each row: boot, monotonic, the instrument's own."
)
@options.json_option
def show(run_id: str, stores: tuple[Path, ...], acts: bool, clocks: bool, as_json: bool) -> None:
    """RUN from request to plan, approval, calls and data, one row a line, with event numbers.

    Where several stores have a run of that name, say STORE:RUN.
    """
    opened = many_of(stores)
    try:
        store, run = opened.run(run_id)
        rows = opened.stores[store].events(run=run)
    finally:
        opened.close()
    if as_json:
        told = [row.model_dump(mode="json") for row in rows]
        click.echo(json.dumps({"run": run, "store": store, "events": told}))
        return
    from eucentric.cli.story import lines

    for line in lines(rows, acts=acts, clocks=clocks):
        click.echo(line)
