"""A plan's stage path is held against steps, excursion and room in the gap before anybody is asked."""

import pytest

from eucentric.agent.preview.legs import Leg, path_problems
from eucentric.instruments.capabilities import AxisSpec, Capabilities
from eucentric.instruments.limits import Limit, Limits
from eucentric.knowledge.clearance import Clearance, Holder, PolePiece

DEG = 0.017453292519943295
HERE = {"x_um": 0.0, "y_um": 0.0, "z_um": 0.0, "alpha_deg": 0.0, "beta_deg": 0.0}


def _axis(name, unit, reach, step):
    return AxisSpec(name=name, unit=unit, lower=-reach, upper=reach, tolerance=1e-8, max_step=step, speed=1.0)


CAPABILITIES = Capabilities(
    vendor="V", model="M", serial="1", simulated=True,
    axes=(
        _axis("x", "m", 1e-3, 500e-6), _axis("y", "m", 1e-3, 500e-6), _axis("z", "m", 3e-4, 3e-4),
        _axis("alpha", "rad", 40 * DEG, 80 * DEG), _axis("beta", "rad", 30 * DEG, 60 * DEG),
    ),
    optics=(), detectors=(), min_dwell_s=1e-7, max_pixels=4096, line_flyback_s=0.0, frame_overhead_s=0.0,
    abort="none", limits_version="v3", measured_by="staff",
)  # fmt: skip
LIMITS = Limits(
    version=3,
    instrument="*",
    axes={"x_um": Limit(lower=-1000, upper=1000, max_step=500, max_excursion=600)},
    clearance=Clearance(
        pole_piece=PolePiece(gap_um=5400),
        holders=(
            Holder(
                name="double-tilt A", half_width_um=3500, half_length_um=2000, thickness_um=2000, margin_um=50,
                measured_by="staff",
            ),
        ),
        alpha_sign=1, beta_sign=1, z_sign=1,
    ),
)  # fmt: skip


def _leg(exact=True, **target):
    return Leg("s1", HERE, {**HERE, **target}, exact)


def _told(*legs, limits=LIMITS, holder="double-tilt A", inserted=()):
    return path_problems(legs, HERE, CAPABILITIES, limits, holder, inserted)


@pytest.mark.parametrize(
    ("leg", "words"),
    [
        (_leg(x_um=499.9), None),
        (_leg(x_um=500.1), "largest step 500 µm (v3, staff)"),
        (_leg(exact=False, x_um=560.0), None),
        (_leg(exact=False, x_um=601.0), "601 µm from where the run begins; farthest 600 µm"),
        (Leg("s2", {**HERE, "x_um": 450.0}, {**HERE, "x_um": 620.0}), "620 µm from where the run begins"),
        (_leg(alpha_deg=20.0), None),
        (_leg(alpha_deg=39.0), "alpha"),
        (_leg(alpha_deg=24.0), None),
        (_leg(alpha_deg=24.0, y_um=499.0, z_um=300.0), "s1"),
    ],
)
def test_each_limit_is_told_with_its_number(leg, words):
    told = _told(leg)
    assert bool(told) == (words is not None)
    assert words is None or words in " ".join(told)


def test_an_unknown_holder_or_device_is_refused():
    assert "not in the limits" in _told(_leg(x_um=1.0), holder="single-tilt B")[0]
    assert "inserted" in _told(_leg(x_um=1.0), inserted=("camera",))[0]


def test_without_limits_the_steps_still_count():
    assert _told(_leg(x_um=10.0), limits=None) == []
    assert len(_told(_leg(x_um=510.0), limits=None)) == 1


def test_many_problems_are_summed_up():
    told = _told(*(Leg(f"s{n}", HERE, {**HERE, "x_um": 510.0 + n}) for n in range(20)))
    assert len(told) == 5
    assert told[-1] == "and 16 more of the stage path"
