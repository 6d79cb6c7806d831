"""`eucentric audit recompute`: findings made again."""

import json
import sys
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import folder_of


@click.command()
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

    opened = options.open_store(folder_of(store), existing=True)
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
