"""A specimen declared as data: material, flakes, film, contamination, height."""

from typing import Annotated

from pydantic import Field, model_validator

from eucentric.core.base import Model


class ColumnSpec(Model):
    """One atomic column of the plan-view cell."""

    site: tuple[float, float]
    """Fractional coordinates in the hexagonal cell."""
    elements: dict[str, Annotated[float, Field(gt=0)]]
    """Atoms of each element in one layer."""


class MaterialSpec(Model):
    """A layered material seen along its layer normal; the cell is hexagonal."""

    formula: str
    lattice_a_angstrom: float = Field(gt=0.5, lt=50)
    layer_height_nm: float = Field(1.0, gt=0)
    vacant_element: str
    """The element whose sites may be empty; the rest of the column stays."""
    columns: tuple[ColumnSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _vacant_is_there(self) -> "MaterialSpec":
        if not any(self.vacant_element in column.elements for column in self.columns):
            raise ValueError(f"vacant_element {self.vacant_element!r} is in no column")
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

    @model_validator(mode="after")
    def _not_too_many(self) -> "FlakesSpec":
        if (self.extent_um / self.pitch_um) ** 2 > 100_000:
            raise ValueError("more than 100000 flakes: enlarge pitch_um or reduce extent_um")
        return self


class TextureSpec(Model):
    """Octaves of smooth noise."""

    cells_nm: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _paired(self) -> "TextureSpec":
        if len(self.cells_nm) != len(self.sigmas) or any(cell <= 0 for cell in self.cells_nm):
            raise ValueError("cells_nm and sigmas need the same length, cells above zero")
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
