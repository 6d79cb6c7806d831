"""The golden-case runner: published tables, files that are wrong, comparisons that can fail, the shared cases."""

import copy
import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from eucentric.bench.crystal import run
from eucentric.bench.crystals.golden_cases import KINDS, outputs_of
from eucentric.bench.crystals.golden_file import judged
from eucentric.bench.tilt import run as run_tilt
from eucentric.cli.bench import bench
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.closed_form import wrapped

SHARED = Path(__file__).parents[3] / "shared/data/crystal_public.json"
SI = {"name": "Si", "space_group": 227, "cell_A_deg": [5.431, 5.431, 5.431, 90, 90, 90]}

# direction, zone axis at the start, start alpha and beta, pole along +y of the lab, alpha, beta.
# Unit tests of Crystal_Mapper (github JStuckner/Crystal_Mapper @bdcd2e8, MIT), all 28 rows; one is there twice.
CRYSTAL_MAPPER = [
    ((1, 0, 0), (1, 0, 0), 0, 0, (0, 1, 0), 0, 0),
    ((0, 1, 0), (1, 0, 0), 0, 0, (0, 1, 0), 90, 0),
    ((0, 0, 1), (1, 0, 0), 0, 0, (0, 1, 0), 0, 90),
    ((1, 1, 0), (0, 0, 1), 0, 0, (0, 1, 0), 45, -90),
    ((1, -1, 0), (0, 0, 1), 0, 0, (0, 1, 0), -45, -90),
    ((-1, 1, 0), (0, 0, 1), 0, 0, (0, 1, 0), 45, 90),
    ((-1, -1, 0), (0, 0, 1), 0, 0, (0, 1, 0), -45, 90),
    ((0, 1, 1), (0, 0, 1), 0, 0, (0, 1, 0), 45, 0),
    ((0, -1, 1), (0, 0, 1), 0, 0, (0, 1, 0), -45, 0),
    ((1, 0, 1), (0, 0, 1), 0, 0, (0, 1, 0), 0, -45),
    ((-1, 0, 1), (0, 0, 1), 0, 0, (0, 1, 0), 0, 45),
    ((0, 1, -1), (0, 0, 1), 0, 0, (0, 1, 0), 135, 0),
    ((0, -1, -1), (0, 0, 1), 0, 0, (0, 1, 0), -135, 0),
    ((1, 0, -1), (0, 0, 1), 0, 0, (0, 1, 0), 0, -135),
    ((-1, 0, -1), (0, 0, 1), 0, 0, (0, 1, 0), 0, 135),
    ((0, 0, 1), (1, 0, 0), 0, 0, (0, 0, 1), 90, 0),
    ((0, 0, 1), (1, 0, 0), 0, 0, (1, 0, 1), 90, 0),
    ((0, 1, 0), (1, 1, 1), 0, 0, (0, 1, 0), 54.74, 0),
    ((0, 0, 1), (0, 0, 1), 0, 0, (0, 1, 0), 0, 0),
    ((0, 0, 1), (0, 0, -1), 0, 0, (0, 1, 0), 0, 180),
    ((0, 0, 1), (0, 0, 1), 10, 10, (0, 1, 0), 10, 10),
    ((0, 0, 1), (0, 0, 1), -10, 10, (0, 1, 0), -10, 10),
    ((0, 0, 1), (0, 0, 1), -10, -10, (1, 0, 1), -10, -10),
    ((0, 0, 1), (0, 0, 1), 10, -10, (1, 0, 1), 10, -10),
    ((1, 0, 0), (1, 1, 1), 0, 0, (0, 1, 0), -24.09, -50.77),
    ((0, 0, 1), (1, 1, 1), 0, 0, (0, 1, 0), -24.09, 50.77),
    ((0, 1, 0), (1, 1, 1), 10, 10, (0, 1, 0), 64.73, 10),
]


@pytest.mark.parametrize(("direction", "zone", "alpha0", "beta0", "pole", "alpha", "beta"), CRYSTAL_MAPPER)
def test_published_tilts(direction, zone, alpha0, beta0, pole, alpha, beta):
    inputs = {
        "cubic": True, "direction": direction, "zone_axis_at_start": zone, "start_tilt": [alpha0, beta0],
        "reference_pole_along_plus_y_lab": pole,
    }  # fmt: skip
    found = outputs_of({"kind": "published_tilt_geometry", "crystal": None, "inputs": inputs})
    assert wrapped(found["alpha_deg"] - alpha) == pytest.approx(0, abs=0.02)
    assert wrapped(found["beta_deg"] - beta) == pytest.approx(0, abs=0.02)


def case(kind="d_spacing", inputs=None, expected=None, tolerance=None, crystal=SI):
    return {
        "id": f"{kind}-0", "kind": kind, "convention": "C1", "crystal": crystal, "inputs": inputs or {"hkl": [2, 2, 0]},
        "expected": {"d_A": 1.920148} if expected is None else expected, "tolerance": tolerance or {"d_A": 1e-5},
    }  # fmt: skip


def golden(tmp_path, *cases, schema="crystal-golden/1"):
    path = tmp_path / "golden.json"
    path.write_text(json.dumps({"schema": schema, "cases": list(cases)}), encoding="utf-8")
    return path


def test_a_file_of_cases_through_the_command(tmp_path):
    out = tmp_path / "out.json"
    done = CliRunner().invoke(bench, ["crystal", str(golden(tmp_path, case())), "--out", str(out)])
    assert done.exit_code == 0, done.output
    written = json.loads(out.read_text(encoding="utf-8"))
    (only,) = written["cases"]
    assert set(only) == {"id", "outputs", "deviation", "pass", "seconds"}
    assert only["outputs"] == {"d_A": pytest.approx(1.920148, abs=1e-6)}
    assert only["pass"] is True
    assert 0 <= only["deviation"] < 1e-5
    assert "cases" not in json.loads(done.stdout)


def test_a_wrong_case_fails_the_command_and_the_others_still_run(tmp_path):
    wrong = case(expected={"d_A": 1.9203})
    path = golden(
        tmp_path, wrong, case("no_such_kind"), case(inputs={"hkl": [0, 0, 0]}), case(inputs={"x": 1}), case()
    )
    answer = run(file=path)
    assert [one["pass"] for one in answer["cases"]] == [False, False, False, False, True]
    assert answer["cases"][0]["deviation"] == pytest.approx(1.52e-4, rel=0.01)
    assert "no case kind" in json.dumps(answer["cases"][1]["outputs"])
    assert answer["bars"][0]["holds"] is False
    assert CliRunner().invoke(bench, ["crystal", str(path)]).exit_code == 1


def test_without_expected_values_the_outputs_are_still_written(tmp_path):
    bare = case("tilt_to_zone_axis", expected={}, inputs={
        "holder": "double_tilt", "G_crystal_to_sample": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "target_uvw": [1, 1, 2],
        "limits": {"type": "box", "alpha": [-30, 30], "beta": [-20, 20]}})  # fmt: skip
    answer = run(file=golden(tmp_path, bare))
    (only,) = answer["cases"]
    assert (only["pass"], only["deviation"]) == (None, None)
    assert only["outputs"]["reachable"] is False
    assert only["outputs"]["nearest_beta_deg"] == pytest.approx(-20)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "cannot read"),
        ("{", "cannot read"),
        ("[]", "no file of golden cases"),
        ('{"schema": "other/1", "cases": []}', "no file of golden cases"),
        ('{"schema": "crystal-golden/1", "cases": [{"id": "x"}]}', "lacks"),
        ('{"schema": "crystal-golden/1", "cases": [3]}', "lacks"),
    ],
)
def test_files_that_are_no_golden_cases(tmp_path, text, word):
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=word):
        run(file=path)


def test_a_missing_file_and_none_at_all(tmp_path):
    with pytest.raises(BadInput, match="cannot read"):
        run(file=tmp_path / "none.json")
    with pytest.raises(BadInput) as caught:
        run()
    assert "FILE" in caught.value.remedy
    assert CliRunner().invoke(bench, ["frame", "x.json"]).exit_code == 2


WAYPOINT = {"beta_deg": 0, "trace_mod180": 179.9995}


@pytest.mark.parametrize(
    ("expected", "outputs", "tolerance", "passes"),
    [
        ({"a": 1.0}, {"a": 1.0009}, {"a": 1e-3}, True),
        ({"a": 1.0}, {"a": 1.0011}, {"a": 1e-3}, False),
        ({"a": 8.660254}, {"a": 8.66025404}, {}, True),
        ({"a": 8.660254}, {"a": 8.660256}, {}, False),
        ({"a": 3}, {"a": 3}, {}, True),
        ({"a": 3}, {"a": 3.2}, {}, False),
        ({"a": True}, {"a": 1}, {}, False),
        ({"a": True}, {"a": True}, {}, True),
        ({"a": "Sigma3"}, {"a": "Sigma3a"}, {}, False),
        ({"a": 0}, {"a": 0.01}, {"a": 0.02}, True),
        ({"a": 0}, {"a": 0.03}, {"a": 0.02}, False),
        ({"a": [1, 2]}, {"a": [1, 3]}, {"a": 5}, False),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, {"a": 5}, False),
        ({"a": 1.0}, {"a": math.nan}, {"a": 1}, False),
        ({"a": 1.0}, {}, {"a": 1}, False),
        ({"a": 1.0}, {"a": None}, {"a": 1}, False),
        ({"alpha_deg": 180.0}, {"alpha_deg": -180.0}, {"alpha_deg": 1e-3}, True),
        ({"residual_deg": 360.0}, {"residual_deg": 0.0}, {"residual_deg": 1e-3}, False),
        ({"w": [WAYPOINT]}, {"w": [{"beta_deg": 0.0, "trace_mod180": 0.0}]}, {"w": 1e-3}, True),
        ({"w": [WAYPOINT]}, {"w": [{"beta_deg": 0.0, "trace_mod180": 0.1}]}, {"w": 1e-3}, False),
        ({"list": [{"uvw": [1, 0, 0], "x": 1.0}, {"uvw": [0, 1, 0], "x": 2.0}]},
         {"list": [{"uvw": [0, 1, 0], "x": 2.0}, {"uvw": [1, 0, 0], "x": 1.0}]}, {"list": 1e-3}, True),
        ({"list": [{"uvw": [1, 0, 0], "x": 1.0}]}, {"list": [{"uvw": [-1, 0, 0], "x": 1.0}]}, {"list": 1e-3}, False),
        ({"list": [{"uvw": [1, 0, 0], "x": 1.0}]}, {"list": [{"uvw": [1, 0, 0], "x": 1.1}]}, {"list": 1e-3}, False),
    ],
)  # fmt: skip
def test_comparisons(expected, outputs, tolerance, passes):
    assert judged({"expected": expected, "tolerance": tolerance}, outputs)[1] is passes


@pytest.mark.skipif(not SHARED.exists(), reason="the shared golden cases lie beside the checkout, not in it")
def test_the_shared_cases_all_pass_and_can_all_fail(tmp_path):
    data = json.loads(SHARED.read_text(encoding="utf-8"))
    answer = run(file=SHARED)
    assert answer["figures"]["failed"] == []
    assert set(answer["figures"]["by_kind"]) == set(KINDS)
    for one, found in zip(data["cases"], answer["cases"], strict=True):
        assert set(found["outputs"]) == set(one["expected"])
        assert judged(broken(one), found["outputs"])[1] is False, one["id"]


def broken(one):
    """The same case with every expected number a little off."""
    off = copy.deepcopy(one)
    off["expected"] = {key: nudged(value) for key, value in one["expected"].items()}
    return off


def nudged(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return [nudged(v) for v in value] or [1]
    if isinstance(value, dict):
        return {k: nudged(v) for k, v in value.items()}
    return value + "x"


def test_the_tilt_benchmark_answers_by_the_contract():
    answer = json.loads(json.dumps(run_tilt(quick=True, seed=3), allow_nan=False))
    assert set(answer) == {"name", "seed", "versions", "machine", "reference_s", "figures", "bars"}
    assert len(answer["bars"]) == 5
    assert all(bar["figure"] < 10 * bar["bar"] for bar in answer["bars"])  # the bars are for a quiet machine
