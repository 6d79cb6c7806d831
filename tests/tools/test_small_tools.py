"""The tools that neither expose nor analyse: positions, settings, look-ups, stop."""

import pytest
from bench_port import BenchPort

from eucentric.core.errors import BadInput, BeamHeld, LimitRefused, Unsupported
from eucentric.core.instrument import Scan
from eucentric.tools.catalogue import tool_named


def do(bench, name, /, **args):
    return bench.do(tool_named(name), **args)


@pytest.fixture
def bench():
    return BenchPort(seed=7, stage="ideal")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"x_um": 12.5}, {"x_um": 12.5}),
        ({"x_um": "0.01 mm", "y_um": "-4 micron"}, {"x_um": 10.0, "y_um": -4.0}),
        ({"mode": "relative", "dx_um": -3, "dz_um": 1}, {"x_um": -3.0, "z_um": 1.0}),
        ({"alpha_deg": 5, "beta_deg": "-0.1 rad"}, {"alpha_deg": 5.0, "beta_deg": -5.7295779513}),
    ],
)
def test_the_stage_goes_where_it_is_told(bench, args, expected):
    result = do(bench, "move_stage", **args)
    assert result.target == pytest.approx(expected)
    for name, value in expected.items():
        assert bench.state().stage[name].reported == pytest.approx(value, abs=1e-6)
        assert result.state.stage[name].measured is None  # a read-back is no measurement
    assert tool_named("move_stage").summary(result)


def test_two_relative_moves_add_up(bench):
    for _ in range(2):
        do(bench, "move_stage", mode="relative", dx_um=4)
    assert bench.state().stage["x_um"].reported == pytest.approx(8.0)


def test_a_move_beyond_the_travel_is_refused_and_nothing_moves(bench):
    with pytest.raises(LimitRefused):
        do(bench, "move_stage", x_um=3000)
    assert bench.state().stage["x_um"].reported == 0


@pytest.mark.parametrize(
    ("nx", "ny", "expected"),
    [
        (1, 1, [(0, 0)]),
        (2, 1, [(-1, 0), (1, 0)]),
        (2, 2, [(-1, -1), (1, -1), (1, 1), (-1, 1)]),
        (3, 2, [(-2, -1), (0, -1), (2, -1), (2, 1), (0, 1), (-2, 1)]),
    ],
)
def test_a_grid_is_centred_and_walked_like_a_snake(bench, nx, ny, expected):
    do(bench, "move_stage", x_um=10, y_um=20)
    here = do(bench, "grid_positions", nx=nx, ny=ny, pitch_um=2).positions
    there = do(bench, "grid_positions", nx=nx, ny=ny, pitch_um=2, centre_x_um=0, centre_y_um=0).positions
    assert [(at.x_um, at.y_um) for at in there] == expected
    assert [(at.x_um - 10, at.y_um - 20) for at in here] == expected
    assert len(bench.moves) == 1  # the grid itself moves nothing


def saved(bench, name):
    value = do(bench, "save_position", name=name).model_dump(mode="json")
    bench.rows.append({"kind": "concluded", "tool": "save_position", "body": {"value": value}})


def test_a_saved_place_is_found_again_and_the_newest_of_a_name_wins(bench):
    for x in (5, 9):
        do(bench, "move_stage", x_um=x, y_um=-x)
        saved(bench, "edge 1")
    do(bench, "move_stage", x_um=0, y_um=0)
    assert "edge 1" in do(bench, "query_log", what="positions").text
    do(bench, "move_stage", mode="saved", name="edge 1")
    assert bench.state().stage["x_um"].reported == pytest.approx(9)


def test_a_place_of_another_loading_or_name_is_refused(bench):
    saved(bench, "old")
    bench.rows[0]["body"]["value"]["loading"] = "yesterday's"
    for name in ("old", "nowhere"):
        with pytest.raises(BadInput, match="no saved place"):
            do(bench, "move_stage", mode="saved", name=name)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"probe_current_pa": "0.05 nA"}, {"probe_current_pa": 50.0}),
        ({"defocus_nm": -120, "fov_nm": "200 Å"}, {"defocus_nm": -120.0, "fov_nm": 20.0}),
        (
            {"beam_shift_x_nm": 300, "beam_shift_y_nm": -40},
            {"beam_shift_x_nm": 300.0, "beam_shift_y_nm": -40.0},
        ),
    ],
)
def test_optics_are_set_read_back_and_leave_the_rest(bench, args, expected):
    before = bench.state().optics
    result = do(bench, "set_optics", **args)
    assert result.state.optics == pytest.approx({**before, **expected})
    assert result.changed == pytest.approx(expected)
    assert tool_named("set_optics").summary(result)


def test_optics_beyond_the_range_are_refused(bench):
    with pytest.raises(LimitRefused):
        do(bench, "set_optics", beam_shift_x_nm=5000)
    assert bench.state().optics["beam_shift_x_nm"] == 0


def test_the_log_answers(bench):
    for what in ("events", "findings", "positions", "runs"):
        assert do(bench, "query_log", what=what).rows == ()
    with pytest.raises(BadInput):
        do(bench, "query_log", what="last_acquisition")
    assert do(bench, "query_log", what="dose_here").rows[0]["dose_e_per_a2"] == 0
    frame = bench.acquire(Scan(width_px=64, height_px=64, fov_nm=100, dwell_us=2))[0]
    (row,) = do(bench, "query_log", what="last_acquisition").rows
    assert row["id"] == frame.id
    assert row["cumulative_e_per_a2"] == pytest.approx(frame.dose_e_per_a2)
    assert do(bench, "query_log", what="dose_here").rows[0]["dose_e_per_a2"] == pytest.approx(
        frame.dose_e_per_a2
    )


@pytest.mark.parametrize(("text", "kept"), [("", 3), ("beam trip", 1), ("BEAM", 2), ("nothing", 0)])
def test_events_are_found_by_their_words(bench, text, kept):
    said = ["beam trip", "beam back", "moved"]
    bench.rows += [
        {"kind": "returned", "ts": "2026-01-01T00:00:00.000Z", "summary": one, "body": {}} for one in said
    ]
    assert len(do(bench, "query_log", what="events", text=text).rows) == kept


@pytest.mark.parametrize("name", ["blank_beam", "abort"])
def test_stop_and_blank_work_at_any_time_also_while_held(bench, name):
    for _ in range(2):
        assert do(bench, name).state.blanked
        assert bench.guard.held()
    with pytest.raises(BeamHeld):
        bench.acquire(Scan(width_px=16, height_px=16, fov_nm=10, dwell_us=1))
    assert bench.oracle.electrons == 0
    assert "blanked" in tool_named(name).summary(do(bench, name))
    assert "held" in tool_named("get_state").summary(do(bench, "get_state"))


def test_a_detector_is_driven_out_and_in(bench):
    out = do(bench, "insert_detector", detector="bf", inside=False)
    assert out.inside is False
    assert bench.state().inserted == {"bf": False}
    assert tool_named("insert_detector").summary(out) == "bf is out (read back)"
    assert bench.cost(tool_named("insert_detector"), detector="bf").seconds == 4
    back = do(bench, "insert_detector", detector="bf")
    assert back.inside is True
    with pytest.raises(Unsupported):
        do(bench, "insert_detector", detector="haadf", inside=False)


def test_a_retake_whose_focus_area_lies_too_far_off_is_refused_before_anything_is_sent():
    """The area of a wide field is cleared only beyond the reach of a search for focus."""
    bench = BenchPort(stage="ideal")
    before = bench.state().commands
    with pytest.raises(LimitRefused, match="no place to focus"):
        bench.do(tool_named("retake_image"), fov_nm=30_000.0, width_px=16, height_px=16, aside_nm=100.0)
    assert bench.state().commands == before
