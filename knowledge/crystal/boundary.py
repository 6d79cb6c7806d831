"""Two grains: disorientation with the right operators, axes both have in common, and the indices of their boundary."""

import math
from collections.abc import Sequence

import numpy as np

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.csl import Coincidence, nearest_coincidence
from eucentric.knowledge.crystal.indices import Indices, low_indices
from eucentric.knowledge.crystal.orientation import Orientation
from eucentric.knowledge.crystal.rotation import Array, angle_of, product, quaternion, unit
from eucentric.knowledge.crystal.stage import Stage
from eucentric.knowledge.crystal.tilts import axes_within_reach, directions_of


class Disorientation(Model):
    """The smallest rotation between two grains that symmetry allows."""

    angle_deg: float
    raw_angle_deg: float
    """Of the two orientations as they were given."""
    axis: tuple[float, float, float]
    """Real direction indices of crystal A, largest component one; meaningless below 0.01°."""
    nearest_uvw: Indices
    """The low-index direction nearest to the axis."""
    nearest_off_deg: float


class PlaneIndices(Model):
    """A boundary plane in the indices of one grain."""

    hkl: tuple[float, float, float]
    """Not rounded, largest component one."""
    nearest_hkl: Indices
    nearest_off_deg: float


class CommonAxis(Model):
    """Zone axes of both grains that are parallel within a tolerance."""

    uvw_a: Indices
    uvw_b: Indices
    angle_deg: float
    """Between the two."""
    alpha_deg: float
    """Reading for the axis of A."""
    beta_deg: float
    boundary_off_deg: float | None = None
    """How far the boundary is from edge-on there; None if its normal is not known."""


class BoundaryReport(Model):
    """What is known of a boundary."""

    disorientation: Disorientation
    coincidence: Coincidence | None
    """The nearest CSL within Brandon's limit; only for two grains of one cubic crystal."""
    common: tuple[CommonAxis, ...]
    plane_a: PlaneIndices | None
    plane_b: PlaneIndices | None


def misorientation(first: Orientation, second: Orientation) -> Array:
    """(3, 3): components in crystal A to components in crystal B of the same vector, G_B^T G_A."""
    return np.asarray(second.array.T @ first.array)


def disorientation_angle_deg(crystal_a: Crystal, crystal_b: Crystal, between: Array) -> float:
    """Smallest angle of S_B M S_A over the rotations of both Laue groups, for M (3, 3) from A to B."""
    return angle_of(_smallest(crystal_a, crystal_b, quaternion(between)))


def disorientation(
    crystal_a: Crystal, first: Orientation, crystal_b: Crystal, second: Orientation
) -> Disorientation:
    """Disorientation of grain B against grain A, with its axis in the indices of A.

    The axis is that of one of the equivalent smallest rotations.
    """
    raw = quaternion(misorientation(first, second))
    smallest = _smallest(crystal_a, crystal_b, raw)
    axis = smallest[1:] if np.abs(smallest[1:]).max() > 1e-9 else np.array([0.0, 0.0, 1.0])
    real = np.linalg.solve(crystal_a.cell.structure, axis)
    near, off = _nearest(crystal_a.cell.structure, axis, 5)
    return Disorientation(
        angle_deg=angle_of(smallest),
        raw_angle_deg=angle_of(raw),
        axis=_scaled(real),
        nearest_uvw=near,
        nearest_off_deg=off,
    )


def boundary_plane(
    crystal: Crystal, orientation: Orientation, normal: Array, max_index: int = 6
) -> PlaneIndices:
    """A boundary's normal (3,) of the sample frame in plane indices of one grain, hkl ~ A^T G^T N."""
    in_crystal = orientation.array.T @ unit(normal, "boundary normal")
    near, off = _nearest(crystal.cell.reciprocal, in_crystal, max_index)
    return PlaneIndices(
        hkl=_scaled(crystal.cell.structure.T @ in_crystal), nearest_hkl=near, nearest_off_deg=off
    )


def common_axes(
    crystal_a: Crystal,
    first: Orientation,
    crystal_b: Crystal,
    second: Orientation,
    stage: Stage,
    max_index: int = 3,
    tolerance_deg: float = 1.0,
    boundary_normal: Array | None = None,
) -> tuple[CommonAxis, ...]:
    """Every pair of primitive zone axes, A's within reach and pointing to the gun, parallel within a tolerance.

    With a boundary normal (3,), each pair also says how far the boundary is from edge-on there.

    Raises
    ------
    BadInput
        If the tolerance is not 0 ... 30 degrees.
    """
    if not 0 <= tolerance_deg <= 30:
        raise BadInput(
            f"parallel within {tolerance_deg} degrees", "0 ... 30 are compared", "give a small tolerance"
        )
    axes = low_indices(max_index)
    axes_a, readings = axes_within_reach(crystal_a, first, stage, axes)
    da, db = directions_of(crystal_a, first, axes_a), directions_of(crystal_b, second, axes)
    near_a, near_b = np.nonzero(da @ db.T >= math.cos(math.radians(tolerance_deg)) - 1e-6)
    chord = np.linalg.norm(da[near_a] - db[near_b], axis=1)
    angle = np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1)))
    off = (
        None
        if boundary_normal is None
        else np.degrees(np.arcsin(np.abs(da @ unit(boundary_normal)).clip(0, 1)))
    )
    found = []
    for i, j, gap in zip(near_a.tolist(), near_b.tolist(), angle.tolist(), strict=True):
        if gap > tolerance_deg + 1e-9:
            continue
        (ua, va, wa), (ub, vb, wb) = axes_a[i].tolist(), axes[j].tolist()
        alpha, beta = readings[i].tolist()
        found.append(
            CommonAxis(
                uvw_a=(ua, va, wa), uvw_b=(ub, vb, wb), angle_deg=gap, alpha_deg=alpha, beta_deg=beta,
                boundary_off_deg=None if off is None else float(off[i]),
            )
        )  # fmt: skip
    return tuple(found)


def boundary_report(
    crystal_a: Crystal,
    first: Orientation,
    crystal_b: Crystal,
    second: Orientation,
    stage: Stage,
    boundary_normal: Sequence[float] | None = None,
    max_index: int = 3,
    tolerance_deg: float = 1.0,
) -> BoundaryReport:
    """Disorientation, coincidence, common zone axes within reach, and boundary indices if its normal is known."""
    normal = None if boundary_normal is None else unit(boundary_normal, "boundary normal")
    one_cubic = (
        crystal_a.is_cubic and crystal_a.rotations == crystal_b.rotations and crystal_a.cell == crystal_b.cell
    )
    return BoundaryReport(
        disorientation=disorientation(crystal_a, first, crystal_b, second),
        coincidence=nearest_coincidence(misorientation(first, second)) if one_cubic else None,
        common=common_axes(crystal_a, first, crystal_b, second, stage, max_index, tolerance_deg, normal),
        plane_a=None if normal is None else boundary_plane(crystal_a, first, normal),
        plane_b=None if normal is None else boundary_plane(crystal_b, second, normal),
    )


def _smallest(crystal_a: Crystal, crystal_b: Crystal, between: Array) -> Array:
    """(4,) the rotation of least angle among S_B M S_A, scalar part positive.

    The scalar part of S_B M S_A is that of S_A S_B M, so for one group the products are the group itself.
    """
    turned = product(crystal_b.quaternions, between)
    if crystal_a.rotations != crystal_b.rotations or crystal_a.cell != crystal_b.cell:
        turned = product(turned[:, None], crystal_a.quaternions[None]).reshape(-1, 4)
    best = turned[int(np.abs(turned[:, 0]).argmax())]
    return np.asarray(best if best[0] >= 0 else -best)


def _nearest(base: Array, direction: Array, max_index: int) -> tuple[Indices, float]:
    """Low indices whose vector (columns of `base`) is nearest to a direction, simple ones first, and the angle off."""
    axes = low_indices(max_index)
    vectors = axes @ base.T
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chord = np.linalg.norm(vectors - direction / np.linalg.norm(direction), axis=1)
    best = int(np.argmin(np.round(chord, 9)))
    u, v, w = axes[best].tolist()
    return (u, v, w), math.degrees(2 * math.asin(min(1.0, float(chord[best]) / 2)))


def _scaled(indices: Array) -> tuple[float, float, float]:
    a, b, c = (indices / np.abs(indices).max()).tolist()
    return a, b, c
