"""A world declared as data: material, flakes, film, contamination, height, optics, detectors and faults."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.instruments.twin.camera_spec import CameraModel
from eucentric.instruments.twin.damage_spec import DamageSpec
from eucentric.instruments.twin.faults import FaultSpec
from eucentric.instruments.twin.optics.spec import DETECTORS, DetectorModel, OpticsSpec, ScanUnitSpec
from eucentric.instruments.twin.presets import StagePreset
from eucentric.instruments.twin.specimen_spec import (
    AtomsSpec,
    BarsSpec,
    ClusterSpec,
    ContaminationSpec,
    DefectSpec,
    FilmSpec,
    FlakesSpec,
    GrainsSpec,
    GratingSpec,
    HeightSpec,
    MaterialSpec,
    ParticlesSpec,
    ResidueSpec,
)


class HealthSpec(Model):
    """The undisturbed instrument's gauges."""

    vacuum_mbar: float = Field(1.5e-7, gt=0)
    """Column pressure."""
    emission_ua: float = Field(5.0, gt=0)


class PolePieceSpec(Model):
    """The true gap and holder: the twin stops a move in which they touch. Sizes are assumed."""

    gap_mm: float = Field(5.4, gt=0)
    holder_half_width_mm: float = Field(3.5, gt=0)
    """Across the alpha axis (y)."""
    holder_half_length_mm: float = Field(3.5, gt=0)
    """Of the tilting cradle, along the alpha axis (x)."""
    holder_thickness_mm: float = Field(2.0, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> "PolePieceSpec":
        if self.holder_thickness_mm >= self.gap_mm:
            raise ValueError("the holder is thicker than the gap")
        return self

    @property
    def half_sizes_m(self) -> tuple[float, float, float]:
        """Half of the holder's box along x, y, z [m]."""
        sizes = (self.holder_half_length_mm, self.holder_half_width_mm, self.holder_thickness_mm / 2)
        return sizes[0] * 1e-3, sizes[1] * 1e-3, sizes[2] * 1e-3


class WorldSpec(Model):
    """Everything about a simulated specimen and instrument that is not drawn from the seed."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")
    description: str = ""
    holder: str = Field("double-tilt A", max_length=80)
    loading: str = Field("twin-1", max_length=80)
    """Identity of the specimen loading that the instrument reports."""
    vacancy_fraction: float = Field(0.0, ge=0, le=0.5)
    """Of the sites of the material's `vacant_element`: short for a defect of kind vacancy."""
    vacancy_pairing: float = Field(0.0, ge=0, le=0.5)
    material: MaterialSpec | None = None
    """What the flakes are made of."""
    defects: tuple[DefectSpec, ...] = ()
    clusters: ClusterSpec = ClusterSpec()
    flakes: FlakesSpec | None = None
    film: FilmSpec | None = None
    grating: GratingSpec | None = None
    grains: GrainsSpec | None = None
    particles: ParticlesSpec = ParticlesSpec()
    atoms: AtomsSpec | None = None
    bars: BarsSpec | None = None
    residue: ResidueSpec = ResidueSpec()
    contamination: ContaminationSpec = ContaminationSpec(share_of_monolayer=0.0)
    damage: DamageSpec = DamageSpec()
    height: HeightSpec = HeightSpec()
    optics: OpticsSpec = OpticsSpec()
    scan: ScanUnitSpec = ScanUnitSpec()
    column: str = Field("", max_length=40)
    """Name of a column that was put in place of the world's own, for the instrument's name."""
    pole_piece: PolePieceSpec = PolePieceSpec()
    health: HealthSpec = HealthSpec()
    beam_idle: Literal["blanked", "parked"] = "blanked"
    """Where the beam is between unblanking and the first pixel, and after the last one."""
    unblank_s: float = Field(0.0, ge=0)
    """How long it stands on the first and on the last pixel, if parked; 0: for the frame's overhead [s]."""
    detectors: dict[str, DetectorModel] = Field(default_factory=lambda: dict(DETECTORS))
    cameras: dict[str, CameraModel] = Field(default_factory=dict)
    """What records diffraction patterns, below all detectors."""
    stages: dict[str, StagePreset] = Field(default_factory=dict)
    """Stage presets of this world, beside the built-in ones."""
    faults: dict[str, tuple[FaultSpec, ...]] = Field(default_factory=dict)
    """Named lists of faults."""

    @model_validator(mode="after")
    def _complete(self) -> "WorldSpec":
        if (self.flakes is None) != (self.material is None):
            raise ValueError("flakes and material belong together: one of them is missing")
        if both := set(self.detectors) & set(self.cameras):
            raise ValueError(f"{', '.join(sorted(both))} is a detector and a camera")
        return self


def shipped_worlds() -> tuple[str, ...]:
    """Names of the worlds that come with the package (NAME.card.toml is a specimen card, not a world)."""
    folder = resources.files("eucentric.instruments.twin") / "worlds"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".toml") and name.count(".") == 1))


def _text(world: str) -> str:
    if world in shipped_worlds():
        return (resources.files("eucentric.instruments.twin") / "worlds" / f"{world}.toml").read_text("utf-8")
    path = Path(world).expanduser()
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadInput(
            f"no world {visible(world, limit=200)!r}",
            visible(str(error), limit=200),
            f"shipped worlds: {', '.join(shipped_worlds())}; or the path of a TOML file",
        ) from error


def _beside(spec: WorldSpec, world: str) -> WorldSpec:
    """The same with a relative path of atoms made absolute, if there is such a file beside the world's."""
    if spec.atoms is None or world in shipped_worlds():
        return spec
    near = Path(world).expanduser().resolve().parent / spec.atoms.file
    if not near.is_file():
        return spec
    return spec.model_copy(update={"atoms": spec.atoms.model_copy(update={"file": str(near)})})


def load_world(world: str) -> WorldSpec:
    """The world of that name, or the one described in a TOML file at that path.

    Raises
    ------
    BadInput
        No such world, not TOML, or a field that is unknown, missing or out of range.
    """
    text = _text(world)
    try:
        return _beside(WorldSpec.model_validate(tomllib.loads(text)), world)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"world {visible(world, limit=200)!r} is not TOML", visible(str(error))) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(
            f"world {visible(world, limit=200)!r}: {visible(where)}",
            visible(first["msg"]),
            "compare with the shipped worlds/mxene.toml",
        ) from error
