"""Crystals and tilts: lattice, orientation, tilt, boundary. This is the room's one door (convention C1)."""

from eucentric.knowledge.crystal.bands import (
    Waypoint,
    along_band,
    edge_on_tilt,
    path_along_band,
    plane_normal,
    trace_deg,
    two_beam_tilt,
)
from eucentric.knowledge.crystal.boundary import (
    BoundaryReport,
    CommonAxis,
    Disorientation,
    PlaneIndices,
    boundary_plane,
    boundary_report,
    common_axes,
    disorientation,
    disorientation_angle_deg,
    misorientation,
)
from eucentric.knowledge.crystal.cell import Cell
from eucentric.knowledge.crystal.cif import read_crystal
from eucentric.knowledge.crystal.closed_form import other_branch
from eucentric.knowledge.crystal.crystal import Crystal, crystal_of
from eucentric.knowledge.crystal.csl import (
    Coincidence,
    brandon_limit_deg,
    deviation_deg,
    identify,
    nearest_coincidence,
)
from eucentric.knowledge.crystal.features import (
    EdgeOn,
    across_feature,
    edge_on_from_widths,
    line_direction,
    plane_through_lines,
    trace_plane_normals,
)
from eucentric.knowledge.crystal.indices import (
    direction_indices,
    four_direction_indices,
    four_plane_indices,
    low_indices,
    parse_indices,
    plane_indices,
    reduced,
    shown,
    zone_axis,
)
from eucentric.knowledge.crystal.limits import Box, Limits, Polygon, Superellipse
from eucentric.knowledge.crystal.next_axis import NextAxis, next_axis, spread_of_targets_deg
from eucentric.knowledge.crystal.observation import Observation
from eucentric.knowledge.crystal.orientation import Orientation, orientation_of, reloaded, turn_between_deg
from eucentric.knowledge.crystal.rotation import axis_angle, quaternion, unit
from eucentric.knowledge.crystal.solve import Candidate, equivalent, solve_orientation, twin_of
from eucentric.knowledge.crystal.stage import (
    Reading,
    Stage,
    angle_between_readings_deg,
    beam,
    lab_azimuth_deg,
    rotation,
    screen_azimuth_deg,
    shift_um,
)
from eucentric.knowledge.crystal.tilts import (
    Tilt,
    reachable_axes,
    tilt_to_axis,
    tilt_to_direction,
    tilts_to_family,
)
from eucentric.knowledge.crystal.uncertainty import Arrival, arrival_of, pointing_rms_deg, predicted_arrival
from eucentric.knowledge.crystal.unknown import LatticeMatch, Pattern, UnknownMap, rank_lattices, unknown_map

__all__ = [
    "Arrival", "BoundaryReport", "Box", "Candidate", "Cell", "Coincidence", "CommonAxis", "Crystal",
    "Disorientation", "EdgeOn", "LatticeMatch", "Limits", "NextAxis", "Observation", "Orientation",
    "Pattern", "PlaneIndices", "Polygon", "Reading", "Stage", "Superellipse", "Tilt", "UnknownMap",
    "Waypoint", "across_feature", "along_band", "angle_between_readings_deg", "arrival_of", "axis_angle",
    "beam", "boundary_plane", "boundary_report", "brandon_limit_deg", "common_axes", "crystal_of",
    "deviation_deg", "direction_indices", "disorientation", "disorientation_angle_deg",
    "edge_on_from_widths", "edge_on_tilt", "equivalent", "four_direction_indices", "four_plane_indices",
    "identify", "lab_azimuth_deg", "line_direction", "low_indices", "misorientation", "nearest_coincidence",
    "next_axis", "orientation_of", "other_branch", "parse_indices", "path_along_band", "plane_indices",
    "plane_normal", "plane_through_lines", "pointing_rms_deg", "predicted_arrival", "quaternion",
    "rank_lattices", "reachable_axes", "read_crystal", "reduced", "reloaded", "rotation",
    "screen_azimuth_deg", "shift_um", "shown", "solve_orientation", "spread_of_targets_deg", "tilt_to_axis",
    "tilt_to_direction", "tilts_to_family", "trace_deg", "trace_plane_normals", "turn_between_deg",
    "twin_of", "two_beam_tilt", "unit", "unknown_map", "zone_axis",
]  # fmt: skip
