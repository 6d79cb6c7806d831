"""Worlds as data: loading, refusing, and enough of what a survey needs."""

import pytest

from eucentric.core.errors import BadInput
from eucentric.instruments.twin import load_world, twin_driver
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.world import shipped_worlds

MXENE = load_world("mxene")


def toml_of(world: str) -> str:
    from importlib import resources

    return (resources.files("eucentric.instruments.twin") / "worlds" / f"{world}.toml").read_text("utf-8")


@pytest.mark.parametrize("name", shipped_worlds())
def test_every_shipped_world_loads_under_its_own_name(name):
    assert load_world(name).name == name


def test_a_strangers_file_is_a_world(tmp_path):
    text = toml_of("mxene").replace('name = "mxene"', 'name = "mine"').replace("3.0505", "3.10")
    (tmp_path / "mine.toml").write_text(text)
    twin = twin_driver(str(tmp_path / "mine.toml"), {"seed": "1"})
    assert "mine" in twin.capabilities().identity
    assert twin.capabilities().identity.startswith("SIMULATED")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("vacancy_fraction = 0.02", "vacancy_fraction = 2.0"), "vacancy_fraction"),
        (("vacancy_fraction = 0.02", "vacancy_fraction = nan"), "vacancy_fraction"),
        (("[material]", "surprise = 1\n[material]"), "surprise"),
        (("[film]", "[film"), "not TOML"),
        (("cells_nm = [900.0, 3000.0, 9000.0]", "cells_nm = [900.0]"), "texture"),
        (('vacant_element = "Ti"', 'vacant_element = "Mo"'), "vacant_element"),
        (("layers = [1, 1,", "layers = [0, 1,"), "layers"),
        (("pitch_um = 12.5", "pitch_um = 0.001"), "flakes"),
    ],
)
def test_a_bad_file_is_refused_with_the_field(tmp_path, change, says):
    text = toml_of("mxene")
    assert change[0] in text
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(change[0], change[1], 1))
    with pytest.raises(BadInput, match=says):
        load_world(str(path))


@pytest.mark.parametrize("world", ["no-such-world", "/no/such/file.toml", "bad\x00name", "."])
def test_no_such_world(world):
    with pytest.raises(BadInput, match="no world"):
        load_world(world)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"sed": "7"}, "seed, stage, column, clock, speed, faults"),
        ({"seed": "seven"}, "seed"),
        ({"seed": "-1"}, "seed"),
        ({"clock": "sundial"}, "clock"),
        ({"speed": "0"}, "speed"),
        ({"speed": "nan"}, "speed"),
        ({"stage": "perfect"}, "ideal, good, worn, piezo"),
        ({"stage": "no/such.toml"}, "ideal, good, worn, piezo"),
        ({"column": "bent"}, "tuned, uncorrected"),
        ({"faults": "earthquake@3"}, "missed_move"),
        ({"faults": "missed_move@0"}, "counts start at 1"),
        ({"faults": "missed_move"}, "KIND@N"),
    ],
)
def test_a_bad_query_names_what_is_known(query, says):
    with pytest.raises(BadInput) as caught:
        twin_driver("mxene", query)
    assert says in str(caught.value)


@pytest.mark.parametrize("seed", range(12))
def test_a_survey_around_the_origin_finds_suspended_monolayers(seed):
    oracle = Oracle(twin_driver("mxene", {"seed": str(seed)}))
    assert sum(flake.layers == 1 for flake in oracle.flakes) >= 25
    assert {flake.layers for flake in oracle.flakes} == {1, 2, 3, 5, 10}
    assert all(2e-6 <= flake.width <= 5e-6 for flake in oracle.flakes)
    spots = oracle.suspended((-40e-6, 40e-6, -40e-6, 40e-6))
    assert len(spots) >= 5
    assert all(oracle.layers_at(s.x, s.y) == 1 and not oracle.on_film(s.x, s.y) for s in spots)


def test_seeds_make_different_worlds():
    first, second = (Oracle(twin_driver("mxene", {"seed": seed})) for seed in "12")
    assert first.flakes != second.flakes


def test_a_change_of_vacancies_moves_no_flake():
    from eucentric.instruments.twin import TwinDriver

    few = Oracle(TwinDriver(MXENE.model_copy(update={"vacancy_fraction": 0.0}), 5))
    many = Oracle(TwinDriver(MXENE.model_copy(update={"vacancy_fraction": 0.1}), 5))
    assert few.flakes == many.flakes
    assert (few.vacancy_fraction, many.vacancy_fraction) == (0.0, 0.1)
