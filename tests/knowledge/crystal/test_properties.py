"""What holds for every crystal: random cells of all seven systems and settings, random orientations and stages."""

import itertools
import math

import gemmi
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from eucentric.core.errors import BadInput, EucentricError
from eucentric.knowledge import crystal as cr
from eucentric.knowledge.crystal.closed_form import double_tilt_beam, tilt_rotate_beam
from eucentric.knowledge.crystal.rotation import matrix_of

few = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SETTINGS = tuple(gemmi.spacegroup_table())
SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
BY_SYSTEM = {name: [s for s in SETTINGS if s.crystal_system_str() == name] for name in SYSTEMS}
indices = st.tuples(*[st.integers(-6, 6)] * 3).filter(any)
HOLDERS = ("double_tilt", "tilt_rotate")


@st.composite
def crystals(draw):
    """A random cell that has the symmetry of a random setting of a random system."""
    setting = draw(st.sampled_from(BY_SYSTEM[draw(st.sampled_from(SYSTEMS))]))
    edges = [draw(st.floats(3, 14)) for _ in range(3)]
    al, be, ga = (math.radians(draw(st.floats(68, 117))) for _ in range(3))
    a, b, c = edges
    metric = np.array(
        [
            [a * a, a * b * math.cos(ga), a * c * math.cos(be)],
            [a * b * math.cos(ga), b * b, b * c * math.cos(al)],
            [a * c * math.cos(be), b * c * math.cos(al), c * c],
        ]
    )
    operators = [np.array(op.rot) // gemmi.Op.DEN for op in setting.operations().sym_ops]
    mean = np.mean([w.T @ metric @ w for w in operators], axis=0)
    size = np.sqrt(np.diag(mean))
    cosines = mean / np.outer(size, size)
    assume(np.linalg.det(cosines) > 0.15)
    angles = np.degrees(np.arccos([cosines[1, 2], cosines[0, 2], cosines[0, 1]]))
    return cr.crystal_of([*size.tolist(), *angles.tolist()], setting.xhm(), setting.xhm())


@st.composite
def turns(draw):
    q = np.array([draw(st.floats(-1, 1)) for _ in range(4)])
    assume(float(q @ q) > 0.05)
    return matrix_of(q / math.sqrt(float(q @ q)))


@st.composite
def limits(draw):
    kind = draw(st.sampled_from(("box", "superellipse", "polygon")))
    if kind == "box":
        low_a, low_b = draw(st.floats(-50, 5)), draw(st.floats(-50, 5))
        return cr.Box(
            alpha=(low_a, low_a + draw(st.floats(5, 60))), beta=(low_b, low_b + draw(st.floats(5, 60)))
        )
    if kind == "superellipse":
        return cr.Superellipse(a=draw(st.floats(5, 60)), b=draw(st.floats(5, 60)), r=draw(st.floats(0.8, 8)))
    count = draw(st.integers(3, 9))
    radii = [draw(st.floats(6, 50)) for _ in range(count)]
    corners = [
        (r * math.cos(math.tau * k / count), r * math.sin(math.tau * k / count)) for k, r in enumerate(radii)
    ]
    return cr.Polygon(vertices=tuple(corners))


signs = st.sampled_from((-1, 1))


def line_angle(p, q):
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(p, q))), abs(float(p @ q))))


# --- lattices -------------------------------------------------------------------------------------------------


@few
@given(crystals(), indices, indices)
def test_axes_are_orthonormal_and_dual(crystal, hkl, uvw):
    """B^T A = 1; h u + k v + l w counts planes; operators are rotations and keep every angle and spacing."""
    assert np.allclose(crystal.cell.reciprocal.T @ crystal.cell.structure, np.eye(3), atol=1e-10)
    on = float((crystal.cell.reciprocal @ hkl) @ (crystal.cell.structure @ uvw))
    assert on == pytest.approx(sum(a * b for a, b in zip(hkl, uvw, strict=True)), abs=1e-8)
    for turn, planes, lattice in zip(crystal.cartesian, crystal.on_planes, crystal.matrices, strict=True):
        assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(turn) == pytest.approx(1)
        assert crystal.spacing_angstrom(planes @ hkl) == pytest.approx(
            crystal.spacing_angstrom(hkl), rel=1e-6
        )
        assert crystal.plane_direction_angle_deg(planes @ hkl, lattice @ uvw) == pytest.approx(
            crystal.plane_direction_angle_deg(hkl, uvw), abs=1e-5
        )


@few
@given(crystals())
def test_the_laue_group_is_closed(crystal):
    rows = {tuple(m.ravel().tolist()) for m in crystal.matrices}
    assert all(
        tuple((p @ q).ravel().tolist()) in rows for p, q in itertools.product(crystal.matrices, repeat=2)
    )


@few
@given(indices)
def test_four_indices_come_back(uvw):
    assert cr.reduced(cr.direction_indices(cr.four_direction_indices(uvw))) == cr.reduced(uvw)
    assert cr.plane_indices(cr.four_plane_indices(uvw)) == uvw
    assert cr.parse_indices(cr.shown(uvw))[0] == uvw


# --- tilts ----------------------------------------------------------------------------------------------------


@few
@given(st.floats(-85, 85), st.floats(-85, 85), st.sampled_from(HOLDERS), signs, signs)
def test_a_reading_comes_back_from_what_it_points_at(alpha, beta, holder, one, two):
    assume(holder != "tilt_rotate" or abs(alpha) > 0.01)
    stage = cr.Stage(holder=holder, alpha_sign=one, beta_sign=two)
    tilt = cr.tilt_to_direction(stage, cr.beam(stage, cr.Reading(alpha_deg=alpha, beta_deg=beta)))
    found = [(tilt.alpha_deg, tilt.beta_deg), *((o.alpha_deg, o.beta_deg) for o in tilt.others)]
    assert any(abs(a - alpha) < 1e-7 and abs((b - beta + 180) % 360 - 180) < 1e-5 for a, b in found)


@few
@given(crystals(), turns(), indices, limits(), st.sampled_from(HOLDERS))
def test_the_nearest_tilt_is_that_of_a_search(crystal, turn, uvw, region, holder):
    """Closed form and edge search against every reading on a grid of half a degree."""
    stage, orientation = cr.Stage(holder=holder, limits=region), cr.orientation_of(turn)
    tilt = cr.tilt_to_axis(crystal, orientation, uvw, stage)
    grid = np.stack(np.meshgrid(np.arange(-65, 65.1, 0.5), np.arange(-65, 65.1, 0.5)), -1).reshape(-1, 2)
    grid = grid[region.contains_many(grid)]
    assume(len(grid) > 20)
    beams = {"double_tilt": double_tilt_beam, "tilt_rotate": tilt_rotate_beam}[holder](grid[:, 0], grid[:, 1])
    cosines = np.abs(beams @ (orientation.array @ crystal.direction(uvw)))
    least = math.degrees(math.acos(min(1.0, float(cosines.max()))))
    assert tilt.residual_deg <= least + 1e-5
    there = cr.beam(stage, cr.Reading(alpha_deg=tilt.nearest_alpha_deg, beta_deg=tilt.nearest_beta_deg))
    assert line_angle(there, orientation.array @ crystal.direction(uvw)) == pytest.approx(
        tilt.residual_deg, abs=1e-4
    )
    assert tilt.reachable == (tilt.residual_deg == 0)


@few
@given(crystals(), turns(), indices, limits())
def test_renaming_the_axes_changes_no_tilt_of_a_family(crystal, turn, uvw, region):
    stage = cr.Stage(limits=region)
    operator = crystal.cartesian[-1]
    one, two = (
        sorted((round(t.nearest_alpha_deg, 5), round(t.nearest_beta_deg, 5)) for t in tilts if t.reachable)
        for tilts in (
            cr.tilts_to_family(crystal, cr.orientation_of(turn), uvw, stage),
            cr.tilts_to_family(crystal, cr.orientation_of(turn @ operator.T), uvw, stage),
        )
    )
    assert np.allclose(one, two, atol=1e-4)


@few
@given(crystals(), turns(), indices, st.floats(-25, 25), st.floats(-25, 25), st.sampled_from(HOLDERS))
def test_edge_on_is_edge_on_and_no_grid_point_is_nearer(crystal, turn, hkl, alpha, beta, holder):
    stage, now = cr.Stage(holder=holder), cr.Reading(alpha_deg=alpha, beta_deg=beta)
    normal = cr.plane_normal(crystal, cr.orientation_of(turn), hkl)
    assume(abs(float(cr.beam(stage, now) @ normal)) < 0.98)
    tilt = cr.edge_on_tilt(stage, normal, now)
    there = cr.beam(stage, cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg))
    assert abs(float(there @ normal)) < 1e-9
    off = math.degrees(math.asin(min(1.0, abs(float(cr.beam(stage, now) @ normal)))))
    assert line_angle(there, cr.beam(stage, now)) == pytest.approx(off, abs=1e-6)


@few
@given(turns(), st.floats(-30, 30), st.floats(-30, 30), st.floats(0, 180), st.floats(-40, 40))
def test_turning_about_a_feature_and_back(turn, alpha, beta, azimuth, angle):
    """The beam turns by that angle in the sample, and turning back about the same line of the sample returns."""
    stage, now = cr.Stage(), cr.Reading(alpha_deg=alpha, beta_deg=beta)
    line = cr.rotation(stage, now).T @ (math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth)), 0.0)
    tilt = cr.across_feature(stage, now, azimuth, angle)
    there = cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    assert cr.angle_between_readings_deg(stage, now, there) == pytest.approx(abs(angle), abs=1e-6)
    x, y, z = cr.rotation(stage, there) @ line
    assert z == pytest.approx(0, abs=1e-9)
    back = cr.across_feature(stage, there, math.degrees(math.atan2(y, x)), -angle)
    assert cr.angle_between_readings_deg(
        stage, now, cr.Reading(alpha_deg=back.alpha_deg, beta_deg=back.beta_deg)
    ) == pytest.approx(0, abs=1e-5)


# --- orientations ---------------------------------------------------------------------------------------------


@few
@given(crystals(), turns(), st.sampled_from(HOLDERS), signs, signs)
def test_the_true_orientation_survives_whatever_the_crystal(crystal, turn, holder, one, two):
    """Three axes out of a plane, senses unknown, indices known by family only for the first."""
    stage = cr.Stage(holder=holder, alpha_sign=one, beta_sign=two)
    orientation = cr.orientation_of(turn)
    seen = []
    for n, uvw in enumerate(((1, 0, 1), (0, 1, 1), (1, 1, 2))):
        tilt = cr.tilt_to_axis(crystal, orientation, uvw, stage)
        reading = cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
        seen.append(cr.Observation(uvw=uvw, reading=reading, family=n == 0))
    beams = np.array([cr.beam(stage, o.reading) for o in seen])
    assume(min(line_angle(p, q) for p, q in itertools.combinations(beams, 2)) > 8)
    found = cr.solve_orientation(crystal, seen, stage)
    assert sum(cr.equivalent(crystal, c.orientation.array, turn, 0.01) for c in found) == 1
    for candidate in found:
        assert np.allclose(candidate.orientation.array @ candidate.orientation.array.T, np.eye(3), atol=1e-9)
        assert np.linalg.eigvalsh(candidate.orientation.covariance).min() > 0
        assert candidate.worst_sigmas < 3.5
    assert cr.equivalent(
        crystal, found[0].orientation.array, found[0].orientation.array @ crystal.cartesian[-1]
    )


@few
@given(crystals(), turns(), turns())
def test_disorientation_is_symmetric_least_and_blind_to_equivalents(crystal, first, second):
    one, two = cr.orientation_of(first), cr.orientation_of(second)
    found = cr.disorientation(crystal, one, crystal, two)
    assert cr.disorientation(crystal, two, crystal, one).angle_deg == pytest.approx(found.angle_deg, abs=1e-6)
    renamed = cr.orientation_of(first @ crystal.cartesian[-1])
    assert cr.disorientation(crystal, renamed, crystal, two).angle_deg == pytest.approx(
        found.angle_deg, abs=1e-5
    )
    between = cr.misorientation(one, two)
    angles = [
        math.degrees(math.acos(max(-1.0, min(1.0, (np.trace(p @ between @ q) - 1) / 2))))
        for p, q in itertools.product(crystal.cartesian, repeat=2)
    ]
    assert found.angle_deg == pytest.approx(min(angles), abs=1e-4)
    assert found.angle_deg <= found.raw_angle_deg + 1e-6


@few
@given(crystals(), turns(), st.floats(-60, 60), st.floats(-60, 60))
def test_a_point_moves_as_a_rigid_body(crystal, turn, alpha, beta):
    """There and back adds up to nothing; the distance to the fixed point stays."""
    stage = cr.Stage()
    here, there = cr.Reading(alpha_deg=3.0, beta_deg=-2.0), cr.Reading(alpha_deg=alpha, beta_deg=beta)
    point = 40 * turn[0]
    out, back = cr.shift_um(stage, point, here, there), cr.shift_um(stage, point, there, here)
    assert np.allclose(out, -back)
    before = cr.rotation(stage, here) @ point
    assert np.linalg.norm(before + out) == pytest.approx(40)


# --- bad input ------------------------------------------------------------------------------------------------


def outcome(call):
    """(answer, None) or (None, error of the tree); any other exception is a failure."""
    try:
        return call(), None
    except EucentricError as error:
        return None, error


def clear(error):
    """It says what and what would help, and nothing in it moves a cursor."""
    return error is not None and bool(error.what and error.remedy) and "\x1b" not in str(error)


numbers = st.one_of(st.floats(), st.floats(-20, 200), st.just(0.0))


@few
@given(st.lists(numbers, min_size=5, max_size=7), st.one_of(st.integers(-3, 240), st.text(max_size=12)))
def test_any_cell_is_a_crystal_or_a_clear_error(six, group):
    crystal, error = outcome(lambda: cr.crystal_of(six, group))
    assert clear(error) or (crystal.cell.volume_a3 > 0 and np.isfinite(crystal.cell.structure).all())


@few
@given(st.text(max_size=400))
def test_any_text_is_a_cif_or_a_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("cif") / "x.cif"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(BadInput) as caught:
        cr.read_crystal(path)
    assert caught.value.remedy


@few
@given(
    st.lists(
        st.tuples(st.tuples(*[st.integers(-2, 2)] * 3), st.floats(-60, 60), st.floats(-60, 60)), max_size=4
    ),
    crystals(),
)
def test_any_readings_are_solved_or_a_clear_error(rows, crystal):
    """Zero vectors, collinear and inconsistent pairs, too few: each has a sentence and a remedy."""
    found, error = outcome(
        lambda: cr.solve_orientation(
            crystal,
            [cr.Observation(uvw=u, reading=cr.Reading(alpha_deg=a, beta_deg=b)) for u, a, b in rows],
        )
    )
    assert clear(error) or all(c.worst_sigmas < 3.5 for c in found)
