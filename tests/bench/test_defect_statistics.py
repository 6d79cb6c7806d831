"""The draws behind the statistics bench are what they say, and its bars are read from the right cases."""

import numpy as np
import pytest
from scipy import ndimage

from eucentric.bench.defect_statistics import _bars, _case
from eucentric.bench.images.drawn_samples import (
    Damage,
    Design,
    Instrument,
    looks,
    map_of,
    tallies,
    vacant_sites,
)

HEXAGON = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]])
"""Neighbours of a triangular lattice by index."""


@pytest.mark.parametrize("size", [1.0, 3.0])
def test_clusters_have_the_density_and_the_size(size):
    rng = np.random.default_rng(0)
    drawn = [vacant_sites(80, 0.01, size, rng) for _ in range(12)]
    assert np.mean(drawn) == pytest.approx(0.01, rel=0.12)
    clusters = sum(ndimage.label(one, HEXAGON)[1] for one in drawn)
    assert np.sum(drawn) / clusters == pytest.approx(size, rel=0.15)


def test_calls_have_the_recall():
    rng = np.random.default_rng(1)
    vacant = rng.random((60, 60)) < 0.3
    called = map_of(vacant, Instrument(0.8, 0.01), rng).sites_p_vacancy > 0.5
    assert called[vacant.ravel()].mean() == pytest.approx(0.8, abs=0.04)
    assert called[~vacant.ravel()].mean() == pytest.approx(0.01, abs=0.01)


def test_samples_differ_more_than_frames():
    rng = np.random.default_rng(2)
    drawn = tallies(Design(200, 4, 0.4, 0.05), 0.05, Instrument(), rng)
    by_sample = np.array([one.called for one in drawn]).reshape(200, 4)
    assert by_sample.mean(1).std() / by_sample.mean() == pytest.approx(0.4, rel=0.2)
    assert by_sample.mean(1).std() > 2 * by_sample.std(1).mean()
    assert by_sample.mean() / 1500 == pytest.approx(0.05 * 0.85, rel=0.09)


def test_damage_is_made_where_it_says():
    frames, made = looks(Damage(0.02, 0.05), Instrument(1.0, 0.0), np.random.default_rng(3))
    first, last = (set(np.flatnonzero(look.called == 1).tolist()) for look in (frames[0], frames[-1]))
    assert made == last - first


def test_bars_take_their_cases():
    cases = [
        _case("compare, alike, x", 9, 100, {}),
        _case("compare, alike, y", 1, 100, {}),
        _case("density, z", 50, 100, {}),
    ]
    bars = {bar["claim"][:20]: bar for bar in _bars(cases)}
    assert bars["conditions that are "]["figure"] == pytest.approx(0.05)
    assert bars["conditions that are "]["holds"]
    assert bars["95 % intervals of a "]["holds"] is False
    assert bars["the rate of damage i"]["holds"] is None
