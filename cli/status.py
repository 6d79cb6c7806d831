"""`eucentric status`: hosts, runs, and what waits for a decision."""

import json
from pathlib import Path
from typing import Any

import click

from eucentric.cli import options


@click.command()
@options.store_option
@options.json_option
def status(store: Path | None, as_json: bool) -> None:
    """Which hosts run, whether their beams are blanked or held, and which runs are open or parked."""
    from eucentric.core import stop as stopping

    hosts = stopping.status()
    runs = _runs(store)
    if as_json:
        click.echo(json.dumps({"hosts": hosts, "runs": runs}, ensure_ascii=False))
        return
    for host in hosts:
        beam = {True: "beam blanked", False: "BEAM ON", None: "beam NOT READABLE"}[host["blanked"]]
        click.echo(
            f"host  {host['uri']}  {beam}  held: {host.get('held') or 'no'}  lease: {host.get('lease') or 'free'}"
        )
    if not hosts:
        click.echo("no instrument host is running")
    for run in runs[:10]:
        click.echo(f"{run['run']}  {run['state']:<28}  {run['request']}")
        if run["gate"]:
            click.echo(f"        approve with: eucentric approve {run['run']} {run['gate']} --as NAME")


def _runs(store: Path | None) -> list[dict[str, Any]]:
    from eucentric.agent.recovery import recover
    from eucentric.core.text import visible

    folder = store or options.settings().store
    if not (folder / "audit.db").exists():
        return []
    opened = options.open_store(folder, existing=True)
    rows = []
    for event in opened.ledger.events(kinds=("requested",), newest_first=True, limit=50):
        story = recover(opened, event.run_id)
        state = story.ending or (
            f"waits at gate {story.open_gate}" if story.open_gate else "running or crashed"
        )
        gate = story.open_gate if story.ending in (None, "parked") else None
        rows.append(
            {
                "run": event.run_id,
                "state": state,
                "gate": gate,
                "request": visible(story.request.text, limit=70),
            }
        )
    opened.close()
    return rows
