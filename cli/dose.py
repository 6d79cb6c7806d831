"""`eucentric dose`: what dose a specimen loading, or one spot of it, has had."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli import options
from eucentric.core.text import named, quoted, visible

if TYPE_CHECKING:
    from eucentric.agent.dose.history import History
    from eucentric.agent.dose.map import Place
    from eucentric.knowledge.dose import PlaceDose

_MOST_PLACES = 30
_WIDTHS = (10, 10, 15, 7, 13, 9, 10)


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="\b\nExamples\n  eucentric dose                  # every place of the newest loading\n"
    "  eucentric dose 31.2 -4.75       # one spot: bound, estimate, which frames, when, what is left\n"
    "  eucentric dose --out map.png",
)
@click.argument("x_um", type=float, required=False, metavar="[X")
@click.argument("y_um", type=float, required=False, metavar="Y]")
@click.option("--loading", help="Specimen loading [the one exposed last].")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a map (PNG) to this file."
)
@options.store_option
@options.json_option
def dose(
    x_um: float | None,
    y_um: float | None,
    loading: str | None,
    out: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """What dose has been given: to every place, or to the spot at X Y (stage µm, beam shift included).

    Read from the ledger. The bound holds at any atom wherever stage errors may have put the exposures; the estimate
    takes readings and images as they are.
    """
    from eucentric.agent.dose.history import KINDS, history
    from eucentric.core.rows import open_rows

    if (x_um is None) != (y_um is None):
        raise click.UsageError("give X and Y, or neither")
    rows = open_rows(_ledger(store))
    try:
        found = history(rows.events(kinds=KINDS), loading)
    finally:
        rows.close()
    if out is not None:
        _draw(found, out)
    if x_um is not None and y_um is not None:
        _spot(found, found.at(x_um, y_um), as_json)
    else:
        _all(found, as_json)
    if out is not None and not as_json:
        click.echo(f"map     {visible(str(out), limit=300)}")


def _ledger(store: Path | None) -> Path:
    from eucentric.core.errors import BadInput
    from eucentric.core.settings_file import default_store

    path = (store or default_store()) / "audit.db"
    if not path.is_file():
        raise BadInput(f"no store at {path.parent}", remedy="name it with --store DIR")
    return path


def _draw(found: "History", out: Path) -> None:
    from eucentric.agent.reporting.dosepicture import dose_picture

    spots = [(charge, place) for _, charge, place in found.book.placed()]
    png = dose_picture(spots, found.budget_e_per_a2, found.instrument.startswith("SIMULATED"))
    if png is not None:
        out.write_bytes(png)


def _head(found: "History") -> dict[str, Any]:
    card = found.specimen
    return {
        "instrument": found.instrument,
        "loading": found.loading,
        "specimen": card.name if card else None,
        "budget_e_per_a2": found.budget_e_per_a2,
        "budget_source": (card.dose_budget_source or "stated on the card") if card else None,
        "position_errors_declared": found.errors_declared,
    }


def _print_head(found: "History") -> None:
    head = {key: quoted(str(value), limit=300) for key, value in _head(found).items() if value is not None}
    click.echo(
        f"instrument {head['instrument']}   loading {head['loading']}   specimen {head.get('specimen', 'unknown')}"
    )
    budget = found.budget_e_per_a2
    if budget is not None:
        click.echo(f"budget  {budget:.3g} e/Å² at any place ({head['budget_source']})")
    if not found.errors_declared:
        click.echo("note    no row tells this stage's errors: cautious ones are assumed")


def _spot(found: "History", spot: "PlaceDose", as_json: bool) -> None:
    if as_json:
        body = {**_head(found), **spot.model_dump(mode="json"), "left_e_per_a2": spot.left_e_per_a2}
        click.echo(json.dumps(body, ensure_ascii=False))
        return
    _print_head(found)
    click.echo(
        f"({spot.x_um:+.3f}, {spot.y_um:+.3f}) µm has had at most {spot.bound_e_per_a2:.4g} e/Å² at any atom; "
        f"best estimate {spot.estimate_e_per_a2:.3g}"
    )
    if spot.left_e_per_a2 is not None:
        click.echo(f"left    {spot.left_e_per_a2:.4g} e/Å²")
    for one in spot.exposures:
        where = "" if one.by_readings else "  only if the stage stood elsewhere than it said"
        frames = ", ".join(map(named, one.frames)) or "no frame kept"
        click.echo(
            f"  {visible(one.utc[:19]):<19}  {named(one.run)} "
            f"event {one.event:<6} {named(one.purpose):<9} {frames:<14} "
            f"≤ {one.bound_e_per_a2:<9.4g} about {one.estimate_e_per_a2:.3g}{where}"
        )
    if not spot.exposures:
        click.echo("  nothing on record can have touched it")


def _all(found: "History", as_json: bool) -> None:
    from eucentric.agent.dose.map import places

    every = places(found.book)
    if as_json:
        click.echo(
            json.dumps({**_head(found), "places": [_row(found, one) for one in every]}, ensure_ascii=False)
        )
        return
    _print_head(found)
    head = ("x µm", "y µm", "size µm", "scans", "at most e/Å²", "estimate", "of budget")
    click.echo(" ".join(f"{text:>{width}}" for text, width in zip(head, _WIDTHS, strict=True)))
    for one in every[:_MOST_PLACES]:
        click.echo(_line(found, one))
    if len(every) > _MOST_PLACES:
        click.echo(f"… {len(every) - _MOST_PLACES} more places with less (all with --json)")


def _row(found: "History", place: "Place") -> dict[str, Any]:
    return {
        "x_um": place.x_um,
        "y_um": place.y_um,
        "exposures": len(place.keys),
        "bound_e_per_a2": place.bound_e_per_a2,
        "estimate_e_per_a2": place.estimate_e_per_a2,
        "frames": [name for key in place.keys for name in found.book.frames_of(key)],
    }


def _line(found: "History", place: "Place") -> str:
    x, y = place.centre_um
    size = f"{place.x_um[1] - place.x_um[0]:.3g} × {place.y_um[1] - place.y_um[0]:.3g}"
    budget = found.budget_e_per_a2
    share = f"{100 * place.bound_e_per_a2 / budget:.0f} %" if budget else "–"
    cells = (
        f"{x:+.3f}",
        f"{y:+.3f}",
        size,
        str(len(place.keys)),
        f"{place.bound_e_per_a2:.4g}",
        f"{place.estimate_e_per_a2:.3g}",
        share,
    )
    return " ".join(f"{text:>{width}}" for text, width in zip(cells, _WIDTHS, strict=True))
