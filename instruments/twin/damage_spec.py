"""What the beam does to a specimen, declared as data. The defaults do nothing; all figures of worlds are assumed."""

from typing import Annotated

from pydantic import Field

from eucentric.core.base import Model
from eucentric.instruments.twin.specimen_spec import Element


class GrowthSpec(Model):
    """Hydrocarbons that the beam fixes."""

    most: float = Field(0.0, ge=0, le=20)
    """Grown in the end, as a multiple of a monolayer's brightness in the annular reference detector."""
    e_per_a2: float = Field(1e6, gt=0)
    """Dose at which 63 % of it has grown."""


class EtchSpec(Model):
    """Pores in flakes, from residual gas: nuclei that open one after the other and then grow."""

    per_um2: float = Field(0.0, ge=0, le=1e5)
    """Nuclei."""
    onset_e_per_a2: float = Field(1e6, gt=0)
    """Dose by which 63 % of them have opened, in a monolayer; n layers take n times as much."""
    radius_nm: float = Field(1.0, gt=0)
    """By which a pore has grown after another such dose; as the square root of the dose."""


class DamageSpec(Model):
    """Processes and their rates at the world's voltage; dose is that of true tiles."""

    displacement_ev: dict[Element, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Knock-on threshold of an element: lost by the McKinley-Feshbach cross-section, never if the largest transfer
    stays below it (Ti at 60-80 kV)."""
    excitation_a2: dict[Element, Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=dict)
    """Cross-section of loss by excitation and radiolysis [Å²]: terminations, sulphur."""
    growth: GrowthSpec = GrowthSpec()
    etch: EtchSpec = EtchSpec()
    amorphous_e_per_a2: float | None = Field(None, gt=0)
    """Dose by which 63 % of the patches of a flake have lost their order; None: never."""
