"""Cells, symmetry in any setting, indices, CIF files."""

import itertools
import math

import gemmi
import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr

CUBIC = (4.0, 4.0, 4.0, 90, 90, 90)


def test_axes_are_those_of_gemmi(rng):
    for _ in range(60):
        edges, angles = rng.uniform(2, 20, 3), rng.uniform(75, 112, 3)
        cell = cr.Cell(**dict(zip(cr.Cell.model_fields, [*edges, *angles], strict=True)))
        theirs = gemmi.UnitCell(*edges, *angles)
        assert np.allclose(cell.structure, np.array(theirs.orth.mat.tolist()), atol=1e-10)
        assert cell.volume_a3 == pytest.approx(theirs.volume)
        assert np.allclose(cell.structure.T @ cell.reciprocal, np.eye(3), atol=1e-12)
        assert cr.crystal_of([*edges, *angles], 1).spacing_angstrom((1, -2, 3)) == pytest.approx(
            theirs.calculate_d([1, -2, 3])
        )


def test_every_setting_of_every_space_group_is_read_as_it_is(rng, helpers):
    """Symbol in, or only the number and a cell: the operators are those of the setting that fits the cell."""
    orders = {}
    for setting in gemmi.spacegroup_table():
        operators = helpers["operators"](setting)
        cell = helpers["cell"](rng, operators)
        crystal = cr.crystal_of(cell, setting.xhm())
        laue = {tuple((w * round(np.linalg.det(w))).ravel().tolist()) for w in operators}
        assert set(crystal.rotations) == laue, setting.xhm()
        assert set(cr.crystal_of(cell, setting.number).rotations) == laue, setting.xhm()
        orders.setdefault(setting.laue_str(), set()).add(len(laue))
        turned = crystal.cartesian
        assert np.allclose(turned @ turned.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert orders == {
        "-1": {1}, "2/m": {2}, "mmm": {4}, "4/m": {4}, "4/mmm": {8}, "-3": {3}, "-3m": {6}, "6/m": {6}, "6/mmm": {12},
        "m-3": {12}, "m-3m": {24},
    }  # fmt: skip


def test_a_number_finds_the_setting_of_the_cell():
    assert cr.crystal_of((4.7458, 4.7458, 4.7458, 57.23, 57.23, 57.23), 166).space_group == "R -3 m:R"
    assert cr.crystal_of((4.76, 4.76, 12.99, 90, 90, 120), 167).space_group == "R -3 c:H"
    assert cr.crystal_of((5.1, 5.3, 5.2, 90, 90, 99.2), 14).space_group.startswith("P 1 1 21/")


@pytest.mark.parametrize(
    ("cell", "group", "word"),
    [
        ((4, 4, 4, 90, 90, 200), 1, "angles"),
        ((4, 4, 4, 60, 60, 130), 1, "angles"),
        ((4, 4, 4, 120, 120, 120), 1, "angles"),
        ((0, 4, 4, 90, 90, 90), 1, "edge"),
        ((-4, 4, 4, 90, 90, 90), 1, "edge"),
        ((math.nan, 4, 4, 90, 90, 90), 1, "a_angstrom is nan"),
        ((4, 4, 4, 90, math.inf, 90), 1, "beta_deg is inf"),
        ((4, 4, 5, 90, 90, 90), 225, "symmetry"),
        ((4, 4, 4, 90, 90, 90), 194, "symmetry"),
        ((4, 4, 4, 90, 90, 90), 231, "no space group"),
        ((4, 4, 4, 90, 90, 90), "garbage\x1b", "no space group"),
        ((4, 4, 4, 90, 90), 1, "six"),
    ],
)
def test_impossible_cells_are_named(cell, group, word):
    with pytest.raises(BadInput) as caught:
        cr.crystal_of(cell, group)
    assert word in str(caught.value)
    assert caught.value.remedy
    assert "\x1b" not in str(caught.value)


def test_the_wrong_setting_says_which_fits():
    with pytest.raises(BadInput, match="R -3 m:R"):
        cr.crystal_of((4.7458, 4.7458, 4.7458, 57.23, 57.23, 57.23), "R -3 m:H")


def test_operators_that_do_not_fit_are_refused():
    good = cr.crystal_of(CUBIC, 225)
    long = cr.Cell(a_angstrom=4, b_angstrom=4, c_angstrom=5)
    with pytest.raises(BadInput, match="do not fit"):
        cr.Crystal(cell=long, rotations=good.rotations)
    with pytest.raises(BadInput, match="do not fit"):
        cr.Crystal(cell=good.cell, rotations=good.rotations[:5])
    with pytest.raises(BadInput, match="no symmetry operator"):
        cr.Crystal(cell=good.cell, rotations=((2, 0, 0, 0, 1, 0, 0, 0, 1),))


def test_symmetry_keeps_angles_spacings_and_zones(crystals, rng):
    for crystal in crystals:
        for _ in range(4):
            uvw, other, hkl = rng.integers(-4, 5, (3, 3)) + np.array([[5, 0, 0], [0, 5, 0], [0, 0, 5]])
            angle = crystal.directions_angle_deg(uvw, other)
            for turn, on_plane in zip(crystal.matrices, crystal.on_planes, strict=True):
                assert crystal.directions_angle_deg(turn @ uvw, turn @ other) == pytest.approx(
                    angle, abs=1e-6
                )
                assert crystal.spacing_angstrom(on_plane @ hkl) == pytest.approx(
                    crystal.spacing_angstrom(hkl)
                )
                assert (on_plane @ hkl) @ (turn @ uvw) == hkl @ uvw
            assert len(crystal.direction_family(uvw)) <= 2 * len(crystal.rotations)


def test_a_plane_normal_is_across_every_direction_in_the_plane(crystals, rng):
    for crystal in crystals:
        first, second = rng.integers(-3, 4, (2, 3)) + np.array([[4, 0, 0], [0, 4, 0]])
        zone = cr.zone_axis(first, second)
        assert crystal.plane_direction_angle_deg(first, zone) == pytest.approx(90)
        assert crystal.plane_direction_angle_deg(second, zone) == pytest.approx(90)


@pytest.mark.parametrize(
    ("cell", "group", "uvw", "directions", "planes"),
    [
        (CUBIC, 225, (1, 1, 2), 24, 24),
        (CUBIC, 205, (1, 2, 3), 24, 24),
        (CUBIC, 225, (1, 2, 3), 48, 48),
        ((3.2, 3.2, 5.2, 90, 90, 120), 194, (0, 0, 1), 2, 2),
        ((3.2, 3.2, 5.2, 90, 90, 120), 194, (1, 0, 2), 12, 12),
        ((4.76, 4.76, 12.99, 90, 90, 120), 167, (1, 0, 4), 12, 6),
        ((4.7458, 4.7458, 4.7458, 57.23, 57.23, 57.23), 166, (1, 1, 1), 2, 2),
        ((5.15, 5.21, 5.32, 90, 99.2, 90), 14, (0, 1, 0), 2, 2),
        ((5.15, 5.21, 5.32, 90, 99.2, 90), 14, (1, 2, 3), 4, 4),
    ],
)
def test_multiplicities(cell, group, uvw, directions, planes):
    crystal = cr.crystal_of(cell, group)
    assert len(crystal.direction_family(uvw)) == directions
    assert len(crystal.plane_family(uvw)) == planes


def test_four_indices_and_back():
    for uvw in itertools.product(range(-3, 4), repeat=3):
        if any(uvw):
            four = cr.four_direction_indices(uvw)
            assert sum(four[:3]) == 0
            assert cr.reduced(cr.direction_indices(four)) == cr.reduced(uvw)
            assert cr.plane_indices(cr.four_plane_indices(uvw)) == uvw
    assert cr.direction_indices((2, -1, -1, 0)) == (1, 0, 0)
    assert cr.direction_indices((0, 1, -1, 2)) == (1, 2, 2)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1-10]", ((1, -1, 0), "direction", False)),
        ("<112>", ((1, 1, 2), "direction", True)),
        ("(10-10)", ((1, 0, -1, 0), "plane", False)),
        ("{1 1 1}", ((1, 1, 1), "plane", True)),
        ("1, -1, 0, 12", ((1, -1, 0, 12), "direction", False)),
        ("[−1 0 2]", ((-1, 0, 2), "direction", False)),
    ],
)
def test_indices_from_text(text, found):
    assert cr.parse_indices(text) == found


@pytest.mark.parametrize(
    "text", ["", "[", "[112)", "11", "1.5 0 0", "[1 1 2 3 4]", "uvw", "1 1\x1b 2", "[--1 0 0]"]
)
def test_text_that_is_no_indices(text):
    with pytest.raises(BadInput) as caught:
        cr.parse_indices(text)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "bad", [(0, 0, 0), (1, 0), (1, 1, 1, 0), (1.5, 0, 0), (math.nan, 0, 1), (0, 0, 0, 0)]
)
def test_indices_that_are_none(bad):
    with pytest.raises(BadInput) as caught:
        cr.direction_indices(bad)
    assert caught.value.remedy


def test_zones_are_reduced_and_keep_their_sign():
    assert cr.zone_axis((2, 0, 0), (0, 2, 2)) == (0, -1, 1)
    assert cr.zone_axis((0, 2, 2), (2, 0, 0)) == (0, 1, -1)
    assert cr.zone_axis((1, 0, -1, 0), (0, 0, 0, 2)) == (0, -1, 0)


def test_parallel_planes_have_no_zone():
    with pytest.raises(BadInput, match="parallel"):
        cr.zone_axis((1, 1, 0), (-2, -2, 0))


CELL = "".join(
    f"_cell_{key} {{}}\n"
    for key in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
)


def cif(tmp_path, cell, *rest, head="data_x\n"):
    path = tmp_path / "x.cif"
    path.write_text(head + CELL.format(*cell) + "\n".join(rest) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cell", "rest", "rotations", "symbol"),
    [
        (
            ("8.1372(5)", "12.787(3)", 7.1574, "94.245(2)", 116.605, 87.809),
            ["_space_group_IT_number 2"],
            1,
            "P -1",
        ),
        ((8.1372, 12.787, 7.1574, 94.2, 116.6, 87.8), ["_symmetry_space_group_name_H-M 'C -1'"], 1, "C -1"),
        (
            (4.7458, 4.7458, 4.7458, 57.23, 57.23, 57.23),
            ["_space_group_name_H-M_alt 'R -3 m:R'"],
            6,
            "R -3 m:R",
        ),
        (
            (4.7458, 4.7458, 4.7458, 57.23, 57.23, 57.23),
            ["_space_group_name_H-M_alt 'R -3 m'"],
            6,
            "R -3 m:R",
        ),
        ((5.43, 5.43, 5.43, 90, 90, 90), ["_space_group_name_Hall '-F 4vw 2vw 3'"], 24, "F d -3 m:2"),
        ((5.1, 5.2, 5.3, 90, 90, 99), ["_symmetry_Int_Tables_number 14"], 2, "P 1 1 21/a"),
        (
            (5.1, 5.2, 5.3, 90, 90, 99),
            ["loop_", "_symmetry_equiv_pos_as_xyz", "x,y,z", "-x,-y,z+1/2", "-x,-y,-z", "'x, y, 1/2-z'"],
            2,
            "",
        ),
    ],
)
def test_cif_in_any_setting(tmp_path, cell, rest, rotations, symbol):
    crystal = cr.read_crystal(cif(tmp_path, cell, *rest))
    assert len(crystal.rotations) == rotations
    assert crystal.space_group == symbol
    assert crystal.cell.a_angstrom == pytest.approx(float(str(cell[0]).split("(")[0]))


def test_the_first_block_with_a_cell_counts(tmp_path):
    path = cif(
        tmp_path, CUBIC, "_space_group_IT_number 225", head="data_global\n_journal_year 2024\ndata_two\n"
    )
    assert len(cr.read_crystal(path).rotations) == 24


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("garbage", "cannot read"),
        ("data_x\nloop_\n_a\n_b\n1 2 3\n", "cannot read"),
        ("data_x\n_cell_length_a 'abc\n", "cannot read"),
        ("data_x\n_chemical_formula_sum Si\n", "no unit cell"),
        ("data_x\n" + CELL.format(4, 4, "?", 90, 90, 90), "_cell_length_c"),
        ("data_x\n" + CELL.format(*CUBIC) + "data_y\n" + CELL.format(*CUBIC), "2 structures"),
        ("data_x\n" + CELL.format(4, 4, "nan", 90, 90, 90), "_cell_length_c"),
        ("data_x\n" + CELL.format(4, 4, 4, 90, 90, 300) + "_space_group_IT_number 1\n", "angles"),
        ("data_x\n" + CELL.format(4, 4, 4, 90, 90, 90), "no symmetry"),
        ("data_x\n" + CELL.format(4, 4, 5, 90, 90, 90) + "_space_group_IT_number 225\n", "symmetry"),
        ("data_x\n" + CELL.format(*CUBIC) + "_space_group_IT_number abc\n", "no space group"),
        ("data_x\n" + CELL.format(*CUBIC) + "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,foo\n", "operator"),
        ("data_x\n" + CELL.format(*CUBIC) + "loop_\n_symmetry_equiv_pos_as_xyz\nx,x,z\n", "operator"),
        ("data_x\n" + CELL.format(*CUBIC) + "loop_\n_symmetry_equiv_pos_as_xyz\nx+y,y,z\n", "point group"),
        (
            "data_x\n" + CELL.format(4, 4, 5, 90, 90, 90) + "loop_\n_symmetry_equiv_pos_as_xyz\nz,x,y\n",
            "do not fit",
        ),
    ],
)
def test_malformed_cifs_say_what_is_wrong(tmp_path, text, word):
    path = tmp_path / "bad.cif"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        cr.read_crystal(path)
    assert word in str(caught.value)
    assert caught.value.remedy


def test_a_missing_cif(tmp_path):
    with pytest.raises(BadInput, match="there is no file"):
        cr.read_crystal(tmp_path / "none.cif")
