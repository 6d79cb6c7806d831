"""`eucentric audit why`: the causes of what was done."""

import json
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import OfStores, many_of, stores_option


@click.command(cls=OfStores)
@click.argument("moment", metavar="TIME|EVENT")
@click.option(
    "--run", "run_id", metavar="RUN", help="Look in this run only (STORE:RUN where several have it)."
)
@click.option("--most", default=5, show_default=True, type=click.IntRange(1, 1000), help="Rows to explain.")
@stores_option
@options.json_option
def why(moment: str, run_id: str | None, most: int, stores: tuple[Path, ...], as_json: bool) -> None:
    """Why was this done? TIME is UTC (02:13, 02:13:07, 2026-10-02T02:13), EVENT a row's number (or STORE:NUMBER).

    Answers with the request, the plan, the approval, the reason and what it did, each with its event.
    """
    from eucentric.agent.auditing import in_stores
    from eucentric.agent.auditing import why as explain
    from eucentric.cli.story import why_lines

    opened = many_of(stores)
    try:
        rows, several = in_stores(opened, moment, run_id), len(opened.stores) > 1
        answers = [(store, explain(opened.stores[store], row)) for store, row in rows[:most]]
    finally:
        opened.close()
    if as_json:
        found = [{**one.model_dump(mode="json"), "store": store} for store, one in answers]
        click.echo(json.dumps({"answers": found, "rows": len(rows)}, ensure_ascii=False))
        return
    for store, answer in answers:
        for line in why_lines(answer, store if several else ""):
            click.echo(line)
    if len(rows) > most:
        click.echo(f"… and {len(rows) - most} more at that time: give seconds, an event number or --most")
