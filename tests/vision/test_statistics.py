"""Densities, their intervals, upper bounds and clustering."""

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import AtomMap, clustering, combined_density, find_atoms, vacancy_density
from eucentric.tools.vision.statistics.density import interval_of
from eucentric.tools.vision.statistics.tally import Tally


def map_of(vacant, *, n=2000, recall=1.0, false=0.0, material="Ti3C2", cannot_tell=""):
    """A map on a triangular lattice with the given rows vacant."""
    side = int(np.ceil(np.sqrt(n)))
    i, j = (g.ravel()[:n] for g in np.mgrid[0:side, 0:side])
    p = np.zeros(n)
    p[list(vacant)] = 1.0
    xy = np.stack([i + 0.5 * j, 3**0.5 / 2 * j], -1) * 10.0
    pixel = phase(material).spacing_angstrom * 100 / 10.0
    return AtomMap(
        phase(material), (512, 512), pixel_pm=pixel, pixel_pm_sigma=0.1, sites_xy=xy, sites_p_vacancy=p,
        sites_sublattice=np.zeros(n, int), sites_examined=np.ones(n, bool), sites_state=("full",) * n,
        recall=recall, false_calls=false, usable=1.0, cannot_tell=cannot_tell,
    )  # fmt: skip


def spread_out(count, n=2000, seed=0):
    return np.random.default_rng(seed).choice(n, count, replace=False)


def test_nothing_seen_gives_the_rule_of_three():
    finding = vacancy_density([map_of([])])
    assert finding.interval.only_upper
    assert finding.interval.high == pytest.approx(100 * 3 / 2000, rel=0.01)
    assert finding.of == 2000
    assert not finding.cannot_tell


def test_what_false_calls_explain_is_an_upper_bound_only():
    finding = vacancy_density([map_of(spread_out(3), false=2.5)])
    assert finding.interval.only_upper
    assert finding.interval.low == 0
    assert finding.interval.high > 100 * 3 / 2000


@pytest.mark.parametrize(
    ("recall", "false", "expected"), [(1.0, 0.0, 3.0), (0.75, 0.0, 4.0), (1.0, 10.0, 2.51)]
)
def test_recall_and_false_calls_are_corrected_for(recall, false, expected):
    finding = vacancy_density([map_of(spread_out(60), recall=recall, false=false)])
    assert finding.interval.value == pytest.approx(expected, rel=0.02)
    assert finding.interval.low < expected < finding.interval.high


def test_interval_covers_the_truth():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(120):
        called = int((rng.random(1000) < 0.02 * 0.8).sum())
        interval, _ = interval_of(Tally(called, 1000, 0.8, 0.0), 1.0)
        covered += interval.low <= 2.0 <= interval.high
    assert covered >= 109  # 95 % nominal; fewer than 109 of 120 has a chance below 2 %


def test_what_is_known_of_the_recall_goes_into_the_interval():
    """Vacancies may be shallower than thought: then more were missed, and the density is higher, not lower."""
    known, vague = (Tally(60, 2000, 0.8, 0.0, recall_low=low, recall_high=0.82) for low in (0.78, 0.4))
    (narrow, _), (wide, _) = (interval_of(one, 1.0) for one in (known, vague))
    assert narrow.value == wide.value == pytest.approx(3.75)
    assert wide.high > 100 * 60 / 2000 / 0.4
    assert wide.low == pytest.approx(narrow.low, abs=0.02)
    assert narrow.high - narrow.value < 1.2


def test_images_that_differ_widen_the_interval():
    alike = vacancy_density([map_of(spread_out(20, seed=s)) for s in range(4)])
    unlike = vacancy_density([map_of(spread_out(k, seed=k)) for k in (2, 8, 20, 50)])
    assert alike.interval.value == pytest.approx(unlike.interval.value, rel=0.05)
    width = [f.interval.high - f.interval.low for f in (alike, unlike)]
    assert width[1] > 1.5 * width[0]
    assert unlike.details["overdispersion"] > 2


def test_clusters_are_seen_and_widen_the_interval():
    rows = [k + d for k in range(100, 1900, 150) for d in (0, 1, 2)]
    together, apart = map_of(rows), map_of(spread_out(len(rows)))
    assert clustering([together]).p_value < 0.01
    assert clustering([together]).ratio > 3
    assert clustering([apart]).p_value > 0.05
    wide, narrow = (vacancy_density([m]).interval for m in (together, apart))
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


def test_maps_that_cannot_tell_are_left_out_and_named():
    finding = vacancy_density([map_of(spread_out(20)), map_of([], cannot_tell="out of focus")])
    assert finding.of == 2000
    assert any("image 2" in text and "out of focus" in text for text in finding.excluded)
    nothing = vacancy_density([map_of([], cannot_tell="out of focus")])
    assert nothing.cannot_tell == "out of focus"
    assert nothing.interval.value is None


def test_low_recall_cannot_tell():
    assert vacancy_density([map_of(spread_out(3), recall=0.1)]).cannot_tell


def test_combining_findings_equals_pooling_maps():
    maps = [map_of(spread_out(20 + s, seed=s), recall=0.9, false=0.5) for s in range(3)]
    singles = [vacancy_density([m], finding_id=f"f{k}", evidence=(f"f-{k}",)) for k, m in enumerate(maps)]
    pooled, combined = vacancy_density(maps), combined_density(singles)
    assert combined.interval.value == pytest.approx(pooled.interval.value)
    assert combined.of == pooled.of
    assert combined.evidence == ("f-0", "f-1", "f-2")
    assert combined.interval.low == pytest.approx(pooled.interval.low, rel=0.05)


@pytest.mark.parametrize("maps", [[], [("Ti3C2",), ("MoS2",)]])
def test_maps_of_several_phases_are_refused(maps):
    with pytest.raises(BadInput):
        vacancy_density([map_of([], material=m[0]) for m in maps])


def test_findings_that_do_not_fit_are_refused():
    one = vacancy_density([map_of(spread_out(9))])
    with pytest.raises(BadInput):
        combined_density([])
    with pytest.raises(BadInput):
        combined_density([one, vacancy_density([map_of(spread_out(9), material="MoS2")])])
    with pytest.raises(BadInput, match="lacks its counts"):
        combined_density([one.model_copy(update={"details": {"phase": "Ti3C2"}})])


@pytest.mark.parametrize(("share", "counts"), [(0.0, 100), (0.02, 100), (0.08, 100), (0.04, 55)])
def test_density_of_simulated_images(simulate, share, counts):
    maps, vacant, sites = [], 0, 0
    for seed in range(2):
        picture = simulate(size=400, counts=counts, vacancies=share, rotation=10 + 31 * seed, seed=40 + seed)
        maps.append(find_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6))
        keep = lambda xy: ((xy > 17) & (xy < 382)).all(1).sum()  # noqa: E731
        vacant, sites = (
            vacant + keep(picture.vacancies_xy),
            sites + keep(picture.vacancies_xy) + keep(picture.atoms_xy),
        )
    interval = vacancy_density(maps).interval
    true = 100 * vacant / sites
    assert interval.only_upper == (share == 0.0)
    assert interval.low <= true <= interval.high
    if share:
        assert interval.value == pytest.approx(true, rel=0.15)


@pytest.mark.parametrize(
    ("material", "what"),
    [("Ti3C2", "Ti vacancy density"), ("MoS2", "vacancy density over V_Mo, V_S, V_S2")],
)
def test_a_density_says_what_it_counts(material, what):
    nothing = AtomMap(phase(material), (64, 64), cannot_tell="empty")
    assert vacancy_density([nothing]).what == what
