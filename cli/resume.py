"""`eucentric resume`: explain a run that stopped, and take it up again."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options
from eucentric.cli.run import make_channel, print_outcome, stop_on_interrupt

if TYPE_CHECKING:
    from eucentric.agent.recovery import Recovery
    from eucentric.core.store import Store

_EPILOG = """\b
What the ledger shows as done is handed back from it, not repeated: no frame is exposed twice. An act
that was begun and never finished is in doubt; a person decides: repeat it, or give it up. Its dose
stays charged either way."""


@click.command(epilog=_EPILOG)
@click.argument("run_id", metavar="RUN")
@options.store_option
@click.option(
    "--in-doubt",
    type=click.Choice(["ask", "repeat", "give-up"]),
    default="ask",
    show_default=True,
    help="What becomes of acts in doubt (repeat and give-up need a terminal).",
)
@click.option("--explain", "explain_only", is_flag=True, help="Only tell what became of the run.")
@click.option("--approve", default="ask", show_default=True, metavar="ask|deny|POLICY.toml")
@options.json_option
@options.debug_option
def resume(
    run_id: str,
    store: Path | None,
    in_doubt: str,
    explain_only: bool,
    approve: str,
    as_json: bool,
    debug: bool,
) -> None:
    """Explain RUN, settle what is in doubt, ask again where needed, and go on."""
    from eucentric.agent.recovery import explain, recover, sweep
    from eucentric.cli.console import Console

    opened = options.open_store(store, existing=True)
    recovery = recover(opened, run_id)
    console = Console(as_json, gate_shows_plan=True)
    uri = recovery.request.instrument
    for line in explain(recovery, _beam(uri)):
        console.say(line)
    if explain_only or not _can_go_on(recovery):
        if as_json:
            click.echo(recovery.model_dump_json())
        sys.exit(0)
    uri, handle = options.open_by_uri(uri)
    try:
        sweep(opened, recovery)
        _settle(opened, recovery, in_doubt)
        outcome = _go_on(opened, recovery, handle, make_channel(approve, uri, console, as_json), console)
    finally:
        handle.close()
        opened.close()
    print_outcome(outcome, console, as_json)
    sys.exit(outcome.exit_code)


def _beam(uri: str) -> str:
    from eucentric.core import stop as stopping

    rows = [row for row in stopping.status() if row["uri"] == uri]
    if not rows:
        return "no host runs for this instrument (a host that leaves blanks first)"
    row = rows[0]
    return ("blanked" if row["blanked"] else "ON, or not readable") + (
        f", held: {row['held']}" if row.get("held") else ""
    )


def _can_go_on(recovery: "Recovery") -> bool:
    unfinished = recovery.ending in (None, "parked", "stopped", "failed")
    return unfinished and recovery.proposal is not None and recovery.proposal.plan is not None


def _settle(store: "Store", recovery: "Recovery", choice: str) -> None:
    from eucentric.agent.recovery import resolve
    from eucentric.cli.operator import require_terminal
    from eucentric.core.errors import Parked

    for doubt in recovery.doubts:
        if not sys.stdin.isatty():
            raise Parked(
                f"{doubt.what} is in doubt",
                "a person has to say what becomes of it",
                f"run `eucentric resume {recovery.run}` at a terminal",
            )
        require_terminal("settle an act in doubt")
        word = choice
        if choice == "ask":
            word = click.prompt(
                f"In doubt: {doubt.what}. Its dose stays charged. [repeat / give-up]",
                type=click.Choice(["repeat", "give-up"]), show_choices=False, err=True,
            )  # fmt: skip
        resolve(store, recovery, doubt, word, options.who())


def _go_on(store: "Store", recovery: "Recovery", handle: Any, channel: Any, console: Any) -> Any:
    from eucentric.agent.conduct import carry
    from eucentric.agent.graph import drive_resumed
    from eucentric.agent.run import Run
    from eucentric.agent.session import Session

    run = Run(store, recovery.run, handle, recovery.specimen, console.note)
    session = Session(run, recovery.request, None, channel, console)
    session.proposal = recovery.proposal
    stop_on_interrupt(session, recovery.request.instrument, console)
    run.log(
        "resumed", f"taken up by {options.who()}", {"ending_before": recovery.ending}, actor=options.who()
    )
    return carry(session, drive_resumed)
