"""What a model says of itself: data, seed, figures, limits."""

from typing import Any

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.text import visible

FORMAT = 1
"""Of the file; a reader refuses what it does not know."""


class Fusion(Model):
    """Logistic calibration of both stages, fitted on drawn scenes: logit p = offset + lattice·L + network·N."""

    offset: float
    lattice: float = Field(ge=0)
    """Of the logit of the lattice stage's probability."""
    network: float = Field(ge=0)
    """Of the logit of the network's vacancy score at the site."""
    sites: int = Field(ge=0)
    """That it was fitted on."""
    gain: float
    """Log-likelihood per site won over the lattice stage alone, on scenes that it was not fitted on."""


class Card(Model):
    """The model card. It is part of the file, so that it cannot be lost."""

    format: int = FORMAT
    name: str = Field(min_length=1, max_length=80)
    width: int = Field(ge=4, le=64)
    parameters: int = Field(ge=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the weights: names, shapes, types and bytes."""
    grid_a: float
    """Pixel of the physical grid [Å]."""
    channels: tuple[str, ...]
    materials: tuple[str, ...]
    """Crystals that scenes were drawn of."""
    images: tuple[str, ...] = ()
    """Real images that gave labels of their own: sha256 of the pixels."""
    validation: tuple[str, ...] = ()
    """Images that were only looked at: sha256."""
    corrections: int = 0
    """Sites that a person had judged."""
    seed: int
    steps: int
    batch: int
    crop_px: int
    threads: int
    torch_version: str
    cpu_s: float
    """CPU seconds of the training."""
    loss: tuple[float, float]
    """Mean over the first and the last tenth of the steps."""
    figures: dict[str, dict[str, float | int | None]]
    """On scenes drawn from another stream of random numbers, and on validation images."""
    recipe: dict[str, Any]
    limits: tuple[str, ...]
    fusion: dict[str, Fusion] = Field(default_factory=dict)
    """By phase, for those that the lattice stage reads."""


LIMITS = (
    "trained on the linear image model: thin specimens along a zone axis, columns wider than 0.38 Å and narrower than "
    "0.64 Å; not on thick crystals, stacking or strong tilts",
    "places are centroids of a map drawn by a prior, not fits: strain must not be read from them",
    "scores are no probabilities; no density is claimed from them alone",
    "below about 30 counts a column no vacancy is found",
)


def card_text(card: Card) -> str:
    """The card for a person."""
    lines = [
        f"Model     {visible(card.name, limit=80)}   {card.parameters:,} parameters, grid {card.grid_a:g} Å/px",
        f"Weights   sha256 {card.sha256}",
        f"Data      scenes drawn of {', '.join(visible(name, limit=40) for name in card.materials)}"
        + (f"; {_some(len(card.images), 'real image')} labelled by lattice and fit" if card.images else "")
        + (f"; {_some(card.corrections, 'site')} judged by a person" if card.corrections else ""),
        f"Training  seed {card.seed}, {card.steps} steps of {card.batch} crops of {card.crop_px}² px, "
        f"{_some(card.threads, 'thread')}, torch {visible(card.torch_version, limit=40)}, {card.cpu_s:.0f} CPU-s",
        f"Loss      {card.loss[0]:.4f} at first, {card.loss[1]:.4f} at last",
        *(_figure_line(name, row) for name, row in card.figures.items()),
        *(f"Limit     {visible(limit, limit=300)}" for limit in card.limits),
    ]
    lines += [
        f"Fusion    {visible(name, limit=40)}: {one.sites:,} sites, gain {1000 * one.gain:+.2f} millinats a site"
        for name, one in card.fusion.items()
    ]
    return "\n".join(lines)


def _some(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _figure_line(name: str, row: dict[str, float | int | None]) -> str:
    shown = ", ".join(
        f"{visible(key, limit=40)} {'–' if value is None else value}" for key, value in row.items()
    )
    return f"Figures   {visible(name, limit=60):<18} {shown}"
