"""What a model and a person are told about every tool, and what every tool refuses and predicts."""

import math
import re

import pytest
from bench_port import BenchPort
from pydantic import ValidationError

from eucentric.core.calls import Cost
from eucentric.core.errors import NotAvailable
from eucentric.core.instrument import StageMove
from eucentric.knowledge.dose import scan_dose
from eucentric.tools import (
    acquire_image,
    acquire_series,
    autofocus,
    go_to_target,
    insert_detector,
    move_stage,
    set_optics,
    survey,
)
from eucentric.tools.catalogue import CATALOGUE, tool_named
from eucentric.tools.scanning import unsteady

RISKS = {
    "get_state": "read", "query_log": "read", "query_dose": "read", "grid_positions": "read", "save_position": "read",
    "notebook_add": "read", "notebook_query": "read",
    "move_stage": "control", "set_optics": "control", "insert_detector": "control",
    "acquire_image": "expose", "acquire_pattern": "expose", "acquire_series": "expose", "autofocus": "expose",
    "survey": "expose",
    "go_to_target": "expose", "tilt_to_zone_axis": "expose", "tilt_along_band": "expose", "tilt_edge_on": "expose",
    "solve_orientation": "analyse", "list_zone_axes": "analyse", "boundary_report": "analyse",
    "index_diffraction": "analyse",
    "select_targets": "analyse", "detect_defects": "analyse", "measure_lattice": "analyse",
    "estimate_density": "analyse", "recommend_acquisition": "analyse", "retake_image": "expose",
    "rank_places": "analyse", "write_report": "analyse",
    "blank_beam": "safety", "abort": "safety",
}  # fmt: skip
TARGET = {"id": "t1", "x_um": 1, "y_um": 2, "size_nm": 300, "layers": 1, "score": 1, "frame": "f-1"}
NEEDED = {
    "grid_positions": {"nx": 2, "ny": 2, "pitch_um": 1}, "move_stage": {"x_um": 1}, "set_optics": {"fov_nm": 10},
    "select_targets": {"frames": ["f-1"]}, "go_to_target": {"target": TARGET}, "save_position": {"name": "here"},
    "insert_detector": {"detector": "bf"}, "tilt_to_zone_axis": {"target": "[001]"},
    "tilt_along_band": {"plane": "(110)", "to": "[001]"}, "tilt_edge_on": {"plane": "(110)"},
    "boundary_report": {"first": {"grain": "A"}, "second": {"grain": "B"}},
}  # fmt: skip
INSTEAD = {
    ("tilt_along_band", "by_deg"): {"plane": "(110)"}, ("tilt_edge_on", "turn_deg"): {"trace_azimuth_deg": 10},
}  # fmt: skip
"""What goes with an argument that stands in for one of those needed."""


def around(tool, name):
    """Arguments with which `name` is the only thing that can be wrong."""
    if tool.name == "move_stage" and name.startswith("d"):
        return {"mode": "relative"}
    if (tool.name, name) in INSTEAD:
        return INSTEAD[tool.name, name]
    return {key: value for key, value in NEEDED.get(tool.name, {}).items() if key != name}


TOOLS = [pytest.param(tool, id=tool.name) for tool in CATALOGUE]


def variants(schema):
    return [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]


def arguments():
    for tool in CATALOGUE:
        schema = tool.args.model_json_schema()
        parts = [("", schema), *schema.get("$defs", {}).items()]
        for part, table in parts:
            for name, field in table.get("properties", {}).items():
                yield pytest.param(field, id=f"{tool.name}.{part}{'.' if part else ''}{name}")


def test_names_are_unique_and_risks_are_as_agreed():
    assert {tool.name: tool.risk for tool in CATALOGUE} == RISKS
    assert len({tool.name for tool in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_says_what_it_does(tool):
    assert len(tool.description) > 40
    assert tool.description.endswith((".", ")"))
    assert tool.run.__doc__
    assert re.fullmatch(r"[a-z_]+", tool.name)


@pytest.mark.parametrize("field", list(arguments()))
def test_every_argument_is_described_and_every_number_has_bounds(field):
    if "$ref" not in field:
        assert len(field.get("description", "")) > 3
    for one in variants(field):
        if one.get("type") in ("number", "integer"):
            assert {"minimum", "exclusiveMinimum"} & set(one), one
            assert {"maximum", "exclusiveMaximum"} & set(one), one
        if one.get("type") == "number" and field.get("title") != "Overlap":  # a pure share of the field
            assert one.get("unit"), one


@pytest.mark.parametrize("tool", TOOLS)
def test_an_unknown_argument_is_refused(tool):
    with pytest.raises(ValidationError, match="Extra inputs"):
        tool.args.model_validate({**NEEDED.get(tool.name, {}), "speed": 3})


def wrong_numbers():
    for tool in CATALOGUE:
        for name, field in tool.args.model_json_schema().get("properties", {}).items():
            kinds = {one.get("type") for one in variants(field)}
            if kinds & {"number", "integer"}:
                for value in (math.nan, math.inf, -math.inf, True, False, "1e3", "many", 10**400, [], {}):
                    yield pytest.param(tool, name, value, id=f"{tool.name}.{name}={str(value)[:6]}")


@pytest.mark.parametrize(("tool", "name", "value"), list(wrong_numbers()))
def test_what_is_no_finite_number_is_refused(tool, name, value):
    with pytest.raises(ValidationError):
        tool.args.model_validate({**around(tool, name), name: value})


@pytest.mark.parametrize("tool", TOOLS)
def test_bounds_of_the_schema_are_those_that_are_enforced(tool):
    for name, field in tool.args.model_json_schema().get("properties", {}).items():
        for one in variants(field):
            if "minimum" in one and one.get("type") in ("number", "integer"):
                tool.args.model_validate(
                    {**around(tool, name), name: one["minimum"]}
                )  # the bound itself is allowed
            for key, step in (
                ("minimum", -1),
                ("maximum", 1),
                ("exclusiveMinimum", 0),
                ("exclusiveMaximum", 0),
            ):
                if key in one:
                    with pytest.raises(ValidationError):
                        tool.args.model_validate({**around(tool, name), name: one[key] + step})


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("move_stage", {"mode": "Absolute", "x_um": 1}),
        ("move_stage", {"mode": "absolute", "dx_um": 1}),
        ("move_stage", {"mode": "relative", "x_um": 1}),
        ("move_stage", {"mode": "saved"}),
        ("move_stage", {}),
        ("set_optics", {}),
        ("set_optics", {"voltage_kv": 80}),
        ("abort", {"blank": False}),
        ("insert_detector", {"detector": "bf", "inside": "out"}),
        ("insert_detector", {"detector": "bf", "inside": 0}),
        ("insert_detector", {"detector": ""}),
        ("abort", {"hold_stage": False}),
        ("query_log", {"what": "Events"}),
        ("rank_places", {"by": "beauty"}),
        ("save_position", {"name": "a/b"}),
        ("save_position", {"name": "x\nApproved"}),
        ("acquire_image", {"detectors": []}),
        ("select_targets", {"frames": []}),
    ],
)
def test_wrong_words_and_combinations_are_refused(name, args):
    with pytest.raises(ValidationError):
        tool_named(name).args.model_validate(args)


@pytest.mark.parametrize("name", ["Get_State", "get_state ", "exec", "", "high_tension"])
def test_a_tool_is_only_found_by_its_exact_name(name):
    with pytest.raises(NotAvailable, match="there is no tool"):
        tool_named(name)


@pytest.mark.parametrize("tool", TOOLS)
def test_cost_is_known_at_defaults_and_only_exposing_tools_cost_dose(tool):
    cost = tool.cost(tool.args.model_validate(NEEDED.get(tool.name, {})), BenchPort(seed=1).setting)
    assert isinstance(cost, Cost)
    assert (cost.dose_e_per_a2 + cost.elsewhere_e_per_a2 > 0) == (tool.risk == "expose")
    assert (cost.frames > 0) == (tool.risk == "expose")
    assert tool.risk in ("expose", "control") or cost == Cost()


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        (acquire_image.TOOL, {}),
        (acquire_image.TOOL, {"detectors": ["haadf", "bf"], "width_px": 256, "fov_nm": 20}),
        (acquire_series.TOOL, {"frames": 5, "fov_nm": 8, "width_px": 256, "height_px": 256}),
        (autofocus.TOOL, {}),
        (survey.TOOL, {}),
        (survey.TOOL, {"tiles_x": 2, "tiles_y": 1, "fov_um": 5, "width_px": 128, "overlap": 0}),
        (set_optics.TOOL, {"probe_current_pa": 20}),
        (insert_detector.TOOL, {"detector": "bf", "inside": False}),
        (insert_detector.TOOL, {"detector": "bf"}),
        (move_stage.TOOL, {"x_um": 30, "y_um": -10}),
        (move_stage.TOOL, {"mode": "relative", "dx_um": 30, "dalpha_deg": 5}),
    ],
    ids=lambda value: getattr(value, "name", None) or ",".join(value) or "defaults",
)
def test_the_cost_is_what_a_run_takes(tool, args):
    bench = BenchPort(seed=3)
    cost, before = bench.cost(tool, **args), bench.state()
    bench.do(tool, **args)
    frames = list(bench.frames.values())
    recorded = [frame for frame in frames if not frame.parents]
    assert bench.state().time_s - before.time_s == pytest.approx(cost.seconds, rel=0.05)
    assert len(recorded) == cost.frames
    assert sum(frame.shape[0] * frame.shape[1] for frame in recorded) * 4e-6 == pytest.approx(cost.megabytes)
    charged = sum({frame.time_s: frame.dose_e_per_a2 for frame in recorded}.values())
    if tool is not survey.TOOL:  # tiles overlap: the worst place is in two of them
        assert cost.dose_e_per_a2 + cost.elsewhere_e_per_a2 == pytest.approx(charged, rel=1e-9)
    elif recorded:
        missed = bench.capabilities().position_errors.missed_moves
        times = min(cost.frames, max(2 if args.get("overlap", 0.1) else 1, 1 + missed))
        assert cost.dose_e_per_a2 == pytest.approx(times * recorded[0].dose_e_per_a2, rel=1e-9)


def test_the_cost_of_a_focus_beside_is_what_it_takes_over_a_lattice():
    """The opposite side is only exposed if the first showed a lattice; it has less dose than the first."""
    bench = BenchPort(seed=3, stage="ideal")
    place = bench.oracle.suspended((-40e-6, 40e-6, -40e-6, 40e-6), radius=0.25e-6)[0]
    bench.move_stage(StageMove(x_um=place.x * 1e6, y_um=place.y * 1e6))
    cost, before = bench.cost(autofocus.TOOL, beside_nm=60), bench.state()
    assert bench.do(autofocus.TOOL, beside_nm=60).found
    assert bench.state().time_s - before.time_s == pytest.approx(cost.seconds, rel=0.05)
    assert len(bench.frames) == cost.frames
    shifts = {}
    for frame in bench.frames.values():
        shifts[frame.x_um] = shifts.get(frame.x_um, 0.0) + frame.dose_e_per_a2
    here, aside, opposite = (shifts[x] for x in sorted(shifts, key=lambda x: -shifts[x])[:3])
    assert sorted((here, aside, opposite)) == pytest.approx(
        sorted((cost.dose_e_per_a2, cost.elsewhere_e_per_a2, cost.elsewhere_e_per_a2 * 13 / 29)), rel=1e-9
    )


def test_the_dose_of_one_frame_is_the_formula():
    bench = BenchPort(seed=1)
    cost = bench.cost(acquire_image.TOOL, fov_nm=20, dwell_us=2)
    dose = scan_dose(
        current_pa=30,
        dwell_us=2,
        pixel_nm=20 / 512,
        columns=512,
        voltage_kv=60,
        convergence_mrad=30,
        flyback_us=20,
        unsteady=unsteady(bench.capabilities(), None),
    )
    assert cost.dose_e_per_a2 == pytest.approx(dose.bound_e_per_a2, rel=1e-12)
    assert cost.mean_dose_e_per_a2 == pytest.approx(
        30e-12 * 2e-6 / 1.602176634e-19 / (200 / 512) ** 2, rel=1e-9
    )


def test_an_approach_never_costs_more_than_was_said():
    bench = BenchPort(seed=3, stage="worn")
    tiles = bench.do(survey.TOOL)
    (target,) = bench.do(tool_named("select_targets"), frames=tiles.frames, at_most=1).targets
    cost, before, held = bench.cost(go_to_target.TOOL, target=target), bench.state().time_s, len(bench.frames)
    bench.do(go_to_target.TOOL, target=target)
    new = list(bench.frames.values())[held:]
    assert 2 <= len(new) <= cost.frames
    assert bench.state().time_s - before <= cost.seconds
    assert sum(frame.dose_e_per_a2 for frame in new) <= cost.dose_e_per_a2
