"""What an agent sees at a tilt is noted as it is reported, and asked for later with every orientation that fits."""

import math

import pytest
from bench_port import BenchPort
from pydantic import ValidationError

from eucentric.core.errors import BadInput
from eucentric.core.instrument import Scan, StageMove
from eucentric.knowledge import crystal as cr
from eucentric.tools import notebook_add, notebook_query
from eucentric.tools.catalogue import tool_named

STO = cr.crystal_of([3.905] * 3 + [90] * 3, 221, "SrTiO3")
TRUE = cr.orientation_of(cr.axis_angle((0.2, 0.4, 1.0), 21.0) @ cr.axis_angle((1, 0, 0), 7.0))


@pytest.fixture
def bench():
    return BenchPort(seed=7, stage="ideal")


def noted(bench, **args):
    result = bench.do(notebook_add.TOOL, **args)
    bench.rows.append(
        {"kind": "concluded", "tool": "notebook_add", "body": {"value": result.model_dump(mode="json")}}
    )
    return result.noted


def at_axis(bench, uvw, **args):
    """Tilt to where the nearest axis of a family truly is, and note it."""
    tilt = cr.tilts_to_family(STO, TRUE, uvw, cr.Stage(limits=cr.Box(alpha=(-35, 35), beta=(-30, 30))))[0]
    bench.move_stage(StageMove(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg))
    return noted(bench, index=cr.shown(tilt.uvw), **args)


def test_a_reading_has_what_the_stage_said_and_the_frame(bench):
    bench.move_stage(StageMove(alpha_deg=5.0, beta_deg=-3.0))
    (frame,) = bench.acquire(Scan(fov_nm=20.0, dwell_us=1.0, width_px=32, height_px=32))
    one = noted(bench, index="<112>", grain="A", frame="last", sigma_deg="0.01 rad", method="FFT")
    state = bench.state()
    assert one.reading.alpha_deg == state.stage["alpha_deg"].reported
    assert one.reading.commanded_beta_deg == pytest.approx(-3.0)
    assert (one.reading.frame, one.reading.frame_sha256) == (frame.id, frame.sha256)
    assert one.reading.sigma_deg == pytest.approx(math.degrees(0.01))
    assert (one.grain, one.loading, one.holder) == ("A", state.loading, state.holder)
    assert one.instrument.startswith("SIMULATED")
    assert one.limits.alpha == pytest.approx((-35, 35))
    assert len(bench.moves) == 1
    assert "<112>" in notebook_add.TOOL.summary(notebook_add.Result(noted=one))


@pytest.mark.parametrize(
    ("args", "seen", "azimuths"),
    [
        ({"index": "[110]"}, "axis", 0),
        ({"index": "(200)", "azimuths_deg": [30]}, "g", 1),
        ({"index": "(200)", "azimuths_deg": ["0.5 rad"], "band": True}, "band", 1),
        ({"azimuths_deg": [10, 70, 130]}, "unindexed", 3),
        ({}, "unindexed", 0),
    ],
)
def test_what_can_be_seen(bench, args, seen, azimuths):
    one = noted(bench, **args).reading
    assert (one.seen, len(one.azimuths)) == (seen, azimuths)
    for azimuth in one.azimuths:
        assert azimuth.screen.mode == "diffraction"
        assert azimuth.screen.high_tension_kv == 60.0


@pytest.mark.parametrize(
    "args",
    [
        {"index": "[1 1"},
        {"index": "[000]", "azimuths_deg": [1]},
        {"index": "(200)"},
        {"index": "(200)", "azimuths_deg": [1, 2]},
        {"index": "[200]", "azimuths_deg": [1]},
        {"azimuths_deg": [400]},
        {"azimuths_deg": ["3 nm"]},
        {"frame": "../x"},
        {"grain": "a\nb"},
        {"sigma_deg": 0},
    ],
)
def test_what_is_no_reading_is_refused(args):
    with pytest.raises(ValidationError):
        notebook_add.TOOL.args.model_validate(args)


def test_a_frame_that_is_not_there_is_refused(bench):
    with pytest.raises(BadInput):
        bench.do(notebook_add.TOOL, index="[001]", frame="f-99999")


def test_nothing_noted_is_said(bench):
    with pytest.raises(BadInput, match="no notebook"):
        bench.do(notebook_query.TOOL)


def test_two_readings_answer_where_a_third_axis_is(bench):
    at_axis(bench, (0, 0, 1), grain="A")
    at_axis(bench, (1, 0, 2), grain="A")
    asked = bench.do(notebook_query.TOOL, what="readings", grain="a")
    assert [row["id"] for row in asked.rows] == ["r1", "r2"]
    grains = bench.do(notebook_query.TOOL, what="grains")
    assert [(row["name"], row["readings"]) for row in grains.rows] == [("A", 2)]
    orientation = bench.do(notebook_query.TOOL, what="orientation")
    assert orientation.candidates == len(orientation.rows) == 1
    answer = bench.do(notebook_query.TOOL, what="tilt", target="[113]")
    members = cr.tilts_to_family(STO, TRUE, (1, 1, 3), cr.Stage())
    tilt = answer.rows[0]["ways"][0]["options"][0]["tilt"]
    assert (
        min(math.hypot(tilt["alpha_deg"] - m.alpha_deg, tilt["beta_deg"] - m.beta_deg) for m in members)
        < 0.02
    )
    assert answer.convention == "C1"
    assert "tilt to" in answer.text or "OUT OF REACH" in answer.text
    near = bench.do(notebook_query.TOOL, what="tilt", limit=3)
    assert len(near.rows) == 3
    assert len(bench.moves) == 2  # the query moves nothing


def test_the_newest_readings_are_given_first_come_last(bench):
    for _ in range(5):
        noted(bench, index="[001]")
    rows = bench.do(notebook_query.TOOL, what="readings", limit=2).rows
    assert [row["id"] for row in rows] == ["r4", "r5"]


def test_a_query_of_an_unknown_grain_says_which_there_are(bench):
    noted(bench, index="[001]", grain="A")
    with pytest.raises(BadInput, match="there are: A"):
        bench.do(notebook_query.TOOL, what="tilt", grain="B")


def test_both_are_free_reading_tools():
    for name in ("notebook_add", "notebook_query"):
        assert tool_named(name).risk == "read"
