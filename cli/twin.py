"""`eucentric twin`: make the simulated microscope like a site's own."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli.options import debug_option, json_option
from eucentric.core.text import visible

if TYPE_CHECKING:
    from eucentric.core.base import Model

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def twin() -> None:
    """Fit the simulated microscope to a real one: its stage from a log of moves, noise and blur from an image."""


@twin.command("fit-stage")
@click.argument("log", type=_FILE, metavar="LOG.csv")
@click.option("--out", type=_FILE, help="Write the preset there; use it as ?stage=FILE.toml.")
@json_option
@debug_option
def fit_stage_command(log: Path, out: Path | None, as_json: bool, debug: bool) -> None:
    """A stage preset from a table of moves with the places that images found.

    Columns: move, time_s, since_s, took_s, commanded_x_um, commanded_y_um, reported_x_um, reported_y_um, measured_x_um,
    measured_y_um. One row a measurement: at least four after each move, over a few settling times.
    """
    from eucentric.instruments.twin.fitting.moves import read_moves
    from eucentric.instruments.twin.fitting.stage_fit import fit_stage

    found = fit_stage(read_moves(log))
    text = _toml(found.preset)
    low, high = found.miss_95
    if out is not None:
        out.write_text(f"# From {visible(log.name, limit=80)}, {found.moves} moves\n{text}", encoding="utf-8")
    if as_json:
        body: dict[str, Any] = {
            "ok": True,
            "preset": found.preset.model_dump(mode="json", exclude_unset=True),
        }
        body |= {"moves": found.moves, "missed": found.missed, "decidable": found.decidable}
        body |= {"miss_95": [low, high], "noise_nm": found.noise_nm, "file": str(out) if out else None}
        click.echo(json.dumps(body, ensure_ascii=False))
        return
    click.echo(text, nl=False)
    click.echo(
        f"# {found.missed} of {found.decidable} moves were missed (95 %: {low:.4f} … {high:.4f}); "
        f"places are measured to {found.noise_nm:.2g} nm",
        err=True,
    )


@twin.command("fit-image")
@click.argument("image", type=_FILE, metavar="IMAGE")
@click.option("--material", required=True, help="Phase (Ti3C2, MoS2 …) or the path of a CIF: the lattice.")
@click.option("--pixel-pm", type=click.FloatRange(0.1, 1e4), help="Pixel size [pm], if the file lacks it.")
@click.option("--offset", type=float, default=0.0, show_default=True, help="The detector's black level.")
@click.option("--voltage-kv", type=click.FloatRange(20, 400), default=60.0, show_default=True)
@click.option("--convergence-mrad", type=click.FloatRange(1, 60), default=30.0, show_default=True)
@json_option
@debug_option
def fit_image_command(
    image: Path, material: str, pixel_pm: float | None, offset: float, voltage_kv: float, convergence_mrad: float,
    as_json: bool, debug: bool,
) -> None:  # fmt: skip
    """Noise and blur from an image of a hexagonal layer with atoms (TIFF, NPY, PNG)."""
    from eucentric.core.errors import BadInput
    from eucentric.instruments.twin.fitting.image_fit import fit_image
    from eucentric.instruments.twin.optics.spec import OpticsSpec
    from eucentric.knowledge.phases import phase
    from eucentric.tools.vision import read_image

    if not math.isfinite(offset):
        raise click.BadParameter("not a number", param_hint="--offset")
    pixels, frame = read_image(image)
    size_pm = pixel_pm or frame.pixel_pm
    if size_pm is None:
        raise BadInput("the file has no pixel size", remedy="give --pixel-pm")
    optics = OpticsSpec(voltage_kv=voltage_kv, convergence_mrad=convergence_mrad)
    found = fit_image(pixels - offset, size_pm / 100, phase(material).a_angstrom, optics)
    body = {
        "source_fwhm_angstrom": round(found.source_fwhm_angstrom, 3),
        "blur_known": found.blur_known,
        "background": round(found.background, 3),
        "detected_electrons_per_a2": round(found.electrons_per_a2, 1),
        "read_noise_share": round(found.read_noise_share, 3),
        "contrast": round(found.picture.contrast, 4),
        "pixel_noise": round(found.picture.pixel_noise, 4),
        "rings": {name: round(value, 5) for name, value in found.picture.rings.items()},
    }
    if as_json:
        click.echo(json.dumps({"ok": True, **body}, ensure_ascii=False))
        return
    at_least = "" if found.blur_known else "  # at least: no second ring shows, so background is at most"
    click.echo(f"[optics]\nsource_fwhm_angstrom = {found.source_fwhm_angstrom:.3f}{at_least}")
    click.echo(
        f"# background {found.background:.2f} of the lattice's own intensity; "
        f"{found.electrons_per_a2:.4g} detected electrons per Å2; pixel noise {found.picture.pixel_noise:.3f}",
        err=True,
    )


def _toml(preset: "Model") -> str:
    """What was set, as TOML: numbers and lists of numbers only."""
    values = preset.model_dump(mode="json", exclude_unset=True)
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
