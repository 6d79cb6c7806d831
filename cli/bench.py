"""`eucentric bench`: every claim with a number has one of these."""

import importlib
import json
import sys
from pathlib import Path

import click

BENCHES: dict[str, str] = {
    "demo": "The whole request over many worlds and true densities: does the interval cover the truth?",
    "frame": "CPU of one simulated frame, beside the reference kernel.",
    "overhead": "CPU of the executor per tool call, beside the reference kernel.",
}


@click.command(epilog="\b\n" + "\n".join(f"{name:<10} {text}" for name, text in BENCHES.items()))
@click.argument("name", type=click.Choice(list(BENCHES)))
@click.option("--quick", is_flag=True, help="Fewer cases; ends within 50 s.")
@click.option("--seed", default=7, show_default=True, type=int)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Also write the object, with every case, to this file."
)
@click.option("--json", "as_json", is_flag=True, help="Kept for symmetry: stdout is always one JSON object.")
def bench(name: str, quick: bool, seed: int, out: Path | None, as_json: bool) -> None:
    """Run benchmark NAME: one JSON object on stdout; exit 1 if a bar does not hold."""
    module = importlib.import_module(f"eucentric.bench.{name}")
    result = module.run(quick=quick, seed=seed)
    if out is not None:
        out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    shown = {key: value for key, value in result.items() if key != "cases"}
    click.echo(json.dumps(shown, ensure_ascii=False))
    sys.exit(1 if any(bar["holds"] is False for bar in result["bars"]) else 0)
