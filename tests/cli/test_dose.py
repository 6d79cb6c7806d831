"""`eucentric dose`: a loading, a spot, a map, from the ledger alone."""

import json

import pytest
from click.testing import CliRunner

from eucentric.agent.dose.charge import Charge
from eucentric.cli.dose import dose
from eucentric.core.store import Store


def row(store, kind, action, charge, **more):
    body = {
        "act": "acquire",
        "instrument": "SIMULATED a",
        "loading": "l1",
        "charge": charge.model_dump(mode="json"),
        **more,
    }
    store.ledger.append("r-0001", kind, "t", "acquire", body, action_id=action)


@pytest.fixture
def folder(tmp_path):
    store = Store(tmp_path / "store")
    card = {"name": "sheet", "material": "Ti3C2", "dose_budget_e_per_a2": 500.0}
    store.ledger.append("r-0001", "requested", "t", "x", {"specimen": card, "request": {}})
    for number, (x, value) in enumerate([(0.0, 100.0), (0.0, 50.0), (90.0, 7.0)]):
        charge = Charge(
            x_um=x, y_um=2.0, width_um=0.01, height_um=0.01, dose_e_per_a2=value, stay=f"s{int(x)}",
            estimate_e_per_a2=value / 2, time_s=10.0 * number,
        )  # fmt: skip
        row(store, "intended", f"a{number}", charge)
        row(store, "returned", f"a{number}", charge, frames=[{"id": f"f-{number}"}])
    store.close()
    return tmp_path / "store"


def run(folder, *args):
    return CliRunner().invoke(dose, [*args, "--store", str(folder)], catch_exceptions=False)


def test_a_spot(folder):
    said = json.loads(run(folder, "0.0", "2.0", "--json").output)
    assert (said["bound_e_per_a2"], said["estimate_e_per_a2"], said["left_e_per_a2"]) == (150.0, 75.0, 350.0)
    assert [one["frames"] for one in said["exposures"]] == [["f-0"], ["f-1"]]
    assert all(one["run"] == "r-0001" and one["utc"] for one in said["exposures"])
    assert "at most 150 e/Å²" in run(folder, "0.0", "2.0").output
    assert "nothing on record" in run(folder, "-50", "-50").output


def test_all_places_and_a_map(folder, tmp_path):
    said = json.loads(run(folder, "--json").output)
    assert [one["bound_e_per_a2"] for one in said["places"]] == [150.0, 7.0]
    assert said["position_errors_declared"] is False
    out = tmp_path / "map.png"
    shown = run(folder, "--out", str(out)).output
    assert "30 %" in shown
    assert "cautious" in shown
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("args", [["1.0"], ["x", "y"]])
def test_half_a_place_is_none(folder, args):
    assert run(folder, *args).exit_code == 2


def test_unknown_loading_and_store(folder, tmp_path):
    from eucentric.core.errors import BadInput

    with pytest.raises(BadInput, match="l9"):
        run(folder, "--loading", "l9")
    with pytest.raises(BadInput, match="no store"):
        run(tmp_path / "none")
