"""The rules by which found atoms and vacancies are scored, and the benchmark on a small set."""

import json

import numpy as np
import pytest

from eucentric.bench import defects
from eucentric.bench.images import score as defects_score
from eucentric.bench.images.bound import bounds_of, column_width_a
from eucentric.bench.images.cover import Coverage, distance2
from eucentric.bench.images.folder import Example, read_example, read_manifest
from eucentric.bench.images.ideal import ideal_of
from eucentric.bench.images.vary import odd_images, view_at
from eucentric.core.errors import BadInput


def points(*xy):
    return np.array(xy, float).reshape(-1, 2)


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [
        # predicted, predicted_true, true, found
        pytest.param(points((50, 50)), points((52, 50)), (1, 1, 1, 1), id="near enough"),
        pytest.param(points((50, 50)), points((56, 50)), (1, 0, 1, 0), id="beyond the radius"),
        pytest.param(
            points((50, 50), (51, 50)), points((50, 50)), (2, 1, 1, 1), id="only the nearer of two matches"
        ),
        pytest.param(
            points((9, 50)), points((11, 50)), (0, 0, 1, 1), id="a point outside may match one inside"
        ),
        pytest.param(points((50, 90)), points((50, 89)), (0, 0, 1, 1), id="the far edge is open"),
        pytest.param(points(), points((50, 50)), (0, 0, 1, 0), id="nothing predicted counts as missed"),
        pytest.param(points((50, 50)), points(), (1, 0, 0, 0), id="nothing to find"),
    ],
)
def test_matching(found, truth, expected):
    tally = defects_score.score(found, truth, 0.5, 0.1, (100, 100), 10.0)
    assert (tally.predicted, tally.predicted_true, tally.true, tally.found) == expected


def test_distance_is_two_dimensional_and_in_pm():
    tally = defects_score.score(points((50, 50)), points((53, 54)), 1.0, 0.1, (100, 100), 10.0)
    assert tally.rms_pm == pytest.approx(50.0)


@pytest.mark.parametrize(("dose", "name"), [(2e4, "high"), (19999, "mid"), (5e3, "mid"), (4999, "low")])
def test_buckets(dose, name):
    assert defects_score.bucket_of(dose) == name


def test_calibration_counts_what_is_off():
    calls = defects_score.Calls()
    calls.add(np.array([0.95] * 10 + [0.01] * 90), np.array([True] * 5 + [False] * 95))
    assert defects_score.calibration(calls, 0.05)["ece"] == pytest.approx(0.45)
    assert defects_score.calibration(calls)["ece"] == pytest.approx(0.045 + 0.009)


def test_auroc_counts_ties_half():
    assert defects_score.auroc([0.1, 0.5], [0.5, 0.9]) == pytest.approx(3.5 / 4)


def test_the_bound_of_a_lone_gaussian_is_sigma_over_root_n():
    """Without background and read noise far below it, the bound of one axis is sigma/sqrt(N)."""
    pixel, sigma_a, counts = 0.05, column_width_a(0.8), 1e5
    rows, cols = np.mgrid[0:81, 0:81]
    gauss = np.exp(-((rows - 40) ** 2 + (cols - 40) ** 2) * pixel**2 / 2 / sigma_a**2)
    bound = bounds_of(counts * gauss / gauss.sum(), points((40, 40)), sigma_a, pixel)
    assert bound.counts[0] == pytest.approx(counts, rel=0.01)
    assert bound.rms_pm[0] == pytest.approx(100 * sigma_a * np.sqrt(2 / counts), rel=0.03)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One small image of a triangular lattice with three vacancies."""
    place, pixel, a, size = tmp_path_factory.mktemp("set"), 0.12, 3.05, 320
    step = a / np.sqrt(3) / pixel
    i, j = (g.ravel() for g in np.mgrid[-60:60, -60:60])
    xy = np.stack([i * step + j * step / 2, j * step * np.sqrt(3) / 2], -1) + 160.3
    xy = xy[((xy > 0) & (xy < size)).all(1)]
    middle = np.argsort(np.hypot(*(xy - 160).T))
    vacant = np.isin(np.arange(len(xy)), middle[[3, 30, 60]])
    rows, cols = np.mgrid[0:size, 0:size]
    expected = np.full((size, size), 0.3)
    for x, y in xy[~vacant]:
        near = np.s_[max(0, int(y) - 20) : int(y) + 21, max(0, int(x) - 20) : int(x) + 21]
        expected[near] += 8.0 * np.exp(
            -((cols[near] - x) ** 2 + (rows[near] - y) ** 2) / 2 / (0.48 / pixel) ** 2
        )
    image = np.random.default_rng(0).poisson(expected).astype(np.float32)
    np.savez(
        place / "one.npz", image=image, noiseless=expected, atoms_xy=xy[~vacant],
        atoms_element=["Ti"] * int((~vacant).sum()), vac_xy=xy[vacant], vac_kind=["V_Ti"] * 3,
    )  # fmt: skip
    entry = {"file": "one.npz", "material": "Ti3C2O2", "pixel_size_A": pixel, "dose_e_per_A2": 3e4, "lattice_a_A": a,
             "source_fwhm_A": 0.8}  # fmt: skip
    (place / "manifest.json").write_text(json.dumps({"images": [entry]}))
    return place


def test_a_folder_is_scored(folder):
    answer = defects.run(quick=True, file=folder)
    group = answer["figures"]["groups"]["Ti3C2O2 high"]
    assert group["atoms"]["f1"] > 0.995
    assert (group["vacancies"]["true"], group["vacancies"]["predicted"], group["vacancies"]["recall"]) == (
        3,
        3,
        1.0,
    )
    (row,) = answer["images"]
    assert {"x_px", "y_px", "element", "p", "sigma_pm"} == set(row["atoms"][0])
    assert {"x_px", "y_px", "kind", "p"} == set(row["vacancies"][0])
    assert {atom["element"] for atom in row["atoms"]} == {"Ti"}
    assert not row["flags"]
    json.dumps(answer, allow_nan=False)


def test_odd_images_are_doubted_and_a_turned_view_keeps_its_atoms(folder):
    example = read_example(folder, read_manifest(folder)[0])
    rng = np.random.default_rng(1)
    assert {odd.kind for odd in odd_images(example, rng)} >= {"defocus", "amorphous", "empty", "wrong scale"}
    view = view_at(example, 0.08, 30.0, rng)
    at = np.rint(view.atoms_xy).astype(int)
    inner = ((at > 4) & (at < view.image.shape[0] - 5)).all(1)
    assert view.image[at[inner, 1], at[inner, 0]].mean() > 1.5 * view.image.mean()


@pytest.mark.parametrize("text", [None, "[]", '{"images": []}', '{"images": [{"file": "x"}]}', "no json"])
def test_a_folder_without_truth_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput):
        defects.run(quick=True, file=tmp_path)


def test_a_file_outside_the_folder_is_not_read(tmp_path):
    (tmp_path / "set").mkdir()
    entry = {
        "file": "../one.npz",
        "material": "MoS2",
        "pixel_size_A": 0.1,
        "dose_e_per_A2": 1,
        "lattice_a_A": 3.16,
    }
    (tmp_path / "set" / "manifest.json").write_text(json.dumps({"images": [entry]}))
    np.savez(tmp_path / "one.npz", image=np.zeros((9, 9)))
    with pytest.raises(BadInput, match="out of the folder"):
        defects.run(quick=True, file=tmp_path / "set")


def test_coverage_is_of_the_ellipse():
    """An error along the long axis of an ellipse is nearer than the same across it."""
    covariance = np.array([[4.0, 1.0, 0.0], [4.0, 1.0, 0.0]])
    assert distance2(np.array([[2.0, 0.0], [0.0, 2.0]]), covariance) == pytest.approx([1.0, 4.0])
    cover = Coverage()
    rng = np.random.default_rng(0)
    errors = rng.multivariate_normal([0, 0], [[4, 1.2], [1.2, 1]], 4000)
    cover.add(errors, np.tile([4.0, 1.0, 1.2], (4000, 1)), errors, np.tile([16.0, 4.0, 4.8], (4000, 1)))
    figures = cover.figures()
    assert figures["with_lattice"]["1"] == pytest.approx(figures["expected"]["1"], abs=0.03)
    assert figures["data_alone"]["1"] == pytest.approx(figures["expected"]["2"], abs=0.03)


def halved_columns(height, background, sigma_px, seed=0):
    """Columns too far apart to overlap, one in ten with half of its height."""
    rng = np.random.default_rng(seed)
    xy = np.stack(np.meshgrid(np.arange(60, 600, 40), np.arange(60, 600, 40)), -1).reshape(
        -1, 2
    ) + rng.uniform(-0.5, 0.5, (196, 2))
    half = np.arange(len(xy)) % 10 == 0
    heights = np.where(half, 0.5 * height, height)
    gx, gy = (np.exp(-((np.arange(660) - xy[:, k : k + 1]) ** 2) / 2 / sigma_px**2) for k in (0, 1))
    image = background + (gy * heights[:, None]).T @ gx
    fwhm = 2.3548 * np.sqrt((0.1 * sigma_px) ** 2 - 0.075**2 - 0.28**2)
    entry = {"source_fwhm_A": fwhm, "lattice_a_A": 3.16, "pixel_size_A": 0.1}
    noisy = image.astype(np.float32)
    return Example(entry, noisy, image, xy, ("S+S",) * len(xy), xy[half], ("V_S",) * int(half.sum()))


def test_an_ideal_observer_sees_what_the_counts_hold():
    """Weak columns on a level background: separation = missing height × √(πσ² / variance)."""
    best = ideal_of(halved_columns(height=4.0, background=50.0, sigma_px=5.0))
    expected = 2.0 * np.sqrt(np.pi * 25.0 / (52.0 + 0.09))
    assert best.separation == pytest.approx(expected, rel=0.05)
    z = np.random.default_rng(1).normal(size=400_000)
    full, rare = best.found / best.halved, np.log(9) / best.separation
    assert full == pytest.approx((z - best.separation / 2 < -rare).mean(), abs=0.05)


def test_an_image_without_halved_columns_has_no_ideal():
    whole = halved_columns(4.0, 50.0, 5.0)
    assert ideal_of(Example(whole.entry, whole.image, whole.noiseless, whole.atoms_xy, whole.atoms_element,
                            np.zeros((0, 2)), ())) is None  # fmt: skip
