"""`eucentric notebook new` and `phase`."""

import hashlib
from pathlib import Path
from typing import Any

import click

from eucentric.cli.holder import HOLDERS, limits_named, phase_named, signs_of
from eucentric.cli.notebook.opening import found, made, opened, said, tell, writing_options
from eucentric.cli.options import json_option


@click.command()
@click.argument("name")
@click.option("--specimen", help="What it is [NAME].")
@click.option(
    "--phase", "phases", multiple=True, help="A CIF, or a phase that ships; may be given more than once."
)
@click.option("--microscope", default="", help="Which one; then a calibration is begun.")
@click.option("--holder-name", default="holder", show_default=True, help="Which holder.")
@click.option(
    "--holder", type=click.Choice(["double", "rotate", "single"]), default="double", show_default=True
)
@click.option(
    "--limits", help="35,30 or -35:35,-25:30 or ellipse:A,B,R or outline:A,B;A,B;… or a limits file."
)
@click.option("--signs", help="Of alpha and beta, such as +-; left out: nobody watched.")
@click.option("--session", default="", help="Session or project.")
@click.option("--licence", default="", help="Under which others may use it, such as CC-BY-4.0.")
@click.option("--by", default="", help="Who writes [your login].")
@click.option("--orcid", default="", help="Of who writes.")
@json_option
def new(name: str, as_json: bool, by: str, orcid: str, **given: Any) -> None:
    """Begin the notebook NAME.notebook for one specimen."""
    from eucentric.knowledge.notebook import LoadingEntry, NotebookFile, SpecimenEntry
    from eucentric.knowledge.notebook.solving import software

    who = said(by, orcid, "")
    specimen = made(
        SpecimenEntry, **who, name=given["specimen"] or Path(name).stem, session=given["session"],
        licence=given["licence"], software=software(), material=", ".join(given["phases"]),
    )  # fmt: skip
    phases = [_phase(one, who) for one in given["phases"]]
    calibration = _calibration(given, who) if given["microscope"] else None
    path = found(Path(name))
    with NotebookFile.new(path, specimen) as file:
        ids = file.add(*phases, *([calibration] if calibration else []))
        ids += file.add(made(LoadingEntry, **who, calibration="cal1" if calibration else ""))
    lines = [f"{path}   {', '.join(('specimen1', *ids))}"]
    if calibration is None:
        lines.append(
            "no microscope yet: `eucentric notebook add-calibration` when limits and signs are known"
        )
    tell(as_json, lines, notebook=str(path), ids=["specimen1", *ids])


@click.command()
@click.argument("source", metavar="CIF|NAME")
@click.option("--replaces", default="", help="The phase that this one corrects.")
@writing_options
def phase(
    source: str, replaces: str, path: Path | None, by: str, orcid: str, note: str, as_json: bool
) -> None:
    """Add a crystal: a CIF, whose digest is kept, or a phase that ships."""
    with opened(path) as file:
        entry = _phase(source, said(by, orcid, note, replaces))
        (key,) = file.add(entry)
    crystal = entry.crystal
    tell(as_json, [f"{key}  {crystal.name}  {crystal.space_group}"], id=key, name=crystal.name)


def _phase(source: str, who: dict[str, str]) -> Any:
    from eucentric.knowledge.notebook import PhaseEntry

    crystal = phase_named(source)
    file = Path(source)
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
    return made(
        PhaseEntry, **who, crystal=crystal, source=file.name if digest else f"{source}, shipped with eucentric",
        cif_sha256=digest,
    )  # fmt: skip


def _calibration(given: dict[str, Any], who: dict[str, str]) -> Any:
    from eucentric.knowledge.notebook import CalibrationEntry

    alpha, beta = signs_of(given["signs"]) if given["signs"] else (None, None)
    holder = HOLDERS[given["holder"]]
    return made(
        CalibrationEntry, **who, microscope=given["microscope"], holder_name=given["holder_name"],
        holder=holder, alpha_sign=alpha, beta_sign=beta,
        limits=limits_named(given["limits"], holder) if given["limits"] else None,
    )  # fmt: skip
