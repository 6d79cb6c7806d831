"""Following a feature through a tilt: predicted by a rigid body, learnt from where it went."""

import numpy as np
import pytest

from eucentric.knowledge import crystal as cr
from eucentric.knowledge.crystal.pivot import centring, moves_by, place_of, seen_at, unknown_pivot

STAGE = cr.Stage()
TRUE = np.array([12.0, -7.0, 9.0])


def stands(stage, reading, x, y):
    return cr.rotation(stage, reading) @ (TRUE - (x, y, 0))


def at(alpha, beta):
    return cr.Reading(alpha_deg=alpha, beta_deg=beta)


def test_the_height_is_learnt_from_one_step_and_predicts_the_next(rng):
    pivot = unknown_pivot(STAGE, at(0, 0), 12.0, -7.0)
    assert pivot.height_sigma_um == pytest.approx(20, rel=1e-3)
    far = moves_by(pivot, STAGE, at(0, 0), at(10, 5), 12.0, -7.0)
    assert far.sigma_um == pytest.approx(
        20 * np.hypot(np.sin(np.radians(10)), np.sin(np.radians(5))), rel=0.05
    )
    for reading in (at(3, 0), at(3, 3)):
        x, y, _ = stands(STAGE, reading, 12.0, -7.0) + rng.normal(0, 0.01, 3)
        pivot = seen_at(pivot, STAGE, reading, 12.0, -7.0, (x, y), 0.02)
    assert pivot.height_um == pytest.approx(9, abs=0.5)
    assert abs(pivot.height_um - 9) < 3 * pivot.height_sigma_um
    predicted = place_of(pivot, STAGE, at(20, -15), 12.0, -7.0)
    x, y, z = stands(STAGE, at(20, -15), 12.0, -7.0)
    assert (predicted.x_um, predicted.y_um) == pytest.approx((x, y), abs=0.3)
    assert predicted.z_um == pytest.approx(z, abs=1)
    assert abs(predicted.x_um - x) < 4 * predicted.sigma_um


@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1)])
def test_centring_brings_the_feature_onto_the_axis(signs):
    stage = cr.Stage(alpha_sign=signs[0], beta_sign=signs[1])
    pivot = unknown_pivot(stage, at(0, 0), 12.0, -7.0)
    for reading in (at(8, 0), at(0, 8), at(8, 8)):
        x, y, _ = stands(stage, reading, 12.0, -7.0)
        pivot = seen_at(pivot, stage, reading, 12.0, -7.0, (x, y), 0.01)
    for reading in (at(25, 10), at(-30, 20), at(0, -28)):
        x, y = centring(pivot, stage, reading)
        assert stands(stage, reading, x, y)[:2] == pytest.approx((0, 0), abs=0.02)


def test_shifts_are_those_of_the_rigid_body():
    pivot = unknown_pivot(STAGE, at(0, 0), 12.0, -7.0, 0.001)
    assert moves_by(pivot, STAGE, at(0, 0), at(30, 0), 12.0, -7.0).x_um == pytest.approx(0, abs=1e-3)
    off = moves_by(pivot, STAGE, at(0, 0), at(30, -10), 10.0, -7.0)
    expected = cr.shift_um(STAGE, np.array([2.0, 0, 0]), at(0, 0), at(30, -10))
    assert (off.x_um, off.y_um, off.z_um) == pytest.approx(tuple(expected), abs=1e-2)


def test_a_surprise_within_its_error_changes_little(rng):
    pivot = unknown_pivot(STAGE, at(0, 0), 0.0, 0.0)
    for _ in range(30):
        pivot = seen_at(pivot, STAGE, at(0, 0), 0.0, 0.0, tuple(rng.normal(0, 0.5, 2)), 0.5)
    assert pivot.height_sigma_um == pytest.approx(20, rel=1e-3)  # flat images tell nothing of the height
    assert np.hypot(*pivot.q_um[:2]) < 0.15
    assert np.linalg.eigvalsh(np.array(pivot.covariance_um2)).min() > 0
