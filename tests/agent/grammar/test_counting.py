"""Requests to count: with a field in which columns can be seen, and never a dose for a picture that shows none."""

import pytest

from eucentric.agent.grammar import GrammarPlanner
from eucentric.core.request import Request


@pytest.fixture
def proposed(situations):
    """What the grammar makes of a text, with the wide field of a survey set."""
    day = situations["m"]
    wide = day.state.model_copy(update={"optics": {**day.state.optics, "fov_nm": 2e4}})

    def ask(text):
        request = Request(text=text, who="w", instrument="i")
        return GrammarPlanner().propose(request, day.model_copy(update={"state": wide}))

    return ask


@pytest.mark.parametrize(
    "text",
    [
        "take an image and count the Ti vacancies",
        "nimm ein Bild auf und zähle die Ti-Leerstellen",
        "autofocus, take an image and measure the lattice",
    ],
)
def test_an_image_to_count_in_shows_columns(proposed, text):
    plan = proposed(text).plan
    image = next(step for step in plan.steps if step.tool == "acquire_image")
    assert image.args["fov_nm"] / image.args["width_px"] < 0.02
    assert any("columns are to be looked at" in line for line in plan.assumed)


@pytest.mark.parametrize(
    "text", ["take an image", "take a 512x512 HAADF at 20 µm field of view and count the vacancies"]
)
def test_a_field_that_was_said_or_is_for_nothing_else_stays(proposed, text):
    plan = proposed(text).plan
    assert next(step for step in plan.steps if step.tool == "acquire_image").args["fov_nm"] > 1000


@pytest.mark.parametrize(
    "text",
    [
        "find 95 % of the Ti vacancies with the least dose",
        "mit der geringsten Dosis 95 % der Ti-Leerstellen finden",
    ],
)
def test_the_least_dose_is_a_look_up(proposed, text):
    plan = proposed(text).plan
    assert [step.tool for step in plan.steps] == ["recommend_acquisition"]
    assert plan.steps[0].args["recall"] == 0.95


@pytest.mark.parametrize(
    "text", ["compare the vacancies of the two areas", "vergleiche die Leerstellen der beiden Bereiche"]
)
def test_a_comparison_names_the_command_that_makes_one(proposed, text):
    told = proposed(text)
    assert told.outcome == "refuse"
    assert "eucentric defects compare" in told.say


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("count the S vacancies in the last image", ["detect_defects"]),
        ("how many sulphur vacancies are in the last image", ["detect_defects"]),
        ("zähle die Schwefelleerstellen im letzten Bild", ["detect_defects"]),
        ("count the V_S in the last image", ["detect_defects"]),
        (
            "take an image at 8 nm and give the S vacancy density",
            ["acquire_image", "detect_defects", "estimate_density"],
        ),
        (
            "take an image at 8 nm field of view and give the vacancy density",
            ["acquire_image", "detect_defects", "estimate_density"],
        ),
    ],
)
def test_what_is_missing_may_have_a_symbol_of_one_letter(situations, text, tools):
    card = situations["m"].specimen.model_copy(update={"material": "MoS2"})
    plan = _plan(text, situations["m"].model_copy(update={"specimen": card}))
    assert [step.tool for step in plan.steps] == tools
    named = "S" in text.replace("Schwefel", "S") or "sulphur" in text
    assert any("one density over all kinds (V_Mo, V_S2, V_S)" in line for line in plan.assumed) == named


@pytest.mark.parametrize("end", ["give the S vacancy density", "count the V_S", "count the V_S2"])
def test_a_campaign_counts_what_has_one_letter(situations, end):
    text = f"find a monolayer flake, image it at atomic resolution below 5e4 e/A2 and {end}"
    card = situations["m"].specimen.model_copy(update={"material": "MoS2"})
    plan = _plan(text, situations["m"].model_copy(update={"specimen": card}))
    assert plan.steps[-1].tool == "estimate_density"


def _plan(text, situation):
    return GrammarPlanner().propose(Request(text=text, who="w", instrument="i"), situation).plan
