"""`eucentric defects series`."""

import json
from pathlib import Path
from typing import Any

import click

from eucentric.cli.defects.samples import interval_line, say_left_out
from eucentric.cli.options import FiniteRange, debug_option, json_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--dose-per-frame",
    type=FiniteRange(1e-9),
    help="[e/Å²], if the files do not tell current and dwell.",
)
@click.option(
    "--dose-before", default=0.0, type=FiniteRange(0), help="That the place had before the first [e/Å²]."
)
@json_option
@debug_option
def series(
    folder: Path, dose_per_frame: float | None, dose_before: float, as_json: bool, debug: bool
) -> None:
    """Density against dose at one place, from `detect --frames each` or `detect --series`.

    Frames see the same sites, so each site is followed: vacant before the beam, made by it, or only missed once. Gives
    the density at zero dose and the rate of damage, with 95 % intervals, and the sites that the beam made.
    """
    from eucentric.tools.vision.place_series import followed
    from eucentric.tools.vision.saved import saved_in

    maps, other = saved_in(folder)
    found = followed(maps, dose_per_frame, dose_before)
    left = [{"image": name, "why": why} for name, why in (*other, *found.left_out)]
    answer: dict[str, Any] = {"ok": True, "material": found.first.material} | found.series.model_dump(
        mode="json"
    )
    for one in answer["made"]:
        x, y = found.first.xy[one["site"]]
        one |= {"x_px": round(float(x), 2), "y_px": round(float(y), 2)}
    answer |= {"remarks": list(found.remarks), "left_out": left, "exit_code": 0}
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
        return
    _table(answer)


def _table(answer: dict[str, Any]) -> None:
    """For people."""
    from eucentric.agent.reporting.quantities import plural

    unit = answer["unit"]
    click.echo(f"   dose [{unit}]    sites   called   density [%]")
    for row in answer["frames"]:
        click.echo(f"{row['dose']:>14,.6g} {row['sites']:>8,} {row['called']:>8,} {row['density']:>13.3f}")
    click.echo(f"At zero dose   {interval_line(answer['before'])}")
    click.echo(f"Damage         {interval_line(answer['rate'], answer['rate']['unit'])}")
    made = answer["made"]
    click.echo(
        f"Made by the beam while it was looked at: {plural(len(made), 'site')}; there from the first: "
        f"{plural(len(answer['there']), 'site')}"
    )
    for one in made[:20]:
        place = f"({one['x_px']:.0f}, {one['y_px']:.0f})"
        click.echo(f"  {place}   first called in frame {one['first_frame']}   p {one['p']:.2f}")
    for remark in answer["remarks"]:
        click.echo(f"Note         {remark}")
    say_left_out(answer["left_out"])
