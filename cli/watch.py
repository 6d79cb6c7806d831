"""`eucentric watch`: follow runs live."""

import json
from pathlib import Path

import click

from eucentric.cli import options


@click.command()
@options.store_option
@options.json_option
def watch(store: Path | None, as_json: bool) -> None:
    """Follow a store live: runs, events, beams. Ctrl-B blanks every beam; q leaves. With --json: one snapshot."""
    folder = store or options.settings().store
    opened = options.open_store(folder, existing=True)
    if as_json:
        newest = opened.ledger.events(newest_first=True, limit=20)
        click.echo(
            json.dumps({"events": [row.model_dump(mode="json") for row in newest]}, ensure_ascii=False)
        )
        return
    opened.close()
    from eucentric.tui.watch import WatchApp

    WatchApp(folder).run()
