"""`eucentric audit why`: the causes of what was done."""

import json
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import rows_of


@click.command()
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

    opened = rows_of(store)
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
