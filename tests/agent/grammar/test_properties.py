# ruff: noqa: E501 (tables of requests)
"""Any text is survived, no number is lost, no tool appears that no word asked for."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eucentric.agent.grammar import GrammarPlanner
from eucentric.agent.grammar.language.words import ENTRIES, fold
from eucentric.core.request import Request

SPELLINGS = {
    "20 nm field": ("take a haadf at {}", "acquire_image", "fov_nm", 20.0,
                    ["20 nm", "20nm", "200 Å", "200 angstrom", "0.02 µm", "0,02 µm", "0.02 micron", "20000 pm", "2e-2 um",
                     "twenty nanometers", "20 nanometer", "20-nm", "2x10^1 nm", "+20 nm"]),
    "2 µs dwell": ("take a haadf at 20 nm, dwell {}", "acquire_image", "dwell_us", 2.0,
                   ["2 µs", "2us", "2 μs", "2000 ns", "0.002 ms", "two microseconds", "2 Mikrosekunden", "0,002 ms", "2 usec", "2e-6 s"]),
    "50 pA": ("set the probe current to {}", "set_optics", "probe_current_pa", 50.0,
              ["50 pA", "0.05 nA", "50pA", "0,05 nA", "5e-2 nA", "fifty picoamps", "50 000 fA"]),
    "-250 nm": ("move {} in x", "move_stage", "dx_um", -0.25,
                ["-250 nm", "−250 nm", "minus 250 nm", "-0.25 µm", "-0,25 µm", "-2500 Å", "minus 0.25 micron", "negative 250 nm"]),
    "10 degrees": ("tilt alpha to {}", "move_stage", "alpha_deg", 10.0,
                   ["10 deg", "10°", "10 degrees", "ten degrees", "10 Grad", "zehn Grad", "1e1 deg", "10"]),
    "1000 nm": ("take a haadf at {}", "acquire_image", "fov_nm", 1000.0,
                ["1,000 nm", "1 000 nm", "1 µm", "1e3 nm", "10^3 nm", "1×10³ nm", "1_000 nm", "a micron", "one micrometre"]),
    "1024 px": ("take a haadf at 40 nm, {}", "acquire_image", "width_px", 1024,
                ["1024 px", "1024x1024", "1k", "1k×1k", "1024 by 1024", "1024 pixels", "1024 × 1024 px", "1k x 1k pixel", "1024*1024"]),
    "2e4 e/Å²": ("find monolayer flakes, image two below {} at atomic resolution", None, None, 2e4,
                 ["2e4 e/Å2", "20000 e/A^2", "20 000 e/Å²", "20,000 e-/Å^2", "2×10^4 e/A2", "20k e/Å2", "2e4 electrons per square angstrom",
                  "2e6 e/nm2", "2e4 e Å^-2", "2E4 el/A²", "2·10⁴ e⁻/Å²"]),
    "5x5": ("survey {} tiles", "survey", "tiles_x", 5, ["5x5", "5 x 5", "5×5", "5 by 5", "5*5"]),
}  # fmt: skip
ROWS = [(name, *row[:4], text) for name, row in SPELLINGS.items() for text in row[4]]


def flat(steps):
    for step in steps:
        if step.tool:
            yield step
        yield from flat(step.do)


def propose(text, situation):
    return GrammarPlanner().propose(Request(text=text, who="j.doe", instrument="twin:t"), situation)


@pytest.mark.parametrize(("name", "form", "tool", "arg", "wanted", "spelling"), ROWS)
def test_same_quantity_in_any_spelling(situations, name, form, tool, arg, wanted, spelling):
    proposal = propose(form.format(spelling), situations["m" if "flake" in form else "s"])
    assert proposal.outcome == "run", proposal.say
    if tool is None:
        assert proposal.plan.budget_e_per_a2 == pytest.approx(wanted)
        return
    step = next(step for step in flat(proposal.plan.steps) if step.tool == tool)
    assert step.args[arg] == pytest.approx(wanted, rel=1e-9)


BASES = [
    "take a haadf at 20 nm", "move 5 µm to the right", "autofocus", "tilt alpha to 5 degrees", "survey 3x3 tiles", "average 8 frames at 30 nm",
    "where is the stage", "find the vacancies in the last image", "set the probe current to 30 pA", "save this position as B7",
]  # fmt: skip
ODD = ["777 mrad", "41.5 kelvin", "613 Hz", "17 %", "733 V/m", "911 rpm", "1234567", "37 e/Å2/s", "55 bananas", "9.7 T", "19-23 nm",
       "421 µm", "88 minutes", "6.6 nA", "3.3 kV"]  # fmt: skip


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("form", ["{0} with {1}", "{1}, {0}", "{0}, {1}"])
def test_a_quantity_is_never_dropped_silently(situations, base, odd, form):
    proposal = propose(form.format(base, odd), situations["s"])
    if proposal.plan is None:
        return
    digits = odd.split()[0].split("-")[0]
    told = json.dumps(proposal.plan.model_dump(mode="json"), ensure_ascii=False) + proposal.say
    values = {
        digits,
        f"{float(digits):g}",
        f"{float(digits) * 1000:g}",
        str(float(digits)),
        str(float(digits) * 1000),
    }
    assert any(value in told for value in values), (proposal.say, proposal.plan)


WORDS = st.sampled_from(
    [
        "take",
        "move",
        "tilt",
        "image",
        "the",
        "haadf",
        "20",
        "nm",
        "512x512",
        "5",
        "µm",
        "right",
        "alpha",
        "to",
        "and",
        "then",
        ",",
        ".",
        "stop",
        "not",
        "if",
        "2",
        "us",
        "flake",
        "find",
        "survey",
        "vacancy",
        "last",
        "save",
        "as",
        "zoom",
        "better",
        "current",
        "set",
        "30",
        "pA",
        "-",
        "+",
        "=",
        "x",
        "y",
        "(",
        ")",
        "every",
        "s",
        "for",
        "min",
        "ä",
        "1,000",
        '"',
        "'q'",
        "[110]",
        "below",
        "e/Å2",
        "2e4",
        "grid",
        "pitch",
        "report",
        "und",
        "dann",
        "Bild",
        "nach",
        "k",
        "100",
        "0",
        "-5",
        "zero",
        "back",
        "each",
        "worst",
        "3",
        "auto",
        "focus",
    ]
)
CUES = {
    "move_stage": (
        "move",
        "go",
        "tilt",
        "x",
        "y",
        "z",
        "alpha",
        "beta",
        "right",
        "left",
        "back",
        "grid",
        "pitch",
        "zero",
        "home",
        "worst",
    ),
    "survey": ("survey", "find", "flake", "tile", "grid", "map"),
    "autofocus": ("focus", "worst", "flake"),
    "detect_defects": ("vacanc", "defect", "atom", "worst", "find", "detect", "analys", "last"),
    "measure_lattice": (
        "lattice",
        "strain",
        "cell",
        "gitter",
        "zelle",
        "verzerr",
        "dehnung",
        "pixel",
        "sampling",
        "per px",
    ),
    "save_position": ("save",),
    "blank_beam": ("blank", "blend", "tast", "off", "aus", "ab", "weg"),
    "abort": tuple(word for word, concept in ENTRIES.items() if concept == "STOP"),
    "write_report": ("report",),
    "set_optics": ("set", "current", "pa", "nm", "fov", "zoom", "focus"),
}
RELAXED = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def check(text, situation):
    proposal = propose(text, situation)
    assert (proposal.plan is not None) == (proposal.outcome in {"run", "answer", "safety"})
    if proposal.plan is None:
        assert proposal.say
        return
    for step in flat(proposal.plan.steps):
        cues = CUES.get(step.tool)
        assert cues is None or any(cue in fold(text) for cue in cues), (step.tool, text)


@RELAXED
@given(text=st.text(min_size=1, max_size=120))
def test_any_text_is_survived(situations, text):
    check(text, situations["s"])


@RELAXED
@given(words=st.lists(WORDS, min_size=1, max_size=16))
def test_any_words_are_survived_and_no_tool_comes_from_nowhere(situations, words):
    check(" ".join(words), situations["m"])


@RELAXED
@given(value=st.floats(min_value=35.001, max_value=1e6), axis=st.sampled_from(["alpha", "x"]))
def test_nothing_beyond_a_limit_is_ever_planned(situations, value, axis):
    text = f"tilt alpha to {value:.4f} degrees" if axis == "alpha" else f"go to x = {1000 + value:.4f} µm"
    assert propose(text, situations["s"]).outcome == "refuse"


@pytest.mark.parametrize(
    "text",
    [
        "9" * 400,
        "1e999 nm",
        "1" + "0" * 60 + " nm field haadf",
        "take " * 700,
        "(" * 1000,
        "-" * 1000,
        "1,2" * 300,
    ],
)
def test_monsters(situations, text):
    assert propose(text[:4000], situations["s"]).outcome in {"clarify", "refuse"}
