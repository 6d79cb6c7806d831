"""Real and multislice images of ../shared, where they are present."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import phase
from eucentric.tools.vision import find_atoms, measure_scale, read_image

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")

MXENE = [
    # first letters of the file name, Å per px, columns, in focus
    ("1134", 0.0774, 2238, True),
    ("1415", 0.0557, 1084, False),
    ("1512", 0.0780, 2233, True),
    ("1657", 0.0786, 2030, True),
    ("1807", 0.0781, 2249, True),
]


@pytest.mark.parametrize(("name", "pixel", "columns", "in_focus"), MXENE)
def test_real_mxene(name, pixel, columns, in_focus):
    (path,) = (DATA / "stem" / "mxene_ti3c2").glob(f"{name}*.tif")
    pixels, frame = read_image(path)
    assert frame.pixel_pm is None
    seen = find_atoms(pixels, phase("Ti3C2"))
    assert seen.pixel_pm == pytest.approx(100 * pixel, rel=0.015)
    assert len(seen.sites_xy) == pytest.approx(columns, rel=0.03)
    assert ("out_of_focus" not in dict(seen.flags)) == in_focus
    assert bool(seen.cannot_tell) != in_focus


def test_a_wrong_pixel_size_that_no_lattice_grows_at_is_found_out():
    (path,) = (DATA / "stem" / "mxene_ti3c2").glob("1134*.tif")
    seen = find_atoms(read_image(path)[0], phase("Ti3C2"), pixel_pm=10.0)
    assert seen.pixel_pm == pytest.approx(7.81, rel=0.01)
    assert "10.00 was told" in dict(seen.flags)["scale_disagrees"]


@pytest.mark.parametrize("name", ["MoS2_stem_Exp-000-2", "MoS2_stem_Exp-001-5"])
@pytest.mark.parametrize(("told", "wrong"), [("MoS2", False), ("Ti3C2", True)])
def test_real_mos2_is_not_counted_as_ti3c2(name, told, wrong):
    seen = find_atoms(read_image(DATA / "stem" / "mos2" / f"{name}.npy")[0], phase(told))
    assert ("scale_disagrees" in dict(seen.flags)) == wrong


@pytest.mark.parametrize("name", [f"Ptporph{k}" for k in (0, 8, 16, 24)])
def test_single_atoms_are_no_lattice(name):
    pixels, _ = read_image(DATA / "stem" / "pt_single_atoms" / f"{name}.tif")
    assert find_atoms(pixels, phase("Ti3C2")).cannot_tell


def manifest():
    file = DATA / "defects_dev" / "manifest.json"
    return json.loads(file.read_text())["images"] if file.is_file() else []


@pytest.mark.parametrize("entry", manifest(), ids=lambda entry: entry["file"])
def test_multislice(entry):
    truth = np.load(DATA / "defects_dev" / entry["file"])
    seen = find_atoms(truth["image"], phase(entry["material"]), pixel_pm=100 * entry["pixel_size_A"])
    assert (
        _f1(seen.atoms_xy, truth["atoms_xy"], 0.5 / entry["pixel_size_A"], 3 / entry["pixel_size_A"]) > 0.99
    )
    assert (
        _f1(seen.vacancies_xy, truth["vac_xy"], 0.7 / entry["pixel_size_A"], 3 / entry["pixel_size_A"]) > 0.85
    )
    assert not seen.cannot_tell


@pytest.mark.parametrize("factor", [3**-0.5, 0.5, 3**0.5])
@pytest.mark.parametrize("entry", manifest()[::3], ids=lambda entry: entry["file"])
def test_multislice_told_a_wrong_scale(entry, factor):
    """Where {10-10} is as strong as {11-20}, a pixel told √3 too small finds a ring where it looks for one."""
    truth = np.load(DATA / "defects_dev" / entry["file"])
    scale = measure_scale(truth["image"], phase(entry["material"]), 100 * entry["pixel_size_A"] * factor)
    assert scale.pixel_pm == pytest.approx(100 * entry["pixel_size_A"], rel=0.03)


def _f1(found, truth, radius, margin):
    gap, to = cKDTree(truth).query(found)
    _, back = cKDTree(found).query(truth)
    pair = (gap < radius) & (back[to] == np.arange(len(found)))
    inner = lambda xy: ((xy >= margin) & (xy < 512 - margin)).all(1)  # noqa: E731
    return 2 * (pair & inner(found)).sum() / (inner(found).sum() + inner(truth).sum())
