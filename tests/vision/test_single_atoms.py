"""Single atoms drawn on supports: found, placed, counted no more often than promised; the command and the benchmark."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage
from scipy.spatial import cKDTree
from tifffile import imwrite

from eucentric.bench import single_atoms as bench
from eucentric.cli.single_atoms import atoms as command
from eucentric.core.errors import BadInput
from eucentric.tools.vision.single_atoms import called_at, find_single_atoms

PIXEL_PM, ATOM_PM = 16.0, 55.0
SIDE = 384


def scattered(rng, n, side=SIDE):
    """(n, 2) places [px] at least 0.5 nm apart and 10 px from the edge."""
    places = []
    while len(places) < n:
        new = rng.uniform(10, side - 10, 2)
        if all(math.hypot(*(new - old)) > 500 / PIXEL_PM for old in places):
            places.append(new)
    return np.array(places).reshape(-1, 2)


def support(rng, side=SIDE, texture=0.3, uneven=0.25):
    """Counts of a support whose thickness varies over nanometres, and which has a texture of its own."""
    slow = ndimage.gaussian_filter(rng.normal(size=(side, side)), 60)
    fine = ndimage.gaussian_filter(rng.normal(size=(side, side)), 8)
    return 20 * (1 + uneven * slow / slow.std()).clip(0.2) + texture * fine / fine.std()


def drawn(rng, places, height, side=SIDE, **kind):
    image, along, two = support(rng, side, **kind), np.arange(side), 2 * (ATOM_PM / PIXEL_PM) ** 2
    for x, y in places:
        image += height * np.outer(np.exp(-((along - y) ** 2) / two), np.exp(-((along - x) ** 2) / two))
    return rng.poisson(image).astype(np.float32)


def test_clear_atoms_are_found_where_they_are():
    rng = np.random.default_rng(1)
    places = scattered(rng, 25)
    seen = find_single_atoms(drawn(rng, places, 12.0), PIXEL_PM)
    gap, _ = cKDTree(seen.atoms_xy).query(places)
    assert (gap < 3).all()
    assert len(seen.atoms_xy) <= 30
    assert not seen.flags
    stated = math.sqrt(2) * np.sqrt((seen.sigma_pm[seen.called] ** 2).mean())
    assert 0.4 < np.sqrt((gap**2).mean()) * PIXEL_PM / stated < 2.5
    assert seen.density_per_nm2 == pytest.approx(seen.called.sum() / (SIDE * PIXEL_PM / 1e3) ** 2)


def test_noise_makes_no_more_maxima_than_predicted():
    """Pure noise: the expected number above a level is what is there, on both sides of it within its scatter."""
    found, expected = 0, 0.0
    for seed in range(4):
        seen = find_single_atoms(drawn(np.random.default_rng(seed), [], 0, texture=0.0, uneven=0.0), PIXEL_PM)
        assert seen.called.sum() <= 1
        above = seen.snr > 3.3
        found += int(above.sum())
        expected += float(seen.noise_above[above].max(initial=0.0))
    assert 0.5 * expected < found < 1.6 * expected


def test_the_edge_of_a_thicker_region_makes_no_atoms():
    rng = np.random.default_rng(5)
    image = support(rng)
    image[:, SIDE // 2 :] *= 2
    seen = find_single_atoms(rng.poisson(image).astype(np.float32), PIXEL_PM)
    assert seen.called.sum() <= 2


@pytest.mark.parametrize(
    ("noise", "share", "called"),
    [
        ([0.01, 0.15, 0.9, 2.0], 0.1, 2),
        ([0.2, 0.15, 0.25], 0.1, 3),
        ([0.2, 0.5, 0.9], 0.1, 0),
        ([], 0.1, 0),
    ],
    ids=["the longest list within the share", "a later one lifts the first", "none", "nothing there"],
)
def test_the_list_is_as_long_as_its_share_allows(noise, share, called):
    assert called_at(np.array(noise), share).sum() == called


def test_nothing_is_said_of_nothing():
    seen = find_single_atoms(np.full((100, 100), 7.0, np.float32), PIXEL_PM)
    assert len(seen.xy) == 0
    assert seen.flags[0][0] == "none_found"


@pytest.mark.parametrize(
    ("image", "pixel_pm"),
    [
        (np.zeros((40, 200), np.float32), PIXEL_PM),
        (np.full((100, 100), np.nan, np.float32), PIXEL_PM),
        (np.zeros((100, 100), np.float32), 60.0),
    ],
    ids=["too small", "not numbers", "pixels too coarse"],
)
def test_what_cannot_be_read_is_refused(image, pixel_pm):
    with pytest.raises(BadInput):
        find_single_atoms(image, pixel_pm)


def test_command_writes_a_table_and_a_picture(tmp_path):
    rng = np.random.default_rng(2)
    image = drawn(rng, scattered(rng, 6, 192), 14.0, 192)
    np.save(tmp_path / "a.npy", image)
    given = [str(tmp_path / "a.npy"), "--out", str(tmp_path / "out"), "--json"]
    answer = json.loads(CliRunner().invoke(command, [*given, "--pixel-pm", "16"]).stdout)
    (body,) = answer["images"]
    assert answer["exit_code"] == 0
    assert 5 <= body["atoms"] <= 8
    assert (tmp_path / "out" / "001-a-atoms.png").stat().st_size > 10_000
    table = (tmp_path / "out" / "001-a-atoms.csv").read_text().splitlines()
    assert table[0] == "x_px,y_px,snr,p_value,sigma_pm,called"
    assert sum(line.endswith(",1") for line in table) == body["atoms"]
    unsized = CliRunner().invoke(command, given)
    assert unsized.exit_code == 2
    assert "--pixel-pm" in json.loads(unsized.stdout)["images"][0]["error"]["remedy"]


def test_labels_whose_numbering_slipped_are_put_back(tmp_path):
    """File k holds three labels of image k, then those that were clicked late on image k-1."""
    rng = np.random.default_rng(3)
    places = [scattered(rng, 7, 192) for _ in range(3)]
    for k, xy in enumerate(places):
        imwrite(tmp_path / f"pt{k}.tif", drawn(rng, xy, 14.0, 192))
        late = places[k - 1][3:] if k else np.zeros((0, 2))
        rows = np.concatenate([xy[:3], late]).round().astype(int)
        np.savetxt(tmp_path / f"pt{k}.csv", rows, "%d", delimiter=",", header="X,Y", comments="")
    np.savetxt(tmp_path / "pt3.csv", places[2][3:].round(), "%d", delimiter=",", header="X,Y", comments="")
    answer = bench.run(file=tmp_path)
    filed, put_back = answer["figures"]["filed"]["0.1"], answer["figures"]["reassigned"]["0.1"]
    assert put_back["labels"] == 21
    assert put_back["f1"] > 0.9 > 0.6 > filed["f1"]
    assert [bar["holds"] for bar in answer["bars"]] == [None, None]  # too few labels to say


def test_a_folder_without_labels_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no labelled images"):
        bench.run(file=tmp_path)


def test_a_density_has_an_interval_without_the_noise():
    rng = np.random.default_rng(1)
    seen = find_single_atoms(drawn(rng, scattered(rng, 25), 12.0), PIXEL_PM)
    low, high = seen.density_interval
    assert 0 < low < 25 / seen.area_nm2 < high
    none = find_single_atoms(drawn(np.random.default_rng(0), [], 0, texture=0.0, uneven=0.0), PIXEL_PM)
    assert none.density_interval[0] == 0
    assert none.density_interval[1] >= 3.6 / none.area_nm2


@pytest.mark.parametrize("pixel", ["nan", "inf", 0])
def test_a_pixel_size_that_is_none(tmp_path, pixel):
    done = CliRunner().invoke(command, ["a.npy", "--pixel-pm", str(pixel), "--out", str(tmp_path)])
    assert done.exit_code == 2


def test_single_atoms_are_not_looked_for_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(command, ["a.npy", "--out", str(tmp_path / "file" / "out")])
    assert isinstance(done.exception, BadInput)
    assert "nothing can be written" in done.exception.what
