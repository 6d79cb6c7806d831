"""The holder between the pole pieces: where it fits, where a move stops, the touch alarm."""

import contextlib
import itertools
import math
import threading

import numpy as np
import pytest

from eucentric.core.errors import BadInput, InstrumentFault, LimitRefused
from eucentric.instruments.driver import ScanSpec, Touches
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.faults import FaultSpec
from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.polepiece import clearance, first_contact
from eucentric.instruments.twin.world import PolePieceSpec

NEVER = threading.Event()
WORLD = load_world("mxene")
SPEC = PolePieceSpec()
DEG = math.pi / 180


def place(x: float = 0, y: float = 0, z: float = 0, alpha: float = 0, beta: float = 0) -> np.ndarray:
    """mm and degrees."""
    return np.array([x * 1e-3, y * 1e-3, z * 1e-3, alpha * DEG, beta * DEG])


def twin(stage: str = "ideal", faults: tuple[FaultSpec, ...] = (), **gap: float) -> TwinDriver:
    world = WORLD.model_copy(update={"pole_piece": PolePieceSpec(**gap)})
    return TwinDriver(world, 7, stage=stage, faults=faults)


@pytest.mark.parametrize(
    ("tilt_deg", "travel_mm"), [(20, 1.65), (25, 0.74), (30, 0.17), (31, 0.08)]
)  # the reference figures for g = 5.4, t = 2, w = 3.5 mm
@pytest.mark.parametrize(("axis", "tilt"), [("y", "alpha"), ("x", "beta")])
def test_the_travel_left_at_a_tilt_is_that_of_the_reference(tilt_deg, travel_mm, axis, tilt):
    for sign, turn in itertools.product((1, -1), repeat=2):
        assert clearance(SPEC, place(**{axis: sign * (travel_mm - 0.01), tilt: turn * tilt_deg})) > 0
        assert clearance(SPEC, place(**{axis: sign * (travel_mm + 0.01), tilt: turn * tilt_deg})) < 0


def test_past_thirty_two_degrees_the_holder_does_not_fit_at_all():
    assert clearance(SPEC, place(alpha=31.9)) > 0 > clearance(SPEC, place(alpha=32.1))


def test_the_clearance_is_that_of_the_nearest_corner():
    rng = np.random.default_rng(1)
    half = SPEC.half_sizes_m
    for _ in range(200):
        x, y, z, alpha, beta = rng.uniform(-1, 1, 5) * (1e-3, 1e-3, 3e-4, 0.6, 0.5)
        rows = np.array(Tilt(alpha, beta).rows)
        corners = [
            rows @ (np.array(signs) * half + (-x, -y, z)) for signs in itertools.product((1, -1), repeat=3)
        ]
        farthest = max(abs(corner[2]) for corner in corners)
        assert clearance(SPEC, np.array([x, y, z, alpha, beta])) == pytest.approx(
            2.7e-3 - farthest, abs=1e-15
        )


@pytest.mark.parametrize("seed", range(3))
def test_the_first_contact_agrees_with_a_fine_walk(seed):
    rng = np.random.default_rng(seed)
    met = 0
    for _ in range(25):
        start = rng.uniform(-1, 1, 5) * (1e-3, 1e-3, 3e-4, 0.25, 0.2)
        way = rng.uniform(-1, 1, 5) * (1e-3, 1e-3, 3e-4, 0.7, 0.6)
        if clearance(SPEC, start) < 0:
            continue
        walk = [clearance(SPEC, start + share * way) for share in np.linspace(0, 1, 2001)]
        touching = next((n / 2000 for n, gap in enumerate(walk) if gap < 0), None)
        found = first_contact(SPEC, start, way)
        met += found is not None
        if touching is None:
            assert found is None or min(walk) < 1e-6
        else:
            assert found == pytest.approx(touching, abs=1e-3)
    assert met > 3


def test_a_way_out_of_contact_is_free_and_one_deeper_is_not():
    here = place(alpha=32.5)
    assert first_contact(SPEC, here, place(alpha=-5)) is None
    assert first_contact(SPEC, here, place(alpha=0.1)) == pytest.approx(0, abs=1e-3)


def test_a_move_into_the_pole_piece_stops_there_and_locks():
    driver = twin()
    oracle = Oracle(driver)
    driver.move({"alpha": 34 * DEG}, NEVER)
    state = driver.read()
    assert state.touch
    assert state.commanded["alpha"] == 34 * DEG
    assert state.reported["alpha"] == pytest.approx(oracle.actual()["alpha"], abs=1e-9)
    assert 31.9 < state.reported["alpha"] / DEG < 32.1
    assert oracle.clearance() == pytest.approx(0.0, abs=1e-7)
    assert state.time_s == pytest.approx(0.5 + 32 / 5, rel=0.1)
    assert [(event.kind, event.time_s) for event in oracle.faults] == [("touch", state.time_s)]
    for command in (
        lambda: driver.move({"alpha": 0.0}, NEVER),
        lambda: driver.move({"x": 1e-6}, NEVER),
        lambda: driver.insert("bf", False, NEVER),
    ):
        with pytest.raises(LimitRefused, match="touch alarm"):
            command()
    assert driver.read() == state


def test_the_alarm_stays_until_it_is_cleared_and_then_the_holder_can_go_back_only():
    driver = twin()
    assert isinstance(driver, Touches)
    driver.move({"alpha": 34 * DEG}, NEVER)
    driver.wait(600, NEVER)
    driver.acquire(ScanSpec(detectors=("haadf",), rows=16, columns=16, fov_m=1e-6, dwell_s=1e-6), NEVER)
    assert driver.read().touch
    driver.clear_touch()
    assert not driver.read().touch
    driver.move({"alpha": 33 * DEG}, NEVER)  # deeper: touches again at once
    assert driver.read().touch
    assert Oracle(driver).clearance() > -1e-7
    driver.clear_touch()
    driver.move({"alpha": 0.0}, NEVER)
    assert not driver.read().touch
    assert Oracle(driver).actual()["alpha"] == pytest.approx(0.0)


def test_a_way_between_two_free_places_may_touch():
    start, end = {"y": 0.7e-3, "alpha": 25 * DEG}, {"y": 0.05e-3, "alpha": 31 * DEG}
    for ends in (start, end):
        driver = twin()
        driver.move(ends, NEVER)
        assert not driver.read().touch
    driver = twin()
    driver.move(start, NEVER)
    driver.move(end, NEVER)
    state = driver.read()
    assert state.touch
    assert 25 * DEG < state.reported["alpha"] < 31 * DEG
    assert 0.05e-3 < state.reported["y"] < 0.7e-3


@pytest.mark.parametrize(
    ("size", "target", "touches"),
    [
        ({"gap_mm": 5.0}, {"alpha": 30 * DEG}, True), ({"gap_mm": 5.8}, {"alpha": 33 * DEG}, False),
        ({"holder_half_width_mm": 5.0}, {"alpha": 22 * DEG}, True),
        ({"holder_half_width_mm": 5.0}, {"beta": 22 * DEG}, False),
        ({"holder_half_length_mm": 5.0}, {"beta": 22 * DEG}, True),
        ({"holder_half_length_mm": 5.0}, {"alpha": 22 * DEG}, False),
        ({"holder_thickness_mm": 2.4}, {"alpha": 30 * DEG}, True), ({"holder_thickness_mm": 4.9}, {"z": 0.26e-3}, True),
        ({"holder_thickness_mm": 4.9}, {"z": 0.24e-3}, False),
    ],
)  # fmt: skip
def test_the_world_says_how_big_everything_is(size, target, touches):
    driver = twin(**size)
    driver.move(target, NEVER)
    assert driver.read().touch == touches


@pytest.mark.parametrize(
    ("kind", "touches"),
    [("missed_move", False), ("partial_move", False), ("stage_error", False), ("runaway", True)],
)
def test_a_fault_decides_where_the_holder_truly_goes(kind, touches):
    driver = twin(faults=(FaultSpec(kind=kind, onset_n=2, done=0.5),))
    driver.move({"beta": 27 * DEG}, NEVER)
    target = {"x": 1e-6} if kind == "runaway" else {"beta": 30 * DEG, "x": 0.4e-3}
    with contextlib.suppress(InstrumentFault):
        driver.move(target, NEVER)
    assert driver.read().touch == touches
    assert Oracle(driver).clearance() > -1e-7


def test_a_stage_that_is_off_touches_where_it_is_not_where_it_reads():
    faults = (FaultSpec(kind="missed_move", onset_n=1),)
    driver = twin(faults=faults)
    driver.move({"alpha": -10 * DEG}, NEVER)  # missed: it is still level
    driver.move({"alpha": 22.5 * DEG}, NEVER)  # so it goes to 32.5
    assert driver.read().touch
    assert driver.read().reported["alpha"] < 22.5 * DEG
    assert Oracle(driver).actual()["alpha"] / DEG == pytest.approx(32.0, abs=0.1)


@pytest.mark.parametrize("stage", ["good", "worn"])
def test_the_usual_range_is_free(stage):
    driver = twin(stage)
    for x, y, alpha, beta in itertools.product((-1e-3, 1e-3), (-1e-3, 1e-3), (-10, 10), (-10, 10)):
        driver.move({"x": 0.0, "y": 0.0}, NEVER)
        driver.move({"x": x, "y": y, "alpha": alpha * DEG, "beta": beta * DEG}, NEVER)
        assert not driver.read().touch


def test_a_holder_thicker_than_the_gap_is_no_world(tmp_path):
    from importlib import resources

    text = (resources.files("eucentric.instruments.twin") / "worlds" / "mxene.toml").read_text("utf-8")
    (tmp_path / "w.toml").write_text(text.replace("gap_mm = 5.4", "gap_mm = 1.5"))
    with pytest.raises(BadInput, match="thicker"):
        load_world(str(tmp_path / "w.toml"))
