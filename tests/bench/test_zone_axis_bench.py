"""The benchmark of arrivals: what is read is read with the stated error, and judges see what happened."""

import numpy as np
import pytest

from eucentric.bench import zone_axis
from eucentric.instruments.twin.geometry import Tilt


def test_readings_are_noisy_by_what_is_said_and_their_axes_are_the_grains_own():
    off = []
    for number in range(16):
        case = zone_axis.make_case(number, 3)
        for one in case.readings:
            uvw = tuple(int(x) for x in one["index"][1:-1].split())
            tilt = Tilt(*np.radians([one["alpha_deg"], one["beta_deg"]]))
            along = np.array(tilt.rows) @ case.to_specimen @ case.crystal.direction(uvw)
            off.append(np.degrees(np.arccos(min(1.0, abs(float(along[2]))))))
    assert np.sqrt(np.mean(np.square(off))) == pytest.approx(0.2 * np.sqrt(2), rel=0.35)


def test_one_case_of_each_kind_is_judged_by_the_truth():
    case = zone_axis.make_case(4, 7)
    rng = np.random.default_rng(1)
    refused = zone_axis._refusal(case, rng)
    assert refused["pass"], refused
    found = zone_axis._arrivals(case, rng)[-1]
    assert found["ended"] == "arrived"
    assert found["off_deg"] == pytest.approx(found["measured_deg"], abs=0.15)
    assert 0 < found["feature_off"] < 1
    bars = zone_axis._bars([found], [], [], [refused])
    assert [bar["n"] for bar in bars][:3] == [1, 1, 1]
    worse = found | {"off_deg": 5.0, "pass": False}
    assert zone_axis._bars([worse], [], [worse], [refused])[0]["figure"] == 0.0
    assert zone_axis._bars([worse], [], [worse], [refused])[3]["figure"] == 1.0


@pytest.mark.parametrize(("stage", "bar"), [("ideal", 0.1), ("piezo", 0.1), ("good", 0.3), ("worn", 0.75)])
def test_bars_are_a_tenth_of_a_degree_or_what_the_goniometer_repeats(stage, bar):
    assert zone_axis.allowed_deg(stage) == pytest.approx(bar, abs=0.01)
