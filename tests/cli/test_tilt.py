"""`eucentric tilt`: the numbers of the mathematics in lines a person can type into a goniometer, and as JSON."""

import json
import math
import re

import pytest

from eucentric.knowledge import crystal as cr

STO = ("tilt", "SrTiO3", "--at", "10.9,5=[112]", "--at", "-8.6,5.6=[111]", "--limits", "35,30")
QUARTZ = ("tilt", "quartz", "--at", "10,10=[100]", "--at", "-19.3,16.6=[210]", "--limits", "35,30")


def answer(place, *args):
    code, out, err = place.eucentric(*args, "--json")
    assert err == ""
    return code, json.loads(out)


def test_a_published_tilt_comes_out(place):
    """Cube axes along the stage: [112] at (24.1, 26.6) and [111] at (35.3, 45) (Olszta & Fiedler 2024, signs free)."""
    for axis, alpha, beta in (("[112]", 24.1, 26.6), ("[111]", 35.3, 45.0)):
        code, said = answer(
            place,
            "tilt",
            "SrTiO3",
            "--at",
            "0,0=[001]",
            "--at",
            "0,-26.565=[102]",
            "--as-written",
            "--to",
            axis,
        )
        tilt = said["answer"]["ways"][0]["options"][0]["tilt"]
        assert code == 0
        assert (abs(tilt["alpha_deg"]), abs(tilt["beta_deg"])) == pytest.approx((alpha, beta), abs=0.06)


def test_an_answer_has_tilts_errors_others_and_what_is_near(place):
    code, out, _ = place.eucentric(*STO, "--to", "<110>")
    assert code == 0
    assert "tilt to   alpha +8.53  beta -25.35   move 35.3°" in out
    for words in (
        "1 orientation, residual",
        "lands     within",
        "near it",
        "too high moves x",
        "calibration none",
    ):
        assert words in out
    _, said = answer(place, *STO, "--to", "<110>")
    assert said["ok"] is True
    assert (said["convention"], said["calibration"], said["candidates"]) == ("C1", "", 1)
    assert said["answer"]["ways"][0]["options"][0]["tilt"]["reachable"] is True
    assert said["answer"]["near"]


def test_what_is_out_of_reach_says_how_near_it_gets(place):
    code, out, _ = place.eucentric(*STO, "--to", "[1-10]")
    assert code == 0
    assert "OUT OF REACH" in out
    assert re.search(r"nearest .* still \d+\.\d\d° from the axis", out)


def test_two_orientations_are_no_answer_but_all_of_them_and_the_axis_that_decides(place):
    code, out, _ = place.eucentric(*QUARTZ, "--to", "[111]")
    assert code == 4
    assert "NOT SURE: 2 orientations" in out
    look = re.search(r"look at +(\[[^\]]*\]).* alpha (\S+)  beta (\S+)", out)
    assert look
    code, said = answer(place, *QUARTZ, "--to", "[111]")
    assert (code, said["ok"], said["exit_code"], said["candidates"]) == (4, False, 4, 2)
    assert said["error"]["code"] == "E-CLARIFY-01"
    third = f"{float(look[2])},{float(look[3])}={look[1]}"
    code, said = answer(place, *QUARTZ, "--at", third, "--to", "[111]")
    assert (code, said["candidates"]) == (0, 1)


def test_without_a_target_the_nearest_axes_are_listed(place):
    _, said = answer(place, *STO, "--now", "11,5")
    assert said["nearest"][0]["uvw"] == [1, 1, 2]
    assert "nearest zone axes" in place.eucentric(*STO)[1]


def test_axes_that_orientations_disagree_on_are_marked(place):
    code, out, _ = place.eucentric(*QUARTZ)
    assert code == 0
    assert re.search(r"\[.*   not sure\n", out)
    assert "NOT SURE  2 orientations fit" in out
    assert "look at" in out
    _, said = answer(place, *QUARTZ)
    assert {one["sure"] for one in said["nearest"]} == {True, False}


def test_a_band_that_orientations_disagree_on_is_no_path(place):
    code, out, _ = place.eucentric(*QUARTZ, "--along", "(011)")
    assert code == 4
    assert "NOT SURE: 2 orientations" in out
    assert "steps" not in out
    code, said = answer(place, *QUARTZ, "--along", "(011)")
    assert (code, said["ok"], said["along"]["ambiguous"]) == (4, False, True)
    assert said["error"]["code"] == "E-CLARIFY-01"


def test_a_holder_that_rotates_goes_all_the_way_round(place):
    """The plane is 54.7° from edge-on; alpha up to 60° with any rotation comes as near as the limits allow."""
    args = ("tilt", "Si", "--at", "0,0=[001]", "--at", "45,0=[011]", "--holder", "rotate", "--limits", "60")
    _, said = answer(place, *args, "--to", "(111)")
    tilt = said["answer"]["ways"][0]["options"][0]["tilt"]
    assert tilt["reachable"] is True
    assert tilt["move_deg"] == pytest.approx(55.1, abs=0.05)  # cos = 0.577 cos 7.76°
    assert "OUT OF ITS LIMITS" not in place.eucentric(*args)[1]
    assert "OUT OF ITS LIMITS" in place.eucentric(*args, "--now", "61,0")[1]


def test_along_a_band(place):
    _, said = answer(place, *STO, "--along", "(1-10)", "--to", "[113]")
    assert said["along"]["axes"][0]["uvw"] == [1, 1, 1]
    assert len(said["along"]["waypoints"]) > 5
    out = place.eucentric(*STO, "--along", "(1-10)")[1]
    assert "trace     not told" in out
    assert "trace 88" in place.eucentric(*STO, "--screen", "0", "--along", "(1-10)")[1]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_map_is_written(place, kind):
    file = place.folder / f"map.{kind}"
    code, said = answer(place, *QUARTZ, "--to", "[111]", "--map", str(file), "--dark")
    assert (code, said["map"]) == (4, str(file))
    assert file.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")


def test_a_cif_and_a_limits_file(place):
    cif = place.folder / "mine.cif"
    cif.write_text(
        "data_x\n_cell_length_a 3.905\n_cell_length_b 3.905\n_cell_length_c 3.905\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\n_space_group_name_H-M_alt 'P m -3 m'\n"
    )
    limits = place.folder / "titan.toml"
    limits.write_text(
        'version = 1\ninstrument = "x"\naxes.alpha_deg = { lower = -20, upper = 20 }\n'
        "axes.beta_deg = { lower = -5, upper = 5 }\n"
    )
    args = ("tilt", str(cif), *STO[2:6], "--limits", str(limits), "--to", "[110]")
    _, said = answer(place, *args)
    assert said["situation"]["stage"]["limits"] == {"type": "box", "alpha": [-20, 20], "beta": [-5, 5]}
    assert said["answer"]["ways"][0]["options"][0]["tilt"]["reachable"] is False


def test_a_g_on_a_calibrated_screen_takes_the_twin_away(place):
    crystal = cr.crystal_of([4.9134, 4.9134, 5.4052, 90, 90, 120], 152, "quartz")
    twins = cr.solve_orientation(
        crystal,
        [
            cr.Observation(reading=cr.Reading(alpha_deg=10, beta_deg=10), uvw=(1, 0, 0)),
            cr.Observation(reading=cr.Reading(alpha_deg=-19.3, beta_deg=16.6), uvw=(2, 1, 0)),
        ],
    )
    tilt = cr.tilt_to_axis(crystal, twins[1].orientation, (2, 1, 1), cr.Stage())
    at = cr.Reading(alpha_deg=round(tilt.alpha_deg, 3), beta_deg=round(tilt.beta_deg, 3))
    x, y, _ = cr.rotation(cr.Stage(), at) @ cr.plane_normal(crystal, twins[1].orientation, (0, 1, -1))
    seen = math.degrees(math.atan2(y, x)) - 25.0
    uvw = " ".join(str(i) for i in tilt.uvw)
    where = f"{at.alpha_deg},{at.beta_deg}"
    more = ("--at", f"{where}=[{uvw}]", "--at", f"{where}=(0 1 -1)@{seen:.2f}")
    code, said = answer(place, *QUARTZ, *more, "--screen", "25", "--to", "[111]")
    assert (code, said["candidates"]) == (0, 1)
    found = said["situation"]["candidates"][0]["orientation"]["matrix"]
    assert cr.equivalent(crystal, twins[1].orientation.array, cr.orientation_of(found).array, 0.2)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("tilt",), 2, "PHASE"),
        (("tilt", "unobtanium", "--at", "0,0=[001]"), 2, "no structure"),
        (("tilt", "nowhere.cif", "--at", "0,0=[001]"), 2, "there is no file"),
        (("tilt", "SrTiO3"), 2, "no reading"),
        (("tilt", "SrTiO3", "--at", "0,0=[001]"), 2, "fixes no orientation"),
        (("tilt", "SrTiO3", "--at", "0,0=[001]", "--at", "9,9=?"), 2, "without an index"),
        (("tilt", "SrTiO3", "--at", "0,0=[001]", "--at", "0,20=[102]"), 2, "the crystal has 26.57"),
        (("tilt", "SrTiO3", "--at", "0,0=[001]", "--at", "0,0=(200)@4"), 3, "never found on it"),
        ((*STO, "--to", "[12"), 2, "not a direction"),
        ((*STO, "--along", "[110]"), 2, "is no path"),
        ((*STO, "--along", "(1-10)", "--to", "[100]"), 2, "does not lie in"),
        ((*STO[:-1], "lots"), 2, "no limits"),
        ((*STO, "--signs", "+"), 2, "two signs"),
        ((*STO, "--sigma", "0"), 2, "above 0"),
        ((*STO, "--to", "[110]", "--feature", "1,2"), 2, "numbers for --feature"),
        ((*STO, "--to", "[110]", "--map", "map.jpg"), 2, "PNG and SVG"),
        (("tilt", "--notebook", "none.notebook"), 2, "no notebook"),
        (("tilt", "SrTiO3", "--notebook", "none.notebook"), 2, "leave it out"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_what_would_work(place, args, code, words):
    got, out, err = place.eucentric(*args)
    assert (got, out) == (code, "")
    assert words in err
    got, out, _ = place.eucentric(*args, "--json")
    said = json.loads(out)
    assert (got, said["ok"], said["error"]["exit_code"]) == (code, False, code)


@pytest.mark.parametrize("holder", ["rotate", "single"])
def test_other_holders(place, holder):
    base = ("tilt", "SrTiO3", "--holder", holder, "--limits", "60,180")
    readings = {"rotate": ("0,0=[001]", "26.565,0=[102]"), "single": ("0=[001]", "26.565=[012]")}[holder]
    code, said = answer(place, *base, *(x for one in readings for x in ("--at", one)), "--to", "[001]")
    tilt = said["answer"]["ways"][0]["options"][0]["tilt"]
    assert (code, tilt["reachable"]) == (0, True)
    assert tilt["alpha_deg"] == pytest.approx(0.0, abs=0.01)
