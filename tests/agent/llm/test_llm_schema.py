"""What a model is offered: short lines, a closed schema, every spelling of a unit."""

import json
import re

import pytest
from room import TOOLS, Image, Move

from eucentric.agent.llm.numbers import dose_bound, stated, unsupported
from eucentric.agent.llm.schema import draft_schema, fields, first_sentence, parameters, signature
from eucentric.core.errors import BadInput
from eucentric.prompts import load
from eucentric.tools.catalogue import CATALOGUE

BY_NAME = {tool.name: tool for tool in TOOLS}


def test_a_trimmed_field_keeps_bounds_in_the_words_of_json():
    assert fields(Move)["dx_um"] == {"type": "number", "minimum": -1000, "maximum": 1000, "unit": "um"}
    assert fields(Image)["width_px"] == {"type": "integer", "minimum": 16, "maximum": 4096}
    assert fields(Image)["detectors"]["items"]["enum"] == ["haadf", "bf"]


def test_a_signature_is_one_short_line():
    name, arguments, _ = re.split(r"[()]", signature(BY_NAME["select_targets"]))
    assert (name, arguments) == ("select_targets", "frames: array, at_most?: integer 1..1000, min_size_nm?")
    assert signature(BY_NAME["select_targets"]).endswith(" -> targets; The select_targets tool")


def test_a_long_sentence_is_cut_at_a_clause():
    assert first_sentence("Go there, and " + "far " * 40) == "Go there"
    assert first_sentence("Short. Then more.") == "Short"


def _quantity(name):
    calls = draft_schema(TOOLS)["properties"]["steps"]["items"]["anyOf"]
    move = next(call for call in calls if call["properties"].get("tool", {}).get("const") == "move_stage")
    return move["properties"]["args"]["properties"][name]["pattern"]


@pytest.mark.parametrize("text", ["5 um", "-0.25 um", "15 Å", "3 µm", "2 nm", "item.x_um"])
def test_the_grammar_lets_the_model_copy_what_people_write(text):
    assert re.search(_quantity("dx_um"), text)


@pytest.mark.parametrize("text", ["5", "5 deg", "5um;", "1e55 um", "item", "NaN um"])
def test_the_grammar_wants_a_number_and_a_unit_of_the_kind(text):
    assert not re.search(_quantity("dx_um"), text)


def test_every_object_of_the_schema_is_closed():
    def closed(node):
        if isinstance(node, dict):
            assert node.get("type") != "object" or node.get("additionalProperties") is False
            for entry in node.values():
                closed(entry)
        elif isinstance(node, list):
            for entry in node:
                closed(entry)

    closed(draft_schema(TOOLS))
    for tool in TOOLS:
        closed(parameters(tool))
    assert "NaN" not in json.dumps(draft_schema(TOOLS), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "dose"),
    [("below 2e4 e/Å2", 2e4), ("at most 500 e/Å²", 500), ("dose < 20 e/nm^2", 0.2),
     ("5 um and 3 frames", None), ("5-900 e/\u212b2", 900),
     ("image 2000 e-/Å^2, never above 1500 e/A2", 1500), ("", None)],
)  # fmt: skip
def test_the_dose_bound_is_read_from_the_request(text, dose):
    assert dose_bound(text) == (dose if dose is None else pytest.approx(dose))


CLAIMED = [
    ("move 250 nm in -y", {"dy_um": -0.25}, []),
    ("move 250 nm left", {"dx_um": 0.25}, []),
    ("move 250 nm in -y", {"dy_um": -250.0}, ["dy_um = -250 µm = -0.25 mm"]),
    ("move 250 \u03bcm or 5 \u00b5m", {"dx_um": 5.0, "dy_um": 250.0}, []),
    ("go to x 3,5 µm", {"x_um": 3.5}, []),
    ("x = −4", {"x_um": -4.0}, []),
    ("move a bit", {"dx_um": 10.0, "mode": "relative"}, ["dx_um = 10 µm = 0.01 mm"]),
    ("move 5 deg", {"dx_um": 5.0}, ["dx_um = 5 µm = 0.005 mm"]),
    ("move 5 um in x", {"x_um": 5.0, "y_um": 0.0}, ["y_um = 0 µm = 0 mm"]),
]


@pytest.mark.parametrize(("text", "args", "named"), CLAIMED)
def test_numbers_are_the_persons_or_are_named(text, args, named):
    assert unsupported(args, Move, text) == named


def test_a_plain_number_is_shown_without_a_unit():
    assert unsupported({"width_px": 256}, Image, "512 px") == ["width_px = 256"]


def test_numbers_are_not_read_out_of_names():
    assert stated("Ti3C2 in f-0007, 5um") == [(5.0, "um")]


def test_prompts_are_files_with_a_digest():
    assert len(load("planner").digest) == 64
    for name in ("nothing", "../core/plan", "planner.md", ""):
        with pytest.raises(BadInput):
            load(name)


def test_the_prompt_with_the_real_catalogue_stays_short():
    """Measured with Qwen's tokenizer: 5,074 characters were 1,379 tokens; these are 2,250 to 2,400."""
    lines = [signature(tool) for tool in CATALOGUE]
    assert max(len(line) for line in lines) < 400
    text = load("planner").text + load("planner_json").text + "\n".join(lines)
    assert len(text) < 8600
    for tool in CATALOGUE:
        assert parameters(tool)["properties"].keys() == tool.args.model_fields.keys()
    json.dumps(draft_schema(CATALOGUE), allow_nan=False)
