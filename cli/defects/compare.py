"""`eucentric defects compare`."""

import json
from pathlib import Path
from typing import Any

import click

from eucentric.cli.defects.samples import alike, counted, flagged, interval_line, say_left_out
from eucentric.cli.options import debug_option, json_option, seed_type


@click.command()
@click.argument("a", required=False, type=click.Path(path_type=Path), metavar="[A]")
@click.argument("b", required=False, type=click.Path(path_type=Path), metavar="[B]")
@click.option("--a", "more_a", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
              help="A sample of the first condition; repeat it.")  # fmt: skip
@click.option("--b", "more_b", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
              help="A sample of the second condition; repeat it.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=seed_type, help="Of permutations and bootstraps.")
@json_option
@debug_option
def compare(
    a: Path | None, b: Path | None, more_a: tuple[Path, ...], more_b: tuple[Path, ...], seed: int, as_json: bool,
    debug: bool,
) -> None:  # fmt: skip
    """Compare the vacancy densities of two conditions.

    A and B are what `detect --out` wrote about one sample each; with several samples of a condition, name them with
    --a and --b. Samples are the units of the test if there are more than two, else images are, and that is said.
    Images of other phases, or found by another method, are refused.
    """
    from eucentric.core.errors import BadInput
    from eucentric.tools.vision.statistics import compare as compared

    first, second = ([one for one in (alone, *more) if one] for alone, more in ((a, more_a), (b, more_b)))
    if not first or not second:
        raise click.UsageError("two conditions are needed: A and B, or --a DIR … --b DIR …")
    (left, out_a), (right, out_b) = counted(first), counted(second)
    for side, out in ((left, out_a), (right, out_b)):
        if not side:
            alike(side, out)  # raises with the reasons of that side
    what = alike([*left, *right], [*out_a, *out_b])
    if {one.sha256 for _, one in left} & {one.sha256 for _, one in right}:
        raise BadInput("an image is on both sides", remedy="an image belongs to one condition")
    found = compared(
        *([one.tally(name) for name, one in side] for side in (left, right)), what=what, seed=seed
    )
    answer: dict[str, Any] = {"ok": True, "material": (left or right)[0][1].material} | found.model_dump(
        mode="json"
    )
    answer["remarks"] += flagged([*left, *right])
    answer |= {"left_out": {"a": out_a, "b": out_b}, "exit_code": 0}
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
        return
    _table(what, answer)


def _table(what: str, answer: dict[str, Any]) -> None:
    """For people."""
    from eucentric.agent.reporting.quantities import plural
    from eucentric.core.text import visible

    click.echo(f"{what}, {visible(answer['material'], limit=80)}")
    for side in ("a", "b"):
        found = answer[side]
        click.echo(
            f"  {side}   {interval_line(found):<44} {found['details']['called']} called of {found['of']:,} sites, "
            f"{plural(found['details']['images'], 'image')}, {plural(found['details']['samples'], 'sample')}"
        )
        for name in found["details"]["densities"]:
            click.echo(f"      {visible(name, limit=200)}")
    ratio = answer["ratio"]
    click.echo(f"  b − a       {interval_line({'interval': answer['difference']}, 'percentage points')}")
    if ratio:
        click.echo(f"  b / a       {interval_line({'interval': ratio}, '×')}")
    p = "" if answer["p_value"] is None else f"p = {answer['p_value']:.2g}, "
    click.echo(
        f"  test        {p}{answer['test']}; {answer['units'][0]} + {answer['units'][1]} {answer['level']}"
    )
    click.echo(f"  verdict     {answer['verdict']}")
    for remark in answer["remarks"]:
        click.echo(f"  note        {remark}")
    for side in ("a", "b"):
        say_left_out(answer["left_out"][side])
