"""`eucentric approve` and `eucentric deny`: answer a run's gate from another terminal."""

from pathlib import Path

import click

from eucentric.cli import options
from eucentric.cli.operator import require_terminal


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("gate", required=False)
@click.option("--as", "name", required=True, metavar="NAME", help="The operator who decides.")
@options.store_option
@options.json_option
def approve(run_id: str, gate: str | None, name: str, store: Path | None, as_json: bool) -> None:
    """Approve the open GATE of RUN after reading its card. Needs a terminal and the operator's secret."""
    import time

    from eucentric.agent.gate import Answer, decide, question
    from eucentric.core.operators import prove

    opened = options.open_store(store, existing=True)
    asked = question(opened, run_id, gate)
    require_terminal("approve")
    click.echo(asked.card, err=True)
    shown = time.monotonic()
    prove(
        name,
        click.prompt(f"\nSecret of {name} to approve (Ctrl-C leaves it open)", hide_input=True, err=True),
    )
    answer = Answer("approved", f"{name} ({options.who()})", "at another terminal")
    decision = decide(opened, run_id, asked, answer, time.monotonic() - shown)
    opened.anchor()
    _print(
        decision.model_dump_json(),
        f"gate {asked.gate} of {run_id}: {decision.outcome} by {decision.by}",
        as_json,
    )
    if decision.outcome == "approved" and not as_json:
        click.echo(f"A waiting run goes on by itself; a parked one with: eucentric resume {run_id}")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("gate", required=False)
@click.option("--as", "name", required=True, metavar="NAME", help="The person who decides.")
@click.option("--reason", required=True, help="Why; it is shown to the planner and kept.")
@options.store_option
@options.json_option
def deny(run_id: str, gate: str | None, name: str, reason: str, store: Path | None, as_json: bool) -> None:
    """Reject the open GATE of RUN. Anybody may: a denial sends nothing."""
    from eucentric.agent.gate import Answer, decide, question

    opened = options.open_store(store, existing=True)
    asked = question(opened, run_id, gate)
    decision = decide(opened, run_id, asked, Answer("rejected", f"{name} ({options.who()})", reason))
    opened.anchor()
    _print(
        decision.model_dump_json(),
        f"gate {asked.gate} of {run_id}: {decision.outcome} by {decision.by}",
        as_json,
    )


def _print(json_text: str, text: str, as_json: bool) -> None:
    click.echo(json_text if as_json else text)
