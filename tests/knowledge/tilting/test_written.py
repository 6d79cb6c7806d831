"""What people type: targets, readings, limits; what is wrong with it is said with the form that is right."""

import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import tilting
from eucentric.knowledge.tilting.written import limits_in, observation_of, reading_of, tilt_of

MAX = cr.crystal_of([3.0753, 3.0753, 18.578, 90, 90, 120], 194, "Ti3AlC2")
BISMUTH = cr.crystal_of([4.7458] * 3 + [57.23] * 3, "R -3 m:R", "Bi")


@pytest.mark.parametrize(
    ("text", "kind", "indices", "label"),
    [
        ("[1-10]", "axis", (1, -1, 0), "[1 -1 0]"),
        ("1 1 2", "axis", (1, 1, 2), "[1 1 2]"),
        ("<112>", "family", (1, 1, 2), "<1 1 2>"),
        ("(200)", "plane", (2, 0, 0), "(2 0 0) edge-on"),
        ("{1 0 -1 0}", "plane_family", (1, 0, 0), "{1 0 0} edge-on"),
        ("[2 -1 -1 0]", "axis", (1, 0, 0), "[1 0 0]"),
        ("<0001>", "family", (0, 0, 1), "<0 0 1>"),
    ],
)
def test_targets(text, kind, indices, label):
    target = tilting.target_of(text)
    assert (target.kind, target.indices, target.label) == (kind, indices, label)


@pytest.mark.parametrize("text", ["", "[000]", "[12", "up", "[1 2 3 4]", "(1 0 0 5)"])
def test_no_targets(text):
    with pytest.raises(BadInput):
        tilting.target_of(text)


@pytest.mark.parametrize(
    ("crystal", "indices", "kind", "name"),
    [
        (MAX, (1, 0, 0), "axis", "[1 0 0] = [2 -1 -1 0]"),
        (MAX, (0, 0, 1), "axis", "[0 0 1] = [0 0 0 1]"),
        (MAX, (1, 0, 0), "plane", "(1 0 0) = (1 0 -1 0)"),
        (BISMUTH, (1, 0, 0), "axis", "[1 0 0]"),
    ],
)
def test_four_indices_are_told_where_they_are_usual(crystal, indices, kind, name):
    assert tilting.name_of(crystal, indices, kind) == name


@pytest.mark.parametrize(
    ("text", "alpha", "beta", "seen", "written", "azimuths"),
    [
        ("10.9,5.0=[110]", 10.9, 5.0, "axis", "[110]", ()),
        ("-16.6, -17.3 = <1 1 1>", -16.6, -17.3, "axis", "<1 1 1>", ()),
        ("−3,4=1 0 -1", -3.0, 4.0, "axis", "1 0 -1", ()),
        ("12=[001]", 12.0, 0.0, "axis", "[001]", ()),
        ("0,0=(200)@34.5", 0.0, 0.0, "g", "(200)", (34.5,)),
        ("0,0=g(200)@-5", 0.0, 0.0, "g", "(200)", (-5.0,)),
        ("0,0=band{200}@124.5", 0.0, 0.0, "band", "{200}", (124.5,)),
        ("4,7=?", 4.0, 7.0, "unindexed", "", ()),
        ("4,7=?@20,80;140", 4.0, 7.0, "unindexed", "", (20.0, 80.0, 140.0)),
        ("4,7=@20,80", 4.0, 7.0, "unindexed", "", (20.0, 80.0)),
    ],
)
def test_readings(text, alpha, beta, seen, written, azimuths):
    assert reading_of(text) == (alpha, beta, seen, written, azimuths)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no reading"),
        ("10.9,5.0", "no reading"),
        ("10.9=5.0=[001]", "is not a direction"),
        ("a,5=[001]", "'a' in .* is no number"),
        ("1,b=[001]", "'b' in .* is no number"),
        ("1,2,3=[001]", "no reading"),
        ("nan,5=[001]", "is no number"),
        ("1,5=(200)", "without its azimuth"),
        ("1,5=(200)@1,2", "without its azimuth"),
        ("1,5=[001]@3", "zone axis with an azimuth"),
        ("1,5=band[001]@3", "zone axis with an azimuth"),
        ("1,5=(200)@x", "an azimuth"),
        ("1,5=band?", "no reading"),
        ("1,5=[0 0]", "not a direction"),
    ],
)
def test_no_readings(text, match):
    with pytest.raises(BadInput, match=match):
        reading_of(text)


def test_a_band_is_its_normal_and_a_question_fixes_nothing():
    band = observation_of(reading_of("1,2=band(200)@30"), 0.3, False)
    g = observation_of(reading_of("1,2=(200)@120"), 0.3, False)
    assert band == g
    axis = observation_of(reading_of("1,2=<112>"), 0.3, True)
    assert (axis.uvw, axis.family, axis.sense, axis.sigma_deg) == ((1, 1, 2), True, "as_given", 0.3)
    with pytest.raises(BadInput, match="fixes nothing"):
        observation_of(reading_of("1,2=?"), 0.3, False)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("35,30", cr.Box(alpha=(-35, 35), beta=(-30, 30))),
        ("±35, ±30", cr.Box(alpha=(-35, 35), beta=(-30, 30))),
        ("-35:20,-25:30", cr.Box(alpha=(-35, 20), beta=(-25, 30))),
        ("ellipse:36,32,3.3", cr.Superellipse(a=36, b=32, r=3.3)),
        ("ellipse:36,32", cr.Superellipse(a=36, b=32, r=2)),
        ("outline:30,0;0,25;-30,0;0,-25", cr.Polygon(vertices=[(30, 0), (0, 25), (-30, 0), (0, -25)])),
    ],
)
def test_limits(text, limits):
    assert limits_in(text).model_dump() == limits.model_dump()


@pytest.mark.parametrize(("holder", "beta"), [("single_tilt", (0, 0)), ("tilt_rotate", (-180, 180))])
def test_one_number_is_enough_for_holders_with_one_tilt(holder, beta):
    assert limits_in("60", holder) == cr.Box(alpha=(-60, 60), beta=beta)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "a,b",
        "1,2,3",
        "30:-30,20",
        "1:2:3,4",
        "ellipse:0,3",
        "ellipse:1",
        "outline:1,2;3,4",
        "box:1,2",
        "inf,3",
    ],
)
def test_no_limits(text):
    with pytest.raises(BadInput):
        limits_in(text)


@pytest.mark.parametrize(("text", "pair"), [("10.9,-5", (10.9, -5.0)), ("−3", (-3.0, 0.0))])
def test_tilts(text, pair):
    assert (tilt_of(text).alpha_deg, tilt_of(text).beta_deg) == pair


@pytest.mark.parametrize("text", ["", "1,2,3", "a", "inf"])
def test_no_tilts(text):
    with pytest.raises(BadInput):
        tilt_of(text)
