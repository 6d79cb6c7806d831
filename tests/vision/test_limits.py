"""Fewer electrons from a frame, vacancies put into it, and the limits that follow."""

import math

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge.detection import vacancy_of
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import find_atoms
from eucentric.tools.vision.limits import measure_limits
from eucentric.tools.vision.planting import found_again, plant
from eucentric.tools.vision.thinning import coarser, electrons_of, thinned

TI = phase("Ti3C2")
RNG = np.random.default_rng


def counts(mean=4.0, size=200, read=0.0):
    """Poisson counts around a slow wave of brightness, with read noise."""
    x = np.linspace(0, 4 * np.pi, size)
    expected = mean * (1 + 0.6 * np.sin(x)[None] * np.cos(x)[:, None])
    return (
        RNG(1).poisson(expected) + RNG(2).normal(0, read, expected.shape)
        if read
        else RNG(1).poisson(expected)
    )


def local_noise(image):
    """Variance of what differs between neighbouring pixels."""
    return 0.5 * float(np.var(np.diff(image, axis=1)))


@pytest.mark.parametrize("keep", [0.5, 0.1])
def test_thinned_counts_are_as_a_shorter_scan_would_have_them(keep):
    frame = electrons_of(counts(20.0) * 3.0, 3.0)
    assert frame.exact
    thin = thinned(frame, keep, RNG(3)).image
    assert thin.mean() == pytest.approx(20.0 * keep, rel=0.02)
    assert local_noise(thin) == pytest.approx(20.0 * keep, rel=0.05)
    assert np.all(thin <= frame.image)


def test_read_noise_does_not_get_less_with_the_dose():
    frame = electrons_of(counts(20.0, read=0.2), 1.0)
    assert frame.exact
    assert local_noise(thinned(frame, 0.05, RNG(3)).image) == pytest.approx(1.0 + 0.04, rel=0.08)


def test_a_frame_without_calibration_is_told_by_its_noise():
    frame = electrons_of(counts(50.0, size=400) * 7.0 + 90.0)
    assert not frame.exact
    assert "equivalent" in frame.how
    assert frame.image.mean() == pytest.approx(50.0, rel=0.15)
    thin = thinned(frame, 0.2, RNG(3)).image
    assert local_noise(thin) == pytest.approx(10.0, rel=0.15)


def test_missing_pixels_stay_missing():
    image = counts().astype(float)
    image[10:20, 30:40] = np.nan
    frame = electrons_of(image, 1.0)
    assert np.isnan(thinned(frame, 0.5, RNG(0)).image).sum() == 100
    assert np.isnan(coarser(frame, 2.0, RNG(0)).image).sum() == 25


@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0])
def test_coarser_pixels_keep_the_dose_and_stay_poisson(factor):
    frame = electrons_of(RNG(5).poisson(6.0, (260, 260)), 1.0)
    wide = coarser(frame, factor, RNG(3)).image
    assert wide.shape == (int(260 / factor), int(260 / factor))
    assert wide.mean() == pytest.approx(6.0 * factor**2, rel=0.01)
    assert wide.var() == pytest.approx(6.0 * factor**2, rel=0.05)
    neighbours = np.corrcoef(wide[:, 1:].ravel(), wide[:, :-1].ravel())[0, 1]
    assert abs(neighbours) < 4 / math.sqrt(wide.size)


@pytest.mark.parametrize(
    "ask",
    [
        lambda frame: thinned(frame, 1.2, RNG(0)),
        lambda frame: thinned(frame, 0.0, RNG(0)),
        lambda frame: coarser(frame, 0.5, RNG(0)),
        lambda frame: coarser(frame, 10.0, RNG(0)),
        lambda frame: electrons_of(frame.image, 0.0),
        lambda frame: electrons_of(np.full((100, 100), 3.0)),
    ],
)
def test_what_no_frame_can_give_is_refused(ask):
    with pytest.raises(BadInput):
        ask(electrons_of(counts(), 1.0))


@pytest.fixture(scope="module")
def frame(simulate):
    return simulate("Ti3C2", size=256, counts=300.0, vacancies=0.02, seed=4).image


def test_planted_vacancies_are_apart_and_are_found(frame):
    electrons = electrons_of(frame, 1.0)
    seen = find_atoms(frame, TI, pixel_pm=15.6, counts_per_electron=1.0)
    planted = plant(electrons, seen, vacancy_of(TI, "Ti")[0], 1.4, 30, RNG(1))
    gaps = np.hypot(*(planted.xy[:, None] - planted.xy[None]).transpose(2, 0, 1)) + 1e9 * np.eye(
        len(planted.xy)
    )
    assert len(planted.xy) >= 8
    assert gaps.min() > 2 * 176 / 15.6
    assert found_again(planted.xy, seen) == 0
    after = find_atoms(thinned(electrons, planted.keep, RNG(2)).image.astype(np.float32), TI, pixel_pm=15.6)
    assert found_again(planted.xy, after) >= len(planted.xy) - 1


@pytest.fixture(scope="module")
def limits(frame):
    return measure_limits(
        frame, TI, "V_Ti", pixel_pm=15.6, counts_per_electron=1.0, dose_e_per_a2=4e4, keeps=(1.0, 0.25, 0.07),
        coarser_by=(1.6,),
    )  # fmt: skip


def test_a_series_gets_worse_with_less_dose(limits):
    doses = [p for p in limits.points if p.pixel_pm == limits.points[0].pixel_pm]
    assert [round(p.dose_e_per_a2) for p in doses] == [40000, 10000, 2800]
    assert [p.snr for p in doses] == sorted((p.snr for p in doses), reverse=True)
    assert doses[0].planted_found >= doses[0].planted - 1
    assert doses[-1].planted_found < 0.95 * doses[-1].planted
    assert limits.points[-1].pixel_pm == pytest.approx(1.6 * 15.6, rel=0.01)
    assert limits.points[-1].atom_f1 > 0.98


def test_the_law_says_what_was_found(limits):
    """Not fitted point by point: one scale and one floor for all doses."""
    read = [
        p for p in limits.points[:3] if not p.cannot_tell
    ]  # where it is silent nothing is found, law or not
    assert len(read) >= 2
    for p in read:
        sd = math.sqrt(max(p.planted * limits.law.recall(p.counts) * (1 - limits.law.recall(p.counts)), 1.0))
        assert abs(p.planted_found - p.planted * limits.law.recall(p.counts)) < 3.5 * sd
    low, high = limits.law.counts_interval(0.95)
    assert low < limits.law.counts_for(0.95) < high
    assert limits.points[-2].counts < limits.law.counts_for(0.95) < limits.points[0].counts
    assert limits.dose_per_count * limits.points[0].counts == pytest.approx(4e4)


def test_a_frame_without_a_lattice_has_no_limits():
    told = measure_limits(RNG(0).poisson(5.0, (200, 200)).astype(np.float32), TI, counts_per_electron=1.0)
    assert told.law is None
    assert told.points == ()
    assert told.cannot_tell
