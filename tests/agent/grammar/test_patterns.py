"""Patterns in plain words: one where there is a camera, a refusal where there is none or more is meant."""

import pytest

from eucentric.agent.grammar import GrammarPlanner
from eucentric.core.request import Request
from eucentric.instruments.capabilities import DetectorSpec, PatternsSpec


@pytest.fixture
def with_camera(situations):
    one = situations["s"]
    camera = DetectorSpec(
        name="camera", collection_mrad=(0, 40), patterns=PatternsSpec(max_px=512, min_exposure_s=1e-3)
    )
    able = one.capabilities.model_copy(update={"detectors": (*one.capabilities.detectors, camera)})
    return one.model_copy(update={"capabilities": able})


def proposed(text, situation):
    return GrammarPlanner().propose(Request(text=text, who="t", instrument="twin:t"), situation)


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("acquire a diffraction pattern", ["acquire_pattern"]),
        ("tilt to [110], then record a diffraction pattern", ["tilt_to_zone_axis", "acquire_pattern"]),
    ],
)
def test_one_pattern(text, tools, with_camera):
    plan = proposed(text, with_camera)
    assert plan.outcome == "run", plan.say
    assert [step.tool for step in plan.plan.steps] == tools


@pytest.mark.parametrize(
    "text",
    ["acquire a diffraction pattern", "record a 4D-STEM map", "take a diffraction pattern of 50 ms at 20 nm"],
)
def test_without_a_camera_or_with_more_than_a_pattern_nothing_is_planned(text, situations, with_camera):
    for situation in (situations["s"], *([] if "acquire a" in text else [with_camera])):
        assert proposed(text, situation).outcome in ("refuse", "clarify")


def test_both_detectors_are_those_that_make_images(with_camera):
    plan = proposed("take an image at 20 nm with both detectors", with_camera).plan
    assert tuple(plan.steps[-1].args["detectors"]) == ("haadf", "bf")
