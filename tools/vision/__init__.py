"""Atoms and vacancies in images. This is the room's one door."""

from eucentric.tools.vision.atom_map import METHOD, AtomMap
from eucentric.tools.vision.atoms import find_atoms
from eucentric.tools.vision.files import SUFFIXES, read_frames, read_image
from eucentric.tools.vision.fusion import read_again, read_atoms
from eucentric.tools.vision.overlay import least_certain, write_gallery, write_overlay
from eucentric.tools.vision.scale import Scale, measure_scale
from eucentric.tools.vision.statistics import (
    Clustering,
    PairCorrelation,
    Topology,
    arrangement_of,
    clustering,
    combined_density,
    pair_correlation,
    topology,
    vacancy_density,
)

__all__ = [
    "METHOD", "SUFFIXES", "AtomMap", "Clustering", "PairCorrelation", "Scale", "Topology", "arrangement_of",
    "clustering", "combined_density", "find_atoms", "least_certain", "measure_scale", "pair_correlation",
    "read_again", "read_atoms", "read_frames", "read_image", "topology", "vacancy_density", "write_gallery",
    "write_overlay",
]  # fmt: skip
