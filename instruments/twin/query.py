"""The typed reading of `twin://WORLD?seed=7&stage=worn&clock=virtual`."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.instruments.twin.driver import TwinDriver
from eucentric.instruments.twin.fault_words import read_faults
from eucentric.instruments.twin.optics.presets import load_column, parsed, read_toml
from eucentric.instruments.twin.presets import StagePreset
from eucentric.instruments.twin.specimen.atomfile import find_atoms
from eucentric.instruments.twin.specimen_spec import AtomsSpec, ClusterSpec
from eucentric.instruments.twin.world import WorldSpec, load_world


class TwinQuery(Model):
    """What may stand behind the question mark. Nothing here is truth about the specimen but its seed."""

    seed: int = Field(0, ge=0, lt=2**63)
    stage: str = Field("good", min_length=1, max_length=4096)
    """A preset, or the path of a TOML file with one."""
    column: str = Field("", max_length=4096)
    """Optics, scan unit and detectors: a preset or the path of a TOML file; those of the world if not given."""
    clock: Literal["virtual", "paced", "real"] = "virtual"
    speed: float = Field(1.0, gt=0, le=1e4)
    """Instrument seconds a second, on a real or paced clock."""
    faults: str = Field("", max_length=2000)
    atoms: str = Field("", max_length=4000)
    """Path of a CIF, xyz file or LAMMPS dump, or a shipped phase: it lies there instead of the world's flakes."""


def _read(query: dict[str, str]) -> TwinQuery:
    try:
        return TwinQuery.model_validate_strings(query)
    except ValidationError as error:
        first = error.errors()[0]
        key = visible(".".join(str(part) for part in first["loc"]), limit=80)
        raise BadInput(
            f"twin option {key!r}: {visible(str(first['msg']))}",
            f"given {visible(str(first.get('input')), limit=80)!r}",
            f"known: {', '.join(TwinQuery.model_fields)}",
        ) from error


_NAME = re.compile(r"^[A-Za-z0-9_.-]{1,40}$")


def _named(path: str) -> str:
    stem = Path(path).stem
    if not _NAME.match(stem):
        raise BadInput(
            f"the name of {visible(path, limit=200)!r}",
            "it becomes part of the instrument's name: up to 40 of A-Z a-z 0-9 _ . -",
            "rename the file",
        )
    return stem


def _under(world: WorldSpec, column: str) -> WorldSpec:
    """The world with another column over it; the instrument's name tells."""
    preset = load_column(column)
    parts = {"optics": preset.optics, "scan": preset.scan, "detectors": preset.detectors}
    if preset.cameras:
        parts["cameras"] = preset.cameras
    return world.model_copy(update={**parts, "column": _named(column)})


def _on(world: WorldSpec, stage: str) -> tuple[WorldSpec, str]:
    """The world with the stage of a file among its own, and the name of the wanted one."""
    if not stage.endswith(".toml"):
        return world, stage
    text = read_toml(stage, "stage", "known: ideal, good, worn, piezo; or the path of a TOML file")
    preset = parsed(StagePreset, text, f"stage {visible(stage, limit=200)!r}")
    name = _named(stage)
    return world.model_copy(update={"stages": world.stages | {name: preset}}), name


def twin_driver(world: str, query: dict[str, str]) -> TwinDriver:
    """The twin of a URI.

    Parameters
    ----------
    world
        Name of a shipped world or path of a TOML file.
    query
        seed, stage (ideal, good, worn, piezo, the world's own or a file), column (tuned, uncorrected or a file), clock
        (virtual, paced, real), speed, faults, atoms.

    Raises
    ------
    BadInput
        Unknown world, key or value.
    """
    wanted, spec = _read(query), load_world(world)
    if wanted.atoms:
        spec = _with_atoms(spec, wanted.atoms)
    if wanted.column:
        spec = _under(spec, wanted.column)
    spec, stage = _on(spec, wanted.stage)
    return TwinDriver(
        spec,
        seed=wanted.seed,
        stage=stage,
        clock=wanted.clock,
        speed=wanted.speed,
        faults=read_faults(wanted.faults, spec.faults),
    )


def _with_atoms(world: WorldSpec, file: str) -> WorldSpec:
    """The world with these atoms in its flakes' place; its name tells which they are."""
    found = find_atoms(file)
    declared = (world.atoms or AtomsSpec(file=file)).model_copy(
        update={"file": str(found.path), "sha256": found.sha256}
    )
    name = f"{world.name[:31]}-{found.sha256[:8]}"
    nothing = {"flakes": None, "material": None, "defects": (), "clusters": ClusterSpec()}
    return world.model_copy(update={"name": name, "atoms": declared, **nothing})
