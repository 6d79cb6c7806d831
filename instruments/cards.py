"""Specimen cards that come with simulated worlds. A real specimen's card is always given by a person."""

from pathlib import Path

from eucentric.core.request import SpecimenCard
from eucentric.core.settings import load_model

_WORLDS = Path(__file__).parent / "twin" / "worlds"


def card_of_twin(uri: str) -> SpecimenCard | None:
    """The card beside a twin's world file (`NAME.card.toml`), or None: then nothing is exposed."""
    if not uri.startswith("twin:"):
        return None
    world = uri.removeprefix("twin:").removeprefix("//").split("?")[0]
    named = Path(world) if world.endswith(".toml") else _WORLDS / f"{Path(world).name}.toml"
    card = named.with_suffix(".card.toml")
    return load_model(card, "specimen card", SpecimenCard) if card.exists() else None
