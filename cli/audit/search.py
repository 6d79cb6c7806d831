"""`eucentric audit search`: rows by their words."""

import json
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import rows_of


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Rows to show.")
@options.store_option
@options.json_option
def search(words: tuple[str, ...], most: int, store: Path | None, as_json: bool) -> None:
    """Rows that hold all WORDS, newest first."""
    opened = rows_of(store)
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
