"""Recipes for counting vacancies: inside the budget, enough counts, or an honest no."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucentric.core.errors import BadInput
from eucentric.knowledge.acquisition import NEEDED_COUNTS, recommend_atomic

TI = 0.0109
BASE = {"current_pa": 30.0, "voltage_kv": 60.0, "convergence_mrad": 30.0, "cross_section_a2": TI}


def test_mxene_at_twenty_thousand():
    spent = 1800.0
    recipe = recommend_atomic(budget_e_per_a2=2e4, spent_elsewhere_e_per_a2=spent, **BASE)
    assert (recipe.frames, recipe.dwell_us, recipe.fov_nm, recipe.width_px) == (4, 0.5, 8.0, 512)
    assert recipe.recall_ok
    assert recipe.total_e_per_a2 < 2e4
    assert recipe.mean_e_per_a2 == pytest.approx(15_342, rel=0.01)
    assert recipe.counts_per_column == pytest.approx(recipe.mean_e_per_a2 * TI)


@pytest.mark.parametrize("budget", [100.0, 1000.0, 2500.0])
def test_too_small_a_budget_says_so_with_numbers(budget):
    spent = 1800.0
    recipe = recommend_atomic(budget_e_per_a2=budget, spent_elsewhere_e_per_a2=spent, **BASE)
    assert not recipe.recall_ok
    assert f"{budget:.3g}" in recipe.say
    assert recipe.needed_budget_e_per_a2 > budget
    assert f"{recipe.needed_budget_e_per_a2:.3g}" in recipe.say


def test_needed_budget_is_enough():
    small = recommend_atomic(budget_e_per_a2=3000.0, spent_elsewhere_e_per_a2=500.0, **BASE)
    again = recommend_atomic(
        budget_e_per_a2=small.needed_budget_e_per_a2 * 1.0001, spent_elsewhere_e_per_a2=500.0, **BASE
    )
    assert not small.recall_ok
    assert again.recall_ok


def test_weak_scatterer_needs_more():
    light = recommend_atomic(budget_e_per_a2=None, **{**BASE, "cross_section_a2": TI / 5})
    heavy = recommend_atomic(budget_e_per_a2=None, **BASE)
    assert light.frames > 3 * heavy.frames
    assert "no budget given" in light.say


def test_close_columns_get_small_pixels():
    recipe = recommend_atomic(budget_e_per_a2=3000.0, spacing_a=1.0, **BASE)
    assert recipe.pixel_pm <= 100 / 6


def test_slow_scan_generator_is_respected():
    assert recommend_atomic(budget_e_per_a2=5e4, min_dwell_us=2.0, **BASE).dwell_us == 2.0


def test_flyback_is_charged():
    plain = recommend_atomic(budget_e_per_a2=1.7e4, **BASE)
    flying = recommend_atomic(budget_e_per_a2=1.7e4, flyback_us=80.0, **BASE)
    assert flying.frames < plain.frames


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    budget=st.floats(200, 1e6),
    current=st.floats(1, 200),
    section=st.floats(1e-3, 0.1),
    spent=st.floats(0, 5000),
    flyback=st.floats(0, 200),
)
def test_the_budget_is_never_passed(budget, current, section, spent, flyback):
    recipe = recommend_atomic(
        budget_e_per_a2=budget, current_pa=current, voltage_kv=60.0, convergence_mrad=30.0, cross_section_a2=section,
        spent_elsewhere_e_per_a2=spent, flyback_us=flyback,
    )  # fmt: skip
    assert not recipe.fits or recipe.total_e_per_a2 <= budget
    assert recipe.recall_ok == (recipe.fits and recipe.counts_per_column >= NEEDED_COUNTS)


def test_the_counts_needed_say_at_how_many_false_calls():
    """A law seen on a frame asks for another number, at the false calls of a call at one half."""
    assert (
        "95 % recall with one false call in 10,000 sites" in recommend_atomic(budget_e_per_a2=2e4, **BASE).say
    )
    assert "false call" not in recommend_atomic(budget_e_per_a2=2e4, needed_counts=69.0, **BASE).say


def test_nonsense_is_refused():
    with pytest.raises(BadInput):
        recommend_atomic(budget_e_per_a2=1e4, **{**BASE, "current_pa": 0.0})
