"""`eucentric defects show`."""

import json
from pathlib import Path
from typing import Any

import click

from eucentric.cli.defects.samples import alike, counted, flagged, interval_line, say_left_out
from eucentric.cli.options import debug_option, json_option, seed_type


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option(
    "--seed", default=0, show_default=True, type=seed_type, help="Of bootstrap and random arrangements."
)
@json_option
@debug_option
def show(folders: tuple[Path, ...], seed: int, as_json: bool, debug: bool) -> None:
    """One density over samples, with an interval for others made alike.

    Each DIR is what `detect --out` wrote about one sample (or a single JSON file of it).
    """
    from eucentric.tools.vision import pair_correlation, topology
    from eucentric.tools.vision.statistics import aggregated

    samples, left = counted(folders)
    what = alike(samples, left)
    density = aggregated([one.tally(sample) for sample, one in samples], what=what, seed=seed)
    sites = [one.sites for _, one in samples]
    answer: dict[str, Any] = {
        "ok": True,
        "material": samples[0][1].material,
        "density": density.model_dump(mode="json"),
        "topology": topology(sites, seed=seed).model_dump(mode="json"),
        "pair_correlation": pair_correlation(sites, seed=seed).model_dump(mode="json"),
        "remarks": flagged(samples),
        "left_out": left,
        "exit_code": 0,
    }
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
        return
    from eucentric.agent.reporting.quantities import plural
    from eucentric.cli.detect_words import clusters_line
    from eucentric.core.text import visible

    found = answer["density"]
    click.echo(f"{what} of {visible(samples[0][1].material, limit=80)}   {interval_line(found)}")
    click.echo(
        f"Counted      {found['details']['called']} called of {found['of']:,} sites, "
        f"{plural(found['details']['images'], 'image')}, {plural(found['details']['samples'], 'sample')}"
    )
    click.echo(
        f"Corrected    for recall {found['details']['recall']:.2f} and "
        f"{found['details']['expected_false_calls']:.1f} false calls expected"
    )
    click.echo(f"Interval     {found['method']}")
    for name, value in found["details"]["densities"].items():
        click.echo(f"  sample     {visible(name, limit=200)}   {value:.3g} %")
    click.echo(f"Clusters     {clusters_line(answer)}")
    for remark in answer["remarks"]:
        click.echo(f"Note         {visible(remark, limit=200)}")
    say_left_out(left)
