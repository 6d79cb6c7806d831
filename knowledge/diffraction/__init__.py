"""Electron diffraction: what a crystal scatters, where spots and bands are, what a pattern says. The room's door.

Degrees and ångström; lab frame and orientation of convention C1. Electrons run along -z of the lab frame.
"""

from eucentric.knowledge.diffraction.distortion import LayerTilt, layer_tilt
from eucentric.knowledge.diffraction.factors import (
    atomic_factor_a,
    extinction_distance_a,
    relativistic_mass,
    structure_factors_a,
)
from eucentric.knowledge.diffraction.indexing import Indexed, Indexing, Verdict, index_spots
from eucentric.knowledge.diffraction.kikuchi import Bands, bands, zone_axis_at
from eucentric.knowledge.diffraction.laue import ZoneOffset, offset_by_spots
from eucentric.knowledge.diffraction.matching import Seen
from eucentric.knowledge.diffraction.picture import (
    Look,
    band_image,
    counted,
    inelastic_share,
    layer_pattern,
    pattern,
    spot_image,
)
from eucentric.knowledge.diffraction.reflections import Reflections, is_extinct, reflections
from eucentric.knowledge.diffraction.screen import Screen
from eucentric.knowledge.diffraction.spots import Illumination, Spots, excitation_errors, layer_spots, spots
from eucentric.knowledge.diffraction.structure import (
    Atom,
    Structure,
    known_structures,
    read_structure,
    structure_named,
    structure_of,
)
from eucentric.knowledge.diffraction.zone import nearest_zone_axis

__all__ = [
    "Atom", "Bands", "Illumination", "Indexed", "Indexing", "LayerTilt", "Look", "Reflections", "Screen", "Seen",
    "Spots", "Structure", "Verdict", "ZoneOffset", "atomic_factor_a", "band_image", "bands", "counted",
    "excitation_errors", "extinction_distance_a", "index_spots", "inelastic_share", "is_extinct", "known_structures",
    "layer_pattern", "layer_spots", "layer_tilt", "nearest_zone_axis", "offset_by_spots", "pattern", "read_structure",
    "reflections", "relativistic_mass", "spot_image", "spots", "structure_factors_a", "structure_named",
    "structure_of", "zone_axis_at",
]  # fmt: skip
