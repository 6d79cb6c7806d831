"""Columns erased from images: what each way leaves, and the benchmark on one drawn image."""

import json

import numpy as np
import pytest

from eucentric.bench import planted
from eucentric.bench.images.erased_columns import RECIPES, View, chosen, erased, ground
from eucentric.core.errors import BadInput

SPACING, SIGMA, SIZE = 22.0, 6.0, 420


@pytest.fixture(scope="module")
def scene():
    """A noisy triangular lattice of Ti3C2's spacing at 8 pm/px, and its sites."""
    step = SPACING
    i, j = (g.ravel() for g in np.mgrid[-30:30, -30:30])
    xy = np.stack([i * step + j * step / 2, j * step * 3**0.5 / 2], -1) + SIZE / 2
    xy = xy[((xy > 0) & (xy < SIZE - 1)).all(1)]
    rows, cols = np.mgrid[0:SIZE, 0:SIZE]
    image = np.full((SIZE, SIZE), 1.0)
    for x, y in xy:
        box = np.s_[max(0, int(y) - 26) : int(y) + 27, max(0, int(x) - 26) : int(x) + 27]
        image[box] += np.exp(-((cols[box] - x) ** 2 + (rows[box] - y) ** 2) / 2 / SIGMA**2)
    image += np.random.default_rng(0).normal(0, 0.5, image.shape)
    return image.astype(np.float32), xy


def test_recipes_leave_more_and_more_of_a_column(scene):
    image, xy = scene
    on = ground(image, xy, SPACING, SIGMA, 1.0)
    inner = ((xy > 60) & (xy < SIZE - 60)).all(1)
    rows = chosen(on, inner, 12, np.random.default_rng(1))
    assert len(set(rows)) == 12
    gaps = np.hypot(*(xy[rows][:, None] - xy[rows][None]).transpose(2, 0, 1)) + 1e9 * np.eye(12)
    assert gaps.min() > 3 * SPACING
    left = []
    for recipe in RECIPES:
        out = erased(on, rows, recipe, np.random.default_rng(2))
        at = np.rint(xy[rows]).astype(int)
        left.append(np.mean([out[y - 2 : y + 3, x - 2 : x + 3].mean() for x, y in at]) - 1)
        far = np.ones_like(image, bool)
        for x, y in at:
            far[y - 26 : y + 27, x - 26 : x + 27] = False
        assert np.array_equal(out[far], image[far])
    assert left[0] == pytest.approx(0.1, abs=0.08)
    assert left[-1] > left[2] > left[0]
    assert max(left) < 0.8


@pytest.mark.parametrize("view", [View(0, 1), View(33, 1.25), View(-70, 0.8)])
def test_a_view_keeps_places_on_their_columns(scene, view):
    image, xy = scene
    middle = xy[np.argsort(np.hypot(*(xy - SIZE / 2).T))[:20]]
    seen, place = view.of(image), view.places(middle, image.shape)
    at = np.rint(place).astype(int)
    around = [seen[y - 3 : y + 4, x - 3 : x + 4].mean() for x, y in at]
    assert np.mean(around) > seen[seen.shape[0] // 3 : -seen.shape[0] // 3, seen.shape[1] // 3 :].mean() + 0.2


def test_the_benchmark_runs_on_a_folder(scene, tmp_path):
    np.save(tmp_path / "drawn.npy", scene[0])
    answer = planted.run(quick=True, file=tmp_path)
    json.dumps(answer, allow_nan=False)
    assert set(answer["figures"]) == {"fitted", "lowest", "between"}
    for figures in answer["figures"].values():
        assert figures["planted"] >= 10
        assert figures["others_unchanged"] > 0.98
    assert answer["figures"]["fitted"]["found_share"] > 0.9
    assert {bar["holds"] for bar in answer["bars"] if "unchanged" in bar["claim"]} == {True}


@pytest.mark.parametrize("folder", [None, "empty"])
def test_without_images_it_says_so(folder, tmp_path):
    with pytest.raises(BadInput, match="folder of images"):
        planted.run(quick=True, file=tmp_path if folder else None)
