"""`eucentric status`: hosts, runs, and what waits for a decision."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options

if TYPE_CHECKING:
    from eucentric.agent.recovery import Recovery
    from eucentric.core.store import Store


@click.command()
@options.store_option
@options.json_option
def status(store: Path | None, as_json: bool) -> None:
    """Which hosts run, whether beams are blanked or held, which runs are open, paused or parked, which grants live."""
    from eucentric.core import stop as stopping
    from eucentric.core.text import named, quoted, visible

    hosts = stopping.status()
    runs, granted = _runs(store), _grants(store)
    if as_json:
        click.echo(json.dumps({"hosts": hosts, "runs": runs, "grants": granted}, ensure_ascii=False))
        return
    for host in hosts:
        beam = {True: "beam blanked", False: "BEAM ON", None: "beam NOT READABLE"}[host["blanked"]]
        held, lease = (
            quoted(str(host[key])) if host.get(key) else none
            for key, none in (("held", "no"), ("lease", "free"))
        )
        click.echo(f"host  {named(str(host['uri']))}  {beam}  held: {held}  lease: {lease}")
    if not hosts:
        click.echo("no instrument host is running")
    for line in granted:
        click.echo(f"grant {line}   (end it: eucentric grants revoke {line.split()[0]})")
    for run in runs[:10]:
        click.echo(f"{named(run['run'])}  {visible(run['state']):<28}  {quoted(run['request'], limit=70)}")
        if run["gate"]:
            answer = f"eucentric approve {named(run['run'])} {named(run['gate'])} --as NAME"
            click.echo(f"        needs {run['needs']}: {answer}   (or edit, escalate, deny)")
        if run["waits"] == "paused":
            click.echo(
                f"        let it go on with: eucentric resume {named(run['run'])}   (or finish, abort)"
            )


def _grants(store: Path | None) -> list[str]:
    """Standing grants that may still answer a question, a line each."""
    from eucentric.agent.consent.grants import live, uses_left
    from eucentric.core.text import named, quoted, visible

    folder = store or options.settings().store
    if not (folder / "audit.db").exists():
        return []
    opened = options.open_store(folder, existing=True)
    try:
        return [
            f"{named(one.id)} by {quoted(one.by, limit=80)}: {uses_left(opened, one)} of {one.uses} uses left, "
            f"until {visible(one.expires_utc)}"
            for one in live(opened)
        ]
    finally:
        opened.close()


def _runs(store: Path | None) -> list[dict[str, Any]]:
    folder = store or options.settings().store
    if not (folder / "audit.db").exists():
        return []
    opened = options.open_store(folder, existing=True)
    try:
        events = opened.ledger.events(kinds=("requested",), newest_first=True, limit=50)
        return [_told(opened, event.run_id) for event in events]
    finally:
        opened.close()


def _told(store: "Store", run_id: str) -> dict[str, Any]:
    """A run; one with rows that this version can't read is named, and the others are listed all the same."""
    from eucentric.agent.recovery import recover

    try:
        return _row(store, recover(store, run_id))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        state = f"its rows can't be read ({type(error).__name__})"
        return {"run": run_id, "state": state, "waits": None, "gate": None, "needs": None, "request": ""}


def _row(store: "Store", story: "Recovery") -> dict[str, Any]:
    from eucentric.agent.consent.asked import needs_words
    from eucentric.agent.custody.control import standing, told
    from eucentric.agent.gate import question
    from eucentric.core.text import visible

    gate = story.open_gate if story.ending in (None, "parked") else None

    waits = standing(store.ledger, story.run) if story.running else None
    return {
        "run": story.run,
        "state": told(waits) if waits else story.state,
        "waits": waits.kind if waits else None,
        "gate": gate,
        "needs": needs_words(question(store, story.run, gate).needs) if gate else None,
        "request": visible(story.request.text, limit=70),
    }
