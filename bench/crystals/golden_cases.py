"""Golden cases of crystallography, one function a kind: inputs in, everything its kind may expect out."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge import crystal as cr

Inputs = dict[str, Any]
Case = Callable[[cr.Crystal, Inputs], dict[str, Any]]
_LIMITS: TypeAdapter[cr.Limits] = TypeAdapter(cr.Limits)
_NO_CRYSTAL = (1.0, 1.0, 1.0, 90.0, 90.0, 90.0)
"""Stands in where a case has no crystal and uses none."""


def outputs_of(case: dict[str, Any]) -> dict[str, Any]:
    """What a case comes to, under the keys it expects (all keys of its kind if it states none).

    Raises
    ------
    BadInput
        If the kind is not known or the inputs make no sense.
    """
    kind = case["kind"]
    if kind not in KINDS:
        raise BadInput(
            f"there is no case kind {visible(str(kind), limit=60)!r}",
            f"known: {', '.join(KINDS)}",
            "give cases of these kinds",
        )
    outputs = KINDS[kind](_crystal(case.get("crystal")), case["inputs"])
    expected = case.get("expected")
    return {key: outputs[key] for key in expected if key in outputs} if expected else outputs


def _crystal(data: dict[str, Any] | None) -> cr.Crystal:
    if data is None:
        return cr.crystal_of(_NO_CRYSTAL, 221)
    return cr.crystal_of(data["cell_A_deg"], data["space_group"], data.get("name", ""))


def _stage(inputs: Inputs) -> cr.Stage:
    limits = inputs.get("limits")
    return cr.Stage(
        holder=inputs.get("holder", "double_tilt"),
        limits=None if limits is None else _LIMITS.validate_python(limits),
    )


def _reading(data: Any) -> cr.Reading:
    if isinstance(data, dict):
        return cr.Reading(
            alpha_deg=data["alpha_deg"], beta_deg=data.get("beta_deg", data.get("psi_deg", 0.0))
        )
    return cr.Reading(alpha_deg=data[0], beta_deg=data[1])


def _orientation(inputs: Inputs, key: str = "G_crystal_to_sample") -> cr.Orientation:
    return cr.orientation_of(inputs[key])


def _pair(alpha_deg: float, beta_deg: float) -> dict[str, float]:
    return {"alpha_deg": alpha_deg, "beta_deg": beta_deg}


def _interplanar_angle(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    return {"angle_deg": crystal.planes_angle_deg(inputs["hkl_1"], inputs["hkl_2"])}


def _zone_axis_angle(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    return {"angle_deg": crystal.directions_angle_deg(inputs["uvw_1"], inputs["uvw_2"])}


def _plane_direction_angle(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    return {"angle_deg": crystal.plane_direction_angle_deg(inputs["hkl"], inputs["uvw"])}


def _d_spacing(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    return {"d_A": crystal.spacing_angstrom(inputs["hkl"])}


def _zone_axis(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    return {"uvw": list(cr.zone_axis(inputs["hkl_1"], inputs["hkl_2"]))}


def _four_to_three(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    uvw = cr.reduced(cr.direction_indices(inputs["UVTW"]))
    return {"uvw_reduced": list(uvw), "angle_to_c_deg": crystal.directions_angle_deg(uvw, (0, 0, 1))}


def _family_angles(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    first, second = (crystal.direction_family(inputs[key]) for key in ("family_1", "family_2"))
    angles = [crystal.directions_angle_deg(first[0], member) for member in second.tolist()]
    folded = sorted(min(angle, 180 - angle) for angle in angles)
    distinct = [a for k, a in enumerate(folded) if k == 0 or a - folded[k - 1] > 1e-6]
    return {"angles_deg_0_90": distinct}


def _multiplicity(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    family = crystal.direction_family if inputs["index_type"] == "uvw" else crystal.plane_family
    return {"multiplicity": len(family(inputs["indices"]))}


def _from_two_axes(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    stage, readings = _stage(inputs), inputs["observations"]
    observations = [
        cr.Observation(uvw=tuple(o["uvw"]), reading=_reading(o), sense="as_given") for o in readings
    ]
    best = cr.solve_orientation(crystal, observations, stage)[0].orientation
    seen = np.array([cr.beam(stage, o.reading) for o in observations])
    first, second = (o["uvw"] for o in readings)
    tilts = [cr.tilt_to_axis(crystal, best, uvw, stage) for uvw in inputs["predict"]]
    return {
        "G_crystal_to_sample": [list(row) for row in best.matrix],
        "quaternion_wxyz": cr.quaternion(best.array).tolist(),
        "observed_angle_deg": cr.angle_between_readings_deg(
            stage, observations[0].reading, observations[1].reading
        ),
        "lattice_angle_deg": crystal.directions_angle_deg(first, second),
        "predicted_tilts": [
            {"uvw": list(uvw)} | _pair(t.alpha_deg, t.beta_deg)
            for uvw, t in zip(inputs["predict"], tilts, strict=True)
        ],
        "twin_solution_is_symmetry_equivalent": cr.equivalent(
            crystal, best.array, cr.twin_of(best.array, seen)
        ),
    }


def _tilt_to_axis(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    tilt = cr.tilt_to_axis(
        crystal, _orientation(inputs), inputs["target_uvw"], _stage(inputs), sense="as_given"
    )
    return {
        **_pair(tilt.alpha_deg, tilt.beta_deg),
        "reachable": tilt.reachable,
        "residual_deg": tilt.residual_deg,
        "nearest_alpha_deg": tilt.nearest_alpha_deg,
        "nearest_beta_deg": tilt.nearest_beta_deg,
    }


def _tilt_rotate(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    stage = _stage({"holder": "tilt_rotate"} | inputs)
    tilt = cr.tilt_to_axis(crystal, _orientation(inputs), inputs["target_uvw"], stage)
    both = [[tilt.alpha_deg, tilt.beta_deg], *([o.alpha_deg, o.beta_deg] for o in tilt.others)]
    return {"solutions_alpha_psi_deg": sorted(both, key=lambda pair: -pair[0])}


def _reachable(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    tilts = cr.reachable_axes(
        crystal,
        _orientation(inputs),
        _stage(inputs),
        inputs["max_index"],
        primitive=inputs.get("primitive_only", True),
    )
    return {
        "count": len(tilts),
        "list": [{"uvw": list(t.uvw)} | _pair(t.alpha_deg, t.beta_deg) for t in tilts],
    }


def _disorientation(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    found = cr.disorientation(crystal, _orientation(inputs, "G_A"), crystal, _orientation(inputs, "G_B"))
    return {"raw_angle_deg": found.raw_angle_deg, "disorientation_deg": found.angle_deg}


def _csl_exact(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    between = cr.axis_angle(inputs["axis"], inputs["angle_deg"])
    found = cr.identify(between)
    return {
        "sigma": found.sigma if found else None,
        "label": found.label if found else None,
        "disorientation_deg": cr.disorientation_angle_deg(crystal, crystal, between),
        "brandon_limit_deg": found.brandon_limit_deg if found else None,
    }


def _csl_deviation(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    between = cr.orientation_of(inputs["misorientation_matrix_A_to_B"]).array
    deviation = cr.deviation_deg(between, inputs["csl_axis"], inputs["csl_angle_deg"])
    limit = cr.brandon_limit_deg(inputs["sigma"])
    return {"deviation_deg": deviation, "brandon_limit_deg": limit, "is_csl_by_brandon": deviation <= limit}


def _common_axes(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    pairs = cr.common_axes(
        crystal, _orientation(inputs, "G_A"), crystal, _orientation(inputs, "G_B"), _stage(inputs),
        inputs["max_index"], inputs["parallel_tolerance_deg"],
    )  # fmt: skip
    return {
        "count": len(pairs),
        "pairs": [
            {"uvw_A": list(p.uvw_a), "uvw_B": list(p.uvw_b), "angle_deg": p.angle_deg}
            | _pair(p.alpha_deg, p.beta_deg)
            for p in pairs
        ],
    }


def _along_band(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    normal = cr.plane_normal(crystal, _orientation(inputs), inputs["hkl"])
    points = cr.along_band(_stage(inputs), normal, inputs["beta_list_deg"])
    return {
        "waypoints": [
            {
                "beta_deg": beta,
                "alpha_deg": p.alpha_deg,
                "trace_angle_from_alpha_axis_deg_mod180": p.trace_deg,
            }
            for beta, p in zip(inputs["beta_list_deg"], points, strict=True)
        ]
    }


def _two_widths(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    found = cr.edge_on_from_widths(
        _stage(inputs),
        _reading(inputs["tilt_1"]),
        inputs["trace_angle_from_alpha_axis_deg"],
        (inputs["tilt_1"]["projected_width_nm"], inputs["projected_width_2_nm"]),
        (inputs["specimen_rotation_about_trace_deg"],),
        _foil_normal(inputs.get("foil_normal", "z_S")),
    )
    return {
        "inclination_abs_deg": found.inclination_deg,
        "edge_on_specimen_rotation_about_trace_deg": found.turn_deg,
        "foil_thickness_nm": found.thickness_nm,
        **_pair(found.tilt.alpha_deg, found.tilt.beta_deg),
    }


def _foil_normal(given: str | Sequence[float]) -> Sequence[float]:
    axes = {"x_S": (1.0, 0.0, 0.0), "y_S": (0.0, 1.0, 0.0), "z_S": (0.0, 0.0, 1.0)}
    return axes[given] if isinstance(given, str) else given


def _across_feature(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    stage, start = _stage(inputs), _reading(inputs["start"])
    turn = inputs["specimen_rotation_about_feature_deg"]
    tilt = cr.across_feature(stage, start, inputs["feature_angle_from_alpha_axis_deg"], turn)
    return {**_pair(tilt.alpha_deg, tilt.beta_deg), "total_tilt_deg": tilt.move_deg}


def _uncertainty(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    stage, sigma = _stage(inputs), inputs["sigma_deg_per_tangent_component"]
    observations = [
        cr.Observation(uvw=tuple(o["uvw"]), reading=_reading(o), sense="as_given", sigma_deg=sigma)
        for o in inputs["observations"]
    ]
    covariance = cr.solve_orientation(crystal, observations, stage)[0].orientation.covariance
    target = _orientation(inputs).array @ crystal.direction(inputs["target_uvw"])
    return {"rms_pointing_error_deg": cr.pointing_rms_deg(covariance, target)}


def _published(crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    """Four shapes, told apart by the keys that are there."""
    stage = cr.Stage()
    if "tilt_1" in inputs:
        first, second = _reading(inputs["tilt_1"]), _reading(inputs["tilt_2"])
        return {"angle_deg": cr.angle_between_readings_deg(stage, first, second)}
    if "feature_angle_deg" in inputs:
        tilt = cr.across_feature(
            stage, _reading(inputs["start"]), inputs["feature_angle_deg"], inputs["pure_tilt_deg"]
        )
        return {"abs_alpha_deg": abs(tilt.alpha_deg), "abs_beta_deg": abs(tilt.beta_deg)}
    if "zone_axis_at_start" in inputs:
        return _direction_from_start(stage, crystal, inputs)
    aligned = cr.orientation_of(np.eye(3))
    tilt = cr.tilt_to_axis(crystal, aligned, inputs["target_uvw"], stage)
    return {"abs_alpha_deg": abs(tilt.alpha_deg), "abs_beta_deg": abs(tilt.beta_deg)}


def _direction_from_start(stage: cr.Stage, crystal: cr.Crystal, inputs: Inputs) -> dict[str, Any]:
    """A zone axis on the beam at the start, a pole along +y of the lab; signed, the shorter of both branches."""
    z = crystal.direction(inputs["zone_axis_at_start"])
    pole = crystal.direction(inputs["reference_pole_along_plus_y_lab"])
    y = cr.unit(pole - float(pole @ z) * z, "reference pole across the zone axis")
    at_start = np.array([np.cross(y, z), y, z])
    sample = cr.rotation(stage, _reading(inputs["start_tilt"])).T @ at_start
    tilt = cr.tilt_to_axis(crystal, cr.orientation_of(sample), inputs["direction"], stage, sense="as_given")
    readings = [(tilt.alpha_deg, tilt.beta_deg), cr.other_branch(tilt.alpha_deg, tilt.beta_deg)]
    return _pair(*min(readings, key=lambda pair: round(math.fsum(abs(x) for x in pair), 6)))


KINDS: dict[str, Case] = {
    "interplanar_angle": _interplanar_angle,
    "zone_axis_angle": _zone_axis_angle,
    "plane_normal_direction_angle": _plane_direction_angle,
    "d_spacing": _d_spacing,
    "zone_axis_of_two_planes": _zone_axis,
    "direction_index_4_to_3": _four_to_three,
    "cubic_family_angle_set": _family_angles,
    "laue_multiplicity": _multiplicity,
    "orientation_from_two_zone_axes": _from_two_axes,
    "tilt_to_zone_axis": _tilt_to_axis,
    "tilt_to_zone_axis_tilt_rotate": _tilt_rotate,
    "reachable_zone_axes": _reachable,
    "disorientation": _disorientation,
    "csl_identify_exact": _csl_exact,
    "csl_deviation": _csl_deviation,
    "common_zone_axes": _common_axes,
    "tilt_along_band": _along_band,
    "edge_on_from_two_widths": _two_widths,
    "tilt_across_feature": _across_feature,
    "predicted_tilt_uncertainty": _uncertainty,
    "published_tilt_geometry": _published,
}
"""One function a kind, told apart by the file's own words."""
