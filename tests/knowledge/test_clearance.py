"""Room between the pole pieces: the reference's numbers, swept paths, edges, tables, and all that is unknown."""

import math
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from eucentric.core.errors import LimitRefused
from eucentric.knowledge.clearance import (
    AXES,
    Clearance,
    Device,
    Edge,
    Holder,
    PolePiece,
    TravelRow,
    check_path,
    tilt_polygon,
    travel_at,
)
from eucentric.knowledge.clearance.sweep import Sweep, peak
from eucentric.knowledge.clearance.table import uncovered

CRADLE = Holder(
    name="double-tilt A", half_width_um=3500, half_length_um=1500, thickness_um=2000, margin_um=0,
    measured_by="staff", measured_on="2026-10-02",
)  # fmt: skip
GAP = PolePiece(gap_um=5400)
FREE = {"x_um": (-1000.0, 1000.0), "y_um": (-1000.0, 1000.0)}
KNOWN = {"alpha_sign": 1, "beta_sign": 1, "z_sign": 1}


def at(x=0.0, y=0.0, z=0.0, alpha=0.0, beta=0.0):
    return dict(zip(AXES, (x, y, z, alpha, beta), strict=True))


def room(holder=CRADLE, **more):
    return Clearance(pole_piece=more.pop("pole_piece", GAP), holders=(holder,), **more)


def allowed(clearance, start, target, inserted=(), name="double-tilt A"):
    return check_path(clearance, name, start, target, inserted) is None


# --- travel at tilt --------------------------------------------------------------------------------


def estimate(alpha_deg, z_um=0.0):
    """|y| <= (g/2 - |z| - (t/2) cos a) / sin|a| - w, the note's formula."""
    a = math.radians(alpha_deg)
    return (2700 - abs(z_um) - 1000 * math.cos(a)) / math.sin(abs(a)) - 3500


@pytest.mark.parametrize(("alpha", "y"), [(20, 1000.0), (25, 744.0), (30, 168.0), (31, 78.0), (32, None)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_reference_numbers(alpha, y, sign):
    found = travel_at(room(), "double-tilt A", sign * alpha, 0.0, 0.0, FREE)
    if y is None:
        assert found is None
    else:
        assert found["y_um"] == pytest.approx((-y, y), abs=0.6)
        assert found["x_um"] == (-1000.0, 1000.0)


def test_without_stage_limits_twenty_degrees_leave_1600_um():
    wide = {"x_um": (-5000.0, 5000.0), "y_um": (-5000.0, 5000.0)}
    found = travel_at(room(), "double-tilt A", 20.0, 0.0, 0.0, wide)
    assert found["y_um"] == pytest.approx((-1647.0, 1647.0), abs=1)


@pytest.mark.parametrize("alpha", [22.0, 27.0, -29.0])
@pytest.mark.parametrize("z", [0.0, 60.0, -60.0])
def test_travel_is_the_estimate_when_no_sign_is_known(alpha, z):
    found = travel_at(room(), "double-tilt A", alpha, 0.0, z, FREE)
    limit = min(1000.0, estimate(alpha, z))
    assert found["y_um"] == pytest.approx((-limit, limit), abs=0.11)
    assert -found["y_um"][0] <= limit
    assert found["y_um"][1] <= limit


def test_a_known_sign_frees_the_side_that_goes_down():
    found = travel_at(room(**KNOWN), "double-tilt A", 27.0, 0.0, 60.0, FREE)
    assert found["y_um"][1] == pytest.approx(estimate(27.0, 60.0), abs=0.11)
    assert found["y_um"][0] == pytest.approx(
        -estimate(27.0, -60.0) - 2 * 60 / math.sin(math.radians(27)), abs=0.2
    ) or (found["y_um"][0] < -found["y_um"][1])


def test_beta_alone_is_the_same_with_length_and_x():
    found = travel_at(
        room(CRADLE.model_copy(update={"half_length_um": 3500.0})), "double-tilt A", 0.0, 30.0, 0.0, FREE
    )
    assert found["x_um"] == pytest.approx((-168.0, 168.0), abs=0.6)


def test_travel_shrinks_with_the_other_tilt_the_other_axis_and_the_margin():
    def y_at(clearance, beta=0.0, **place):
        return travel_at(clearance, "double-tilt A", 25.0, beta, 0.0, FREE, **place)["y_um"][1]

    assert y_at(room(), beta=10.0) < y_at(room()) - 100
    assert y_at(room(), beta=10.0, x_um=300.0) < y_at(room(), beta=10.0) - 50
    assert y_at(room(CRADLE.model_copy(update={"margin_um": 100.0}))) == pytest.approx(
        744.2 - 100 / math.sin(math.radians(25)), abs=0.2
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"holder_name": "stranger"},
        {"alpha_deg": math.nan},
        {"alpha_deg": 91.0},
        {"x_um": 1001.0},
        {"inserted": ("a new detector",)},
    ],
)
def test_no_travel_where_nothing_is_known(wrong):
    asked = {"holder_name": "double-tilt A", "alpha_deg": 1.0, "beta_deg": 0.0, "z_um": 0.0, **wrong}
    assert travel_at(room(), stage_limits=FREE, **asked) is None


def test_tilt_polygon_ends_where_the_check_says_no():
    limits = {"alpha_deg": (-40.0, 40.0), "beta_deg": (-30.0, 30.0)}
    corners = tilt_polygon(room(), "double-tilt A", {"x_um": 0, "y_um": 0, "z_um": 0}, limits, corners=12)
    assert len(corners) == 12
    assert corners[0] == pytest.approx((31.93, 0.0), abs=0.02)
    assert corners[3] == pytest.approx((0.0, 30.0), abs=0.02)
    for alpha, beta in corners:
        assert allowed(room(), at(), at(alpha=alpha, beta=beta))
        wide = max(abs(alpha) / 40, abs(beta) / 30) > 0.99
        assert wide or not allowed(room(), at(), at(alpha=1.01 * alpha, beta=1.01 * beta))
    assert tilt_polygon(room(), "double-tilt A", {"x_um": 0, "y_um": 0, "z_um": 1701}, limits) == ()


# --- swept paths -----------------------------------------------------------------------------------


def test_both_ends_free_and_the_way_between_not():
    """x and alpha one after the other: the corner of the box where both are large touches."""
    start, target = at(y=900.0, alpha=0.0), at(y=0.0, alpha=30.0)
    assert allowed(room(), start, start)
    assert allowed(room(), target, target)
    refusal = check_path(room(), "double-tilt A", start, target, ())
    assert refusal.at["y_um"] == 900.0
    assert refusal.at["alpha_deg"] == pytest.approx(30.0)
    corner = 4400 * math.sin(math.radians(30)) + 1000 * math.cos(math.radians(30)) - 2700
    assert refusal.excess_um == pytest.approx(corner, abs=1e-6)


def test_a_largest_height_inside_the_range_is_seen():
    """A thick, narrow body is highest at 45 degrees, though flat and upright both fit."""
    cube = CRADLE.model_copy(update={"half_width_um": 1000.0, "half_length_um": 1000.0})
    tight = room(cube, pole_piece=PolePiece(gap_um=2600))
    for name in ("alpha_deg", "beta_deg"):
        start, target = at(), {**at(), name: 90.0}
        assert allowed(tight, start, start)
        assert allowed(tight, target, target)
        assert check_path(tight, "double-tilt A", start, target, ()).at[name] == pytest.approx(45.0)


def test_a_refusal_says_what_where_how_far_and_what_would_work():
    refusal = check_path(room(**KNOWN), "double-tilt A", at(), at(y=500.0, alpha=30.0), ())
    assert refusal.obstacle == "the upper pole piece"
    assert refusal.excess_um == pytest.approx(4000 * 0.5 + 1000 * math.sqrt(0.75) - 2700, abs=1e-6)
    assert "166.0 µm into the upper pole piece" in refusal.what
    assert "y 500.0 µm" in refusal.why
    assert "measured by staff on 2026-10-02" in refusal.why
    offered = float(refusal.remedy.split("alpha ")[1].split(" deg")[0])
    assert 26 < offered < 28
    assert allowed(room(**KNOWN), at(), at(y=500.0, alpha=offered - 0.01))
    error = refusal.error()
    assert isinstance(error, LimitRefused)
    assert error.what == refusal.what


def test_inside_the_margin_but_not_yet_touching():
    refusal = check_path(
        room(CRADLE.model_copy(update={"margin_um": 100.0})), "double-tilt A", at(), at(z=1650.0), ()
    )
    assert "50.0 µm from the" in refusal.what
    assert "100 µm must stay free" in refusal.what


def test_a_stage_already_too_near_may_not_move_at_all():
    refusal = check_path(room(), "double-tilt A", at(z=1800.0), at(), ())
    assert "by hand" in refusal.remedy


@pytest.mark.parametrize(
    ("signs", "z", "free"),
    [
        ({"z_sign": 1}, 300.0, True),
        ({"z_sign": -1}, 300.0, False),
        ({}, 300.0, False),
        ({"z_sign": -1}, -300.0, True),
    ],
)
def test_an_uncalibrated_direction_is_taken_both_ways(signs, z, free):
    shelf = Device(name="strip", side="below", z_um=-1100.0)
    assert allowed(room(devices=(shelf,), **signs), at(z=z), at(z=z), ("strip",)) is free


@pytest.mark.parametrize(
    ("sign", "alpha", "free"), [(1, 5.0, False), (-1, 5.0, True), (None, -5.0, False), (1, -5.0, True)]
)
def test_alpha_turns_plus_y_up(sign, alpha, free):
    snout = Device(name="snout", side="above", z_um=1100.0, edge=Edge(axis="y", at_um=2000.0, towards="+"))
    assert allowed(room(devices=(snout,), alpha_sign=sign), at(), at(alpha=alpha), ("snout",)) is free


@pytest.mark.parametrize(
    ("sign", "beta", "free"), [(1, -15.0, False), (-1, -15.0, True), (None, 15.0, False), (1, 15.0, True)]
)
def test_beta_turns_plus_x_down(sign, beta, free):
    snout = Device(name="snout", side="above", z_um=1100.0, edge=Edge(axis="x", at_um=1000.0, towards="+"))
    assert allowed(room(devices=(snout,), beta_sign=sign), at(), at(beta=beta), ("snout",)) is free


# --- devices ---------------------------------------------------------------------------------------

STRIP = Device(name="strip", side="above", z_um=1500.0, edge=Edge(axis="y", at_um=3800.0, towards="+"))


@pytest.mark.parametrize(
    ("y", "z", "free"),
    [
        (290.0, 0.0, True),
        (290.0, 600.0, True),
        (310.0, 490.0, True),
        (310.0, 510.0, False),
        (-900.0, 600.0, True),
    ],
)
def test_beyond_the_edge_and_above_the_height(y, z, free):
    assert allowed(room(devices=(STRIP,), **KNOWN), at(y=y, z=z), at(y=y, z=z), ("strip",)) is free


def test_a_margin_at_an_edge_is_a_round_one():
    """Corner to corner the nearest points are 30·√2 µm apart, though each side is passed by only 30."""
    pose = at(y=270.0, z=470.0)
    for margin, free in [(42.0, True), (43.0, False)]:
        holder = CRADLE.model_copy(update={"margin_um": margin})
        assert allowed(room(holder, devices=(STRIP,), **KNOWN), pose, pose, ("strip",)) is free


@pytest.mark.parametrize(
    ("inserted", "free"), [(("strip",), False), ((), True), (None, False), (("haadf",), True)]
)
def test_a_device_counts_while_it_is_inserted_or_nobody_can_tell(inserted, free):
    clearance = room(devices=(STRIP,), outside_gap=("haadf",), **KNOWN)
    assert allowed(clearance, at(y=500.0, z=600.0), at(y=500.0, z=600.0), inserted) is free


def test_a_fixed_device_counts_always():
    fixed = STRIP.model_copy(update={"when_inserted": False})
    assert not allowed(room(devices=(fixed,), **KNOWN), at(y=500.0, z=600.0), at(y=500.0, z=600.0), ())


@pytest.mark.parametrize(
    ("axis", "towards", "tilt", "far", "reaches"),
    [
        ("y", "+", "alpha_deg", 61.0, math.hypot(3500, 1000)),
        ("y", "-", "alpha_deg", -61.0, math.hypot(3500, 1000)),
        ("x", "+", "beta_deg", -70.0, math.hypot(1500, 1000)),
        ("x", "-", "beta_deg", 70.0, math.hypot(1500, 1000)),
    ],
)
@pytest.mark.parametrize(("beyond", "free"), [(30.0, False), (0.005, False), (-2.0, True)])
def test_a_corner_that_swings_out_between_two_free_tilts(axis, towards, tilt, far, reaches, beyond, free):
    """The lower corner is farthest out where the body's diagonal lies flat, well inside the range of tilt."""
    at_um = (reaches - beyond) * (1 if towards == "+" else -1)
    snout = Device(name="snout", side="above", z_um=-50.0, edge=Edge(axis=axis, at_um=at_um, towards=towards))
    clearance = room(devices=(snout,), pole_piece=PolePiece(gap_um=9000), **KNOWN)
    start, target = at(), {**at(), tilt: far}
    assert allowed(clearance, start, start, ("snout",))
    assert allowed(clearance, target, target, ("snout",))
    assert allowed(clearance, start, target, ("snout",)) is free


def test_the_middle_of_the_body_may_lie_off_the_tilt_axes():
    high = CRADLE.model_copy(update={"z_offset_um": 300.0})
    assert allowed(room(high, **KNOWN), at(z=1390.0), at(z=1390.0))
    assert not allowed(room(high, **KNOWN), at(z=1410.0), at(z=1410.0))
    assert allowed(room(high, **KNOWN), at(z=-1990.0), at(z=-1990.0))


def points_of(box, rng, count):
    """Random points of the body on random ways through a box of readings, in the laboratory frame."""
    low, high = np.array(box).T
    pose = low + (high - low) * np.clip(rng.uniform(-0.3, 1.3, (count, 5)), 0, 1)
    half = np.array([1500.0, 3500.0, 1000.0])
    p = half * np.clip(rng.uniform(-1.5, 1.5, (count, 3)), -1, 1)
    p[:, :2] += pose[:, :2]
    a, b = np.radians(pose[:, 3]), np.radians(pose[:, 4])
    x, q = p[:, 0] * np.cos(b) + p[:, 2] * np.sin(b), p[:, 2] * np.cos(b) - p[:, 0] * np.sin(b)
    y, z = p[:, 1] * np.cos(a) - q * np.sin(a), p[:, 1] * np.sin(a) + q * np.cos(a)
    return x, y, z + pose[:, 2]


axis = st.floats(-900, 900)
tilt = st.floats(-60, 60)
poses = st.builds(at, axis, axis, st.floats(-200, 200), tilt, tilt)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    poses, st.floats(0, 1), poses, st.sampled_from("xy"), st.sampled_from("+-"),
    st.sampled_from(["above", "below"]), st.floats(-4000, 4000), st.floats(500, 3000),
)  # fmt: skip
def test_what_is_allowed_touches_nothing(start, share, target, axis, towards, side, edge, height):
    """Property: no random point of the body on any way through an allowed box is inside a solid."""
    target = {name: start[name] + share * (target[name] - start[name]) for name in AXES}
    up, sign = (1 if side == "above" else -1), (1 if towards == "+" else -1)
    device = Device(name="d", side=side, z_um=up * height, edge=Edge(axis=axis, at_um=edge, towards=towards))
    clearance = room(devices=(device,), pole_piece=PolePiece(gap_um=8000), **KNOWN)
    if not allowed(clearance, start, target, ("d",)):
        return
    box = [(min(start[n], target[n]), max(start[n], target[n])) for n in AXES]
    x, y, z = points_of(box, np.random.default_rng(0), 4000)
    assert np.abs(z).max() <= 4000 + 1e-6
    inside = (up * z > height + 1e-6) & (sign * ((x if axis == "x" else y) - edge) > 1e-6)
    assert not inside.any()


# --- measured tables -------------------------------------------------------------------------------


def row(alpha, beta=(-5.0, 5.0), travel=100.0):
    span = (-travel, travel)
    return TravelRow(alpha_deg=alpha, beta_deg=beta, x_um=span, y_um=span, z_um=span)


MEASURED = CRADLE.model_copy(
    update={"table": (row((-50, 0), travel=200), row((0, 40)), row((45, 60)), row((40, 42), (0, 5)))}
)


@pytest.mark.parametrize(
    ("start", "target", "free"),
    [
        (at(), at(y=100.0, alpha=40.0), True),  # the model would refuse 40 degrees: the table overrides it
        (at(), at(y=101.0, alpha=40.0), False),
        (at(y=150.0), at(y=150.0, alpha=-50.0), True),
        (at(alpha=-10.0), at(alpha=10.0), True),  # over the seam of two rows
        (at(y=150.0, alpha=-10.0), at(alpha=10.0), False),
        (at(alpha=40.0), at(alpha=45.0), False),  # between rows
        (at(alpha=45.0), at(alpha=60.0), True),
        (at(alpha=45.0), at(alpha=60.01), False),
        (at(alpha=39.0, beta=1.0), at(alpha=42.0, beta=5.0), True),
        (at(alpha=39.0, beta=-1.0), at(alpha=42.0, beta=5.0), False),
    ],
)
def test_a_measured_table_overrides_the_model_and_ends_where_it_ends(start, target, free):
    assert allowed(room(MEASURED), start, target) is free


def test_a_move_beyond_the_table_says_so():
    refusal = check_path(room(MEASURED), "double-tilt A", at(), at(alpha=44.0), ())
    assert refusal.excess_um is None
    assert "unknown" in refusal.what
    assert refusal.at["alpha_deg"] > 40


def test_devices_count_with_a_table_too():
    low = Device(name="strip", side="above", z_um=1050.0)
    assert allowed(room(MEASURED, devices=(low,)), at(), at(alpha=30.0), ())
    assert not allowed(room(MEASURED, devices=(low,)), at(), at(alpha=30.0), ("strip",))


def test_the_rest_of_a_box_is_found_in_many_blocks():
    cells = [
        tuple((float(i), i + 1.0) for i in index)
        for index in np.ndindex(3, 3, 2, 2, 2)
        if index != (1, 1, 1, 1, 1)
    ]
    assert uncovered(((0.0, 3.0),) * 2 + ((0.0, 2.0),) * 3, cells) == ((1.0, 2.0),) * 5
    assert uncovered(((0.0, 3.0),) * 2 + ((0.0, 1.0),) + ((0.0, 2.0),) * 2, cells) is None
    assert uncovered(((1.5, 1.5),) * 5, cells) is not None


# --- unknown is no ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, "1", None, True, 1e6])
@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("where", [0, 1])
def test_a_number_that_is_none_is_refused(value, name, where):
    ends = [at(), at()]
    ends[where] = {**at(), name: value}
    assert not allowed(room(pole_piece=PolePiece(gap_um=1e5)), *ends)


@pytest.mark.parametrize("tilt", ["alpha_deg", "beta_deg"])
def test_beyond_upright_is_refused(tilt):
    wide = room(pole_piece=PolePiece(gap_um=5e4))
    assert allowed(wide, at(), {**at(), tilt: 90.0})
    assert not allowed(wide, at(), {**at(), tilt: 90.001})


@pytest.mark.parametrize("change", [lambda p: p.pop("z_um"), lambda p: p.update(gamma_deg=0.0)])
def test_all_five_axes_and_no_other(change):
    pose = at()
    change(pose)
    assert not allowed(room(), at(), pose)


def test_an_unknown_holder_or_device_is_refused_by_name():
    refusal = check_path(room(), "new\nholder", at(), at(), ())
    assert "not in the limits" in refusal.why
    assert "\\n" in refusal.what
    assert "'double-tilt A'" in refusal.remedy
    refusal = check_path(room(), "double-tilt A", at(), at(), ("EDS",))
    assert "EDS" in refusal.what


def test_a_star_is_any_holder_but_a_name_comes_first():
    star = CRADLE.model_copy(update={"name": "*", "thickness_um": 100.0})
    both = Clearance(pole_piece=GAP, holders=(star, CRADLE))
    assert allowed(both, at(), at(alpha=34.0), name="unknown")
    assert not allowed(both, at(), at(alpha=34.0))


TOML = """
alpha_sign = 1
outside_gap = ["haadf"]
[pole_piece]
gap_um = 5400
[[holders]]
name = "double-tilt A"
half_width_um = 3500
half_length_um = 1500
thickness_um = 2000
margin_um = 50
measured_by = "staff"
[[holders.table]]
alpha_deg = [-20, 20]
beta_deg = [-10, 10]
x_um = [-500, 500]
y_um = [-500, 500]
z_um = [-50, 50]
[[devices]]
name = "objective aperture"
side = "below"
z_um = -1600
edge = { axis = "x", at_um = 2000, towards = "+" }
"""


def test_it_is_data_in_a_limits_file():
    clearance = Clearance.model_validate(tomllib.loads(TOML))
    assert allowed(clearance, at(), at(alpha=20.0), ("objective aperture",))
    assert Clearance.model_validate_json(clearance.model_dump_json()) == clearance


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gap_um = 5400", "gap_um = nan"),
        ("gap_um = 5400", "gap_um = 0"),
        ("thickness_um = 2000", "thickness_um = -1"),
        ("margin_um = 50", ""),
        ("margin_um = 50", "margin_um = -1"),
        ('measured_by = "staff"', ""),
        ("[-20, 20]", "[20, -20]"),
        ('name = "double-tilt A"', 'name = "unknown"'),
        ("alpha_sign = 1", "alpha_sign = 2"),
        ("alpha_sign = 1", "alpha_sing = 1"),
        ('name = "objective aperture"', 'name = "haadf"'),
    ],
)
def test_a_wrong_limits_file_is_an_error(old, new):
    assert old in TOML
    with pytest.raises(ValidationError):
        Clearance.model_validate(tomllib.loads(TOML.replace(old, new)))


# --- closed forms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_peak_and_reach_against_sampling(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=2)
    low = rng.uniform(-7, 7)
    high = low + rng.uniform(0, 6)
    t = np.linspace(low, high, 20001)
    value, where = peak(a, b, (low, high))
    assert value == pytest.approx((a * np.sin(t) + b * np.cos(t)).max(), abs=1e-6)
    assert low - 1e-12 <= where <= high + 1e-12
    assert a * math.sin(where) + b * math.cos(where) == pytest.approx(value)

    spans = np.sort(rng.uniform(-1, 1, (6, 2)))
    sweep = Sweep(*(tuple(1.5 * s) for s in spans[:2]), *(tuple(s) for s in spans[2:]))
    phi = rng.uniform(-math.pi, math.pi)
    grid = np.array(np.meshgrid(*(np.linspace(*s, 25) for s in (sweep.alpha, sweep.beta)))).reshape(2, -1)
    n, bound = np.array([0, math.sin(phi), math.cos(phi)]), np.array([math.sin(phi), 0, math.cos(phi)])
    tops = []
    for normal in (n, bound):
        best = -np.inf
        for corner in np.ndindex(2, 2, 2, 2):
            px, py, pz, z = (
                getattr(sweep, k)[c] for k, c in zip(("px", "py", "pz", "z"), corner, strict=True)
            )
            q = pz * np.cos(grid[1]) - px * np.sin(grid[1])
            lab = [
                px * np.cos(grid[1]) + pz * np.sin(grid[1]),
                py * np.cos(grid[0]) - q * np.sin(grid[0]),
                py * np.sin(grid[0]) + q * np.cos(grid[0]) + z,
            ]
            best = max(best, (normal @ np.array(lab)).max())
        tops.append(best)
    assert tops[0] - 1e-9 <= sweep.reach_yz(phi).value <= tops[0] + 5e-3
    assert tops[1] - 1e-9 <= sweep.reach_xz(phi).value
    middle = sweep.centre()
    for reach, normal in ((middle.reach_yz(phi), n), (middle.reach_xz(phi), bound)):
        assert normal @ np.array(reach.point) == pytest.approx(reach.value)
