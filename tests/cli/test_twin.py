"""`eucentric twin`: presets that a twin takes, from files as a site has them."""

import json

import numpy as np
import pytest

from eucentric.bench.twins.moves import measured_log
from eucentric.instruments.twin import twin_driver
from eucentric.instruments.twin.fitting.moves import write_moves
from eucentric.instruments.twin.presets import StagePreset

PRESET = StagePreset(backlash_nm=400, jitter_nm=20, settle_nm=10, settle_s=5, readback_nm=10, overhead_s=1.0)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    write_moves(path, measured_log(PRESET, 3, 80, 0.5)[1])
    return path


def test_a_fitted_stage_is_one_that_a_twin_takes(tmp_path, place, log):
    code, out, err = place.eucentric("twin", "fit-stage", str(log), "--out", str(tmp_path / "ours.toml"))
    assert code == 0
    assert "moves were missed" in err
    assert "backlash_nm = " in out
    caps = twin_driver("mxene", {"stage": str(tmp_path / "ours.toml")}).capabilities()
    assert caps.axis("x").dead_band == pytest.approx(400e-9, rel=0.1)
    assert caps.axis("x").overhead_s == pytest.approx(1.0, rel=0.02)


def test_as_json(place, log):
    code, out, _ = place.eucentric("twin", "fit-stage", str(log), "--json")
    said = json.loads(out)
    assert code == 0
    assert said["moves"] == 79
    assert said["missed"] == 0
    assert said["miss_95"][1] < 0.06
    assert said["preset"]["readback_nm"] == 10


def test_an_image(tmp_path, place):
    """Waves of a lattice with 40 % background and noise."""
    rng, pixel_a, a = np.random.default_rng(1), 0.15, 3.07
    y, x = np.indices((512, 512)) * pixel_a
    turns = np.radians([7, 67, 127])
    k = 2 / a * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    waves = sum(np.cos(2 * np.pi * (kx * x + ky * y)) for kx, ky in k)
    np.save(tmp_path / "image.npy", rng.poisson(100 * (1 + 0.1 * waves)).astype(np.float32))
    args = ("twin", "fit-image", str(tmp_path / "image.npy"), "--material", "Ti3C2")
    code, out, _ = place.eucentric(*args, "--pixel-pm", "15", "--json")
    said = json.loads(out)
    assert code == 0
    assert said["rings"]["11"] == pytest.approx(0.05, rel=0.05)
    assert not said["blur_known"]
    assert said["detected_electrons_per_a2"] == pytest.approx(100 / 0.15**2, rel=0.1)
    code, _, err = place.eucentric(*args)
    assert code == 2
    assert "--pixel-pm" in err


def test_a_file_that_is_no_log(tmp_path, place):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    code, _, err = place.eucentric("twin", "fit-stage", str(tmp_path / "x.csv"))
    assert code == 2
    assert "lacks move" in err
