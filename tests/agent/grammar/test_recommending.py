# ruff: noqa: E501 (tables of requests)
"""Sentences that ask which settings a recall or a precision takes, and plans that state one."""

import pytest

from eucentric.agent.grammar import GrammarPlanner
from eucentric.core.request import Request

TI, MO = {"material": "Ti3C2"}, {"material": "MoS2"}
QUESTIONS = [
    ("how much dose do I need to see Ti vacancies", {**TI, "kind": "Ti"}),
    ("How much dose is needed to see the vacancies?", {**TI, "kind": "vacancy"}),
    ("what dwell time for 95 % recall of S vacancies in MoS2 at 50 pA", {**MO, "kind": "S", "recall": 0.95, "probe_current_pa": 50.0}),
    ("recommend acquisition settings for counting Ti vacancies below 2e4 e/A2", {**TI, "kind": "Ti", "max_dose_e_per_a2": 2e4}),
    ("recommend settings for V_S in MoS2", {**MO, "kind": "V_S"}),
    ("recommend settings for V_S2 in MoS2", {**MO, "kind": "V_S2"}),
    ("suggest pixel size and dwell for Mo vacancies in MoS2 from the last image", {**MO, "kind": "Mo", "frame": "last"}),
    ("recommend the dose for Ti vacancies by frame f-0003", {**TI, "kind": "Ti", "frame": "f-0003"}),
    ("which pixel size do I need for 99 % recall of Mo vacancies in MoS2 below 5000 e/A2?", {**MO, "kind": "Mo", "recall": 0.99, "max_dose_e_per_a2": 5000.0}),
    ("recommend settings for Ti vacancies with pixel size 16 pm", {**TI, "kind": "Ti", "pixel_pm": 16.0}),
    ("recommend settings to get the Ti vacancy density to ± 0.5 %", {**TI, "kind": "Ti", "density_error_percent": 0.5}),
    ("recommend settings for the vacancy density with a precision of 0.5 %", {**TI, "kind": "vacancy", "density_error_percent": 0.5}),
    ("Welche Dosis brauche ich, um Ti-Leerstellen zu sehen?", {**TI, "kind": "Ti"}),
    ("Welche Verweilzeit für 95 % der S-Leerstellen in MoS2?", {**MO, "kind": "S", "recall": 0.95}),
    ("Empfiehl Einstellungen für Titan-Leerstellen", {**TI, "kind": "Ti"}),
]  # fmt: skip
ASKED_BACK = [
    ("recommend settings for Pb vacancies", "no Pb vacancy"),
    ("recommend settings for vacancies in SrTiO3", "as long as it is thick"),
    ("recommend settings for vacancies in GaAs", "no plan view of GaAs"),
    ("recommend settings for Ti vacancies with 20 % more", "20 %"),
    ("recommend settings for Ti vacancies at 2e4 e/A2", "2e4 e/A2"),
    ("recommend settings for 100 % of the Ti vacancies", "can't be promised"),
    ("recommend a restaurant", "restaurant"),
    ("find two monolayers and count Ti vacancies with 100 % recall", "can't be promised"),
    (
        "find monolayer flakes below 1.6e4 e/Å2 so that 99.9 % of the Ti vacancies are found",
        "can't be had below",
    ),
    ("find one monolayer flake below 2e4 e/Å2 and give the Ti vacancy density to ± 0.1 %", "flakes, 1 give"),
    ("image 3 flakes with 8 nm at 2 µs so that 95 % of the Ti vacancies are found", "which of the two"),
    ("take an image at 8 nm and find 95 % of the vacancies", "95 %"),
]
OTHERS = [
    ("how much dose did the last image get?", "query_log"),
    ("how many Ti vacancies are there?", "detect_defects"),
    ("what is the dwell time?", "get_state"),
]


def proposed(text, situation):
    return GrammarPlanner().propose(Request(text=text, who="t", instrument="twin"), situation)


@pytest.mark.parametrize(("text", "args"), QUESTIONS)
def test_a_question_is_looked_up(situations, text, args):
    proposal = proposed(text, situations["m"])
    assert proposal.outcome == "answer"
    assert [(step.tool, step.args) for step in proposal.plan.steps] == [("recommend_acquisition", args)]


@pytest.mark.parametrize(("text", "words"), ASKED_BACK)
def test_what_is_not_sure_is_asked_back(situations, text, words):
    proposal = proposed(text, situations["m"])
    assert proposal.outcome == "clarify"
    assert words in proposal.say


@pytest.mark.parametrize(("text", "tool"), OTHERS)
def test_other_questions_stay_what_they_are(situations, text, tool):
    assert [step.tool for step in proposed(text, situations["m"]).plan.steps] == [tool]


def series(text, situation):
    plan = proposed(text, situation).plan
    loop = next(step for step in plan.steps if step.do)
    return plan, loop, next(step for step in loop.do if step.tool == "acquire_series").args


def test_a_stated_recall_chooses_the_dose(situations):
    """More is taken for more, and without a word about it the usual."""
    ask = "find three monolayer flakes and image them below {} e/Å2{}"
    usual = series(ask.format("4e4", ", count the Ti vacancies"), situations["m"])[2]
    half = series(ask.format("4e4", " so that 50 % of the Ti vacancies are found"), situations["m"])
    most = series(ask.format("4e4", " so that 99.9 % of the Ti vacancies are found"), situations["m"])
    doses = [args["frames"] * args["dwell_us"] for args in (half[2], most[2])]
    assert doses[0] < doses[1]
    assert (
        usual["frames"] == series(ask.format("4e4", ", count the Ti vacancies"), situations["m"])[2]["frames"]
    )
    assert any("expected to be found (predicted" in text for text in half[0].assumed)


def test_a_stated_precision_says_how_many_flakes(situations):
    ask = "find monolayer flakes below 2e4 e/Å2 and give the Ti vacancy density to ± {} %"
    few, many = (series(ask.format(error), situations["m"])[1].at_most for error in (0.5, 0.2))
    assert few < many
    assert many == pytest.approx(few * (0.5 / 0.2) ** 2, abs=few * 3.2)
