"""`eucentric run`: a sentence, carried to its answer."""

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options

if TYPE_CHECKING:
    from eucentric.agent.gate import Channel
    from eucentric.agent.likeness import Again
    from eucentric.agent.outcome import RunOutcome
    from eucentric.agent.session import Session
    from eucentric.cli.console import Console
    from eucentric.core.request import Request

_EPILOG = """\b
The plan is priced before anything moves (time, dose at each place, stage path) and approved once,
with bounds that the executor enforces: frames, dose, stage box, current, time. Without a terminal
the run is parked (exit 6) and an operator can `eucentric approve` it.
\b
Examples
  eucentric run "where is the stage right now?"
  eucentric run "take a 512x512 HAADF at 20 nm field of view, 1 us dwell"
  eucentric run --like r-0004 --drop s3_focus --set s4_image.dwell_us=3
  eucentric run "find three monolayer flakes, image them at atomic resolution below 2e4 e/A^2 and
                 count Ti vacancies" --approve examples/demo-envelope.toml"""


@click.command(epilog=_EPILOG)
@click.argument("request", required=False)
@click.option("--like", metavar="RUN", help="Instead of a REQUEST: the plan of an earlier run once more.")
@click.option("--drop", metavar="STEP", multiple=True, help="With --like: leave this step out.")
@click.option(
    "--set", "change", metavar="STEP.ARGUMENT=VALUE", multiple=True, help="With --like: change an argument."
)
@options.instrument_options
@options.planner_options
@options.store_option
@click.option(
    "--approve",
    default="ask",
    show_default=True,
    metavar="ask|deny|POLICY.toml",
    help="Who decides: you at this terminal, nobody, or a policy file (simulated instruments only).",
)
@click.option("--until", metavar="TIME", help="Be over by then: 18:00, or 2026-10-02T18:00+02:00.")
@options.json_option
@options.debug_option
def run(
    request: str | None, like: str | None, drop: tuple[str, ...], change: tuple[str, ...], instrument: str | None,
    specimen: Path | None, planner: str | None, base_url: str | None, model: str | None, store: Path | None,
    approve: str, until: str | None, as_json: bool, debug: bool,
) -> None:  # fmt: skip
    """Do what REQUEST asks: plan, preview, ask, work, report. Everything is written to the ledger."""
    if (request is None) == (like is None):
        raise click.UsageError("give a REQUEST, or --like RUN")
    if like is None and (drop or change):
        raise click.UsageError("--drop and --set change the plan of --like RUN")
    outcome = perform(
        request or "", instrument=instrument, specimen=specimen, planner=planner, base_url=base_url, model=model,
        store=store, approve=approve, until=until, as_json=as_json,
        like=None if like is None else options.make_again(store, like, drop, change),
    )  # fmt: skip
    sys.exit(outcome.exit_code)


def perform(
    text: str, *, instrument: str | None, specimen: Path | None, planner: str | None, base_url: str | None,
    model: str | None, store: Path | None, approve: str, as_json: bool, until: str | None = None,
    plan_only: bool = False, like: "Again | None" = None,
) -> "RunOutcome":  # fmt: skip
    """Open everything, conduct the run, print its end."""
    from eucentric.agent.conduct import conduct, new_run
    from eucentric.agent.consent.deadline import until as moment
    from eucentric.cli.console import Console
    from eucentric.core.places import canonical_uri
    from eucentric.core.text import visible

    text = like.text if like else text
    uri = canonical_uri(instrument or (like.instrument if like else options.settings().instrument))
    end = moment(until, datetime.now(UTC)) if until is not None else None
    by_policy = approve not in ("ask", "deny")
    console = Console(as_json, gate_shows_plan=approve == "ask" and not plan_only and _at_terminal(as_json))
    channel = make_channel(approve, uri, console, as_json)
    card = options.specimen_card(specimen, uri)
    opened = options.open_store(store)
    engine = like or options.make_planner(planner, base_url, model, opened)
    uri, handle = options.open_by_uri(uri)
    asked = _request(text, uri, engine.name).model_copy(update={"like": like.like if like else None})
    if not as_json and by_policy:
        console.say(f"Request      {visible(text, limit=400)}")
    try:
        current = new_run(opened, handle, card, asked, console, options.rule_book(uri))
        current.until = end
        outcome = conduct(
            current, asked, engine, channel, console, plan_only=plan_only,
            prepare=lambda session: stop_on_interrupt(session, uri),
        )  # fmt: skip
    finally:
        handle.close()
        opened.close()
    print_outcome(outcome, console, as_json)
    return outcome


def _request(text: str, uri: str, planner: str) -> "Request":
    from eucentric.core.errors import BadInput
    from eucentric.core.request import LONGEST, Request
    from eucentric.core.text import plain

    if not text.strip() or len(text) > LONGEST:
        raise BadInput(
            f"a request of {len(text)} characters",
            f"1 to {LONGEST} are needed",
            "say what you want in a sentence",
        )
    return Request(text=plain(text), who=options.who(), instrument=uri, planner=planner)


def print_outcome(outcome: "RunOutcome", console: "Console", as_json: bool) -> None:
    """One JSON object, or the last lines for a person."""
    if as_json:
        click.echo(outcome.model_dump_json())
    else:
        console.ended(outcome)


def _at_terminal(as_json: bool) -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and not as_json


def make_channel(approve: str, uri: str, console: "Console", as_json: bool) -> "Channel":
    """Who answers at the gate."""
    from eucentric.agent.channels import ByPolicy, Deny, Nobody
    from eucentric.agent.consent.policy import load_policy
    from eucentric.cli.terminal import Terminal

    if approve == "deny":
        return Deny()
    if approve == "ask":
        return Terminal(options.who(), options.proved) if _at_terminal(as_json) else Nobody()
    policy, sha = load_policy(Path(approve), uri)
    return ByPolicy(policy, sha, approve, console.say)


def stop_on_interrupt(session: "Session", uri: str) -> None:
    """Ctrl-C and SIGTERM blank the beam first, through the stop socket, and then end the run in order."""
    from eucentric.core import stop as stopping

    def handler(number: int, frame: Any) -> None:
        reason = f"{signal.Signals(number).name} in run {session.run.id}"
        reports = stopping.stop(uri, reason)
        session.run.stopping.set()
        dark = bool(reports) and all(report["blanked"] for report in reports)
        click.echo(
            f"\n{'beam blanked (read back)' if dark else 'NOT VERIFIED: blank by hand'}; ending the run",
            err=True,
        )

    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)
