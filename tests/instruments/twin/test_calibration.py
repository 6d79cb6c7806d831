"""The calibration specimen: pitch, direction and particles are where the oracle says."""

import math

import numpy as np
import pytest

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.specimen_spec import ContaminationSpec

WORLD = load_world("calibration")


def image(fov, n=512, world=WORLD, seed=3):
    oracle = Oracle(TwinDriver(world, seed, stage="ideal"))
    return oracle, oracle.noiseless(
        ScanSpec(detectors=("haadf",), rows=n, columns=n, fov_m=fov, dwell_s=1e-6)
    )


def lattice_vector(picture, pixel, near):
    """Frequency of the strongest peak near a guess, by a fine search of the windowed spectrum [1/m]."""
    n = len(picture)
    window = np.outer(np.hanning(n), np.hanning(n))
    weighted = (picture - picture.mean()) * window
    at = (np.arange(n) - (n - 1) / 2) * pixel
    best, step = np.array(near), 0.02 * np.hypot(*near)
    for _ in range(8):
        trials = [best + step * np.array([i, j]) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        power = [
            abs(np.exp(-2j * np.pi * v * at) @ weighted @ np.exp(-2j * np.pi * u * at)) for u, v in trials
        ]
        best, step = trials[int(np.argmax(power))], step / 2
    return best


@pytest.mark.parametrize("turn", [3.0, -20.0])
def test_pitch_and_direction_are_those_declared(turn):
    grating = WORLD.grating.model_copy(update={"turn_deg": turn})
    _, picture = image(9e-6, world=WORLD.model_copy(update={"grating": grating}))
    pitch, angle = 463e-9, math.radians(turn)
    for along in (angle, angle + math.pi / 2):
        guess = np.array([math.cos(along), math.sin(along)]) / pitch * 1.01
        found = lattice_vector(picture, 9e-6 / 512, guess)
        assert 1 / np.hypot(*found) == pytest.approx(pitch, rel=2e-3)
        assert math.atan2(found[1], found[0]) == pytest.approx(along, abs=2e-3)


def test_particles_are_seen_where_they_are_and_weigh_the_same_from_afar():
    clean = ContaminationSpec(share_of_monolayer=0.0)
    bare = WORLD.model_copy(update={"grating": None, "film": None, "contamination": clean})
    oracle, near = image(400e-9, world=bare)
    half = 190e-9
    found = oracle.particles((-half, half, -half, half))
    assert len(found) > 3
    for x, y, diameter in found:
        row, column = (round((place / 400e-9 + 0.5) * 512 - 0.5) for place in (y, x))
        expected = diameter * oracle._specimen.particles._per_m
        assert near[row, column] == pytest.approx(min(expected, 0.5), rel=0.15)
    fine, coarse = (image(20e-6, n, bare)[1].mean() for n in (1024, 256))
    assert coarse == pytest.approx(fine, rel=0.1)


def test_ridges_stand_out_and_crossings_are_at_the_origin():
    _, picture = image(2e-6)
    middle = picture[250:262, 250:262].mean()
    between = picture[310:320, 310:320].mean()  # half a pitch along both directions
    assert middle > 1.5 * between


@pytest.mark.parametrize("bad", [{"width_nm": 500.0}, {"pitch_nm": 10.0}, {"element": "Xx"}])
def test_impossible_gratings_are_refused(bad):
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        type(WORLD.grating).model_validate(WORLD.grating.model_dump() | bad)
