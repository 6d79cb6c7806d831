"""What may be written down, and what is asked of it."""

import pytest
from notebook_session import AT
from pydantic import ValidationError

from eucentric.core.errors import BadInput
from eucentric.knowledge import notebook as nb
from eucentric.knowledge.notebook.book import row_of, stored_form

AZIMUTH = nb.ScreenAzimuth(azimuth_deg=10)


@pytest.mark.parametrize(
    "words",
    [
        {"seen": "axis", "written": "(001)"},
        {"seen": "axis", "written": "[001]", "azimuths": [AZIMUTH]},
        {"seen": "g", "written": "[001]", "azimuths": [AZIMUTH]},
        {"seen": "g", "written": "(200)"},
        {"seen": "g", "written": "(200)", "azimuths": [AZIMUTH, AZIMUTH]},
        {"seen": "band", "written": "(200)"},
        {"seen": "unindexed", "written": "[001]"},
        {"seen": "axis", "written": ""},
        {"seen": "axis", "written": "[0 0 1"},
        {"seen": "axis", "written": "[0 0 1]", "sigma_deg": 0},
        {"seen": "axis", "written": "[0 0 1]", "alpha_deg": float("nan")},
        {"seen": "axis", "written": "[0 0 1]", "alpha_deg": 400},
        {"seen": "axis", "written": "[0 0 1]", "note": "a\0b"},
        {"seen": "axis", "written": "[0 0 1]", "note": "\ud800"},
        {"seen": "axis", "written": "[0 0 1]", "grain": "the big one"},
        {"seen": "axis", "written": "[0 0 1]", "at": "yesterday"},
        {"seen": "axis", "written": "[0 0 1]", "by": ""},
        {"seen": "axis", "written": "[0 0 1]", "orcid": "1234"},
        {"seen": "axis", "written": "[0 0 1]", "colour": "red"},
    ],
)
def test_a_reading_that_says_too_much_or_too_little_is_refused(words):
    with pytest.raises((ValidationError, BadInput)):
        nb.ReadingEntry(**{**AT, "alpha_deg": 0.0, **words})


@pytest.mark.parametrize(
    "words", [{}, {"turn_deg": 3.0, "fiducials": [{"name": "x", "before": AZIMUTH, "after": AZIMUTH}]}]
)
def test_a_loading_after_another_says_its_turn_once(words):
    with pytest.raises(ValidationError, match="turn"):
        nb.LoadingEntry(**AT, after="load1", **words)


def test_empty_fields_are_not_stored_and_zeros_are():
    form = stored_form(nb.ReadingEntry(**AT, seen="axis", written="[001]", alpha_deg=0.0))
    assert {"alpha_deg": 0.0, "beta_deg": 0.0, "sigma_deg": 0.2, "sense": "either"}.items() <= form.items()
    assert not {"azimuths", "frame", "x_um", "replaces"} & set(form)


@pytest.mark.parametrize(
    ("mine", "other", "fits"),
    [
        ({}, {}, True),
        ({"camera_length_mm": 100}, {}, True),
        ({"camera_length_mm": 100}, {"camera_length_mm": 100.3}, True),
        ({"camera_length_mm": 100}, {"camera_length_mm": 120}, False),
        ({"mode": "Diffraction"}, {"mode": "diffraction"}, True),
        ({"mode": "image"}, {"mode": "diffraction"}, False),
        ({"high_tension_kv": 200}, {"high_tension_kv": 300}, False),
    ],
)
def test_modes_that_are_the_same(mine, other, fits):
    assert nb.ScreenMode(**mine).fits(nb.ScreenMode(**other)) is fits


def test_what_is_not_there_is_said_with_what_is():
    book = nb.Notebook(id="0" * 32, rows=(row_of("specimen1", nb.SpecimenEntry(**AT, name="x")),))
    book = book.plus(nb.GrainEntry(**AT, name="Big One"))
    assert book.grain_named("big one")[0] == book.grain_named("grain1")[0] == "grain1"
    with pytest.raises(BadInput, match="there are: Big One"):
        book.grain_named("B")
    with pytest.raises(BadInput, match="which crystal"):
        book.phase_of("grain1")
    with pytest.raises(BadInput, match="no reading 'r1'"):
        book.get("r1", nb.ReadingEntry)
