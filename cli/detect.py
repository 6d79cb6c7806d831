"""`eucentric detect`: atoms and vacancies in image files."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from eucentric.knowledge.phases import Phase
    from eucentric.tools.vision import AtomMap
    from eucentric.tools.vision.network.infer import Network


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option(
    "--material", required=True, help="Phase (Ti3C2, MoS2, aliases such as Ti3C2Tx) or the path of a CIF."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("detect-out"), show_default=True,
              help="Folder for pictures and tables.")  # fmt: skip
@click.option("--pixel-pm", type=click.FloatRange(0.1, 1e4), help="Pixel size [pm], if the files lack it.")
@click.option("--network", default="general", show_default=True, metavar="NAME|FILE|none",
              help="Second reader: shipped, or by `eucentric train`; none: the lattice stage alone.")  # fmt: skip
@json_option
@debug_option
def detect(
    images: tuple[Path, ...], material: str, out: Path, pixel_pm: float | None, network: str, as_json: bool,
    debug: bool,
) -> None:  # fmt: skip
    """Find atom columns and vacancies in HAADF images (TIFF, NPY, PNG).

    For each image: pixel size from the lattice, columns, a vacancy probability for every site, flags, an overlay and a
    gallery of the least certain sites (PNG), tables (CSV) and a JSON file. Over all images of different places: one
    density with a 95 % interval. Says "cannot tell" rather than guess.

    Exit codes: 0 all done, 1 some files failed, 2 none could be read.
    """
    from eucentric.core.errors import EucentricError
    from eucentric.knowledge.phases import phase

    if pixel_pm is not None and pixel_pm != pixel_pm:
        raise click.BadParameter("not a number", param_hint="--pixel-pm")
    from eucentric.tools.vision import vacancy_density

    known = phase(material)
    second = _second(network)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    maps: list[AtomMap] = []
    for number, (path, stem) in enumerate(zip(images, _stems(images), strict=True), 1):
        click.echo(f"[{number}/{len(images)}] {_shown(path)}", err=True)
        try:
            atoms, body = _one(path, stem, known, out, pixel_pm, second)
        except EucentricError as error:
            failed.append(
                {"image": str(path), "ok": False, "error": error.as_dict(), "exit_code": error.exit_code}
            )
            continue
        except OSError as error:
            body = {
                "code": "E-FILE-01",
                "what": str(error),
                "why": "",
                "remedy": "check the folder's permissions",
            }
            failed.append({"image": str(path), "ok": False, "error": body, "exit_code": 1})
            continue
        maps.append(atoms)
        done.append(body)
    density = vacancy_density(maps, evidence=[body["frame"] for body in done]) if maps else None
    pooled = density.model_dump(mode="json") if density else None
    code = _exit_code(done, failed)
    if as_json:
        answer = {"ok": code == 0, "material": known.name, "images": [*done, *failed], "density": pooled}
        answer["exit_code"] = code
        click.echo(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    else:
        _table(done, failed, pooled, out)
    sys.exit(code)


def _exit_code(done: list[dict[str, Any]], failed: list[dict[str, Any]]) -> int:
    if not failed:
        return 0
    return 2 if not done and all(one["exit_code"] == 2 for one in failed) else 1


def _stems(images: tuple[Path, ...]) -> list[str]:
    """File stems for the results, plain letters only; two images of one name do not overwrite each other."""
    from eucentric.core.redaction import redact

    seen: dict[str, int] = {}
    out = []
    for path in images:
        stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in redact(path.stem))[:120] or "image"
        seen[stem] = seen.get(stem, 0) + 1
        out.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return out


def _second(network: str) -> "Network | None":
    """The network that reads along, if one is wanted."""
    if network == "none":
        return None
    from eucentric.tools.vision.network import open_network

    return open_network(network)


def _one(
    path: Path, stem: str, known: "Phase", out: Path, pixel_pm: float | None, network: "Network | None" = None
) -> tuple["AtomMap", dict[str, Any]]:
    """Analyse one file and write everything about it."""
    from eucentric.core.redaction import redacted
    from eucentric.tools.detect_defects import result_of
    from eucentric.tools.vision import read_atoms, read_image, vacancy_density, write_gallery, write_overlay

    pixels, frame = read_image(path)
    atoms = read_atoms(pixels, known, pixel_pm=pixel_pm or frame.pixel_pm, network=network)
    overlay = write_overlay(
        pixels, atoms, out / f"{stem}-overlay.png", simulated=frame.simulated, title=path.name
    )
    gallery = write_gallery(pixels, atoms, out / f"{stem}-unsure.png", simulated=frame.simulated)
    if gallery is None:  # an old picture of an earlier run must not look like one of this image
        (out / f"{stem}-unsure.png").unlink(missing_ok=True)
    _write_tables(atoms, out, stem)
    finding = vacancy_density([atoms], finding_id=f"{stem}-vacancies", evidence=(frame.id,))
    result = result_of(atoms, frame, finding, "any", overlay.name, gallery.name if gallery else None)
    body = {"image": str(path), "ok": True, "sha256": frame.sha256} | result.model_dump(mode="json")
    body |= {"atoms": _atoms(atoms), "vacancy_candidates": _candidates(atoms), "network": _network(atoms)}
    if frame.counts_per_electron is None:  # the file's numbers are no electrons
        body["counts_per_column"] = None
    body["files"] = _files(out, stem, gallery is not None)
    (out / f"{stem}.json").write_text(json.dumps(redacted(body), indent=1, allow_nan=False), encoding="utf-8")
    return atoms, body


def _network(atoms: "AtomMap") -> dict[str, Any] | None:
    """What the second reader adds; None without one."""
    if not atoms.network_sha256:
        return None
    rows = zip(atoms.extras_xy, atoms.extras_score, strict=True)
    between = [
        {"x_px": round(float(x), 3), "y_px": round(float(y), 3), "score": round(float(s), 3)}
        for (x, y), s in rows
    ]
    agreement = None if atoms.agreement is None else round(atoms.agreement, 4)
    return {"sha256": atoms.network_sha256, "agreement": agreement, "atoms_between_columns": between}


_CANDIDATE = 0.05
"""Sites with at least this probability of being vacant are listed."""


def _atoms(atoms: "AtomMap") -> list[dict[str, Any]]:
    """Positions of the columns, x = column, y = row, 0 = centre of the first pixel."""
    rows = zip(atoms.atoms_xy, atoms.atoms_sigma_pm, strict=True)
    return [
        {"x_px": round(float(x), 3), "y_px": round(float(y), 3), "sigma_pm": round(float(sigma), 2)}
        for (x, y), sigma in rows
    ]


def _candidates(atoms: "AtomMap") -> list[dict[str, Any]]:
    """Sites that may be vacant, the likeliest first."""
    order = [i for i in atoms.sites_p_vacancy.argsort()[::-1] if atoms.sites_p_vacancy[i] >= _CANDIDATE]
    return [
        {
            "x_px": round(float(atoms.sites_xy[i][0]), 3),
            "y_px": round(float(atoms.sites_xy[i][1]), 3),
            "p": round(float(atoms.sites_p_vacancy[i]), 4),
            "kind": atoms.sites_state[i],
            "examined": bool(atoms.sites_examined[i]),
        }
        for i in order
    ]


def _files(out: Path, stem: str, gallery: bool) -> dict[str, str]:
    names = {"overlay": "-overlay.png", "atoms": "-atoms.csv", "vacancies": "-vacancies.csv", "json": ".json"}
    if gallery:
        names["gallery"] = "-unsure.png"
    return {kind: str(out / f"{stem}{suffix}") for kind, suffix in names.items()}


def _write_tables(atoms: "AtomMap", out: Path, stem: str) -> None:
    import csv

    with open(out / f"{stem}-atoms.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["x_px", "y_px", "sigma_pm", "counts", "sublattice", "state"])
        rows = zip(atoms.atoms_xy, atoms.atoms_sigma_pm, atoms.atoms_counts, atoms.atoms_site, strict=True)
        for (x, y), sigma, counts, site in rows:
            table.writerow([f"{x:.3f}", f"{y:.3f}", f"{sigma:.2f}", f"{counts:.5g}", int(atoms.sites_sublattice[site]),
                            atoms.sites_state[site]])  # fmt: skip
    with open(out / f"{stem}-vacancies.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(
            ["x_px", "y_px", "p_vacancy", "state", "sublattice", "relative_brightness", "examined"]
        )
        for site, (x, y), p in zip(atoms.vacancies_site, atoms.vacancies_xy, atoms.vacancies_p, strict=True):
            kind = int(atoms.sites_sublattice[site])
            relative, examined = f"{atoms.sites_relative[site]:.3f}", int(atoms.sites_examined[site])
            table.writerow(
                [f"{x:.3f}", f"{y:.3f}", f"{p:.4f}", atoms.sites_state[site], kind, relative, examined]
            )


def _shown(path: str | Path) -> str:
    """The name of a file in quotes: it could be that of a gate that was approved."""
    from eucentric.core.text import quoted

    return quoted(Path(path).name, limit=80)


def _table(
    done: list[dict[str, Any]], failed: list[dict[str, Any]], pooled: dict[str, Any] | None, out: Path
) -> None:
    """For people: one block an image, then the density."""
    from eucentric.core.text import visible

    for body in done:
        click.echo(f"image {_shown(body['image'])}")
        if body["pixel_pm"] is not None:
            click.echo(f"  pixel      {body['pixel_pm']:.2f} ± {body['pixel_pm_sigma']:.2f} pm")
            click.echo(
                f"  columns    {body['columns']:,}   vacancies {body['vacancies']}   unsure {body['unsure']}   "
                f"of {body['sites_examined']:,} sites examined"
            )
            click.echo(
                f"  quality    coherence {body['coherence']:.2f}, {body['residual_pm']:.0f} pm off the lattice, recall "
                f"{body['recall']:.2f}, {body['expected_false_calls']:.1f} false calls expected"
            )
        click.echo(f"  density    {density_line(body['findings'][0])}")
        for flag in body["flags"]:
            click.echo(f"  flag       {flag['code']}: {visible(flag['text'], limit=300)}")
        click.echo(f"  files      {visible(body['files']['overlay'], limit=300)}")
    for body in failed:
        error = body["error"]
        click.echo(
            f"image {_shown(body['image'])}\n  not done   {error['code']}  {visible(error['what'], limit=300)}"
        )
        for key in ("why", "remedy"):
            if error.get(key):
                click.echo(f"             {visible(error[key], limit=300)}")
    if pooled and len(done) > 1:
        click.echo(f"All images   {density_line(pooled)}")
    if done:
        click.echo(f"Results in   {visible(str(out), limit=300)}")


def density_line(finding: dict[str, Any]) -> str:
    """A density with its interval and denominator in one line."""
    if finding["cannot_tell"]:
        return f"cannot tell: {finding['cannot_tell']}"
    interval, of = finding["interval"], finding["of"]
    if interval["only_upper"]:
        return f"below {interval['high']:.2g} % of {of:,} sites (95 %): nothing above the expected false calls was seen"
    return (
        f"{interval['value']:.2f} % of {of:,} sites (95 %: {interval['low']:.2f} … {interval['high']:.2f}), "
        f"recall {finding['details']['recall']:.2f} applied"
    )
