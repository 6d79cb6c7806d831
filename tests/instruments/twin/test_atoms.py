"""Atoms of strangers' files: read as they are, laid down as declared, seen where they are."""

import threading

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import twin_driver
from eucentric.instruments.twin.damage_spec import DamageSpec
from eucentric.instruments.twin.driver import TwinDriver
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.specimen.atomfile import read_atoms
from eucentric.instruments.twin.specimen.laid import Laid
from eucentric.instruments.twin.specimen_spec import AtomsSpec
from eucentric.instruments.twin.world import load_world

NEVER = threading.Event()
XYZ = "3\nwater\nO 0 0 0\nH 0.96 0 0\nh1 -0.24 0.93 0\n"
EXTENDED = """4
Lattice="4 0 0 0 4 0 0 0 20" Properties=id:I:1:species:S:1:pos:R:3 pbc="T T F"
1 Fe 0 0 1
2 Fe 2 2 1
3 26 0 0 3
4 O 2 2 3
"""
DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
1
ITEM: BOX BOUNDS pp pp pp
0 9
0 9
0 9
ITEM: ATOMS id type x y z
1 1 8 8 8
ITEM: TIMESTEP
100
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS xy xz yz pp pp ff
-1 5 2.0
0 4 0.0
0 10 0.0
ITEM: ATOMS id element type xs ys zs
1 Mo 1 0.0 0.5 0.5
2 S 2 0.5 0.0 0.25
"""
CIF = """data_half
_cell_length_a 4.0
_cell_length_b 5.0
_cell_length_c 6.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P m m m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
A1 Sr 0 0 0 0.7
B1 Ba 0 0 0 0.3
O1 O 0.25 0 0 1
"""


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "elements", "periodic"),
    [
        ("w.xyz", XYZ, ["O", "H", "H"], (False, False, False)),
        ("fe.xyz", EXTENDED, ["Fe", "Fe", "Fe", "O"], (True, True, False)),
        ("mos.lammpstrj", DUMP, ["Mo", "S"], (True, True, False)),
        ("half.cif", CIF, ["Sr", "Ba", "O", "O"], (True, True, True)),
    ],
)
def test_all_kinds_are_read(tmp_path, name, text, elements, periodic):
    found = read_atoms(written(tmp_path, name, text), {})
    assert found.elements.tolist() == elements
    assert found.periodic == periodic


def test_the_last_snapshot_counts_and_its_cell_leans(tmp_path):
    found = read_atoms(written(tmp_path, "a.dump", DUMP), {})
    np.testing.assert_allclose(found.cell, [[4, 0, 0], [2, 4, 0], [0, 0, 10]])
    np.testing.assert_allclose(found.at, [[-1 + 1, 2, 5], [-1 + 2, 0, 2.5]])


def test_types_without_names_take_those_declared(tmp_path):
    path = written(tmp_path, "t.dump", DUMP.split("ITEM: TIMESTEP\n100")[0])
    assert read_atoms(path, {1: "Au"}).elements.tolist() == ["Au"]
    with pytest.raises(BadInput, match="nothing says which element"):
        read_atoms(path, {2: "Au"})


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.xyz", "", "no number of atoms"),
        ("a.xyz", "3\n\nO 0 0 0\n", "promises 3"),
        ("a.xyz", "1\n\nO 0 0 nan\n", "no number"),
        ("a.xyz", "1\n\nO 0 0\n", "three"),
        ("a.xyz", "1\n\nQq 0 0 0\n", "no element"),
        ("a.xyz", "1\n\nQ\x1b[31m 0 0 0\n", "no element"),
        ("a.xyz", '1\nLattice="1 0 0 0 1 0 0 0 0"\nO 0 0 0\n', "no volume"),
        ("a.dump", "ITEM: TIMESTEP\n0\nITEM: ATOMS id x y z\n1 0 0 0\n", "BOX BOUNDS"),
        ("a.dump", DUMP.replace("0.0 0.5 0.5", "0.0 zero 0.5"), "no number"),
        ("a.cif", "data_x\n_cell_length_a 4\n", "cell|CIF"),
        ("a.png", "\x89PNG", "no number of atoms"),
    ],
)
def test_what_is_no_structure_is_refused_with_its_name(tmp_path, name, text, says):
    with pytest.raises(BadInput, match=says) as caught:
        read_atoms(written(tmp_path, name, text), {})
    assert "\x1b" not in str(caught.value)


def laid(path, **more):
    return Laid(read_atoms(path, {}), AtomsSpec(file=str(path), **more), 1)


def test_a_cell_is_repeated_without_gaps_or_doubles(tmp_path):
    found = laid(written(tmp_path, "fe.xyz", EXTENDED), width_nm=8.0, thickness_nm=5.0)
    whole = found.within((-1, 1, -1, 1))
    assert len(whole.x) == 20 * 20 * 4  # 8 nm over 0.4 nm, four atoms each; not repeated along z
    places = np.round(np.stack([whole.x, whole.y, whole.z], axis=1) * 1e12).astype(int)
    assert len(np.unique(places, axis=0)) == len(places)
    small = found.within((0, 1e-9, 0, 1e-9))
    inside = (whole.x >= 0) & (whole.x < 1e-9) & (whole.y >= 0) & (whole.y < 1e-9)
    assert sorted(small.x) == sorted(whole.x[inside])


@pytest.mark.parametrize("zone", [(0, 0, 1), (1, 1, 0), (1, 1, 1), (1, -2, 3)])
def test_any_zone_has_the_crystals_density(zone):
    path = load_path("SrTiO3")
    found = laid(path, width_nm=6.0, thickness_nm=4.0, zone=zone)
    placed = found.within((-1, 1, -1, 1))
    thickness = found.layers * 3.905 if zone == (0, 0, 1) else found.thickness_a
    per_nm3 = len(placed.x) / (6.0 * 6.0 * thickness / 10)
    assert per_nm3 == pytest.approx(5 / 0.3905**3, rel=0.06)
    one = np.ones(len(found.at))
    assert found.per_area(one) * 3600 == pytest.approx(len(placed.x), rel=0.06)


def load_path(phase):
    from eucentric.instruments.twin.specimen.atomfile import find_atoms

    return find_atoms(phase).path


def test_a_zone_points_to_the_gun():
    found = laid(load_path("SrTiO3"), zone=(1, 1, 0))
    along = found.cell[0] + found.cell[1]
    np.testing.assert_allclose(along / np.linalg.norm(along), [0, 0, 1], atol=1e-12)


def test_of_those_that_share_a_site_one_is_there(tmp_path):
    found = laid(written(tmp_path, "half.cif", CIF), width_nm=40.0, thickness_nm=0.6)
    placed = found.within((-1, 1, -1, 1))
    elements = found.atoms.elements[placed.number]
    count = {name: int((elements == name).sum()) for name in ("Sr", "Ba", "O")}
    assert count["Sr"] + count["Ba"] == 100 * 80
    assert count["O"] == 2 * 100 * 80
    assert count["Ba"] / 8000 == pytest.approx(0.3, abs=0.03)


# --- as a world ---------------------------------------------------------------------------------------------


def test_an_address_names_a_file(tmp_path):
    driver = twin_driver("atoms", {"atoms": str(written(tmp_path, "fe.xyz", EXTENDED))})
    other = twin_driver("atoms", {"atoms": str(written(tmp_path, "w.xyz", XYZ))})
    assert driver.capabilities().identity != other.capabilities().identity
    with pytest.raises(BadInput, match="no atoms in"):
        twin_driver("atoms", {"atoms": str(tmp_path / "none.xyz")})
    on_carbon = Oracle(twin_driver("mxene", {"atoms": "Au"}))
    assert not on_carbon.flakes
    assert set(on_carbon.atoms((0, 1e-9, 0, 1e-9)).element) == {"Au"}


def test_a_world_file_finds_atoms_beside_it_and_refuses_others(tmp_path):
    written(tmp_path, "w.xyz", XYZ)
    world = written(tmp_path, "mine.toml", 'name = "mine"\n[atoms]\nfile = "w.xyz"\n')
    assert len(Oracle(TwinDriver(load_world(str(world)))).atoms((-1, 1, -1, 1)).x) == 3
    wrong = written(tmp_path, "mine.toml", f'name = "mine"\n[atoms]\nfile = "w.xyz"\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(BadInput, match="others than the world declares"):
        TwinDriver(load_world(str(wrong)))


def shares(driver, fov, n=256):
    return Oracle(driver).noiseless(
        ScanSpec(detectors=("haadf",), rows=n, columns=n, fov_m=fov, dwell_s=1e-6)
    )


def test_atoms_are_bright_where_they_are(tmp_path):
    dimer = written(tmp_path, "two.xyz", "2\n\nAu -5 0 0\nAu 5 0 0\n")
    world = load_world("atoms").model_copy(update={"film": None})
    driver = TwinDriver(world.model_copy(update={"atoms": AtomsSpec(file=str(dimer))}), stage="ideal")
    image = shares(driver, 4e-9)
    left, right = image[:, :128], image[:, 128:]
    for half, expected in ((left, 128 - 32), (right, 32)):
        row, column = np.unravel_index(half.argmax(), half.shape)
        assert abs(row - 127.5) <= 1.5
        assert abs(column - expected) <= 1.5


def test_a_crystal_is_as_bright_from_afar_as_from_near():
    driver = TwinDriver(load_world("atoms").model_copy(update={"film": None}), stage="ideal")
    near, far = shares(driver, 8e-9).mean(), shares(driver, 150e-9).mean()
    assert far == pytest.approx(near, rel=0.03)


def test_the_beam_takes_atoms_of_a_file_for_good():
    world = load_world("atoms").model_copy(update={"damage": DamageSpec(excitation_a2={"O": 1e-5})})
    driver = TwinDriver(world, stage="ideal")
    oracle = Oracle(driver)
    box = (-2e-9, 2e-9, -2e-9, 2e-9)
    driver.set_blank(False)
    scan = ScanSpec(detectors=("haadf",), rows=64, columns=64, fov_m=8e-9, dwell_s=1e-4)
    gone = []
    for _ in range(2):
        driver.acquire(scan, NEVER)
        gone.append(oracle.atoms(box).missing)
    there = oracle.atoms(box)
    assert not gone[1][there.element != "O"].any()
    assert (gone[1] >= gone[0]).all()
    dose = oracle.dose_per_tile(box).mean()
    assert gone[1][there.element == "O"].mean() == pytest.approx(-np.expm1(-1e-5 * dose), rel=0.1)
