"""The parts of a report, each by a table of cases."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from PIL import Image

from eucentric.agent.dose.charge import Charge
from eucentric.agent.reporting.blocks import Bullets, Code, Document, Fold, Para, Section, Table
from eucentric.agent.reporting.doses import deepest
from eucentric.agent.reporting.html import html
from eucentric.agent.reporting.markdown import escaped, fenced, markdown
from eucentric.agent.reporting.panels import Mark, Panel, bar_nm, draw, reduced
from eucentric.agent.reporting.png import png_of
from eucentric.agent.reporting.quantities import (
    count,
    dose,
    events_text,
    interval_text,
    length,
    seconds,
    value_text,
)
from eucentric.core.calls import Finding, Interval
from eucentric.core.instrument import Frame
from eucentric.core.store import Store
from eucentric.core.text import visible

RENDER = MarkdownIt("gfm-like")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.61, "0.61 s"),
        (9.96, "10 s"),
        (42.3, "42 s"),
        (99.9, "100 s"),
        (100, "1 min 40 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_seconds(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01227, "0.0123"), (668.4, "668"), (17041, "17,000"), (999.6, "1e+03")]
)
def test_dose(value, text):
    assert dose(value) == text


@pytest.mark.parametrize(("nm", "text"), [(20_000, "20 µm"), (8, "8 nm"), (0.015625, "15.6 pm")])
def test_length(nm, text):
    assert length(nm) == text


@pytest.mark.parametrize(("value", "text"), [(71.0, "71"), (129.9, "129.9"), (6210, "6,210")])
def test_count(value, text):
    assert count(value) == text


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ((), ""),
        ((5,), "event 5"),
        ((5, 5), "event 5"),
        ((5, 6), "events 5, 6"),
        ((9, 5, 6, 7), "events 5–7, 9"),
    ],
)
def test_events(events, text):
    assert events_text(events) == text


_UPPER = "95 % upper bound: nothing above the expected false calls was seen"


def claim(value, low, high, unit="%", **more):
    interval = Interval(value=value, low=low, high=high, only_upper=more.pop("only_upper", False))
    return Finding(id="x", what="Ti vacancy density", unit=unit, interval=interval, **more)


@pytest.mark.parametrize(
    ("finding", "value", "interval"),
    [
        (claim(1.1834, 0.901, 1.543), "1.18 %", "95 % interval 0.90 … 1.54 %"),
        (claim(0.011834, 0.00901, 0.01543, "fraction"), "1.18 %", "95 % interval 0.90 … 1.54 %"),
        (claim(30.51, 20.2, 44.4, "pm"), "31 pm", "95 % interval 20 … 44 pm"),
        (claim(0.0, 0.0, 0.148, only_upper=True), "below 0.148 %", _UPPER),
        (claim(None, 0.0, 100.0, cannot_tell="out of focus"), "cannot tell", "out of focus"),
    ],
)  # fmt: skip
def test_digits_follow_the_interval(finding, value, interval):
    assert value_text(finding) == value
    assert interval_text(finding) == interval


def field(x, y, width, value):
    return Charge(x_um=x, y_um=y, width_um=width, height_um=width, dose_e_per_a2=value, stay="a")


@pytest.mark.parametrize(
    ("charges", "expected"),
    [
        ([], 0.0),
        ([field(0, 0, 1, 5)], 5.0),
        ([field(0, 0, 1, 5)] * 4, 20.0),
        ([field(0, 0, 1, 5), field(3, 0, 1, 7)], 7.0),
        ([field(0, 0, 20, 1), field(18, 0, 20, 1), field(0, 18, 20, 1), field(18, 18, 20, 1)], 4.0),
        ([field(0, 0, 2, 1), field(1.5, 0, 2, 1), field(-1.5, 0, 2, 1)], 2.0),
        ([field(0, 0, 2, 1), field(0, 0, 0.1, 10), field(0.5, 0.5, 0.1, 3)], 11.0),
        ([field(0, 0, 1, 1), field(1, 0, 1, 1)], 1.0),
    ],
)
def test_deepest_point_of_overlapping_fields(charges, expected):
    assert deepest(charges) == pytest.approx(expected)


@given(
    st.lists(
        st.tuples(st.integers(-6, 6), st.integers(-6, 6), st.integers(1, 5), st.integers(1, 9)), max_size=8
    )
)
def test_deepest_point_is_that_of_a_raster(boxes):
    charges = [field(2 * x, 2 * y, 2 * w, value) for x, y, w, value in boxes]
    raster = np.zeros((60, 60))
    for x, y, w, value in boxes:
        raster[30 + 2 * y - w : 30 + 2 * y + w, 30 + 2 * x - w : 30 + 2 * x + w] += value
    assert deepest(charges) == pytest.approx(raster.max())


def test_many_fields_on_one_place_are_bounded_by_their_sum():
    charges = [field(0.001 * n, 0, 1, 1.0) for n in range(100)]
    assert deepest(charges) == pytest.approx(100.0)


# --- the two writers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["a | b", "1. first", "- item", "# head", "> quote", "***", "---", "===", "`x`", "[a](b)", "<b>x</b>", "&amp;",
     "~~x~~", "s3_focus_x", "http://a.example/x", "www.a.example", "a@b.example", "$x$", "+ plus", "-3.5 µm", "2.09 %",
     "\\*", "![x](y)", "| a |", "line\nbreak", "\x1b[31m", "\u202eabc", "http&#58;//x.example", "x<!-- y -->",
     "//a.com", "evil.com", "a.b.com/x?y=1", "ftp://a.com", "mailto:a@b.com", "1.5.com", "xn--a.com"],
)  # fmt: skip
def test_markdown_shows_text_as_it_is(text):
    assert shown(text) == " ".join(visible(text).split())


@given(
    st.text(alphabet=st.sampled_from(list("ab1 .-+=*_`[]()<>!|#~&;:/\\@$w{}\"'\n\x1b\u202e²")), max_size=40)
)
def test_markdown_of_any_text_is_one_plain_paragraph(text):
    assert shown(text) == " ".join(visible(text).split())


def shown(text):
    """What a reader sees; fails if the text made any markup."""
    tokens = RENDER.parse(escaped(text))
    if not tokens:
        return ""
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children} <= {"text", "text_special"}
    return " ".join("".join(child.content for child in tokens[1].children).split())


@given(st.text(alphabet=st.sampled_from(list("`~ab\n ")), max_size=30))
def test_a_fence_holds_whatever_is_in_it(text):
    tokens = RENDER.parse(fenced(text) + "\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


def test_both_formats_tell_the_same(tmp_path):
    blocks = (
        Para("plain words"),
        Section(
            "Part",
            (Bullets(("one", "two")), Table(("a", "b"), (("x|y", "2"),), (1,)), Fold("more", (Code("<x>"),))),
        ),
    )
    document = Document("Title", "SIMULATED twin", True, blocks)
    page, text = html(document), RENDER.render(markdown(document))
    for words in ("plain words", "Part", "one", "two", "x|y", "more", "&lt;x&gt;", "Title", "SIMULATED twin"):
        assert words in page
        assert words in text
    assert "default-src 'none'" in page


@pytest.mark.parametrize(("simulated", "kind"), [(True, "simulated"), (False, "real"), (None, "unknown")])
def test_stamp_tells_what_kind_of_instrument(simulated, kind):
    assert f'class="stamp {kind}"' in html(Document("t", "who", simulated, ()))


# --- pictures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fov_nm", "bar"), [(20_000, 5000), (5000, 1000), (8, 2), (16, 5), (64, 20), (0.9, 0.2)]
)
def test_scale_bar_is_a_round_length_of_a_fifth_to_a_third(fov_nm, bar):
    assert bar_nm(fov_nm) == pytest.approx(bar)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


def frame_in(store, pixels, **more):
    sha = store.put_array(pixels.astype(np.float32))
    return Frame(id="f-00007", sha256=sha, detector="haadf", shape=pixels.shape, dtype="float32", **more)


@pytest.mark.parametrize(("simulated", "stamp"), [(True, "SIMULATED  f-00007"), (False, "f-00007")])
def test_panel_carries_its_frame_and_stamp_inside_the_picture(store, simulated, stamp):
    axes = Figure().subplots()
    draw(axes, Panel(frame_in(store, np.eye(64), pixel_pm=125.0, simulated=simulated), "image"), store)
    assert {text.get_text() for text in axes.texts} == {stamp, "2 nm"}


def test_panel_without_pixels_says_so(store):
    frame = frame_in(store, np.eye(64))
    store.blob_path(frame.sha256).unlink()
    axes = Figure().subplots()
    draw(axes, Panel(frame, "image"), store)
    assert [text.get_text() for text in axes.texts] == ["f-00007: pixels missing or altered"]


def test_box_lies_where_the_stage_says(store):
    frame = frame_in(store, np.eye(101), pixel_pm=1e5, x_um=10.0, y_um=-5.0)
    axes = Figure().subplots()
    draw(axes, Panel(frame, "tile", (Mark(12.0, -4.0, 2.0, "t1"),)), store)
    xs, ys = axes.lines[0].get_data()
    assert (np.mean(xs[:4]), np.mean(ys[:4])) == (pytest.approx(70.0), pytest.approx(60.0))
    assert max(xs) - min(xs) == pytest.approx(20.0)


@pytest.mark.parametrize("shape", [(64, 64), (512, 512), (1000, 300), (2048, 2048)])
def test_reduced_keeps_the_mean_and_stays_small(shape):
    image = np.random.default_rng(1).normal(100, 5, shape).astype(np.float32)
    small = reduced(image)
    assert max(small.shape) <= 640
    assert small.mean() == pytest.approx(image.mean(), abs=0.5)


def test_gaps_in_a_frame_do_not_blacken_it():
    image = np.full((840, 840), 50.0, np.float32)
    image[:420] = np.nan
    assert np.isfinite(reduced(image)).all()
    assert reduced(image).min() == pytest.approx(50.0)


def test_palette_keeps_greys_and_marks():
    rgb = np.zeros((16, 16, 3), np.uint8)
    rgb[:4] = 255
    rgb[4:8] = (0xE6, 0x9F, 0x00)
    rgb[8:12] = 97
    with Image.open(io.BytesIO(png_of(rgb))) as image:
        back = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(back - rgb).max() <= 2
    assert (back[:4] == 255).all()
