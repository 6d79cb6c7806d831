"""Atoms and vacancies against the truth of the linear image model."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from eucentric.core.errors import BadInput
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import find_atoms
from eucentric.tools.vision.columns import Sites
from eucentric.tools.vision.judgement import _as_seen
from eucentric.tools.vision.lattice import neighbour_coherence
from eucentric.tools.vision.populations import fit_populations
from eucentric.tools.vision.scale import measure_scale
from eucentric.tools.vision.sites import Profile

PIXEL = 0.156


def matched(found, truth, radius_px):
    """Number of mutual nearest neighbours within the radius."""
    if not len(found) or not len(truth):
        return 0
    gap, to = cKDTree(truth).query(found)
    _, back = cKDTree(found).query(truth)
    return int(((gap < radius_px) & (back[to] == np.arange(len(found)))).sum())


def inside(xy, size, margin):
    return xy[((xy > margin) & (xy < size - 1 - margin)).all(1)]


def precision_recall(found, truth, radius_px, size, margin):
    hits_p = matched(inside(found, size, margin), truth, radius_px)
    hits_r = matched(inside(truth, size, margin), found, radius_px)
    return hits_p / max(len(inside(found, size, margin)), 1), hits_r / max(
        len(inside(truth, size, margin)), 1
    )


CASES = [
    # material, pixel Å, rotation, counts, vacancies, atom F, vacancy P, R
    pytest.param("Ti3C2", 0.156, 17, 100, 0.02, 0.99, 0.95, 0.9, id="the usual frame"),
    pytest.param("Ti3C2", 0.156, 41, 100, 0.08, 0.99, 0.95, 0.9, id="eight percent vacant, many adjacent"),
    pytest.param("Ti3C2", 0.078, 3, 100, 0.03, 0.99, 0.9, 0.85, id="fine pixels"),
    pytest.param("Ti3C2", 0.156, 30, 50, 0.03, 0.98, 0.85, 0.7, id="half the counts"),
    pytest.param("Ti3C2", 0.110, 0, 150, 0.03, 0.99, 0.95, 0.9, id="rows along the scan"),
    pytest.param("MoS2", 0.140, 22, 300, 0.03, 0.99, 0.9, 0.9, id="MoS2"),
]


@pytest.mark.parametrize(("material", "pixel", "rotation", "counts", "share", "f1", "vp", "vr"), CASES)
def test_finds_what_is_there(simulate, material, pixel, rotation, counts, share, f1, vp, vr):
    size = 400
    picture = simulate(
        material, size=size, pixel=pixel, rotation=rotation, counts=counts, vacancies=share, seed=3
    )
    seen = find_atoms(picture.image, phase(material), pixel_pm=100 * pixel)
    margin = 2.7 / pixel
    p, r = precision_recall(seen.atoms_xy, picture.atoms_xy, 0.5 / pixel, size, margin)
    assert 2 * p * r / (p + r) >= f1
    p, r = precision_recall(seen.vacancies_xy, picture.vacancies_xy, 0.7 / pixel, size, margin)
    assert p >= vp
    assert r >= vr
    assert not seen.cannot_tell


@pytest.mark.parametrize(
    ("pixel", "rotation", "drift"), [(0.156, 11, 0.0), (0.12, 47, 0.0), (0.10, 29, 0.006)]
)
def test_measures_the_pixel_size_without_being_told(simulate, pixel, rotation, drift):
    picture = simulate(size=400, pixel=pixel, rotation=rotation, drift=drift, seed=1)
    seen = find_atoms(picture.image, phase("Ti3C2"))
    assert seen.pixel_pm == pytest.approx(100 * pixel, rel=0.005)
    assert abs(seen.pixel_pm - 100 * pixel) < 3 * seen.pixel_pm_sigma


def test_a_wrong_pixel_size_is_flagged_and_not_believed(simulate):
    picture = simulate(size=400, seed=2)
    seen = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=16.2)
    assert "scale_disagrees" in dict(seen.flags)
    assert seen.pixel_pm == pytest.approx(15.6, rel=0.005)
    right = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6)
    assert "scale_disagrees" not in dict(right.flags)


def test_what_a_stretched_image_says_about_its_scale(simulate):
    """Drift along one axis moves the lattice's pixel size: told, not taken for a wrong scale."""
    picture = simulate(size=400, seed=2)
    rows = np.arange(0, 400, 1.05)
    columns = np.arange(400)
    image = ndimage.map_coordinates(picture.image, np.meshgrid(rows, columns, indexing="ij"), order=1)
    codes = dict(find_atoms(image.astype(np.float32), phase("Ti3C2"), pixel_pm=15.6).flags)
    assert "distorted" in codes
    assert "scale_disagrees" not in codes


def test_the_order_of_rings_is_not_mistaken(simulate):
    """A pixel √3 times too large, as from taking {11-20} for {10-10}, is found out."""
    picture = simulate(size=400, pixel=0.12, seed=5)
    seen = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=12.0 * 3**0.5)
    assert seen.pixel_pm == pytest.approx(12.0, rel=0.005)
    assert "scale_disagrees" in dict(seen.flags)


def test_probabilities_are_calibrated(simulate):
    """Stated probabilities against outcomes where calling is hard (40 counts a column)."""
    stated, true = [], []
    for seed in range(4):
        picture = simulate(size=400, counts=40, vacancies=0.03, rotation=9 + 17 * seed, seed=seed)
        seen = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=100 * PIXEL)
        gap, site = cKDTree(seen.sites_xy).query(picture.vacancies_xy)
        vacant = np.zeros(len(seen.sites_xy), bool)
        vacant[site[gap < 0.7 / PIXEL]] = True
        stated.append(seen.sites_p_vacancy[seen.sites_examined])
        true.append(vacant[seen.sites_examined])
    p, y = np.concatenate(stated), np.concatenate(true)
    bins = np.minimum((p * 10).astype(int), 9)
    error = sum(abs(p[bins == b].sum() - y[bins == b].sum()) for b in range(10)) / len(p)
    assert error < 0.01
    assert p.sum() == pytest.approx(y.sum(), rel=0.2)
    hard = p > 0.05
    assert abs(p[hard].mean() - y[hard].mean()) < 0.12


def test_stated_position_errors_hold(simulate):
    picture = simulate(size=400, counts=150, vacancies=0.02, scatter_pm=4, seed=8)
    seen = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=100 * PIXEL)
    gap, _ = cKDTree(picture.atoms_xy).query(seen.atoms_xy)
    true_pm = gap * 100 * PIXEL
    inner = ((seen.atoms_xy > 20) & (seen.atoms_xy < 380)).all(1)
    z2 = np.mean((true_pm[inner] ** 2) / (2 * seen.atoms_sigma_pm[inner] ** 2))
    assert 0.6 < z2 < 1.6
    assert np.sqrt(np.mean(true_pm[inner] ** 2)) < 12


def test_the_same_view_scaled_and_turned_gives_the_same_answer(simulate):
    shares = []
    for pixel, rotation in ((0.156, 5), (0.12, 33), (0.156, 65)):
        picture = simulate(size=400, pixel=pixel, rotation=rotation, counts=150, vacancies=0.04, seed=11)
        seen = find_atoms(picture.image, phase("Ti3C2"))
        p, r = precision_recall(seen.atoms_xy, picture.atoms_xy, 0.5 / pixel, 400, 2.7 / pixel)
        shares.append(2 * p * r / (p + r))
    assert min(shares) > 0.99
    assert max(shares) - min(shares) < 0.01


def test_transposed_image_gives_transposed_places(simulate):
    picture = simulate(size=320, counts=200, seed=4)
    one = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6)
    other = find_atoms(np.ascontiguousarray(picture.image.T), phase("Ti3C2"), pixel_pm=15.6)
    margin = 20
    a, b = inside(one.atoms_xy, 320, margin), inside(other.atoms_xy[:, ::-1], 320, margin)
    gap, _ = cKDTree(b).query(a)
    assert np.percentile(gap, 99) * 15.6 < 10


def noise(kind):
    rng = np.random.default_rng(0)
    if kind == "poisson":
        return rng.poisson(3.0, (300, 300)).astype(np.float32)
    if kind == "smooth":
        k = np.hypot(np.fft.fftfreq(300)[:, None], np.fft.fftfreq(300)[None])
        return np.fft.ifft2(np.fft.fft2(rng.normal(size=(300, 300))) * np.exp(-200 * k**2)).real.astype(
            np.float32
        )
    if kind == "points":
        image = np.zeros((300, 300), np.float32)
        image[rng.integers(0, 300, 300), rng.integers(0, 300, 300)] = 50
        return image + rng.poisson(1.0, image.shape)
    rows = np.sin(np.arange(300) * 0.6)[:, None] * np.ones((1, 300))
    return (rows + rng.normal(size=rows.shape)).astype(np.float32)


@pytest.mark.parametrize("kind", ["poisson", "smooth", "points", "stripes"])
@pytest.mark.parametrize("pixel_pm", [None, 15.6])
def test_without_a_lattice_it_abstains(kind, pixel_pm):
    seen = find_atoms(noise(kind), phase("Ti3C2"), pixel_pm=pixel_pm)
    assert seen.cannot_tell
    assert len(seen.vacancies_xy) == 0


@pytest.mark.parametrize("sigma", [0.66, 0.75, 0.9])
def test_blur_out_of_focus_is_not_counted(simulate, sigma):
    picture = simulate(size=400, counts=250, sigma_angstrom=sigma, seed=6)
    seen = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6)
    assert seen.cannot_tell
    assert {"out_of_focus", "no_lattice"} & set(dict(seen.flags))


def test_few_counts_say_so(simulate):
    picture = simulate(size=400, counts=12, seed=7)
    seen = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6)
    assert seen.cannot_tell


def test_a_region_without_lattice_is_left_out(simulate):
    picture = simulate(size=400, counts=120, vacancies=0.02, seed=9)
    image = picture.image.copy()
    rng = np.random.default_rng(1)
    image[:, :150] = rng.poisson(image.mean(), (400, 150))
    seen = find_atoms(image, phase("Ti3C2"), pixel_pm=15.6)
    examined = seen.sites_xy[seen.sites_examined]
    assert (examined[:, 0] < 130).mean() < 0.02
    assert "partly_lost" in dict(seen.flags)
    assert (seen.vacancies_xy[:, 0] < 130).sum() <= 3
    assert any("not seen" in text for text in seen.not_counted)


def test_missing_pixels_are_left_out(simulate):
    picture = simulate(size=400, counts=120, vacancies=0.0, seed=10)
    image = picture.image.copy()
    image[180:215, 180:215] = np.nan
    seen = find_atoms(image, phase("Ti3C2"), pixel_pm=15.6)
    examined = seen.sites_xy[seen.sites_examined]
    assert not ((examined > 180) & (examined < 214)).all(1).any()
    assert seen.called == 0


def not_scanned(image, value):
    image[360:] = value
    return slice(360, 400)


def lost_lines(image, value):
    image[200:204] = value
    return slice(200, 204)


@pytest.mark.parametrize("harm", [not_scanned, lost_lines])
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_lines_without_an_image_cost_what_lies_beside_them(simulate, harm, value):
    picture = simulate("MoS2", size=400, pixel=0.14, counts=400, vacancies=0.02, seed=11)
    image = picture.image.copy()
    lines = harm(image, value)
    seen = find_atoms(image, phase("MoS2"), pixel_pm=14.0)
    spacing = 182 / 14
    off = np.maximum(lines.start - picture.atoms_xy[:, 1], picture.atoms_xy[:, 1] - lines.stop + 1)
    beyond = inside(picture.atoms_xy[off > spacing], 400, 20)
    assert matched(beyond, seen.atoms_xy, 3.5) >= 0.99 * len(beyond)
    counted = seen.sites_xy[seen.sites_examined][:, 1]
    assert not ((counted > lines.start - spacing) & (counted < lines.stop + spacing)).any()
    false = len(seen.vacancies_xy) - matched(picture.vacancies_xy, seen.vacancies_xy, 5.0)
    assert false <= 1


@pytest.mark.parametrize("black", [-1000.0, 1e4])
def test_a_black_level_raises_no_doubt(simulate, black):
    picture = simulate(size=320, counts=120, vacancies=0.02, seed=12)
    plain, shifted = (
        find_atoms(one, phase("Ti3C2"), pixel_pm=15.6) for one in (picture.image, picture.image + black)
    )
    assert shifted.doubt == pytest.approx(plain.doubt, abs=0.02)


@pytest.mark.parametrize("black", [0.0, 300.0, -500.0])
def test_few_counts_on_a_black_level_are_not_out_of_focus(simulate, black):
    picture = simulate(size=400, counts=45, vacancies=0.02, seed=14)
    seen = find_atoms(picture.image * 7 + black, phase("Ti3C2"), pixel_pm=15.6)
    assert seen.coherence < 0.6
    assert "out_of_focus" not in dict(seen.flags)


def test_a_strong_stretch_is_said_when_no_pixel_size_checks_it(simulate):
    picture = simulate(size=400, counts=150, vacancies=0.0, seed=13)
    stretched = ndimage.zoom(picture.image, (1.15, 1.0), order=1).astype(np.float32)
    assert "distorted" in dict(find_atoms(stretched, phase("Ti3C2")).flags)
    assert "distorted" not in dict(find_atoms(picture.image, phase("Ti3C2")).flags)


@pytest.mark.parametrize("seed", [0, 1])
def test_defects_that_repeat_are_no_larger_cell(seed):
    """Peaks of a supercell lie inside the first ring, far weaker than it."""
    rng = np.random.default_rng(seed)
    shape, cells = (273, 281), (9, 16)  # 9 √3 a by 16 a of MoS2 at 0.18 Å/px
    i, j = (grid.ravel() for grid in np.mgrid[0 : cells[0], 0 : cells[1]])
    image = np.zeros(shape)
    for half in (0.0, 0.5):
        for third, volume in ((0.0, 4000), (1 / 3, 1600)):
            row = np.rint((i + third + half) * shape[0] / cells[0]).astype(int) % shape[0]
            col = np.rint((j + half) * shape[1] / cells[1]).astype(int) % shape[1]
            here = rng.random(len(i)) > 0.08
            np.add.at(image, (row[here], col[here]), volume)
    whole = np.tile(ndimage.gaussian_filter(image, 2.7, mode="wrap"), (4, 4))
    scale = measure_scale(rng.poisson(whole + 3).astype(np.float32), phase("MoS2"), 18.0)
    assert scale is not None
    assert scale.pixel_pm == pytest.approx(18.0, rel=0.01)


def test_recall_and_false_calls_are_predicted(simulate):
    """What the map says of itself against what happened, pooled over pictures."""
    caught = truth = called = 0
    recall, false = [], 0.0
    for seed in range(3):
        picture = simulate(size=400, counts=45, vacancies=0.04, rotation=21 * seed + 4, seed=20 + seed)
        seen = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6)
        good = inside(picture.vacancies_xy, 400, 20)
        caught += matched(good, seen.vacancies_xy, 4.5)
        truth, called = truth + len(good), called + seen.called
        recall.append(seen.recall)
        false += seen.false_calls
    assert np.mean(recall) == pytest.approx(caught / truth, abs=0.12)
    assert false < 0.25 * called


def test_same_image_same_map(simulate):
    picture = simulate(size=320, seed=12)
    one, two = (find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6) for _ in range(2))
    assert np.array_equal(one.atoms_xy, two.atoms_xy)
    assert np.array_equal(one.sites_p_vacancy, two.sites_p_vacancy)


@pytest.mark.parametrize("shape", [(40, 400), (3, 100, 100), (0, 0)])
def test_wrong_arrays_are_refused(shape):
    with pytest.raises(BadInput):
        find_atoms(np.zeros(shape, np.float32), phase("Ti3C2"))


def test_coherence_of_order_and_of_chance():
    i, j = (g.ravel() for g in np.mgrid[0:20, 0:20])
    order = np.stack([i + 0.5 * j, 3**0.5 / 2 * j], -1) * 10.0
    chance = np.random.default_rng(0).uniform(0, 200, (400, 2))
    assert neighbour_coherence(order, 10.0) == pytest.approx(1.0, abs=1e-6)
    assert neighbour_coherence(chance, 10.0) < 0.15


def vacuum(image):
    image[:, 200:] = 0
    return image


def hot_pixels(image):
    image.ravel()[np.random.default_rng(0).integers(0, image.size, 30)] = 1e6
    return image


def missing_singles(image):
    image.ravel()[np.random.default_rng(0).integers(0, image.size, 2000)] = np.nan
    return image


@pytest.mark.parametrize(
    "harm", [lambda i: i * 1e-8, lambda i: i * 1e8, lambda i: i + 1e4, hot_pixels, missing_singles, vacuum]
)
def test_what_happens_to_real_files_does_not_change_the_answer(simulate, harm):
    picture = simulate(size=400, counts=120, vacancies=0.02, seed=30)
    clean = find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6)
    harmed = find_atoms(harm(picture.image.astype(np.float64).copy()), phase("Ti3C2"), pixel_pm=15.6)
    assert not harmed.cannot_tell
    area = 0.5 if harm is vacuum else 1.0
    assert harmed.examined == pytest.approx(area * clean.examined, rel=0.12)
    assert harmed.called == pytest.approx(area * clean.called, abs=5)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_dead_detector_is_no_lattice(value):
    assert find_atoms(np.full((128, 128), value, np.float32), phase("Ti3C2")).cannot_tell


@pytest.mark.parametrize("whole", [1.0, 1.6])
def test_half_a_column_is_known_by_what_a_whole_one_is_here(whole):
    """Two S that scatter together are brighter than the sum; one S is one S."""
    sites = Sites(np.zeros((60, 2)), np.repeat([0, 1, 2], 20), np.zeros(60), Profile(3.0, 1.0, 0.0))
    mos2 = phase("MoS2")
    sulphur = mos2.columns[1]
    full = np.array([1.0, whole * sulphur.weight, np.nan])[sites.sublattice]
    states = {state.name: state.relative for state in _as_seen(sulphur, 1, sites, full)}
    assert states["V_S"] == pytest.approx(0.5 / whole, rel=0.01)
    assert states["V_S2"] == pytest.approx(0.0, abs=1e-6)


def test_probability_never_falls_as_a_site_gets_darker():
    rng = np.random.default_rng(0)
    seen = np.concatenate([rng.normal(1, 0.2, 900), rng.normal(0.15, 0.2, 15), [-2.0, -3.0]])
    fitted = fit_populations(seen, phase("Ti3C2").columns[0].states, 0.3)
    p = fitted.p_vacancy(np.linspace(0.6, -4.0, 200))
    assert (np.diff(p) > -1e-3).all()
    assert p[-1] > 0.9


def test_a_state_that_nobody_can_tell_apart_is_not_filled_with_full_columns():
    """Half an S2 column at two sigma: of full columns alone fewer than one in a hundred is called vacant."""
    called, expected = 0, []
    for seed in range(1, 5):
        seen = np.random.default_rng(seed).normal(1.0, 0.25, 300)
        p = fit_populations(seen, phase("MoS2").columns[1].states, 0.5).p_vacancy(seen)
        called += int((p > 0.5).sum())
        expected.append(p.sum())
    assert called <= 8
    assert max(expected) < 0.03 * 300


@pytest.mark.parametrize(("share", "code"), [(0.02, "clipped"), (0.3, "saturated")])
def test_a_ceiling_is_seen(simulate, share, code):
    picture = simulate("MoS2", size=320, pixel=0.14, counts=400, seed=2)
    ceiling = np.quantile(picture.image, 1 - share)
    seen = find_atoms(np.minimum(picture.image, ceiling), phase("MoS2"), pixel_pm=14)
    assert code in dict(seen.flags)
    assert bool(seen.cannot_tell) == (code == "saturated")
    assert seen.doubt > 0.5
    assert find_atoms(picture.image, phase("MoS2"), pixel_pm=14).doubt < 0.5


@pytest.mark.parametrize("factor", [3**-0.5, 0.95, 1.05, 3**0.5])
def test_mos2_told_a_wrong_pixel_size_says_so(simulate, factor):
    picture = simulate("MoS2", size=400, pixel=0.11, counts=400, seed=2)
    seen = find_atoms(picture.image, phase("MoS2"), pixel_pm=11 * factor)
    assert "scale_disagrees" in dict(seen.flags)
    assert seen.pixel_pm == pytest.approx(11, rel=0.01)


@pytest.mark.parametrize(("material", "a"), [("graphene", 2.461), ("WSe2", 3.282)])
def test_other_layers_are_read_alike(simulate, material, a):
    """The painter's weights are MoS2's: what matters is that the cell and its sites are the phase's own."""
    picture = simulate("MoS2", size=320, pixel=0.09, counts=400, a=a, sigma_angstrom=0.16 * a, vacancies=0.02)
    seen = find_atoms(picture.image, phase(material), pixel_pm=9)
    assert not seen.cannot_tell
    p, r = precision_recall(seen.atoms_xy, picture.atoms_xy, 0.5 / 0.09, 320, 2.7 / 0.09)
    assert min(p, r) > 0.97
