"""The tool and the command that recommend, and the word of advice of a frame that can't be counted."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from click.testing import CliRunner

from eucentric.cli.recommend import recommend
from eucentric.core.errors import BadInput, Unsupported
from eucentric.core.instrument import MicroscopeState
from eucentric.core.request import SpecimenCard
from eucentric.instruments.capabilities import Capabilities
from eucentric.knowledge.phases import phase
from eucentric.tools.recommend_acquisition import TOOL, Args, summary
from eucentric.tools.vision.advice import advice_of, why_not_counted
from eucentric.tools.vision.atom_map import AtomMap

OPTICS = {"probe_current_pa": 30.0, "voltage_kv": 60.0, "convergence_mrad": 30.0}


@dataclass(frozen=True)
class Standing:
    """A microscope that only says how it stands."""

    optics: dict

    def state(self):
        return MicroscopeState(
            instrument="SIMULATED", simulated=True, stage={}, optics=self.optics, blanked=True
        )

    def capabilities(self):
        return Capabilities(
            vendor="T", model="M", serial="1", simulated=True, axes=(), optics=(), detectors=(), min_dwell_s=5e-7,
            max_pixels=4096, line_flyback_s=0.0, frame_overhead_s=0.0, abort="mid_frame", limits_version="v1",
        )  # fmt: skip


@dataclass(frozen=True)
class Bench:
    microscope: Standing
    specimen: SpecimenCard
    note: object = print


def run_tool(optics=OPTICS, **args):
    card = SpecimenCard(name="f", material="Ti3C2Tx MXene", dose_budget_e_per_a2=2e4)
    return TOOL.run(Args(**args), Bench(Standing(optics), card))


def test_it_goes_by_the_card_and_the_instrument_as_it_stands():
    result = run_tool()
    advice = result.recommendation
    assert TOOL.risk == "analyse"
    assert (result.material, advice.kind, advice.source) == ("Ti3C2", "V_Ti", "predicted")
    assert (advice.limit_e_per_a2, advice.current_pa) == (2e4, 30.0)
    assert advice.possible
    assert any("as it is set now" in text for text in result.assumed)
    assert summary(result) == advice.say


def test_what_is_asked_goes_before_the_card():
    result = run_tool(material="MoS2", kind="S", max_dose_e_per_a2=5e3, probe_current_pa=50.0, recall=0.9)
    advice = result.recommendation
    assert (advice.kind, advice.limit_e_per_a2, advice.current_pa) == ("V_S", 5e3, 50.0)
    assert not advice.possible
    assert advice.dose_e_per_a2 <= 5e3


def test_an_instrument_that_does_not_say_its_current_gets_no_guess():
    with pytest.raises(Unsupported, match="probe_current_pa"):
        run_tool({"voltage_kv": 60.0})
    with pytest.raises(BadInput, match="V_Ti"):
        run_tool(kind="Pb")


def test_the_command_predicts():
    done = CliRunner().invoke(
        recommend, ["V_Ti", "--material", "Ti3C2", "--limit", "2e4 e/angstrom^2", "--json"]
    )
    assert done.exit_code == 0
    assert json.loads(done.output)["recommendation"]["possible"] is True
    text = CliRunner().invoke(recommend, ["--material", "MoS2", "--limit", "1e3"]).output
    assert "cannot be done below" in text


def test_the_command_measures_on_an_image(tmp_path, simulate):
    np.save(tmp_path / "a.npy", simulate("Ti3C2", size=200, counts=300.0, seed=4).image)
    asked = ["V_Ti", "--material", "Ti3C2", "--image", str(tmp_path / "a.npy"), "--counts-per-electron", "1"]
    done = CliRunner().invoke(recommend, [*asked, "--image-dose", "4e4", "--image-pixel", "15.6", "--json"])
    body = json.loads(done.stdout)
    assert body["recommendation"]["source"] == "measured"
    assert body["limits"]["points"][0]["dose_e_per_a2"] == pytest.approx(4e4)


def test_an_image_of_unknown_dose_is_told_in_shares_of_it(tmp_path, simulate):
    np.save(tmp_path / "a.npy", 7.0 * simulate("Ti3C2", size=200, counts=300.0, seed=4).image + 20.0)
    asked = [
        "V_Ti",
        "--material",
        "Ti3C2",
        "--image",
        str(tmp_path / "a.npy"),
        "--image-pixel",
        "15.6",
        "--json",
    ]
    body = json.loads(CliRunner().invoke(recommend, asked).stdout)
    assert body["recommendation"] is None
    assert 0.02 < body["share_of_the_images_dose"] < 1.0


FLAGS = [
    ((("out_of_focus", "x"),), "x", "refocus"),
    ((("no_lattice", "x"),), "x", "refocus"),
    ((("low_counts", "x"),), "x", "more_dose"),
    ((("saturated", "x"),), "x", "shorter_dwell"),
    ((("off_zone", "x"),), "x", "tilt"),
    ((("scale_disagrees", "y"), ("partly_lost", "z")), "", "check_scale"),
    ((("out_of_focus", "x"), ("scale_disagrees", "y")), "x", "check_scale"),
    ((("something_new", "x"),), "x", "ask"),
    ((("low_recall", "x"), ("partly_lost", "z")), "", "none"),
    ((), "", "none"),
]


@pytest.mark.parametrize(("flags", "cannot_tell", "advice"), FLAGS)
def test_one_word_for_what_would_help(flags, cannot_tell, advice):
    seen = AtomMap(phase("Ti3C2"), (100, 100), flags=flags, cannot_tell=cannot_tell)
    assert advice_of(seen) == advice
    assert bool(why_not_counted(seen)) == (advice != "none")


def test_a_person_may_accept_the_lattices_scale():
    seen = AtomMap(phase("Ti3C2"), (100, 100), flags=(("scale_disagrees", "y"),))
    assert advice_of(seen, scale_accepted=True) == "none"
    assert why_not_counted(seen, scale_accepted=True) == ""


@pytest.mark.parametrize("option", ["--limit", "--pixel", "--image-dose", "--image-pixel", "--current"])
@pytest.mark.parametrize("value", ["0", "-5"])
def test_a_quantity_that_cannot_be_is_a_usage_error(option, value):
    from click.testing import CliRunner

    from eucentric.cli.recommend import recommend

    said = CliRunner().invoke(recommend, ["V_Ti", "--material", "Ti3C2", option, value])
    assert said.exit_code == 2
    assert "must be more than 0" in said.output


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--recall", "99.9"), 0, "99.9 % recall"),
        (("--image-dose", "1e4"), 2, "--image"),
        (("--image-pixel", "8"), 2, "--image"),
        (("--counts-per-electron", "3"), 2, "--image"),
        (("--density-error", "nan"), 2, "finite"),
        (("--voltage", "0.001"), 2, "20 to 1250 kV"),
        (("--current", "1e9"), 2, "100000 pA"),
        (("--convergence", "1"), 2, "open the aperture"),
    ],
)
def test_what_physics_does_not_hold_for_is_refused(args, code, says):
    done = CliRunner().invoke(recommend, ["V_Ti", "--material", "Ti3C2", *args])
    error = done.exception
    told = f"{error}" if isinstance(error, BadInput) else done.output
    assert (error.exit_code if isinstance(error, BadInput) else done.exit_code) == code, done.output
    assert says in told
