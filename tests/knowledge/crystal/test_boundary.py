"""Boundaries: disorientation with the right operators, coincidence lattices, common axes, plane indices."""

import math

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge.crystal.csl import classes

ZRO2 = cr.crystal_of((5.1505, 5.2116, 5.3173, 90, 99.23, 90), 14, "ZrO2")
BI = cr.crystal_of((4.7458, 4.7458, 4.7458, 57.23, 57.23, 57.23), 166, "Bi")
AL = cr.crystal_of((4.0495, 4.0495, 4.0495, 90, 90, 90), 225, "Al")
WIDE = cr.Stage()

# The commonly tabulated cubic coincidence lattices: label, disorientation angle, axis.
TABLE = [
    ("Sigma3", 60.0, (1, 1, 1)), ("Sigma5", 36.87, (1, 0, 0)), ("Sigma7", 38.21, (1, 1, 1)),
    ("Sigma9", 38.94, (1, 1, 0)),
    ("Sigma11", 50.48, (1, 1, 0)), ("Sigma13a", 22.62, (1, 0, 0)), ("Sigma13b", 27.80, (1, 1, 1)),
    ("Sigma15", 48.19, (2, 1, 0)), ("Sigma17a", 28.07, (1, 0, 0)), ("Sigma17b", 61.93, (2, 2, 1)),
    ("Sigma19a", 26.53, (1, 1, 0)), ("Sigma19b", 46.83, (1, 1, 1)), ("Sigma21a", 21.79, (1, 1, 1)),
    ("Sigma21b", 44.41, (2, 1, 1)), ("Sigma23", 40.46, (3, 1, 1)), ("Sigma25a", 16.26, (1, 0, 0)),
    ("Sigma25b", 51.68, (3, 3, 1)), ("Sigma27a", 31.59, (1, 1, 0)), ("Sigma27b", 35.43, (2, 1, 0)),
    ("Sigma29a", 43.60, (1, 0, 0)), ("Sigma29b", 46.40, (2, 2, 1)), ("Sigma33c", 58.99, (1, 1, 0)),
]  # fmt: skip


def brute(crystal_a, crystal_b, between):
    """Smallest angle over all pairs of operators, with matrices."""
    traces = [np.trace(b @ between @ a) for a in crystal_a.cartesian for b in crystal_b.cartesian]
    return math.degrees(math.acos(max(-1, min(1, (max(traces) - 1) / 2))))


def test_disorientation_is_the_least_over_all_operators(crystals, rng, helpers):
    for crystal in crystals:
        for _ in range(3):
            first, second = (cr.orientation_of(helpers["rotation"](rng)) for _ in range(2))
            found = cr.disorientation(crystal, first, crystal, second)
            assert found.angle_deg == pytest.approx(
                brute(crystal, crystal, cr.misorientation(first, second)), abs=1e-5
            )
            back = cr.disorientation(crystal, second, crystal, first)
            assert back.angle_deg == pytest.approx(found.angle_deg)
            assert found.angle_deg <= found.raw_angle_deg + 1e-9


def test_symmetry_of_either_grain_changes_nothing(crystals, rng, helpers):
    for crystal in crystals:
        g, h = helpers["rotation"](rng), helpers["rotation"](rng)
        a, b = crystal.cartesian[-1], crystal.cartesian[len(crystal.cartesian) // 2]
        plain = cr.disorientation(crystal, cr.orientation_of(g), crystal, cr.orientation_of(h)).angle_deg
        turned = cr.disorientation(
            crystal, cr.orientation_of(g @ a), crystal, cr.orientation_of(h @ b)
        ).angle_deg
        assert turned == pytest.approx(plain, abs=1e-6)


def test_misorientation_takes_components_of_a_to_those_of_b(rng, helpers):
    first, second = (cr.orientation_of(helpers["rotation"](rng)) for _ in range(2))
    vector = rng.normal(size=3)
    in_a, in_b = first.array.T @ vector, second.array.T @ vector
    assert np.allclose(cr.misorientation(first, second) @ in_a, in_b)


def test_two_phases_use_both_groups(rng, helpers):
    for _ in range(5):
        first, second = (cr.orientation_of(helpers["rotation"](rng)) for _ in range(2))
        found = cr.disorientation(ZRO2, first, BI, second)
        assert found.angle_deg == pytest.approx(brute(ZRO2, BI, cr.misorientation(first, second)), abs=1e-5)


@pytest.mark.parametrize(
    ("crystal", "axis", "angle", "expected"),
    [
        (ZRO2, (0, 1, 0), 120, 60.0),
        (ZRO2, (0, 0, 1), 170, 170.0),
        (BI, (1, -1, 0), 100, 80.0),
        (AL, (1, 1, 1), 60, 60.0),
        (AL, (1, 0, 0), 85, 5.0),
    ],
)
def test_settings_where_a_principal_axis_along_z_is_wrong(crystal, axis, angle, expected):
    first = cr.orientation_of(cr.axis_angle((1, 2, 3), 40))
    second = cr.orientation_of(first.array @ cr.axis_angle(crystal.direction(axis), angle))
    found = cr.disorientation(crystal, first, crystal, second)
    assert found.angle_deg == pytest.approx(expected, abs=1e-4)
    assert found.raw_angle_deg == pytest.approx(angle)


def test_the_axis_is_in_the_indices_of_a():
    first = cr.orientation_of(cr.axis_angle((1, 2, 3), 40))
    second = cr.orientation_of(first.array @ cr.axis_angle(ZRO2.direction((1, 0, 2)), 20))
    found = cr.disorientation(ZRO2, first, ZRO2, second)
    assert found.angle_deg == pytest.approx(20)
    assert found.nearest_uvw in ((1, 0, 2), (-1, 0, -2))
    assert np.allclose(np.abs(found.axis), (0.5, 0, 1), atol=1e-6)
    assert found.nearest_off_deg < 1e-4


@pytest.mark.parametrize(("label", "angle", "axis"), TABLE)
def test_tabulated_coincidences(label, angle, axis):
    sigma = int("".join(c for c in label if c.isdigit()))
    entry = next(e for e in classes(sigma) if e.label == label)
    assert entry.axis == axis
    assert entry.angle_deg == pytest.approx(angle, abs=0.02)
    turn = cr.axis_angle(axis, entry.angle_deg)
    assert cr.identify(turn).label == label
    assert cr.disorientation_angle_deg(AL, AL, turn) == pytest.approx(entry.angle_deg, abs=1e-6)
    if sigma <= 29:
        assert cr.nearest_coincidence(turn).label == label


def test_equivalents_of_a_coincidence_are_the_same_lattice(rng):
    for label, _, axis in TABLE:
        sigma = int("".join(c for c in label if c.isdigit()))
        entry = next(e for e in classes(sigma) if e.label == label)
        a, b = AL.cartesian[rng.integers(24)], AL.cartesian[rng.integers(24)]
        turn = a @ cr.axis_angle(axis, entry.angle_deg) @ b
        assert cr.identify(turn).label == label
        assert cr.identify(turn.T).label == label
        assert cr.deviation_deg(turn, axis, entry.angle_deg) == pytest.approx(0, abs=1e-5)


def test_the_order_of_the_grains_does_not_matter():
    """Sigma39b: no rotation of the cube turns <321> round, exchanging the grains does."""
    entry = classes(39)[1]
    assert entry.axis == (3, 2, 1)
    turn = cr.axis_angle(entry.axis, entry.angle_deg)
    assert cr.deviation_deg(turn, entry.axis, entry.angle_deg) == pytest.approx(0, abs=1e-5)
    assert cr.deviation_deg(turn.T, entry.axis, entry.angle_deg) == pytest.approx(0, abs=1e-5)


def test_deviation_and_brandon():
    off = cr.axis_angle((2, -1, 5), 4.0)
    turn = off @ cr.axis_angle((1, 1, 1), 60)
    assert cr.deviation_deg(turn, (1, 1, 1), 60) == pytest.approx(4, abs=1e-6)
    assert cr.brandon_limit_deg(9) == 5
    found = cr.nearest_coincidence(turn)
    assert (found.label, found.holds) == ("Sigma3", True)
    assert found.deviation_deg == pytest.approx(4, abs=1e-6)
    assert cr.identify(turn) is None
    assert cr.identify(np.eye(3)).sigma == 1
    with pytest.raises(BadInput):
        cr.brandon_limit_deg(0)
    with pytest.raises(BadInput):
        classes(4)


def test_nearest_coincidence_agrees_with_a_search_over_matrices(rng, helpers):
    for _ in range(4):
        turn = helpers["rotation"](rng)
        found = cr.nearest_coincidence(turn)
        ratios = {}
        for sigma in range(1, 30, 2):
            for entry in classes(sigma):
                csl = np.eye(3) if sigma == 1 else cr.axis_angle(entry.axis, entry.angle_deg)
                least = 180.0
                for a in AL.cartesian:
                    for one in (turn, turn.T):
                        traces = np.einsum("nij,jk,ki->n", AL.cartesian, one @ a, csl.T)
                        least = min(least, math.degrees(math.acos(min(1, (traces.max() - 1) / 2))))
                ratios[entry.label] = least / entry.brandon_limit_deg
        best = min(ratios, key=ratios.get)
        assert (found.label if found else None) == (best if ratios[best] <= 1 else None)


def test_common_axes_are_all_parallel_pairs(rng, helpers):
    stage = cr.Stage(limits=cr.Box(alpha=(-35, 35), beta=(-35, 35)))
    first = cr.orientation_of(helpers["rotation"](rng))
    second = cr.orientation_of(first.array @ cr.axis_angle((1, 1, 1), 59))
    normal = first.array @ AL.normal((1, 1, 1))
    found = cr.common_axes(AL, first, AL, second, stage, 2, 2.0, normal)
    pairs = {}
    for u in cr.low_indices(2).tolist():
        tilt = cr.tilt_to_axis(AL, first, u, stage, sense="as_given")
        for v in cr.low_indices(2).tolist():
            gap = math.degrees(math.acos(min(1, float(
                (first.array @ AL.direction(u)) @ (second.array @ AL.direction(v))))))  # fmt: skip
            if gap <= 2.0 and tilt.reachable and (first.array @ AL.direction(u))[2] > 0:
                pairs[tuple(u), tuple(v)] = (gap, tilt.alpha_deg, tilt.beta_deg)
    assert {(p.uvw_a, p.uvw_b) for p in found} == set(pairs)
    assert pairs
    for p in found:
        assert (p.angle_deg, p.alpha_deg, p.beta_deg) == pytest.approx(pairs[p.uvw_a, p.uvw_b], abs=1e-5)
        reading = cr.Reading(alpha_deg=p.alpha_deg, beta_deg=p.beta_deg)
        off = math.degrees(math.asin(abs(float(cr.beam(stage, reading) @ normal))))
        assert p.boundary_off_deg == pytest.approx(off, abs=1e-5)
    with pytest.raises(BadInput):
        cr.common_axes(AL, first, AL, second, stage, 2, math.nan)


def test_a_boundary_plane_comes_back_in_the_indices_of_each_grain(crystals, rng, helpers):
    for crystal in crystals[::3]:
        orientation = cr.orientation_of(helpers["rotation"](rng))
        normal = cr.plane_normal(crystal, orientation, (1, -2, 1))
        found = cr.boundary_plane(crystal, orientation, normal)
        assert found.nearest_hkl == (1, -2, 1)
        assert found.nearest_off_deg < 1e-5
        assert np.allclose(np.array(found.hkl) / found.hkl[0], (1, -2, 1), atol=1e-6)
        tilted = cr.boundary_plane(crystal, orientation, cr.axis_angle((1, 2, 0), 1.0) @ normal, 3)
        assert 0 < tilted.nearest_off_deg <= 1.0


def test_a_twin_boundary_in_one_report():
    first = cr.orientation_of(cr.axis_angle((1, 1, 0), 20))
    second = cr.orientation_of(first.array @ cr.axis_angle((1, 1, 1), 60))
    normal = first.array @ AL.normal((1, 1, 1))
    found = cr.boundary_report(AL, first, AL, second, WIDE, normal)
    assert found.coincidence.label == "Sigma3"
    assert found.plane_a.nearest_hkl == (1, 1, 1)
    assert sorted(map(abs, found.plane_b.nearest_hkl)) == [1, 1, 1]
    assert found.common
    assert cr.boundary_report(ZRO2, first, ZRO2, second, WIDE).coincidence is None
    assert cr.boundary_report(AL, first, ZRO2, second, WIDE).plane_a is None
    with pytest.raises(BadInput, match="boundary normal"):
        cr.boundary_report(AL, first, AL, second, WIDE, (0, 0, 0))


def test_a_crystal_read_twice_is_one_crystal():
    """Arrays that each has kept for itself are no difference."""
    first, second = (cr.crystal_of((4, 4, 4, 90, 90, 90), 225) for _ in range(2))
    assert first.cell.structure is not second.cell.structure
    assert first.cartesian is not second.cartesian
    assert first == second
    assert hash(first) == hash(second)
    assert first != cr.crystal_of((4.1, 4.1, 4.1, 90, 90, 90), 225)
    turn = cr.orientation_of(cr.axis_angle((1, 1, 1), 60))
    report = cr.boundary_report(first, cr.orientation_of(np.eye(3)), second, turn, cr.Stage())
    assert report.coincidence.label == "Sigma3"
