"""`eucentric approve`, `deny`, `edit`, `escalate`: answer a run's gate from another terminal."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options
from eucentric.cli.operator import require_terminal
from eucentric.core.roles import ROLES
from eucentric.core.text import visible

if TYPE_CHECKING:
    from eucentric.agent.consent.asked import Answer, Asked, GrantWish
    from eucentric.core.approval import Approval
    from eucentric.core.store import Store

_as_operator = click.option("--as", "name", required=True, metavar="NAME", help="The operator who decides.")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("gate", required=False)
@_as_operator
@click.option("--first-step", is_flag=True, help="Only the first step; then it is asked again.")
@click.option(
    "--grant", type=click.IntRange(1, 1000), metavar="USES", help="Let the like pass so often, too."
)
@click.option(
    "--for", "hours", type=click.FloatRange(0.05, 24), default=2.0, show_default=True, metavar="HOURS",
    help="How long a grant lives [h].",
)  # fmt: skip
@click.option(
    "--dose", type=click.FloatRange(min=0, min_open=True), metavar="E/A2",
    help="Most any place may have had under the grant [e/Å²]; left out: as this plan.",
)  # fmt: skip
@options.store_option
@options.json_option
def approve(
    run_id: str, gate: str | None, name: str, first_step: bool, grant: int | None, hours: float, dose: float | None,
    store: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Approve the open GATE of RUN after reading its card. Needs a terminal and the operator's secret.

    With --grant, later questions inside the same bounds on the same specimen loading are answered by the grant:
    see `eucentric grants`. What takes two people or is of high impact is never granted.
    """
    from eucentric.agent.consent.asked import GrantWish
    from eucentric.agent.gate import question

    opened = options.open_store(store, existing=True)
    asked = question(opened, run_id, gate)
    wish = GrantWish(grant, hours, dose) if grant else None
    answer, seconds = _proved_answer(
        asked, name, "approve", "stop_after_step" if first_step else "approved", wish
    )
    decision = _written(opened, run_id, asked, answer, seconds)
    _conclude(opened, run_id, answer, decision, as_json)
    if not as_json and decision is not None:
        click.echo(f"A waiting run goes on by itself; a parked one with: eucentric resume {run_id}")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("gate", required=False)
@click.option("--as", "name", required=True, metavar="NAME", help="The person who decides.")
@click.option("--reason", required=True, help="Why; it is shown to the planner and kept.")
@options.store_option
@options.json_option
def deny(run_id: str, gate: str | None, name: str, reason: str, store: Path | None, as_json: bool) -> None:
    """Reject the open GATE of RUN. Anybody may: a denial sends nothing. The same plan is not asked again."""
    from eucentric.agent.consent.asked import Answer
    from eucentric.agent.gate import question

    opened = options.open_store(store, existing=True)
    asked = question(opened, run_id, gate)
    answer = Answer("rejected", f"{name} (claimed, {options.who()})", reason)
    _conclude(opened, run_id, answer, _written(opened, run_id, asked, answer, 0.0), as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("change", metavar="STEP.ARGUMENT=VALUE")
@click.option("--gate", help="If more than one is open.")
@_as_operator
@options.store_option
@options.json_option
def edit(run_id: str, change: str, gate: str | None, name: str, store: Path | None, as_json: bool) -> None:
    """Change one argument of the plan that waits at a gate; the run prices it anew and asks again.

    Needs a terminal and the operator's secret. The next card says line by line what is different.
    """
    from eucentric.agent.gate import question

    opened = options.open_store(store, existing=True)
    asked = question(opened, run_id, gate)
    answer, seconds = _proved_answer(asked, name, "change the plan", "edited", None, edit=change)
    _conclude(opened, run_id, answer, _written(opened, run_id, asked, answer, seconds), as_json)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("gate", required=False)
@click.option("--to", "role", type=click.Choice(ROLES[1:]), default="operator", show_default=True)
@click.option("--as", "name", required=True, metavar="NAME", help="Who says so.")
@click.option("--reason", default="", help="Why.")
@options.store_option
@options.json_option
def escalate(
    run_id: str, gate: str | None, role: str, name: str, reason: str, store: Path | None, as_json: bool
) -> None:
    """Say that the open GATE of RUN takes somebody higher. Anybody may: the question stays open for them."""
    from eucentric.agent.consent.asked import Answer
    from eucentric.agent.gate import question

    opened = options.open_store(store, existing=True)
    asked = question(opened, run_id, gate)
    answer = Answer("escalated", f"{name} (claimed, {options.who()})", reason, to_role=_role(role))
    _conclude(opened, run_id, answer, _written(opened, run_id, asked, answer, 0.0), as_json)


def _role(text: str) -> Any:
    return text


def _proved_answer(
    asked: "Asked", name: str, what: str, outcome: Any, wish: "GrantWish | None", edit: str = ""
) -> tuple["Answer", float]:
    """Show the card, have the secret typed, and make the answer; how long the card was shown [s]."""
    from eucentric.agent.consent.asked import Answer
    from eucentric.core.operators import operators_path, prove
    from eucentric.core.signing import has_key, signer_for

    require_terminal(what)
    click.echo(visible(asked.card, one_line=False, limit=100_000), err=True)
    shown = time.monotonic()
    secret = click.prompt(
        f"\nSecret of {visible(name, limit=80)} to {what} (Ctrl-C leaves it open)", hide_input=True, err=True
    )
    operator = prove(name, secret)
    proof = f"proved against {operators_path()}, owner uid {operators_path().stat().st_uid}"
    signer = signer_for(name, secret)
    if signer is None and has_key(name):
        click.echo(
            "note: your key can't sign here, the decision counts unsigned: pip install 'eucentric[sign]'",
            err=True,
        )
    answer = Answer(
        outcome, f"{name} ({options.who()})", f"at another terminal, {proof}", edit=edit, name=operator.name,
        role=operator.role, grant=wish, signer=signer,
    )  # fmt: skip
    return answer, time.monotonic() - shown


def _written(
    store: "Store", run_id: str, asked: "Asked", answer: "Answer", seconds: float
) -> "Approval | None":
    from eucentric.agent.consent.deciding import decide

    return decide(store, run_id, asked, answer, seconds)


def _conclude(
    store: "Store", run_id: str, answer: "Answer", decision: "Approval | None", as_json: bool
) -> None:
    """Anchor and say what counts.

    Raises
    ------
    ApprovalRefused
        Somebody else decided while this person was reading: the answer given here does not count.
    """
    import json

    from eucentric.core.errors import ApprovalRefused

    store.anchor()
    store.close()
    if decision is None:
        text = f"{run_id}: {visible(answer.by)} agrees; another person has to agree, too"
        click.echo(json.dumps({"consented": answer.name, "run": run_id}) if as_json else text)
        return
    text = f"gate {decision.gate} of {run_id}: {decision.outcome} by {visible(decision.by)}"
    if decision.outcome != answer.outcome:
        raise ApprovalRefused(text, "it was decided first, and the first decision counts")
    click.echo(decision.model_dump_json() if as_json else text)
