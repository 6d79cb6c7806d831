"""`eucentric audit search`: rows by their words."""

import json
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import OfStores, many_of, stores_option


@click.command(cls=OfStores)
@click.argument("words", nargs=-1, required=True)
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Rows to show.")
@stores_option
@options.json_option
def search(words: tuple[str, ...], most: int, stores: tuple[Path, ...], as_json: bool) -> None:
    """Rows that hold all WORDS, newest first."""
    opened = many_of(stores)
    try:
        found, several = opened.search(" ".join(words), limit=most), len(opened.stores) > 1
    finally:
        opened.close()
    if as_json:
        told = [{**one.event.model_dump(mode="json"), "store": one.store} for one in found]
        click.echo(json.dumps({"events": told}, ensure_ascii=False))
        return
    from eucentric.cli.story import row_line
    from eucentric.core.text import named

    for store, row in found:
        where = f"{named(store)}:{named(row.run_id)} " if several else f"{named(row.run_id):<8}"
        click.echo(f"{where}{row_line(row)}")
    if not found:
        click.echo("nothing found")
