"""A layered specimen declared as data: grid, film, flakes and their atoms, residue, contamination, height."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.scattering import atomic_number

Share = Annotated[float, Field(ge=0, le=0.5)]


def checked_element(element: str) -> str:
    """The symbol, if it is one (ValueError)."""
    try:
        atomic_number(element)
    except BadInput as error:
        raise ValueError(f"{error.what}: {error.remedy}") from error
    return element


Element = Annotated[str, AfterValidator(checked_element)]


class TextureSpec(Model):
    """Octaves of smooth noise."""

    cells_nm: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _paired(self) -> "TextureSpec":
        if len(self.cells_nm) != len(self.sigmas) or any(cell <= 0 for cell in self.cells_nm):
            raise ValueError("cells_nm and sigmas need the same length, cells above zero")
        return self


class ColumnSpec(Model):
    """One atomic column of the plan-view cell."""

    site: tuple[float, float]
    """Fractional coordinates in the hexagonal cell."""
    elements: dict[Element, Annotated[float, Field(gt=0)]]
    """Atoms of each element in one layer."""
    z_nm: dict[Element, tuple[float, ...]] = Field(default_factory=dict)
    """Heights of these atoms over the middle of the layer, one each; left out: all at 0. Seen in tilted views."""

    @model_validator(mode="after")
    def _as_many(self) -> "ColumnSpec":
        for element, heights in self.z_nm.items():
            if len(heights) != self.elements.get(element):
                raise ValueError(f"z_nm of {element} needs one height for each of its atoms")
        return self


class MaterialSpec(Model):
    """A layered material seen along its layer normal; the cell is hexagonal."""

    formula: str
    lattice_a_angstrom: float = Field(gt=0.5, lt=50)
    layer_height_nm: float = Field(1.0, gt=0)
    vacant_element: Element
    """The element whose sites may be empty; the rest of the column stays."""
    columns: tuple[ColumnSpec, ...] = Field(min_length=1)
    stacking: Literal["same", "turned"] = "same"
    """Every layer like the first, or every second one turned by 180° about the site (0, 0), as in 2H-MoS2."""

    @model_validator(mode="after")
    def _vacant_is_there(self) -> "MaterialSpec":
        if not any(self.vacant_element in column.elements for column in self.columns):
            raise ValueError(f"vacant_element {self.vacant_element!r} is in no column")
        return self

    @property
    def contained(self) -> frozenset[str]:
        """All its elements."""
        return frozenset(element for column in self.columns for element in column.elements)


class DefectSpec(Model):
    """One kind of point defect, at random sites."""

    kind: Literal["vacancy", "substitution", "adatom"]
    element: Element
    """Whose atoms are missing or replaced; for an adatom, on whose columns it sits."""
    fraction: Share
    """Of these atoms; for adatoms, of these columns, on top of the stack."""
    by: Element | None = None
    """What takes the place, or what sits on top; an adatom may leave it out: then it is `element`."""
    pairing: Share = 0.0
    """Vacancies only: chance that a vacancy takes a neighbour of the same plane with it."""

    @model_validator(mode="after")
    def _complete(self) -> "DefectSpec":
        if self.kind == "substitution" and self.by is None:
            raise ValueError("a substitution needs 'by', the element that takes the place")
        if self.kind == "vacancy" and self.by is not None:
            raise ValueError("nothing takes the place of a vacancy: leave 'by' out")
        if self.pairing and self.kind != "vacancy":
            raise ValueError("only vacancies are paired")
        return self


class ClusterSpec(Model):
    """Clusters of vacancies: all atoms of one element within a small circle are missing, in one layer."""

    per_um2: float = Field(0.0, ge=0, le=5e4)
    radius_nm: float = Field(0.35, gt=0, le=3.0)
    """Median; spread by a quarter."""


class TwistSpec(Model):
    """Flakes whose upper layers are turned against the lower ones: rotated bilayers and stacks."""

    share: float = Field(0.0, ge=0, le=1)
    """Of the flakes with two layers or more."""
    low_deg: float = Field(1.0, ge=0, le=30)
    high_deg: float = Field(30.0, ge=0, le=30)


class FoldSpec(Model):
    """Flakes with one side folded over."""

    share: float = Field(0.0, ge=0, le=1)
    """Of all flakes."""
    low: float = Field(0.08, gt=0, lt=0.4)
    """Narrowest flap, as a part of the flake's width."""
    high: float = Field(0.25, gt=0, lt=0.4)


class BarsSpec(Model):
    """The grid's bars: opaque, with tapered edges. An opening is centred on the stage's origin at no turn."""

    pitch_um: float = Field(gt=10)
    width_um: float = Field(gt=0)
    turn_deg: float = 0.0
    element: Element = "Cu"
    thickness_um: float = Field(15.0, gt=0.1)
    taper_um: float = Field(1.5, gt=0)
    """Width of the edge over which the thickness grows."""

    @model_validator(mode="after")
    def _open(self) -> "BarsSpec":
        if self.width_um >= self.pitch_um:
            raise ValueError("the bars are wider than their pitch")
        return self


class ResidueSpec(Model):
    """Small crystals left on film and flakes, such as salt from an etch."""

    per_um2: float = Field(0.0, ge=0, le=50)
    size_nm: float = Field(50.0, gt=1, le=1000)
    """Median edge; spread log-normally by `log_sigma`."""
    log_sigma: float = Field(0.5, ge=0, le=1)
    height_share: float = Field(0.4, gt=0, le=2)
    """Thickness over edge."""
    elements: dict[Element, Annotated[float, Field(gt=0)]] = Field(
        default_factory=lambda: {"Li": 1.0, "F": 1.0}
    )
    atoms_per_nm3: float = Field(122.0, gt=1)


class GratingSpec(Model):
    """A cross-grating replica: ridges of metal along both directions of a square net, of certified pitch."""

    pitch_nm: float = Field(463.0, gt=50, le=1e5)
    """2160 lines a millimetre."""
    width_nm: float = Field(90.0, gt=5)
    """Of a ridge."""
    turn_deg: float = Field(0.0, gt=-45, le=45)
    """From the stage's x axis to the first direction, towards y."""
    element: Element = "Au"
    thickness_nm: float = Field(6.0, gt=0, le=100)
    """Of the metal on the ridges."""
    roughness_nm: float = Field(6.0, ge=0, le=50)
    """By which edges wander, one sigma; the middle of a ridge keeps its place on average."""

    @model_validator(mode="after")
    def _open(self) -> "GratingSpec":
        if self.width_nm >= self.pitch_nm:
            raise ValueError("the ridges are wider than their pitch")
        return self


class ParticlesSpec(Model):
    """Metal particles on the film: spheres of all sizes, at random places."""

    per_um2: float = Field(0.0, ge=0, le=5000)
    diameter_nm: float = Field(10.0, gt=0.5, le=500)
    """Median; spread log-normally by `log_sigma`."""
    log_sigma: float = Field(0.25, ge=0, le=1)
    element: Element = "Au"
    atoms_per_nm3: float = Field(59.0, gt=1)


class GrainsSpec(Model):
    """A foil of grains: Voronoi cells, each a crystal that lies as its seed says."""

    phases: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = Field(
        min_length=1, max_length=20
    )
    """Structures that ship, such as SrTiO3; each grain is of one of them."""
    size_um: float = Field(2.0, gt=0.05, le=500)
    """Mean distance of grains."""
    thickness_nm: float = Field(80.0, gt=2, le=1000)
    texture: TextureSpec = TextureSpec()
    """Of the thickness, relative."""
    channelling: float = Field(0.5, ge=0, le=3)
    """By which a low-index axis on the beam brightens the high-angle signal, at most (assumed)."""


class AtomsSpec(Model):
    """Atoms from a file: a CIF, an xyz file or a LAMMPS dump; laid down with its middle at a place."""

    file: str = Field(min_length=1, max_length=4000)
    """Path, or the name of a shipped phase such as SrTiO3."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """Of the file: another content is then refused."""
    centre_um: tuple[float, float] = (0.0, 0.0)
    width_nm: float = Field(200.0, gt=0, le=20_000)
    """A periodic structure is repeated over a square of this edge; others lie there once."""
    thickness_nm: float = Field(5.0, gt=0, le=50)
    """A periodic structure is repeated to this thickness; a cell that is thicker than that is taken as it is."""
    zone: tuple[int, int, int] = (0, 0, 1)
    """Direction [uvw] of the cell that points to the gun."""
    turn_deg: float = 0.0
    """About the beam, from x towards y."""
    elements: dict[int, Element] = Field(default_factory=dict)
    """Of the atom types of a LAMMPS dump, where the file does not name them."""

    @model_validator(mode="after")
    def _a_direction(self) -> "AtomsSpec":
        if not any(self.zone):
            raise ValueError("zone [000] is no direction")
        return self


class WidthSpec(Model):
    """A clipped log-normal width."""

    median: float = Field(gt=0)
    log_sigma: float = Field(ge=0)
    low: float = Field(gt=0)
    high: float = Field(gt=0)


class FlakesSpec(Model):
    """Flakes on a jittered grid."""

    extent_um: float = Field(gt=0, le=2000)
    pitch_um: float = Field(gt=0)
    width_um: WidthSpec
    layers: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(min_length=1)
    """A deck: each run of neighbours holds every card once."""
    irregularity: float = Field(0.3, ge=0, lt=1)
    twist: TwistSpec = TwistSpec()
    fold: FoldSpec = FoldSpec()

    @model_validator(mode="after")
    def _not_too_many(self) -> "FlakesSpec":
        if (self.extent_um / self.pitch_um) ** 2 > 100_000:
            raise ValueError("more than 100000 flakes: enlarge pitch_um or reduce extent_um")
        return self


class FilmSpec(Model):
    """Amorphous carbon with irregular holes."""

    thickness_nm: float = Field(ge=0)
    hole_pitch_um: float = Field(ge=0.2)
    hole_diameter_um: float = Field(ge=0)
    hole_spread: float = Field(0.0, ge=0, lt=1)
    hole_jitter_um: float = Field(0.0, ge=0)
    hole_irregularity: float = Field(0.0, ge=0, lt=0.5)
    texture: TextureSpec = TextureSpec()


class ContaminationSpec(Model):
    """Hydrocarbon on everything solid."""

    share_of_monolayer: float = Field(ge=0)
    texture: TextureSpec = TextureSpec()


class HeightSpec(Model):
    """Height of the specimen over the eucentric plane; the texture's sigmas are in nm."""

    texture: TextureSpec = TextureSpec()
    max_tilt_deg: float = Field(0.0, ge=0, le=20)
