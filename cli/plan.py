"""`eucentric plan`: plan and preview; nothing is executed."""

import json
import sys
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.cli.run import perform


@click.command()
@click.argument("request", required=False)
@options.instrument_options
@options.planner_options
@options.store_option
@click.option("--tools", is_flag=True, help="List every tool with its arguments, units and bounds.")
@options.json_option
@options.debug_option
def plan(
    request: str | None, instrument: str | None, specimen: Path | None, planner: str | None, base_url: str | None,
    model: str | None, store: Path | None, tools: bool, as_json: bool, debug: bool,
) -> None:  # fmt: skip
    """Plan and price REQUEST: time, dose at each place, stage path, what would be asked. No beam, no move."""
    if tools:
        _list_tools(as_json)
        return
    if request is None:
        raise click.UsageError("give a request, or --tools")
    outcome = perform(
        request, instrument=instrument, specimen=specimen, planner=planner, base_url=base_url, model=model,
        store=store, approve="deny", as_json=as_json, plan_only=True,
    )  # fmt: skip
    sys.exit(outcome.exit_code)


def _list_tools(as_json: bool) -> None:
    from eucentric.tools.catalogue import CATALOGUE

    if as_json:
        rows = [
            {
                "name": t.name,
                "risk": t.risk,
                "description": t.description,
                "arguments": t.args.model_json_schema(),
            }
            for t in CATALOGUE
        ]
        click.echo(json.dumps({"tools": rows}, ensure_ascii=False))
        return
    for tool in CATALOGUE:
        click.echo(click.style(f"{tool.name}  ({tool.risk})", bold=True))
        click.echo(click.wrap_text(tool.description, initial_indent="  ", subsequent_indent="  "))
        for name, field in tool.args.model_json_schema().get("properties", {}).items():
            click.echo(f"    {name:<18} {_bounds(field)}  {field.get('description', '')}")


def _bounds(field: dict[str, object]) -> str:
    plain: dict[str, object] = dict(field)
    for choice in field.get("anyOf", []):  # type: ignore[attr-defined]
        if isinstance(choice, dict) and choice.get("type") != "null":
            plain |= choice
    low = plain.get("minimum", plain.get("exclusiveMinimum", ""))
    high = plain.get("maximum", plain.get("exclusiveMaximum", ""))
    unit = plain.get("unit", "")
    text = f"[{unit}]" if unit else f"<{plain.get('type', 'value')}>"
    return f"{text} {low} … {high}" if low != "" or high != "" else text
