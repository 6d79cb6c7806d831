"""`eucentric resume`: explain a run that stopped, and take it up again."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.cli.control import released
from eucentric.cli.run import make_channel, print_outcome, stop_on_interrupt

if TYPE_CHECKING:
    from eucentric.agent.recovery import Doubt

_EPILOG = """\b
What the ledger shows as done is handed back from it, not repeated: no frame is exposed twice. An act
that was begun and never finished is in doubt. The instrument, the disk and the read-back are asked
first: what they prove is taken over, or counted as never sent. What they leave open is yours:
  adopt     it was done (only where the read-back shows it)
  repeat    do it again, as a new act
  give-up   end the run here
The dose of an act in doubt stays charged, whatever you say."""


@click.command(epilog=_EPILOG)
@click.argument("run_id", metavar="RUN")
@options.store_option
@click.option(
    "--in-doubt",
    type=click.Choice(["ask", "adopt", "repeat", "give-up"]),
    default="ask",
    show_default=True,
    help="What becomes of acts that nothing proves (all but ask need a terminal).",
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
    """Release RUN if it is paused; else explain it, settle what is in doubt, ask again where needed, and go on."""
    from eucentric.agent.conduct import take_up
    from eucentric.agent.recovery import explain, recover
    from eucentric.cli.console import Console

    opened = options.open_store(store, existing=True)
    if not explain_only and released(opened, run_id, as_json):
        return
    recovery = recover(opened, run_id)
    console = Console(as_json, gate_shows_plan=True)
    uri = recovery.request.instrument
    for line in explain(recovery, _beam(uri)):
        console.say(line)
    if explain_only or not recovery.resumable:
        if as_json:
            click.echo(recovery.model_dump_json())
        sys.exit(0)
    channel = make_channel(approve, uri, console, as_json)
    uri, handle = options.open_by_uri(uri)
    try:
        outcome = take_up(
            opened, run_id, handle, channel, console, by=options.who(),
            settle=lambda _, doubt: _settled(run_id, doubt, in_doubt), rules=options.rule_book(uri),
            prepare=lambda session: stop_on_interrupt(session, uri),
        )  # fmt: skip
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
    beam = "blanked" if rows[0]["blanked"] else "ON, or not readable"
    return f"{beam}, held: {rows[0]['held']}" if rows[0].get("held") else beam


def _settled(run_id: str, doubt: "Doubt", choice: str) -> str:
    """What a person at this terminal says of an act in doubt."""
    from eucentric.cli.operator import require_terminal
    from eucentric.core.errors import Parked
    from eucentric.core.text import visible

    what = visible(doubt.what, limit=200)
    known = "; ".join(visible(line, limit=200) for line in doubt.evidence) or "nothing is known of it"
    if not sys.stdin.isatty():
        raise Parked(
            f"{what} is in doubt",
            f"{known}; a person has to say what becomes of it",
            f"run `eucentric resume {run_id}` at a terminal",
        )
    require_terminal("settle an act in doubt")
    if choice != "ask":
        return choice
    for line in (f"In doubt: {what}", *(f"    {visible(one, limit=400)}" for one in doubt.evidence)):
        click.echo(line, err=True)
    answer: str = click.prompt(
        f"Its dose stays charged. [{' / '.join(doubt.choices)}]",
        type=click.Choice(doubt.choices), show_choices=False, err=True,
    )  # fmt: skip
    return answer
