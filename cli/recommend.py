"""`eucentric recommend`: which dose, dwell, pixel size and number of fields a recall or a precision takes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli.calc import Quantity, positive, quantity
from eucentric.cli.options import FiniteRange, debug_option, json_option

if TYPE_CHECKING:
    from eucentric.knowledge.phases import Phase
    from eucentric.tools.vision.limits import Limits


@click.command()
@click.argument("kind", default="vacancy", metavar="[KIND]")
@click.option("--material", required=True, help="Phase (Ti3C2, MoS2, aliases) or the path of a CIF.")
@click.option("--recall", default=95.0, show_default=True, help="Share of the vacancies that is to be found [%].",
              type=FiniteRange(30, 99.9))  # fmt: skip
@click.option("--density-error", type=FiniteRange(0, 50, min_open=True, max_open=True),
              help="Half-width of the density's 95 % interval [% of the sites].")  # fmt: skip
@click.option("--density", default=1.5, show_default=True, help="Density that is expected [% of the sites].",
              type=FiniteRange(0, 50, min_open=True, max_open=True))  # fmt: skip
@click.option(
    "--limit", type=Quantity("e/angstrom^2"), callback=positive, help="Most that any atom may receive [e/Å²]."
)
@quantity("--current", "pA", 30.0, "Probe current")
@quantity("--voltage", "kV", 60.0, "High tension")
@quantity("--convergence", "mrad", 30.0, "Convergence semi-angle")
@click.option(
    "--pixel", type=Quantity("pm"), callback=positive, help="Pixel size that is given [pm]; left out: chosen."
)
@click.option(
    "--pixels", default=512, show_default=True, type=click.IntRange(64, 4096), help="Pixels along an edge."
)
@click.option("--image", type=click.Path(path_type=Path, dir_okay=False),
              help="Measure the limits on this image instead of predicting them.")  # fmt: skip
@click.option("--counts-per-electron", type=FiniteRange(min=0, min_open=True),
              help="Of the image's detector; left out: by the image's noise.")  # fmt: skip
@click.option(
    "--image-dose", type=Quantity("e/angstrom^2"), callback=positive, help="Mean dose of the image [e/Å²]."
)
@click.option(
    "--image-pixel",
    type=Quantity("pm"),
    callback=positive,
    help="Pixel size of the image [pm], if the file lacks it.",
)
@json_option
@debug_option
def recommend(
    kind: str, material: str, recall: float, density_error: float | None, density: float, limit: float | None,
    current: float, voltage: float, convergence: float, pixel: float | None, pixels: int, image: Path | None,
    counts_per_electron: float | None, image_dose: float | None, image_pixel: float | None, as_json: bool, debug: bool,
) -> None:  # fmt: skip
    """Say which acquisition finds so many vacancies of KIND (V_Ti, V_S, S; vacancy is the faintest one).

    Without an image it is predicted from cross-sections and probe size, good to a factor of two in dose. With one, the
    limits are measured by taking electrons out of it and reading it again. Nothing is exposed.
    """
    from eucentric.knowledge.phases import phase
    from eucentric.knowledge.recommendation import Optics, Wanted
    from eucentric.knowledge.recommendation import recommend as recommended

    if image is None:
        _only_of_an_image(counts_per_electron, image_dose, image_pixel)
    known = phase(material)
    limits = None
    if image is not None:
        limits = _measured(image, known, kind, counts_per_electron, image_dose, image_pixel)
        if counts_per_electron is None and image_dose is None:
            _shares(limits, recall, as_json)
            return
    told = recommended(
        known,
        Wanted(kind=kind, recall=recall / 100, density_error_percent=density_error, density_percent=density),
        Optics(current_pa=current, voltage_kv=voltage, convergence_mrad=convergence),
        limit_e_per_a2=limit, law=limits.law if limits else None,
        dose_per_count=limits.dose_per_count if limits else None,
        least_counts=(limits.silent_below or 0.0) if limits else 0.0, pixel_pm=pixel, width_px=pixels,
    )  # fmt: skip
    body: dict[str, Any] = {"recommendation": told.model_dump(mode="json")}
    if limits is not None:
        body["limits"] = limits.model_dump(mode="json")
    if as_json:
        click.echo(json.dumps({"ok": True, **body}, ensure_ascii=False))
        return
    for line in _table(limits) if limits else ():
        click.echo(line)
    click.echo(told.say)


def _only_of_an_image(counts: float | None, dose: float | None, pixel_pm: float | None) -> None:
    """Options that say something of an image say nothing without one."""
    given = {"--counts-per-electron": counts, "--image-dose": dose, "--image-pixel": pixel_pm}
    alone = [name for name, value in given.items() if value is not None]
    if alone:
        raise click.UsageError(f"{alone[0]} says something of --image, and there is none")


def _measured(
    image: Path, material: "Phase", kind: str, counts_per_electron: float | None, dose: float | None,
    pixel_pm: float | None,
) -> "Limits":  # fmt: skip
    from eucentric.core.errors import BadInput
    from eucentric.tools.vision import read_image
    from eucentric.tools.vision.limits import measure_limits

    pixels, frame = read_image(image)
    limits = measure_limits(
        pixels, material, kind, pixel_pm=pixel_pm or frame.pixel_pm, counts_per_electron=counts_per_electron,
        dose_e_per_a2=dose, note=lambda text: click.echo(text, err=True),
    )  # fmt: skip
    if limits.law is None:
        raise BadInput(
            f"no limits can be measured on {image.name}: {limits.cannot_tell or 'too few counts to thin'}",
            "nothing was recommended",
            "leave the image out for a prediction, or give one in focus",
        )
    return limits


def _shares(limits: "Limits", recall: float, as_json: bool) -> None:
    """Neither dose nor calibration is known: only shares of this image's dose can be told."""
    from eucentric.tools.vision.limits import share_for

    share = share_for(limits, recall / 100)
    if as_json:
        body = {
            "recommendation": None,
            "share_of_the_images_dose": share,
            "limits": limits.model_dump(mode="json"),
        }
        click.echo(json.dumps({"ok": True, **body}, ensure_ascii=False))
        return
    for line in _table(limits):
        click.echo(line)
    wanted = f"{recall:g} % recall of {limits.kind}"
    if share is None:
        click.echo(f"{wanted} cannot be had by dose: scatter of the columns, not dose, limits it")
    else:
        click.echo(
            f"{wanted} needs about {share:.2g} of this image's dose; give --image-dose for one in e/Å²"
        )


def _table(limits: "Limits") -> list[str]:
    """The series, one line a point."""
    head = f"{'dose':>6} {'pm/px':>6} {'counts':>7} {'atoms F1':>9} {'found':>9} {'claimed':>8}"
    rows = [
        f"{p.keep:>6.3g} {p.pixel_pm:>6.1f} {p.counts:>7.1f} {p.atom_f1:>9.3f} {f'{p.planted_found}/{p.planted}':>9} "
        f"{p.claimed_recall:>8.2f}{'  cannot tell' if p.cannot_tell else ''}"
        for p in limits.points
    ]
    return [f"{limits.kind} in {limits.material}, thinned by {limits.thinning}", head, *rows]
