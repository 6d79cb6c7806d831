"""The map shows what the numbers say, in the right places, with names that never lie on each other."""

import math
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from tilting_cases import CELLS, STAGES, known, made, oriented, read

from eucentric.knowledge import crystal as cr
from eucentric.knowledge import tilting
from eucentric.knowledge.tilting import chart as charts
from eucentric.knowledge.tilting.drawing import Drawing
from eucentric.knowledge.tilting.labels import Room, math_text
from eucentric.knowledge.tilting.picture import picture
from eucentric.knowledge.tilting.projection import of_reading, projected, radius
from eucentric.knowledge.tilting.theme import DARK, LIGHT

TARGET = tilting.target_of("<111>")


def situation_of(name, stage, axis=(1, 1, 2)):
    crystal = made(name)
    covariance = np.eye(3) * math.radians(0.3) ** 2
    return known(crystal, oriented(crystal, axis), STAGES[stage], (3.0, -4.0), covariance)


def chart_of(name, stage, axis=(1, 1, 2)):
    situation = situation_of(name, stage, axis)
    return situation, charts.chart_of(situation, tilting.answered(situation, TARGET))


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "rotate"])
def test_readings_grow_to_the_right_and_upward_and_angles_are_true_in_the_middle(stage):
    one = STAGES[stage]
    for alpha, beta, x, y in ((1, 0, 1, 0), (0, 1, 0, 1), (-1, 0, -1, 0), (0, -1, 0, -1)):
        assert of_reading(one, cr.Reading(alpha_deg=alpha, beta_deg=beta)) == pytest.approx((x, y), abs=1e-4)
    assert of_reading(one, cr.Reading(alpha_deg=30, beta_deg=0))[0] == pytest.approx(radius(30))
    assert radius(30) == pytest.approx(math.degrees(2 * math.tan(math.radians(15))))


@pytest.mark.parametrize("stage", STAGES)
def test_a_reading_and_its_beam_are_the_same_place(stage):
    rng = np.random.default_rng(3)
    for alpha, beta in rng.uniform(-40, 40, (20, 2)):
        reading = cr.Reading(alpha_deg=alpha, beta_deg=beta)
        from_beam = projected(STAGES[stage], cr.beam(STAGES[stage], reading))[0]
        assert tuple(from_beam) == pytest.approx(of_reading(STAGES[stage], reading), abs=1e-9)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("stage", STAGES)
def test_marks_are_where_the_tilts_are_and_full_where_they_can_be_reached(name, stage):
    situation, chart = chart_of(name, stage)
    orientation = situation.candidates[0].orientation
    assert 8 < len(chart.axes) <= 70
    for mark in chart.axes:
        tilt = cr.tilt_to_axis(situation.crystal, orientation, mark.uvw, situation.stage, "as_given")
        place = of_reading(situation.stage, cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg))
        assert mark.at == pytest.approx(place, abs=1e-6)
        assert mark.reachable == tilt.reachable
        assert max(map(abs, mark.at)) <= chart.half


@pytest.mark.parametrize("name", CELLS)
def test_bands_run_through_the_axes_they_hold_and_through_no_others(name):
    _, chart = chart_of(name, "box")
    assert len(chart.bands) > 3
    met = 0
    for band in chart.bands:
        curve = np.array(band.curve)
        for mark in chart.axes:
            gap = float(np.linalg.norm(curve - mark.at, axis=1).min())
            if np.dot(band.hkl, mark.uvw) == 0:
                assert gap < 0.02 * chart.half
                met += 1
    assert met > 8


def test_the_widest_planes_and_the_simplest_axes_come_first():
    situation, chart = chart_of("Ti3AlC2", "box", (0, 0, 1))
    spacings = [situation.crystal.spacing_angstrom(band.hkl) for band in chart.bands]
    assert np.all(np.diff(spacings) < 1e-5)
    lengths = [np.linalg.norm(situation.crystal.cell.structure @ mark.uvw) for mark in chart.axes]
    assert np.all(np.diff(lengths) > -1e-5)


def test_the_way_leads_from_here_to_where_the_stage_can_go():
    situation = situation_of("SrTiO3", "box")
    for text in ("[112]", "[1-10]"):
        answer = tilting.answered(situation, tilting.target_of(text))
        chart = charts.chart_of(situation, answer)
        tilt = answer.best.tilt
        end = cr.Reading(alpha_deg=tilt.nearest_alpha_deg, beta_deg=tilt.nearest_beta_deg)
        assert chart.path[0] == pytest.approx(of_reading(situation.stage, situation.now))
        assert chart.path[-1] == pytest.approx(of_reading(situation.stage, end))
        assert ("nearest" in {place.what for place in chart.places}) is not tilt.reachable
    band = tilting.along(situation, (1, -1, 0), (1, 1, 2))
    along = charts.chart_of(situation, None, band)
    assert len(along.path) == len(band.waypoints)
    assert along.bands[0].hkl == (1, -1, 0)


def test_every_candidate_and_the_axis_that_decides_are_on_the_map_of_an_unsure_one():
    crystal, stage = made("quartz"), STAGES["box"]
    seen = read(crystal, oriented(crystal, (1, 0, 0)), stage, (1, 0, 0), (2, 1, 0))
    situation = tilting.from_readings(crystal, seen, stage)
    answer = tilting.answered(situation, tilting.target_of("[111]"))
    chart = charts.chart_of(situation, answer)
    kinds = [place.what for place in chart.places]
    assert kinds.count("target") == kinds.count("candidate") == kinds.count("next") == 1


def drawn(name, stage, axis, theme=LIGHT):
    """(texts of the map, frame) in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    situation, chart = chart_of(name, stage, axis)
    figure = Figure(figsize=(6, 6), dpi=160)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.1, 0.88, 0.88))
    Drawing(axes, chart, situation.crystal, theme).draw()
    renderer = figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    texts = [(t.get_text(), t.get_window_extent(renderer)) for t in axes.texts if t.get_text()]
    inside = [(text, box) for text, box in texts if frame.x0 < (box.x0 + box.x1) / 2 < frame.x1
              and frame.y0 < (box.y0 + box.y1) / 2 < frame.y1]  # fmt: skip
    return chart, inside, frame


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("stage", "axis"), [("box", (1, 1, 2)), ("rotate", (0, 0, 1)), ("none", (1, 0, 0))])
def test_names_lie_on_nothing_and_the_simplest_axes_have_theirs(name, stage, axis):
    chart, texts, frame = drawn(name, stage, axis)
    boxes = [box for _, box in texts]
    for k, one in enumerate(boxes):
        assert one.x0 >= frame.x0
        assert one.x1 <= frame.x1
        for other in boxes[k + 1 :]:
            assert not one.overlaps(other)
    names = {text for text, _ in texts}
    crystal = made(name)
    first = [math_text(crystal, mark.uvw, "axis") for mark in chart.axes[:6]]
    assert sum(one in names for one in first) >= 4
    assert len(names) >= 12


@pytest.mark.parametrize(
    ("name", "indices", "kind", "text"),
    [
        ("SrTiO3", (1, -1, 0), "axis", r"$\mathrm{[1\overline{1}0]}$"),
        ("SrTiO3", (1, 1, 12), "plane", r"$\mathrm{(1\,1\,12)}$"),
        ("SrTiO3", (1, 1, 1), "plane_family", r"$\mathrm{\{111\}}$"),
        ("quartz", (1, 0, 0), "axis", r"$\mathrm{[2\overline{1}\overline{1}0]}$"),
        ("quartz", (1, 0, 2), "plane", r"$\mathrm{(10\overline{1}2)}$"),
    ],
)
def test_indices_are_printed_with_bars(name, indices, kind, text):
    assert math_text(made(name), indices, kind) == text


def test_room_is_given_once():
    room = Room((0, 0, 100, 100))
    first = room.beside((50, 50), 20, 10, (5.0,))
    room.take(first)
    assert room.beside((50, 50), 20, 10, (5.0,)) != first
    assert room.beside((50, 50), 200, 10, (5.0,)) is None
    room.take((0, 0, 100, 100))
    assert room.beside((50, 50), 2, 1, (5.0, 30.0)) is None


PICTURE = """
import sys, hashlib
sys.path.insert(0, {folder!r})
from test_map import situation_of, charts, tilting, TARGET, picture
s = situation_of("ZrO2", "ellipse")
c = charts.chart_of(s, tilting.answered(s, TARGET))
print(hashlib.sha256(picture(c, s.crystal, ("a", "b"), {kind!r}, {dark})).hexdigest())
"""


@pytest.mark.parametrize(("kind", "dark"), [("png", False), ("svg", True)])
def test_the_same_map_is_the_same_bytes_in_another_process(kind, dark):
    import hashlib
    from pathlib import Path

    situation, chart = chart_of("ZrO2", "ellipse")
    here = picture(chart, situation.crystal, ("a", "b"), kind, dark)
    code = PICTURE.format(folder=str(Path(__file__).parent), kind=kind, dark=dark)
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == hashlib.sha256(here).hexdigest()
    if kind == "svg":
        assert ET.fromstring(here).tag.endswith("svg")
    else:
        assert here.startswith(b"\x89PNG")


def contrast(a, b):
    """Of two colours, as WCAG 2 defines it."""

    def light(hue):
        parts = [int(hue[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_what_is_read_stands_out_from_the_paper_and_from_the_region(theme):
    for name in ("ink", "band", "now", "target", "nearest", "candidate", "next", "region_edge"):
        for ground in (theme.paper, theme.region):
            assert contrast(getattr(theme, name), ground) >= (4.5 if name in ("ink", "band") else 3.0), (
                name,
                ground,
            )


def test_no_picture_no_matplotlib():
    code = (
        "import sys, eucentric.knowledge.tilting, eucentric.knowledge.tilting.chart, "
        "eucentric.knowledge.tilting.picture; print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
