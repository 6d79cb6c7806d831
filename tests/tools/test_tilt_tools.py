"""Tools that tilt, on a port of real geometry and diffraction (`tilt_port`), judged by its truth."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from tilt_port import TiltPort, capabilities, turned

from eucentric.core.errors import BadInput, LimitRefused, MoveNotReached, Refused, Unsupported
from eucentric.core.instrument import PatternShot
from eucentric.instruments.limits import Limits
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import diffraction as df
from eucentric.knowledge.clearance import Clearance, Holder, PolePiece
from eucentric.knowledge.notebook import (
    CalibrationEntry,
    LoadingEntry,
    Notebook,
    PhaseEntry,
    ScreenMode,
    ScreenRow,
)
from eucentric.knowledge.notebook.book import row_of
from eucentric.knowledge.notebook.entries import SpecimenEntry
from eucentric.tools import (
    boundary_report,
    index_diffraction,
    list_zone_axes,
    solve_orientation,
    tilt_along_band,
    tilt_edge_on,
    tilt_to_zone_axis,
)

AT = {"at": "2026-11-28T04:00:00Z", "by": "test"}


def book(structure, *, signs=(1, 1), limits=None):
    """A notebook with a phase, a holder calibrated as the port is, and no readings."""
    screens = tuple(
        ScreenRow(screen=ScreenMode(mode=mode), azimuth_deg=0.0) for mode in ("diffraction", "stem")
    )
    calibration = CalibrationEntry(
        microscope="Test tilts 1", holder_name="test", alpha_sign=signs and signs[0], beta_sign=signs and signs[1],
        limits=limits, screens=screens, repeatability_deg=0.05, **AT,
    )  # fmt: skip
    found = Notebook(id="a" * 32, rows=(row_of("specimen1", SpecimenEntry(name="foil", **AT)),))
    for entry in (
        PhaseEntry(crystal=structure.crystal, **AT),
        calibration,
        LoadingEntry(name="one", calibration="cal1", **AT),
    ):
        found = found.plus(entry)
    return found


def leaning(structure, uvw, alpha, beta, turn_deg=25.0):
    """The orientation in which [uvw] is on the beam at those tilts."""
    up = structure.crystal.direction(uvw)
    axis = np.cross(up, (0, 0, 1.0))
    size = float(np.linalg.norm(axis))
    flat = cr.axis_angle(axis, math.degrees(math.atan2(size, up[2]))) if size > 1e-9 else np.eye(3)
    return turned(alpha, beta).T @ cr.axis_angle((0, 0, 1), turn_deg) @ flat


def seen(structure, to_sample, *axes):
    """Readings of axes as the goniometer shows them."""
    rows = []
    for uvw in axes:
        tilt = cr.tilt_to_axis(structure.crystal, cr.orientation_of(to_sample), uvw, cr.Stage())
        index = "[" + " ".join(str(x) for x in uvw) + "]"
        rows.append(
            {"index": index, "alpha_deg": tilt.alpha_deg, "beta_deg": tilt.beta_deg, "sigma_deg": 0.1}
        )
    return rows


@pytest.fixture(scope="module")
def si():
    return df.structure_named("Si")


def port(structure, uvw=(0, 0, 1), at=(3.0, -2.0), **more):
    more.setdefault("notebook", book(structure))
    return TiltPort(structure, leaning(structure, uvw, *at), **more)


# --- knowing -----------------------------------------------------------------------------------------------


def test_an_orientation_comes_with_all_that_fit_and_what_to_look_at():
    quartz = df.structure_named("quartz")
    bench = port(quartz)
    found = bench.do(solve_orientation.TOOL, readings=seen(quartz, bench.to_sample, (0, 0, 1), (0, 1, 1)))
    assert found.candidates == len(found.orientations) == 2
    assert found.next_axis.separation_deg > 1
    assert (found.convention, found.calibration, found.signs_known) == ("C1", "cal1", True)
    assert any(
        cr.equivalent(quartz.crystal, np.array(one.matrix), bench.to_sample, 0.01)
        for one in found.orientations
    )
    assert "2 orientations" in solve_orientation.summary(found)
    assert "look at" in solve_orientation.summary(found)


def test_orientations_are_handed_on(si):
    bench = port(si)
    lies = {"matrix": bench.to_sample.tolist(), "sigma_deg": 0.1}
    listed = bench.do(list_zone_axes.TOOL, orientations=[lies], crystal="Si", max_index=2)
    near = listed.axes[0]
    assert near.uvw == (0, 0, 1)
    assert (near.alpha_deg, near.beta_deg) == pytest.approx((3.0, -2.0), abs=1e-6)
    assert listed.in_reach > 5
    assert all(b.away_deg >= a.away_deg for a, b in zip(listed.axes, listed.axes[1:], strict=False))
    assert all(
        bench.limits is not None and abs(one.alpha_deg) <= 40 and abs(one.beta_deg) <= 35
        for one in listed.axes
    )


def test_nothing_known_is_said(si):
    bench = port(si, notebook=None)
    for tool, args in ((tilt_to_zone_axis.TOOL, {"target": "[001]"}), (list_zone_axes.TOOL, {})):
        with pytest.raises(BadInput, match="not known") as caught:
            bench.do(tool, **args)
        assert "two zone axes" in caught.value.remedy
    assert not bench.moves
    assert not bench.frames


def test_readings_that_leave_a_direction_open_are_no_orientation(si):
    bench = port(si)
    rows = [row | {"sigma_deg": 10.0} for row in seen(si, bench.to_sample, (0, 0, 1), (1, 1, 3))]
    with pytest.raises(Refused, match="known to") as caught:
        bench.do(solve_orientation.TOOL, readings=rows)
    assert "another axis" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"convergence_mrad": None}, "lacks its convergence"), ({"voltage_kv": None}, "lacks its high tension"),
        ({"convergence_mrad": 30.0}, "30 mrad"),
    ],
)  # fmt: skip
def test_a_pattern_is_read_by_what_is_known_of_its_light(si, change, what):
    bench = port(si)
    frame = bench.acquire_diffraction(PatternShot())
    bench.frames[frame.id] = frame.model_copy(update=change)
    with pytest.raises(BadInput, match=what):
        bench.do(index_diffraction.TOOL, frame=frame.id)


# --- tilting to an axis -------------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [1.5, -14.0])
def test_it_gets_there_with_the_feature_in_view(si, height):
    bench = port(si, at=(2.0, 1.0), height_um=height)
    readings = seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
    found = bench.do(tilt_to_zone_axis.TOOL, target="[112]", readings=readings)
    assert bench.off_axis_deg((1, 1, 2)) < 0.15  # slack of 0.3° is taken up by the approach
    assert found.axis == "[1 1 2]"
    went = found.travelled
    assert np.abs(went.feature_off_um).max() < 0.1
    assert np.abs(bench.feature_um(0, 0)[:2] - bench.beam).max() < 0.15
    assert went.height_um == pytest.approx(height, abs=1.0)
    steps = np.diff([0.0] + [one.alpha_deg for one in went.steps])
    assert np.abs(steps).max() <= 4.0 + 1e-9
    cost = tilt_to_zone_axis.cost(
        tilt_to_zone_axis.Args(
            target="[112]", expect_alpha_deg=found.planned_alpha_deg, expect_beta_deg=found.planned_beta_deg
        ),
        TiltPort(si, bench.to_sample).setting,
    )
    assert len(went.frames) <= cost.frames
    assert bench.time_s <= cost.seconds
    assert "[1 1 2]" in tilt_to_zone_axis.summary(found)


def test_the_last_move_of_each_axis_comes_from_below(si):
    bench = port(si, uvw=(1, 1, 2), at=(-9.0, -6.0))
    bench.do(tilt_to_zone_axis.TOOL, target="[112]", readings=seen(si, bench.to_sample, (1, 1, 2), (0, 0, 1)))
    tilts = [move for move in bench.moves if "alpha_deg" in move]
    assert tilts[-1]["alpha_deg"] == pytest.approx(-9.0, abs=1e-6)
    assert tilts[-2]["alpha_deg"] < tilts[-1]["alpha_deg"]
    assert tilts[-2]["beta_deg"] < tilts[-1]["beta_deg"]


def test_without_signs_it_goes_by_looking_alone(si):
    bench = port(si, at=(2.0, 1.0), height_um=9.0, notebook=book(si, signs=None))
    found = bench.do(
        tilt_to_zone_axis.TOOL, target="<112>", readings=seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
    )
    assert bench.off_axis_deg((1, 1, 2)) < 0.2
    assert all(one.expected_um is None for one in found.travelled.steps)
    assert np.abs(found.travelled.feature_off_um).max() < 0.15


def test_an_axis_is_centred_by_its_patterns(si):
    """The readings are half a degree wrong; Kikuchi bands put it right to a tenth."""
    bench = port(si, at=(2.0, 1.0), height_um=3.0)
    readings = seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
    for one in readings:
        one.update(alpha_deg=one["alpha_deg"] + 0.5, beta_deg=one["beta_deg"] - 0.4, sigma_deg=0.5)
    found = bench.do(tilt_to_zone_axis.TOOL, target="[001]", readings=readings, refine=True)
    assert found.off_deg < 0.1 or found.off_deg < found.off_sigma_deg
    assert bench.off_axis_deg((0, 0, 1)) < 0.1
    first = found.travelled.offsets[0]
    assert 0.3 < first.off_deg < 1.0
    assert np.abs(found.travelled.feature_off_um).max() < 0.15


def test_another_axis_than_was_meant_is_noticed(si):
    bench = port(si, uvw=(0, 1, 1), at=(2.0, 1.0))
    wrong = {"matrix": leaning(si, (0, 0, 1), 2.0, 1.0).tolist()}
    with pytest.raises(MoveNotReached, match="near the beam, not"):
        bench.do(tilt_to_zone_axis.TOOL, target="[001]", orientations=[wrong], crystal="Si", refine=True)


def test_orientations_that_disagree_move_nothing():
    quartz = df.structure_named("quartz")
    bench = port(quartz)
    with pytest.raises(Refused, match="orientations fit") as caught:
        bench.do(
            tilt_to_zone_axis.TOOL,
            target="[112]",
            readings=seen(quartz, bench.to_sample, (0, 0, 1), (0, 1, 1)),
        )
    assert "look at" in caught.value.remedy
    assert not bench.moves


def test_out_of_reach_names_the_nearest_and_what_is_in_reach(si):
    bench = port(si)
    with pytest.raises(LimitRefused) as caught:
        bench.do(
            tilt_to_zone_axis.TOOL, target="[111]", readings=seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
        )
    assert "nearest: alpha" in caught.value.remedy
    assert "in reach near there" in caught.value.remedy
    assert "nothing was sent" in caught.value.why
    assert not bench.moves


def test_limits_of_holder_and_instrument_both_hold(si):
    small = book(si, limits=cr.Superellipse(a=6, b=6, r=3.3))
    bench = port(si, notebook=small)
    readings = seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
    assert {one.uvw for one in bench.do(list_zone_axes.TOOL, readings=readings, max_index=1).axes} == {
        (0, 0, 1)
    }
    with pytest.raises(LimitRefused):
        bench.do(tilt_to_zone_axis.TOOL, target="[112]", readings=readings)


def test_a_plan_approved_for_another_tilt_is_not_carried_out(si):
    bench = port(si)
    with pytest.raises(Refused, match="approved for"):
        bench.do(
            tilt_to_zone_axis.TOOL, target="[001]", readings=seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2)),
            expect_alpha_deg=5.0, expect_beta_deg=5.0,
        )  # fmt: skip
    assert not bench.moves


def test_a_lost_feature_ends_it_where_it_was_lost(si):
    bench = port(si, sharp=False)
    with pytest.raises(MoveNotReached, match="not recognised"):
        bench.do(
            tilt_to_zone_axis.TOOL, target="[112]", readings=seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
        )
    assert len(bench.moves) == 1


def test_without_recentring_nothing_is_exposed(si):
    bench = port(si)
    args = {"target": "[112]", "readings": seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2)), "recentre": False}
    found = bench.do(tilt_to_zone_axis.TOOL, **args)
    assert not bench.frames
    assert found.travelled.feature_off_um is None
    assert bench.off_axis_deg((1, 1, 2)) < 0.15


def test_an_unknown_clearance_stops_a_real_stage_before_it_moves(si):
    bench = port(si, able=capabilities(simulated=False))
    readings = seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
    with pytest.raises(LimitRefused, match="clearance is unknown"):
        bench.do(tilt_to_zone_axis.TOOL, target="[112]", readings=readings)
    assert not bench.moves


def test_the_room_in_the_gap_is_asked_for_the_whole_way(si):
    holder = Holder(
        name="test",
        half_width_um=3500,
        half_length_um=3500,
        thickness_um=2000,
        margin_um=20,
        measured_by="staff",
    )
    clearance = Clearance(
        pole_piece=PolePiece(gap_um=3600), holders=(holder,), alpha_sign=1, beta_sign=1, z_sign=1
    )
    bench = port(si, limits=Limits(version=1, instrument="*", declared="test", clearance=clearance))
    readings = seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
    with pytest.raises(LimitRefused, match="can't be gone"):
        bench.do(tilt_to_zone_axis.TOOL, target="[112]", readings=readings)
    assert not bench.moves
    near = bench.do(list_zone_axes.TOOL, readings=readings, max_index=2)
    assert near.axes[0].travel_y_um is not None
    assert any(one.room for one in near.axes)


@pytest.mark.parametrize("target", ["(100)", "{110}", "garbage", "[0 0 0]", "[1 1 1 1]"])
def test_targets_that_are_no_axes(target):
    with pytest.raises(ValidationError):
        tilt_to_zone_axis.Args(target=target)


# --- bands and planes ---------------------------------------------------------------------------------------


def test_along_a_band_the_plane_stays_edge_on(si):
    bench = port(si, at=(4.0, 3.0), height_um=5.0)
    readings = seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
    found = bench.do(tilt_along_band.TOOL, plane="(2 -2 0)", to="[112]", readings=readings)
    normal = bench.to_sample @ si.crystal.normal((2, -2, 0))
    for point in found.waypoints:
        assert abs(float(turned(point.alpha_deg, point.beta_deg)[2] @ normal)) < 1e-9
    assert bench.off_axis_deg((1, 1, 2)) < 0.35
    assert np.abs(found.travelled.feature_off_um).max() < 0.15


def test_a_band_that_leaves_the_limits_says_how_far_it_works(si):
    bench = port(si, at=(4.0, 3.0))
    with pytest.raises(LimitRefused, match="leaves the tilt limits") as caught:
        bench.do(
            tilt_along_band.TOOL,
            plane="(2 -2 0)",
            by_deg=60,
            readings=seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2)),
        )
    assert "works" in caught.value.remedy
    assert not bench.moves


def test_a_plane_is_brought_edge_on_by_the_smallest_tilt(si):
    bench = port(si, at=(4.0, 3.0), height_um=4.0)
    readings = seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2))
    found = bench.do(tilt_edge_on.TOOL, plane="(1 1 1)", readings=readings)
    normal = bench.to_sample @ si.crystal.normal((1, 1, 1))
    beam = turned(bench.actual["alpha_deg"], bench.actual["beta_deg"])[2]
    assert abs(math.degrees(math.asin(float(beam @ normal)))) < 0.2
    assert found.how == "plane"


def test_an_interface_by_three_widths(si):
    """A foil 80 nm thick, its interface 20° from edge-on about a line at 30°."""
    bench = port(si, height_um=2.0)
    widths = [
        80 / math.cos(math.radians(20)) * abs(math.sin(math.radians(20 + turn))) for turn in (0, 12, -30)
    ]
    found = bench.do(
        tilt_edge_on.TOOL, trace_azimuth_deg=30, widths_nm=widths, turns_deg=[12, -30], recentre=False
    )
    assert found.inclination_deg == pytest.approx(20, abs=0.5)
    assert found.thickness_nm == pytest.approx(80, rel=0.05)
    two = {"trace_azimuth_deg": 30, "widths_nm": widths[:2], "turns_deg": [12]}
    with pytest.raises(Refused, match="two answers"):
        port(si).do(tilt_edge_on.TOOL, **two)
    with pytest.raises(Refused, match="never watched"):
        port(si, notebook=book(si, signs=None)).do(tilt_edge_on.TOOL, **two)


def test_a_turn_about_a_line_in_the_image(si):
    bench = port(si, height_um=2.0)
    bench.do(tilt_edge_on.TOOL, trace_azimuth_deg=45, turn_deg=10, recentre=False)
    assert (bench.commanded["alpha_deg"], bench.commanded["beta_deg"]) == pytest.approx(
        (7.05, 7.11), abs=0.01
    )


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"plane": "(111)", "turn_deg": 5, "trace_azimuth_deg": 3},
        {"turn_deg": 5},
        {"widths_nm": [3, 4], "turns_deg": [3]},
        {"widths_nm": [3, 4], "trace_azimuth_deg": 3},
        {"plane": "[111]"},
    ],
)
def test_edge_on_needs_one_way_of_saying_it(args):
    with pytest.raises(ValidationError):
        tilt_edge_on.Args.model_validate(args)


# --- boundaries ---------------------------------------------------------------------------------------------


def grain(structure, to_sample, **more):
    return {"crystal": structure.name, "orientations": [{"matrix": to_sample.tolist()}], **more}


def test_a_twin_boundary(si):
    a = leaning(si, (0, 1, 1), 3, 2)
    b = a @ cr.axis_angle(si.crystal.direction((1, 1, 1)), 60)
    bench = port(si)
    normal = a @ si.crystal.normal((1, 1, 1))
    tilt = cr.edge_on_tilt(cr.Stage(), normal, cr.Reading(alpha_deg=0))
    reading = cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    azimuth = cr.trace_deg(cr.Stage(), reading, normal)
    trace = {"azimuth_deg": azimuth, "alpha_deg": tilt.alpha_deg, "beta_deg": tilt.beta_deg}
    found = bench.do(boundary_report.TOOL, first=grain(si, a), second=grain(si, b), edge_on=trace)
    assert found.report.disorientation.angle_deg == pytest.approx(60, abs=1e-4)
    assert found.report.coincidence.label == "Sigma3"
    assert list(found.report.plane_a.nearest_hkl) in si.crystal.plane_family((1, 1, 1)).tolist()
    assert found.report.common
    words = boundary_report.summary(found)
    assert "Sigma3" in words
    assert "60.00" in words
    with pytest.raises(Refused, match="never watched"):
        port(si, notebook=None).do(
            boundary_report.TOOL, first=grain(si, a), second=grain(si, b), edge_on=trace
        )


def test_a_boundary_of_grains_that_are_not_settled_says_so():
    quartz = df.structure_named("quartz")
    bench = port(quartz)
    one = {"readings": seen(quartz, bench.to_sample, (0, 0, 1), (0, 1, 1)), "crystal": "quartz"}
    two = grain(quartz, bench.to_sample @ cr.axis_angle((0, 0, 1), 20))
    found = bench.do(boundary_report.TOOL, first=one, second=two)
    assert found.candidates == 2
    assert "NOT unique" in boundary_report.summary(found)


# --- handedness ---------------------------------------------------------------------------------------------


def test_a_crystal_without_mirror_needs_the_signs_or_a_third_axis():
    """Laue class -1: the readings of two axes fit its mirror image as well."""
    crystal = cr.crystal_of((5.62, 6.13, 7.21, 77.3, 101.2, 96.8), "P -1", "made up")
    structure = df.Structure(crystal=crystal, atoms=(df.Atom(element="Cu", at=(0.1, 0.2, 0.3)),))
    unsigned = book(structure, signs=None)
    bench = TiltPort(structure, leaning(structure, (0, 0, 1), 2, 1), notebook=unsigned)
    two = seen(structure, bench.to_sample, (0, 0, 1), (0, 1, 2))
    for one in two:
        one["sense"] = "as_given"
    with pytest.raises(Refused, match="no mirror"):
        bench.do(list_zone_axes.TOOL, readings=two)
    three = [*two, *seen(structure, bench.to_sample, (1, 0, 2))]
    assert bench.do(list_zone_axes.TOOL, readings=three).in_reach


# --- patterns -----------------------------------------------------------------------------------------------


def test_which_axis_is_on_the_beam_with_its_age_and_the_tilt_since(si):
    from eucentric.core.instrument import PatternShot, StageMove

    bench = port(si, uvw=(0, 1, 1), at=(0.4, -0.3))
    bench.acquire_diffraction(PatternShot())
    bench.wait(300)
    found = bench.do(index_diffraction.TOOL)
    assert found.verdict == "indexed"
    assert found.zone_axis == "[0 1 1]" or list(found.uvw) in si.crystal.direction_family((0, 1, 1)).tolist()
    assert found.off_deg == pytest.approx(0.5, abs=0.1)
    assert found.age_s == pytest.approx(300, abs=5)
    assert found.tilted_since_deg == 0
    assert any(
        cr.equivalent(si.crystal, np.array(o.matrix), bench.to_sample, 0.5) for o in found.orientations
    )
    bench.move_stage(StageMove(alpha_deg=5.0))
    again = bench.do(index_diffraction.TOOL)
    assert again.tilted_since_deg == pytest.approx(5)
    assert "tilted 5.0° since" in index_diffraction.summary(again)
    assert "5 min old" in index_diffraction.summary(again)


def test_an_indexed_pattern_leads_to_an_axis(si):
    """index_diffraction → tilt_to_zone_axis by its orientations: no reading was ever typed."""
    from eucentric.core.instrument import PatternShot

    bench = port(si, at=(3.0, -2.0), height_um=3.0)
    bench.acquire_diffraction(PatternShot())
    known = bench.do(index_diffraction.TOOL)
    handed = [one.model_dump() for one in known.orientations]
    found = bench.do(tilt_to_zone_axis.TOOL, target="[001]", orientations=handed, crystal="Si", refine=True)
    assert bench.off_axis_deg((0, 0, 1)) < 0.12
    assert found.off_sigma_deg is not None


def test_without_a_calibrated_screen_there_is_an_axis_and_no_orientation(si):
    from eucentric.core.instrument import PatternShot

    bench = port(si, uvw=(0, 1, 1), at=(0.4, -0.3), notebook=None)
    bench.acquire_diffraction(PatternShot())
    found = bench.do(index_diffraction.TOOL)
    assert found.verdict == "indexed"
    assert found.orientations == ()
    assert "calibration" in found.why


def test_a_pattern_of_another_phase_or_none_at_all(si):
    from eucentric.core.instrument import PatternShot, Scan

    bench = port(si, uvw=(0, 1, 1))
    with pytest.raises(BadInput, match="no diffraction pattern yet"):
        bench.do(index_diffraction.TOOL)
    bench.acquire(Scan(fov_nm=100, dwell_us=1))
    with pytest.raises(BadInput, match="no diffraction pattern"):
        bench.do(index_diffraction.TOOL, frame="f-00001")
    bench.acquire_diffraction(PatternShot())
    found = bench.do(index_diffraction.TOOL, phases=["TiO2"])
    assert found.verdict != "indexed"
    assert found.zone_axis is None or found.verdict == "ambiguous"
    assert "cannot tell" in index_diffraction.summary(found)


@pytest.mark.parametrize(("at", "tilted"), [((0.5, 0.5), False), ((15, 12), True)])
def test_a_single_layer_has_a_tilt_only_where_its_lattice_is_distorted(at, tilted):
    from eucentric.core.instrument import PatternShot

    bench = port(df.structure_named("MoS2"), at=at, thickness_nm=0.6)
    bench.acquire_diffraction(PatternShot())
    found = bench.do(index_diffraction.TOOL, single_layer=True)
    assert found.off_deg is None
    assert found.verdict == "indexed"
    assert "layer" in found.why
    assert (found.uvw, found.orientations) == ((0, 0, 1), ())
    assert found.layer.informative is tilted
    assert found.layer.low_deg < math.hypot(*at) < found.layer.high_deg
    words = index_diffraction.summary(found)
    assert ("by its lattice, sign unknown" in words) is tilted
    assert ("tilt unknown, below" in words) is not tilted


def test_refining_needs_a_microscope_that_records_patterns_and_known_signs(si):
    class Blind(TiltPort):
        acquire_diffraction = None

    bench = port(si, notebook=book(si, signs=None))
    args = {"target": "[001]", "readings": seen(si, bench.to_sample, (0, 0, 1), (1, 1, 2)), "refine": True}
    with pytest.raises(Refused, match="never watched"):
        bench.do(tilt_to_zone_axis.TOOL, **args)
    blind = Blind(si, bench.to_sample, notebook=book(si))
    with pytest.raises(Unsupported, match="records no diffraction"):
        blind.do(tilt_to_zone_axis.TOOL, **args)
    assert not bench.moves
    assert not blind.moves
