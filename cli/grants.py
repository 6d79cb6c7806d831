"""`eucentric grants`: standing grants, what is left of them, and how to end one."""

import json
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.core.text import named, quoted, visible


@click.group(invoke_without_command=True)
@options.store_option
@options.json_option
@click.pass_context
def grants(context: click.Context, store: Path | None, as_json: bool) -> None:
    """Standing grants of a store: who let what pass, how often still, until when."""
    if context.invoked_subcommand is not None:
        return
    from eucentric.agent.consent.grants import grants_of, live, revocations, uses_left

    opened = options.open_store(store, existing=True)
    try:
        alive, ended = {one.id for one in live(opened)}, revocations(opened)
        rows = [
            {**one.model_dump(mode="json"), "uses_left": uses_left(opened, one), "live": one.id in alive,
             "revoked_by": ended[one.id].actor if one.id in ended else None}
            for one in grants_of(opened)
        ]  # fmt: skip
    finally:
        opened.close()
    if as_json:
        click.echo(json.dumps({"grants": rows}, ensure_ascii=False))
        return
    for row in rows:
        click.echo(_line(row))
    if not rows:
        click.echo("no grant was given: `eucentric approve RUN --grant USES --for HOURS`, or g at a gate")


def _line(row: dict[str, object]) -> str:
    envelope = row["envelope"]
    bounds = (
        f"≤ {envelope['max_frames']} frames, ≤ {envelope['max_dose_e_per_a2']:.3g} e/Å² anywhere"
        if isinstance(envelope, dict)
        else ""
    )
    state = f"{row['uses_left']} of {row['uses']} uses left until {visible(str(row['expires_utc']))}"
    if row["revoked_by"]:
        state = f"revoked by {quoted(str(row['revoked_by']), limit=80)}"
    elif not row["live"]:
        state = "ended"
    return f"{named(str(row['id']))}  {state}  by {quoted(str(row['by']), limit=80)}, each {bounds}"


@grants.command()
@click.argument("grant_id", metavar="GRANT")
@click.option("--reason", default="", help="Why; it is kept.")
@options.store_option
@options.json_option
def revoke(grant_id: str, reason: str, store: Path | None, as_json: bool) -> None:
    """End GRANT. Anybody may: that only takes rights away. A run that it let begin stops at its next act."""
    from eucentric.agent.consent.grants import revoke as end

    opened = options.open_store(store, existing=True)
    try:
        row = end(opened, grant_id, options.who(), reason)
        opened.anchor()
    finally:
        opened.close()
    click.echo(
        json.dumps({"revoked": grant_id, "event": row.seq}) if as_json else f"{named(grant_id)} is revoked"
    )
