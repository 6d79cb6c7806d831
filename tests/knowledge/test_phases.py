"""Phases: aliases, CIFs, columns and their states."""

import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge.phases import FOLDER, known_phases, phase


@pytest.mark.parametrize(
    "name", ["Ti3C2", "ti3c2tx", "Ti3C2O2", "Ti3C2Tx MXene", "Ti3C2T_x", "Ti₃C₂", "mxene"]
)
def test_aliases_of_ti3c2(name):
    assert phase(name).name == "Ti3C2"


@pytest.mark.parametrize("name", ["", "Ti", "MoS2x", "graphene-ish", "../../etc/passwd", "a\x1b[2Jb"])
def test_unknown_names_list_the_known(name):
    with pytest.raises(BadInput) as caught:
        phase(name)
    assert all(known in caught.value.why for known in known_phases())
    assert "\x1b" not in str(caught.value)


def test_ti3c2_has_one_ti_on_every_site():
    ti3c2 = phase("Ti3C2")
    assert ti3c2.a_angstrom == 3.0505
    assert ti3c2.spacing_angstrom == pytest.approx(1.7612, abs=1e-4)
    assert ti3c2.site_area_a2 == pytest.approx(2.686, abs=1e-3)
    assert [column.elements.count("Ti") for column in ti3c2.columns] == [1, 1, 1]
    assert sorted((round(c.u, 3), round(c.v, 3)) for c in ti3c2.columns) == [
        (0, 0),
        (0.333, 0.667),
        (0.667, 0.333),
    ]
    assert ti3c2.equal_columns
    assert ti3c2.formula == "Ti3C2"


def test_mos2_has_mo_and_two_s_and_a_hollow():
    mos2 = phase("MoS2")
    assert [column.elements for column in mos2.columns] == [("Mo",), ("S", "S")]
    assert mos2.columns[1].weight == pytest.approx(0.39)
    assert not mos2.equal_columns
    assert mos2.occupied_fraction == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("name", "column", "states"),
    [
        ("Ti3C2", 0, {"full": (1.0, False, True), "V_Ti": (0.2, True, False)}),
        ("MoS2", 0, {"full": (1.0, False, True), "V_Mo": (0.0, True, False), "V on Mo": (0.39, False, True)}),
        ("MoS2", 1, {"V_S": (0.5, True, True), "V_S2": (0.0, True, False)}),
    ],
)
def test_states(name, column, states):
    known = {state.name: state for state in phase(name).columns[column].states}
    for state, (relative, vacancy, left) in states.items():
        assert known[state].relative == pytest.approx(relative, abs=0.03)
        assert known[state].vacancy == vacancy
        assert known[state].column_left == left
    assert next(iter(known)) == "full"


def test_a_cif_of_the_user_is_read(tmp_path):
    text = (FOLDER / "Ti3C2.cif").read_text().replace("3.0505", "3.10")
    (tmp_path / "mine.cif").write_text(text)
    mine = phase(tmp_path / "mine.cif")
    assert mine.a_angstrom == pytest.approx(3.10)
    assert len(mine.columns) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("_cell_angle_gamma                      120", "_cell_angle_gamma 90"), "hexagonal"),
        (("C1  C  0.333333 0.666667", "C1  C  0.2 0.4"), "off the three"),
        (("_atom_site", "_nothing"), "atoms"),
        (None, "cannot read"),
    ],
)
def test_cifs_that_do_not_fit_are_refused(tmp_path, change, says):
    text = (FOLDER / "Ti3C2.cif").read_text().replace(*change) if change else "no cif at all"
    (tmp_path / "bad.cif").write_text(text)
    with pytest.raises(BadInput, match=says):
        phase(tmp_path / "bad.cif")


def test_a_missing_cif_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="there is no file"):
        phase(tmp_path / "none.cif")


@pytest.mark.parametrize(
    ("name", "metal", "chalcogen", "dimmer"),
    [("MoS2", "Mo", "S", "V on Mo"), ("MoSe2", "Mo", "Se", "V on Mo"), ("WS2", "W", "S", "Mo on W"),
     ("WSe2", "W", "Se", "Mo on W")],
)  # fmt: skip
def test_dichalcogenides_are_of_one_kind(name, metal, chalcogen, dimmer):
    known = phase(name)
    by_element = {column.elements[0]: column for column in known.columns}
    assert by_element[metal].elements == (metal,)
    assert by_element[chalcogen].elements == (chalcogen, chalcogen)
    states = {state.name: state for state in by_element[metal].states}
    assert 0 < states[dimmer].relative < 1
    assert states[dimmer].holds == dimmer.split()[0]
    assert not states[dimmer].vacancy
    half = {state.name: state for state in by_element[chalcogen].states}[f"V_{chalcogen}"]
    assert half.holds == chalcogen


def test_graphene_has_two_equal_columns_and_a_hollow():
    graphene = phase("graphene")
    assert [column.elements for column in graphene.columns] == [("C",), ("C",)]
    assert graphene.columns[0].weight == graphene.columns[1].weight == 1.0
    assert not graphene.equal_columns
    assert {"V_C", "N on C", "Si on C"} <= {state.name for state in graphene.columns[0].states}


@pytest.mark.parametrize(
    ("name", "a", "columns", "alike"),
    [
        ("SrTiO3", 3.905, [("Sr",), ("Ti", "O")], False),
        ("BaTiO3", 3.997, [("Ba",), ("Ti", "O")], False),
        ("Au", 4.0782 / 2**0.5, [("Au",), ("Au",)], True),
        ("Fe", 2.8665, [("Fe",), ("Fe",)], True),
        ("Si", 5.431 / 2, [("Si",), ("Si",)], True),
    ],
)
def test_square_lattices_down_001(name, a, columns, alike):
    """The cell is the one whose two sublattices are all columns, whatever the CIF's is."""
    seen = phase(FOLDER / f"{name}.cif")
    assert seen.kind == "square"
    assert seen.a_angstrom == pytest.approx(a, rel=1e-3)
    assert [column.elements for column in seen.columns] == columns
    assert seen.equal_columns == alike
    assert seen.spacing_angstrom == pytest.approx(seen.a_angstrom / 2**0.5)
    assert seen.site_area_a2 == pytest.approx(seen.a_angstrom**2 / 2)


def test_a_ti_vacancy_of_an_oxide_leaves_its_oxygen():
    states = {state.name: state for state in phase("sto").columns[1].states}
    assert 0 < states["V_Ti"].relative < 0.2
    assert states["V_Ti"].vacancy
    assert not states["V_Ti"].column_left
    assert states["Nb on Ti"].relative > 1.5
    assert "La on Sr" in {state.name for state in phase("SrTiO3").columns[0].states}


@pytest.mark.parametrize("name", ["MoO3", "ZrO2", "quartz"])
def test_other_plan_views_are_refused(name):
    with pytest.raises(BadInput):
        phase(FOLDER / f"{name}.cif")
