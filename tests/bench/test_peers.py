"""Vacancies by what a list of atoms leaves empty, the cheap peers on a drawn lattice, and a comparison end to end."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from eucentric.bench.images import score as rules
from eucentric.bench.peers import detectors, run
from eucentric.bench.peers.comparison import failed
from eucentric.bench.peers.vacant import vacant_sites
from eucentric.core.errors import BadInput

PIXEL, A = 0.12, 3.05
SPACING = A / math.sqrt(3)


def lattice(side, seed=3, missing=3):
    """(xy of columns [px], xy of empty sites [px]) of a triangular lattice, turned by 11°."""
    i, j = (g.ravel() for g in np.mgrid[-60:60, -60:60])
    turn = np.array([[math.cos(0.19), -math.sin(0.19)], [math.sin(0.19), math.cos(0.19)]])
    xy = (np.stack([i + j / 2, j * math.sqrt(3) / 2], -1) * SPACING / PIXEL) @ turn.T + side / 2
    xy = xy[((xy > 0) & (xy < side - 1)).all(1)]
    inner = np.flatnonzero(((xy > 40) & (xy < side - 40)).all(1))
    gone = np.isin(np.arange(len(xy)), np.random.default_rng(seed).choice(inner, missing, replace=False))
    return xy[~gone], xy[gone]


def drawn(xy, side, counts, seed=4):
    rows, cols = np.mgrid[0:side, 0:side]
    sigma = detectors.COLUMN_A / PIXEL
    image = np.full((side, side), 4.0)
    for x, y in xy:
        image += (
            counts / (2 * math.pi * sigma**2) * np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / 2 / sigma**2)
        )
    return np.random.default_rng(seed).poisson(image).astype(np.float32)


SITES = np.array([[0, 0], [10, 0], [20, 0], [0, 10], [10, 10], [20, 10]], float)


@pytest.mark.parametrize(
    ("found", "sublattice", "empty", "rows"),
    [
        pytest.param(SITES[[0, 1, 3, 4, 5]], [0] * 6, 0, [2], id="one site is left"),
        pytest.param(SITES + np.array([3.9, 0]), [0] * 6, 0, [], id="near enough"),
        pytest.param(SITES + np.array([4.1, 0]), [0] * 6, 0, [0, 1, 2, 3, 4, 5], id="too far"),
        pytest.param(SITES[[0, 1]], [0, 0, 0, 1, 1, 1], 1, [2], id="the emptier sublattice is empty by nature"),
        pytest.param(SITES[:0], [0] * 6, 0, [0, 1, 2, 3, 4, 5], id="nothing found leaves every site"),
    ],
)  # fmt: skip
def test_sites_without_a_detection(found, sublattice, empty, rows):
    assert vacant_sites(found, SITES, np.array(sublattice), empty, 10.0).tolist() == rows


def test_without_a_lattice_there_are_no_vacancies():
    assert not len(vacant_sites(SITES, SITES[:0], np.zeros(0, int), 0, 10.0))


@pytest.mark.parametrize("method", ["peak_gauss", "blob_log"])
def test_a_cheap_peer_finds_clear_columns(method):
    xy, _ = lattice(200)
    found = detectors.detector(method)(drawn(xy, 200, 3000), PIXEL, SPACING)
    tally = rules.score(found, xy, rules.ATOM_RADIUS_A, PIXEL, (200, 200), 25.0)
    assert tally.f1 > 0.98
    assert tally.rms_pm < 15


def test_the_fit_moves_a_start_to_the_column():
    image = drawn([(60.3, 58.6)], 120, 1e6)
    place = detectors.fitted(image, np.array([[61.5, 58.0]]), detectors.COLUMN_A / PIXEL)
    assert place[0] == pytest.approx([60.3, 58.6], abs=0.03)


def test_a_detector_that_stumbles_found_nothing(tmp_path):
    folder = example_folder(tmp_path, 140)

    def stumbles(image, pixel_a, spacing_a):
        raise ValueError("no atoms in sight")

    rows = detectors.detect_folder(folder, stumbles)
    assert [(row["failure"], row["atoms"]) for row in rows] == [("ValueError: no atoms in sight", [])]


def example_folder(folder, side):
    xy, gone = lattice(side)
    np.savez(
        folder / "a.npz", image=drawn(xy, side, 3000), atoms_xy=xy, atoms_element=np.array(["Ti"] * len(xy)),
        vac_xy=gone, vac_kind=np.array(["V_Ti"] * len(gone)),
    )  # fmt: skip
    entry = {
        "file": "a.npz",
        "material": "Ti3C2O2",
        "pixel_size_A": PIXEL,
        "dose_e_per_A2": 3e4,
        "lattice_a_A": A,
    }
    (folder / "manifest.json").write_text(json.dumps({"images": [entry]}))
    return folder


def test_comparison_end_to_end(tmp_path):
    """Our own interpreter has what the cheap peer needs. Processes of their own are the point, and take seconds."""
    answer = run(file=example_folder(tmp_path, 160), python=Path(sys.executable), methods=("peak_gauss",))
    methods = answer["figures"]["methods"]
    assert set(methods) == {"eucentric", "peak_gauss"}
    assert answer["figures"]["not_run"] == {}
    ours, peer = (methods[name]["groups"]["Ti3C2O2 high"] for name in ("eucentric", "peak_gauss"))
    assert ours["vacancies"] | {"rms_pm": 0} == {
        "precision": 1.0, "recall": 1.0, "f1": 1.0, "rms_pm": 0, "true": 3, "predicted": 3
    }  # fmt: skip
    assert peer["vacancies"]["recall"] == 1.0
    assert peer["atoms"]["rms_pm"] > ours["atoms"]["rms_pm"]
    (bar,) = answer["bars"]
    assert bar["n"] == 3
    assert bar["figure"] == pytest.approx(1 - len(answer["figures"]["not_ahead"]) / 3)
    assert {row["method"] for row in answer["images"]} == {"eucentric", "peak_gauss"}
    assert all(row["vacancies"] for row in answer["images"])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"failure": "exit 1"}, "exit 1"),
        ({"images": [{"failure": "no module"}, {"failure": "no module"}]}, "no module"),
        ({"images": [{"failure": "no atoms"}, {"failure": ""}]}, ""),
        ({"images": [{}]}, ""),
    ],
    ids=["no answer", "every image", "one image", "ours"],
)
def test_a_method_that_never_worked_was_not_run(answer, reason):
    assert failed(answer) == reason


def test_a_network_without_its_weights_does_not_run():
    with pytest.raises(SystemExit, match="needs --weights"):
        detectors.detector("atomai_native")


def test_it_needs_the_other_interpreter(tmp_path):
    with pytest.raises(BadInput, match="own interpreter"):
        run(file=tmp_path, python=tmp_path / "nothing")
