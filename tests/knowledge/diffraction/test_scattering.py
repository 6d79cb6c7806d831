"""Structures, factors, extinctions: against sums written out here, gemmi's own calculator and known rules."""

import itertools
import math

import gemmi
import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import diffraction as df

CIF = """data_x
_cell_length_a 5.0
_cell_length_b 6.0
_cell_length_c 7.0
_cell_angle_alpha 90
_cell_angle_beta 100
_cell_angle_gamma 90
_space_group_name_H-M_alt '{group}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{atoms}
"""


@pytest.mark.parametrize(
    ("name", "atoms", "group"),
    [("Si", 8, 227), ("SrTiO3", 5, 221), ("TiO2", 6, 136), ("quartz", 9, 154), ("Al2O3", 30, 167), ("MoO3", 16, 62),
     ("ZrO2", 12, 14), ("Ti", 2, 194), ("Ti3C2", 10, 194), ("MoS2", 3, 187)],
)  # fmt: skip
def test_structures_that_ship_are_whole(name, atoms, group):
    structure = df.structure_named(name)
    assert len(structure.atoms) == atoms
    assert structure.name == name
    assert len(structure.crystal.rotations) == len(
        cr.crystal_of(list(structure.crystal.cell.model_dump().values()), group).rotations
    )


def test_atoms_keep_their_distances():
    """Nearest neighbours of published structures [Å]."""
    for name, element, expected in (
        ("quartz", "Si", 1.605), ("SrTiO3", "Ti", 1.952), ("ZrO2", "Zr", 2.052), ("MoO3", "Mo", 1.671),
        ("Al2O3", "Al", 1.854),
    ):  # fmt: skip
        structure = df.structure_named(name)
        at = np.array([atom.at for atom in structure.atoms])
        here = at[[atom.element == element for atom in structure.atoms]][0]
        shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
        far = np.linalg.norm(
            ((at[:, None] + shifts - here).reshape(-1, 3)) @ structure.crystal.cell.structure.T, axis=1
        )
        assert far[far > 0.1].min() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("alias", ["sto", " strontium titanate ", "SRTIO3"])
def test_common_names_are_understood(alias):
    assert df.structure_named(alias).name == "SrTiO3"


def test_an_unknown_name_lists_what_is_known():
    with pytest.raises(BadInput, match="SrTiO3"):
        df.structure_named("unobtainium\x1b[2J")


def test_a_cif_without_atoms_says_so(tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(CIF.format(group="P 1 21/c 1", atoms="Si1 Si ? ? ?").replace("Si1 Si ? ? ?", ""))
    with pytest.raises(BadInput, match="atom"):
        df.read_structure(path)


def test_special_positions_are_one_atom(tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(CIF.format(group="P 1 21/c 1", atoms="Si1 Si 0 0 0\nO1 O 0.1 0.2 0.3"))
    structure = df.read_structure(path)
    assert sorted(atom.element for atom in structure.atoms) == ["O"] * 4 + ["Si"] * 2


@pytest.mark.parametrize("name", ["Si", "quartz", "ZrO2", "MoO3", "TiO2"])
def test_structure_factors_are_those_of_gemmi(name):
    structure = df.structure_named(name)
    small = gemmi.SmallStructure()
    cell = structure.crystal.cell
    small.cell = gemmi.UnitCell(*cell.model_dump().values())
    for n, atom in enumerate(structure.atoms):
        site = gemmi.SmallStructure.Site()
        site.label, site.type_symbol, site.element = (
            f"{atom.element}{n}",
            atom.element,
            gemmi.Element(atom.element),
        )
        site.fract, site.occ = gemmi.Fractional(*atom.at), atom.occupancy
        site.u_iso = atom.b_a2 / (8 * math.pi**2)
        small.add_site(site)
    small.setup_cell_images()
    theirs = gemmi.StructureFactorCalculatorE(small.cell)
    for hkl in ((1, 1, 1), (2, 0, 2), (1, 0, 2), (3, -1, 1)):
        length = np.array([1 / structure.crystal.spacing_angstrom(hkl)])
        ours = df.structure_factors_a(structure, np.array([hkl]), length)[0]
        expected = theirs.calculate_sf_from_small_structure(small, hkl)
        assert abs(ours) == pytest.approx(abs(expected), rel=2e-4, abs=2e-4)


def test_the_atomic_factor_is_that_of_the_table():
    """International Tables C 4.3.2.2: f(0) of silicon is 5.828 Å, of gold 10.57 Å."""
    assert df.atomic_factor_a("Si", np.array([0.0]))[0] == pytest.approx(5.828, abs=0.02)
    assert df.atomic_factor_a("Au", np.array([0.0]))[0] == pytest.approx(10.57, abs=0.1)
    falling = df.atomic_factor_a("Cu", np.linspace(0, 4, 50))
    assert (np.diff(falling) < 0).all()
    with pytest.raises(BadInput, match="element"):
        df.atomic_factor_a("Qq", np.array([0.0]))


@pytest.mark.parametrize(
    ("name", "extinct", "seen"),
    [
        ("Al", [(1, 0, 0), (2, 1, 1)], [(1, 1, 1), (2, 0, 0)]),
        ("Fe", [(1, 0, 0), (1, 1, 1)], [(1, 1, 0), (2, 0, 0)]),
        ("Si", [(2, 0, 0), (2, 2, 2), (1, 1, 0)], [(1, 1, 1), (2, 2, 0), (4, 0, 0)]),
        ("Ti", [(0, 0, 1), (1, 1, 1)], [(0, 0, 2), (1, 0, 0), (1, 0, 1)]),
        ("TiO2", [(1, 0, 0), (0, 0, 1), (0, 1, 2)], [(1, 1, 0), (1, 0, 1), (2, 0, 0)]),
        ("quartz", [(0, 0, 1), (0, 0, 2)], [(0, 0, 3), (1, 0, 0)]),
        ("Al2O3", [(1, 0, 0), (0, 0, 3), (1, 0, 1)], [(0, 0, 6), (1, 0, -2), (1, 1, 0)]),
        ("ZrO2", [(0, 1, 0), (1, 0, 1), (0, 0, 1)], [(0, 2, 0), (1, 1, 1), (1, 0, 0)]),
        ("MoO3", [(0, 1, 0), (1, 0, 0)], [(0, 2, 0), (1, 1, 0)]),
    ],
)
def test_systematic_extinctions(name, extinct, seen):
    structure = df.structure_named(name)
    listed = {tuple(h) for h in df.reflections(structure, 1.2).hkl.tolist()}
    for hkl in extinct:
        assert df.is_extinct(structure, hkl), hkl
        assert hkl not in listed
    for hkl in seen:
        assert not df.is_extinct(structure, hkl), hkl
        assert hkl in listed


@pytest.mark.parametrize("name", ["Si", "Ti", "quartz", "ZrO2", "BaTiO3"])
def test_reflections_follow_friedel_and_the_laue_group(name):
    known = df.reflections(df.structure_named(name), 1.0)
    size = {tuple(h): abs(f) for h, f in zip(known.hkl.tolist(), known.factor, strict=True)}
    for h, value in size.items():
        assert size[tuple(-x for x in h)] == pytest.approx(value, rel=1e-9)
        for image in (known.crystal.on_planes @ np.array(h)).tolist():
            assert size[tuple(image)] == pytest.approx(
                value, rel=1e-3, abs=1e-3
            )  # printed coordinates are rounded
    assert (np.diff(known.length) > -1e-9).all()
    assert known.length.max() <= 1.0


def test_extinction_distances_are_of_the_published_size():
    """Silicon at 100 kV: Hirsch et al. (1965) give 602 Å for 111, 757 Å for 220; tables differ by some 5 %."""
    known = df.reflections(df.structure_named("Si"), 1.0)
    rows = {tuple(h): n for n, h in enumerate(known.hkl.tolist())}
    distance = df.extinction_distance_a(known.factor, known.crystal.cell.volume_a3, 100.0)
    assert distance[rows[1, 1, 1]] == pytest.approx(602, rel=0.08)
    assert distance[rows[2, 2, 0]] == pytest.approx(757, rel=0.08)
    assert df.relativistic_mass(100.0) == pytest.approx(1.1957, abs=1e-4)


@pytest.mark.parametrize("largest", [0.0, 7.0, math.inf])
def test_ranges_that_make_no_sense(largest):
    with pytest.raises(BadInput) as caught:
        df.reflections(df.structure_named("Si"), largest)
    assert caught.value.remedy


def test_a_cell_too_large_for_the_range_says_what_fits():
    crystal = cr.crystal_of((60, 70, 80, 90, 90, 90), 1, "large")
    atom = df.Atom(element="C", at=(0.1, 0.2, 0.3))
    with pytest.raises(BadInput, match="up to 0"):
        df.reflections(df.Structure(crystal=crystal, atoms=(atom,)), 2.0)
