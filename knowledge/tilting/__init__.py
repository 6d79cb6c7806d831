"""Tilting by hand: what is known of a crystal, where it can be tilted to, and a map of it. The room's door."""

from eucentric.knowledge.tilting.answer import Answer, Neighbour, Option, Way, answered, neighbours
from eucentric.knowledge.tilting.band import Along, along
from eucentric.knowledge.tilting.situation import Situation, from_readings, look_next
from eucentric.knowledge.tilting.target import Target, bracketed, name_of, on_hexagonal_axes, target_of

__all__ = [
    "Along", "Answer", "Neighbour", "Option", "Situation", "Target", "Way", "along", "answered", "bracketed",
    "from_readings", "look_next", "name_of", "neighbours", "on_hexagonal_axes", "target_of",
]  # fmt: skip
