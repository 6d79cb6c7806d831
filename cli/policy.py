"""`eucentric policy`: the rules of the site, and which of them decides a call."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options
from eucentric.core.text import quoted, visible

if TYPE_CHECKING:
    from eucentric.agent.consent.rules import Rule, RuleBook

_EPILOG = """\b
Examples
  eucentric policy explain move_stage alpha_deg=25
  eucentric policy explain acquire_image fov_nm=8 dwell_us=5 --planner "llm qwen"
  eucentric policy explain '{"tool": "set_optics", "args": {"probe_current_pa": 50}}'"""


@click.group()
def policy() -> None:
    """Which calls pass, which are asked of whom, which are never made. The file is named in the settings."""


@policy.command()
@options.json_option
def show(as_json: bool) -> None:
    """The rules in force, in order; the first that fits a call decides it."""
    book = options.rule_book(options.settings().instrument)
    if as_json:
        click.echo(json.dumps({"label": book.label, "path": book.path, **book.rules.model_dump(mode="json")}))
        return
    name, author = quoted(book.rules.name), quoted(book.rules.author)
    click.echo(f"policy {name}, {visible(book.label)}, by {author}  {quoted(book.path)}")
    for number, rule in enumerate(book.rules.rules, start=1):
        click.echo(f"{number:>3}  {quoted(rule.name)}: {_words(rule)}")
    click.echo(
        "     else: what moves or exposes is asked of a user, what reads passes, stopping is under no rule"
    )


def _words(rule: "Rule") -> str:
    """Whom it asks, for what."""
    who = {"auto": "passes", "deny": "is never made"}.get(rule.decision, "")
    if not who:
        who = f"is asked of {'two people, each ' if rule.approvers > 1 else ''}{rule.role}"
    where = ", ".join(f"{name} {_bound(bound.model_dump())}" for name, bound in rule.where.items())
    for_whom = f" of planner {quoted(rule.planner)}" if rule.planner != "*" else ""
    return f"{', '.join(rule.tools)}{for_whom}{f' with {where}' if where else ''} {who}"


def _bound(bound: dict[str, Any]) -> str:
    signs = {"above": ">", "below": "<", "beyond": "beyond ±", "among": "one of"}
    told = [f"{signs[key]} {_plain(value)}" for key, value in bound.items() if value not in (None, ())]
    return visible(" and ".join(told), limit=120)


def _plain(value: Any) -> str:
    return (
        f"{value:g}"
        if isinstance(value, float)
        else ", ".join(value)
        if isinstance(value, tuple)
        else str(value)
    )


@policy.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--instrument", metavar="URI", help="The instrument it is for.")
@options.json_option
def check(path: Path, instrument: str | None, as_json: bool) -> None:
    """Read a policy file and say what is wrong with it."""
    from eucentric.agent.consent.rules import load_rules

    book = load_rules(path, instrument or options.settings().instrument)
    text = f"file {quoted(str(path))}: {len(book.rules.rules)} rules, {book.label}"
    click.echo(json.dumps({"ok": True, "label": book.label}) if as_json else text)


@policy.command(epilog=_EPILOG)
@click.argument("call", nargs=-1, required=True, metavar="TOOL [ARGUMENT=VALUE …]")
@click.option("--planner", default="", help="As if a plan of this planner made the call.")
@click.option("--policy", "path", type=click.Path(path_type=Path), help="Another file than the one in force.")
@options.instrument_options
@options.json_option
def explain(
    call: tuple[str, ...], planner: str, path: Path | None, instrument: str | None, specimen: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Which rule decides CALL on the instrument as it stands now, and who may allow it. Nothing is sent."""
    from eucentric.agent.consent.explain import explained
    from eucentric.agent.consent.rules import load_rules

    uri, handle = options.open_by_uri(instrument)
    try:
        book: RuleBook = load_rules(path, uri) if path else options.rule_book(uri)
        told = explained(book, handle, options.specimen_card(specimen, uri), call, planner)
    finally:
        handle.close()
    if as_json:
        click.echo(told.model_dump_json())
        return
    click.echo(f"{told.call}\n  {told.verdict}, by {told.rule}   (policy {book.label})")
    for line in told.passed_over:
        click.echo(f"  not by {line}")
    click.echo(f"  figures  {told.figures_line}")
