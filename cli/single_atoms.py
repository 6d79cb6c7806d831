"""`eucentric atoms`: heavy atoms on a support without a lattice, in image files."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli.options import FiniteRange, debug_option, json_option, writable

if TYPE_CHECKING:
    from eucentric.tools.vision.single_atoms import SingleAtoms


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option("--pixel-pm", type=FiniteRange(0.1, 1e4), help="Pixel size [pm], if the files lack it.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("single-atoms-out"),
              show_default=True, help="Folder for pictures and tables.")  # fmt: skip
@json_option
@debug_option
def atoms(images: tuple[Path, ...], pixel_pm: float | None, out: Path, as_json: bool, debug: bool) -> None:
    """Find single bright atoms on an irregular support (Pt on carbon or oxide): no lattice, no material.

    A matched filter over the noise and texture around each place; what is called is a list of which a tenth is expected
    to be noise. Without a lattice nothing in the image gives the pixel size: the file or --pixel-pm must.

    Exit codes: 0 all done, 1 some files failed, 2 none could be read.
    """
    from eucentric.core.errors import EucentricError

    bodies: list[dict[str, Any]] = []
    writable(out)
    for number, path in enumerate(images, 1):
        click.echo(f"[{number}/{len(images)}] {_shown(path)}", err=True)
        try:
            bodies.append(_one(path, number, out, pixel_pm))
        except EucentricError as error:
            code = error.exit_code
            bodies.append({"image": str(path), "ok": False, "error": error.as_dict(), "exit_code": code})
    failed = [body for body in bodies if not body["ok"]]
    code = (
        0
        if not failed
        else 2
        if len(failed) == len(bodies) and all(b["exit_code"] == 2 for b in failed)
        else 1
    )
    if as_json:
        click.echo(json.dumps({"ok": code == 0, "images": bodies, "exit_code": code}, ensure_ascii=False))
    else:
        for body in bodies:
            _print(body)
    sys.exit(code)


def _shown(path: Path) -> str:
    from eucentric.core.text import visible

    return visible(str(path), limit=300)


def _one(path: Path, number: int, out: Path, pixel_pm: float | None) -> dict[str, Any]:
    """Analyse one file and write its table and picture."""
    from eucentric.core.errors import BadInput
    from eucentric.core.redaction import redact
    from eucentric.tools.vision import read_image
    from eucentric.tools.vision.single_atoms import find_single_atoms
    from eucentric.tools.vision.single_atoms_picture import write_single_atoms

    pixels, frame = read_image(path)
    size = pixel_pm or frame.pixel_pm
    if size is None:
        raise BadInput(
            "the file does not say how large a pixel is", "without a lattice the image cannot tell",
            "give --pixel-pm",
        )  # fmt: skip
    seen = find_single_atoms(pixels, size)
    stem = (
        f"{number:03d}-" + "".join(c if c.isalnum() or c in "-_." else "_" for c in redact(path.stem))[:100]
    )
    picture = write_single_atoms(
        pixels, seen, out / f"{stem}-atoms.png", simulated=frame.simulated, title=path.name
    )
    table = out / f"{stem}-atoms.csv"
    _write_table(seen, table)
    return {
        "image": str(path), "ok": True, "sha256": frame.sha256, "simulated": frame.simulated, "pixel_pm": size,
        "atoms": int(seen.called.sum()), "expected_false": round(seen.expected_false, 2),
        "density_per_nm2": round(seen.density_per_nm2, 5),
        "density_interval_per_nm2": [round(one, 5) for one in seen.density_interval],
        "flags": [{"code": code, "text": text} for code, text in seen.flags],
        "files": {"overlay": str(picture), "atoms": str(table)},
    }  # fmt: skip


def _write_table(atoms: "SingleAtoms", path: Path) -> None:
    """Every maximum above the noise, called or not."""
    import csv

    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["x_px", "y_px", "snr", "p_value", "sigma_pm", "called"])
        for (x, y), snr, p, sigma, called in zip(
            atoms.xy, atoms.snr, atoms.p_value, atoms.sigma_pm, atoms.called, strict=True
        ):
            table.writerow([f"{x:.2f}", f"{y:.2f}", f"{snr:.2f}", f"{p:.3g}", f"{sigma:.1f}", int(called)])


def _print(body: dict[str, Any]) -> None:
    from eucentric.core.text import visible

    click.echo(f"image {visible(body['image'], limit=300)}")
    if not body["ok"]:
        for key in ("code", "what", "why", "remedy"):
            click.echo(f"  {visible(str(body['error'].get(key, '')), limit=300)}")
        return
    click.echo(
        f"  atoms      {body['atoms']}, of which {body['expected_false']:.1f} are expected to be noise"
    )
    low, high = body["density_interval_per_nm2"]
    click.echo(
        f"  density    {body['density_per_nm2']:.3f} per nm² called (95 %: {low:.3f} … {high:.3f} by counting, "
        "noise taken off; what is missed is not known)"
    )
    for flag in body["flags"]:
        click.echo(f"  flag       {flag['code']}: {flag['text']}")
    click.echo(f"  files      {visible(body['files']['overlay'], limit=300)}")
