"""Filters that an image calls for, populations, and what is said of every site."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import phase
from eucentric.tools.vision import find_atoms
from eucentric.tools.vision.holes import hole_of
from eucentric.tools.vision.observer import around, bank_of, observed
from eucentric.tools.vision.populations import fit_populations

TI = phase("Ti3C2").columns[0].states
SPACING, SIGMA = 12.0, 3.3


def drawn(texture=0.0, noise=0.3, missing=(), seed=0, size=320):
    """(image, sites): a triangular lattice of Gaussians of height 1, some left out, on smooth patches."""
    rng = np.random.default_rng(seed)
    i, j = (g.ravel() for g in np.mgrid[-40:40, -40:40])
    xy = np.stack([i * SPACING + j * SPACING / 2, j * SPACING * 3**0.5 / 2], -1) + size / 2
    xy = xy[((xy > 8) & (xy < size - 8)).all(1)]
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    patches = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * np.exp(-0.5 * (k * 60) ** 2)).real
    image = texture * patches / patches.std() + rng.normal(0, noise, (size, size))
    rows, cols = np.mgrid[0:size, 0:size]
    for n, (x, y) in enumerate(xy):
        if n not in missing:
            box = np.s_[max(0, int(y) - 14) : int(y) + 15, max(0, int(x) - 14) : int(x) + 15]
            image[box] += np.exp(-((cols[box] - x) ** 2 + (rows[box] - y) ** 2) / 2 / SIGMA**2)
    return image.astype(np.float32), xy


def excess(image, xy, learn, missing=None):
    bank = bank_of(image, xy, SIGMA, SPACING)
    parts = [around(xy, np.ones(len(xy), bool))]
    taken = np.zeros(len(xy)) if missing is None else missing
    return observed(bank, parts, taken, np.ones(len(xy)), learn)[0]


def robust(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


@pytest.mark.parametrize(("texture", "gain"), [(0.0, 0.95), (1.0, 1.3)])
def test_the_filter_follows_what_makes_the_scatter(texture, gain):
    """With noise alone the first filter is about the best; on a patchy background another one is far better."""
    image, xy = drawn(texture, seed=3)
    fixed, learnt = (robust(excess(image, xy, learn)) for learn in (False, True))
    assert fixed / learnt > gain


@pytest.mark.parametrize("learn", [False, True])
def test_a_missing_column_lacks_its_height_and_its_neighbours_do_not(learn):
    image, xy = drawn(noise=0.05)
    middle = int(np.argmin(np.hypot(*(xy - 160).T)))
    image, xy = drawn(noise=0.05, missing=(middle,))
    taken = np.zeros(len(xy))
    taken[middle] = 1.0
    short = excess(image, xy, learn, taken)
    near = np.argsort(np.hypot(*(xy - xy[middle]).T))[1:7]
    assert short[middle] == pytest.approx(-1, abs=0.12)
    assert np.abs(short[near]).max() < 0.15


def test_the_unit_is_a_column_whatever_the_smoothing():
    """Wide smoothing goes over summed pixels: its answer to a lone column stays the one worked out."""
    image, xy = drawn(noise=0.0)
    lone = np.zeros_like(image)
    x, y = xy[len(xy) // 2]
    rows, cols = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    lone += np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / 2 / SIGMA**2)
    bank = bank_of(lone, xy, SIGMA, SPACING)
    assert bank.seen[len(xy) // 2] == pytest.approx(bank.unit, rel=0.03)


def sample(vacant=20, depth=0.2, full=900, sigma=0.15, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(1, sigma, full), rng.normal(depth, sigma, vacant)])


@pytest.mark.parametrize("depth", [0.0, 0.2, 0.45])
def test_the_depth_of_vacancies_is_taken_from_the_image(depth):
    fitted = fit_populations(sample(40, depth), TI, 0.3)
    assert float(fitted.weight @ fitted.means[:, 1]) == pytest.approx(depth, abs=0.1)
    assert (fitted.p_vacancy(np.array([depth])) > 0.9).all()
    assert fitted.weight.sum() == pytest.approx(1)


def test_bright_sites_do_not_decide_how_deep_a_vacancy_is():
    """Adatoms of all kinds, six columns bright, lie far off what one atom too many would be."""
    seen = np.concatenate([sample(20, 0.2), np.linspace(2.2, 6.5, 25)])
    fitted = fit_populations(seen, TI, 0.3)
    assert float(fitted.weight @ fitted.means[:, 1]) == pytest.approx(0.2, abs=0.1)
    p, unknown = fitted.posterior(np.array([1.0, 5.5]))
    assert unknown[0] < 1e-3
    assert unknown[1] > 0.9
    assert (p.sum(1) + unknown) == pytest.approx(1)


def test_surprise_is_uniform_among_full_columns():
    rng = np.random.default_rng(5)
    seen = rng.normal(1, 0.12, 3000)
    fitted = fit_populations(seen, TI, 0.3)
    assert stats.kstest(fitted.p_value(seen), "uniform").statistic < 0.04
    assert fitted.p_value(np.array([0.1, 2.0])).max() < 1e-6


@pytest.mark.parametrize(
    ("seen", "wide"),
    [
        pytest.param(sample(30, 0.0, sigma=0.1), False, id="a clear gap speaks against shallow ones"),
        pytest.param(np.concatenate([sample(0, full=1500, sigma=0.2), np.linspace(0, 0.6, 25)]), True, id="no gap"),
        pytest.param(sample(0, sigma=0.2), True, id="no vacancy seen"),
    ],
)  # fmt: skip
def test_recall_is_an_interval_if_the_depth_is_not_known(seen, wide):
    calls = fit_populations(seen, TI, 0.3, 0.55).calls()
    assert 0 <= calls.low <= calls.recall <= calls.high <= 1
    assert (calls.recall - calls.low > 0.25) == wide


def test_recall_covers_what_happens_at_the_stated_depths():
    """Vacancies at the shallow end are found as often as `low` says, those of the fit as often as `recall`."""
    rng = np.random.default_rng(2)
    seen = np.concatenate([sample(0, full=1500, sigma=0.2), np.linspace(0, 0.6, 25)])
    fitted = fit_populations(seen, TI, 0.3, 0.6)
    calls, noise = fitted.calls(), float(fitted.weight @ fitted.widths[:, 1])
    for depth, claimed in ((0.6, calls.low), (float(fitted.weight @ fitted.means[:, 1]), calls.recall)):
        found = (fitted.p_vacancy(rng.normal(depth, noise, 4000)) > 0.5).mean()
        assert found == pytest.approx(claimed, abs=0.1)


def test_a_hole_filled_with_what_lies_between_is_shallower():
    """Worked out by hand for Gaussians: three tails meet in a hollow site, 0.577 spacings from each column."""
    image, xy = drawn(noise=0.0)
    hole = hole_of(image, xy, SPACING)
    top, hollow = 1.0, 3 * np.exp(-0.5 * (SPACING / 3**0.5 / SIGMA) ** 2)
    assert hole.lost[0][0] == pytest.approx(top - hollow, rel=0.05)
    narrow = np.array([0.1 * SIGMA])
    # a filter far narrower than a column sees its very top
    assert hole.left(narrow, np.array([1.0]), 1.0) == pytest.approx(hollow, abs=0.08)


def test_every_site_has_a_probability_for_every_class(simulate):
    seen = find_atoms(
        simulate("MoS2", size=300, pixel=0.12, counts=300, seed=3).image, phase("MoS2"), pixel_pm=12
    )
    assert seen.sites_posterior.shape == (len(seen.sites_xy), len(seen.sites_classes))
    assert seen.sites_posterior.sum(1) == pytest.approx(1)
    vacancies = [k for k, name in enumerate(seen.sites_classes) if name.startswith("V_")]
    assert {seen.sites_classes[k] for k in vacancies} == {"V_Mo", "V_S", "V_S2"}
    assert seen.sites_posterior[:, vacancies].sum(1) == pytest.approx(seen.sites_p_vacancy, abs=1e-9)
    assert {"V on Mo", "unknown", "empty site"} <= set(seen.sites_classes)
    best = [seen.sites_classes[k] for k in seen.sites_posterior.argmax(1)]
    assert tuple(best) == seen.sites_state
    called = np.flatnonzero(seen.sites_examined & (seen.sites_p_vacancy > 0.9))
    assert len(called)
    assert seen.sites_p_value[called].max() < 0.05
    assert seen.recall_low <= seen.recall <= seen.recall_high


def test_stated_ellipses_cover_with_the_lattice_and_without(simulate):
    picture = simulate(size=400, counts=150, vacancies=0.02, scatter_pm=6, seed=8)
    seen = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6)
    gap, true = cKDTree(picture.atoms_xy).query(seen.atoms_xy)
    good = ((seen.atoms_xy > 20) & (seen.atoms_xy < 380)).all(1) & (gap < 3)
    for xy, covariance, safe in (
        (seen.atoms_xy, seen.atoms_covariance_pm2, 0.12),
        (seen.atoms_free_xy, seen.atoms_free_covariance_pm2, 0.06),
    ):
        x, y = ((xy - picture.atoms_xy[true])[good] * 15.6).T
        xx, yy, both = covariance[good].T
        distance2 = (x**2 * yy - 2 * x * y * both + y**2 * xx) / (xx * yy - both**2)
        assert 0.393 - 0.06 < (distance2 < 1).mean() < 0.393 + safe
        assert 0.865 - 0.06 < (distance2 < 4).mean() < 0.865 + safe
    # By the data alone places scatter as much as the columns do; the lattice draws them in.
    alone, drawn_in = seen.atoms_free_covariance_pm2[good, 0], seen.atoms_covariance_pm2[good, 0]
    assert np.median(alone) > 1.5 * np.median(drawn_in)
