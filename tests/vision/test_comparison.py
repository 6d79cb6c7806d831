"""Aggregation, comparison of conditions and dose series: drawn counts whose truth is known."""

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.tools.vision.statistics import Look, Tally, aggregated, compare, dose_series

WHAT = "Ti vacancy density"


def drawn(density, samples=1, frames=3, *, scatter=0.0, seed=0, sites=1500, recall=0.85, rate=2e-4):
    """Tallies of samples whose densities scatter by this relative standard deviation."""
    rng = np.random.default_rng(seed)
    out = []
    for sample in range(samples):
        here = density * np.exp(scatter * rng.normal() - scatter**2 / 2)
        for frame in range(frames):
            called = rng.binomial(sites, here * recall + (1 - here) * rate)
            out.append(
                Tally(called, sites, recall, rate * sites, image=f"{sample}/{frame}", sample=f"s{sample}")
            )
    return out


@pytest.mark.parametrize(
    ("samples", "frames", "level", "word"),
    [(1, 1, "sites", "counting"), (1, 4, "frames", "Student"), (4, 3, "samples", "Student"),
     (1, 12, "frames", "bootstrap"), (10, 3, "samples", "bootstrap")],
)  # fmt: skip
def test_the_interval_is_of_what_may_differ(samples, frames, level, word):
    finding = aggregated(drawn(0.02, samples, frames, scatter=0.1, seed=samples), what=WHAT)
    assert finding.details["level"] == level
    assert word in finding.method
    assert finding.interval.low < 2.0 < finding.interval.high
    assert finding.of == samples * frames * 1500
    assert finding == aggregated(drawn(0.02, samples, frames, scatter=0.1, seed=samples), what=WHAT)


def test_samples_that_differ_widen_more_than_their_frames_tell():
    tallies = drawn(0.02, 10, 4, scatter=0.5, seed=3)
    pooled = [t.__class__(**{**t.__dict__, "sample": "one"}) for t in tallies]
    wide, narrow = (aggregated(one, what=WHAT).interval for one in (tallies, pooled))
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_nothing_called_is_an_upper_bound():
    finding = aggregated([Tally(0, 1000, 0.9, 0.0, image=str(k), sample=str(k)) for k in range(3)], what=WHAT)
    assert finding.interval.only_upper
    assert finding.interval.high == pytest.approx(100 * 3 / 3000 / 0.9, rel=0.02)
    with pytest.raises(BadInput):
        aggregated([], what=WHAT)


@pytest.mark.parametrize(
    ("samples", "ratio", "scatter", "seed", "verdict"),
    [(6, 2.5, 0.15, 1, "b is higher"), (6, 1.0, 0.15, 2, "no difference seen"), (3, 4.0, 0.1, 3, "b is higher"),
     (6, 0.3, 0.15, 4, "b is lower")],
)  # fmt: skip
def test_conditions(samples, ratio, scatter, seed, verdict):
    a = drawn(0.02, samples, 2, scatter=scatter, seed=10 + seed)
    b = drawn(0.02 * ratio, samples, 2, scatter=scatter, seed=20 + seed)
    found = compare(a, b, what=WHAT)
    assert found.verdict == verdict
    assert found.level == "samples"
    assert found.units == (samples, samples)
    assert ("permutation" in found.test) == (samples > 4)
    assert found.ratio.low < ratio < found.ratio.high
    assert found.difference.low < 2 * (ratio - 1) < found.difference.high


def test_recall_and_false_calls_are_no_difference():
    """A dimmer image finds fewer; the density is the same."""
    a = drawn(0.02, 5, 2, recall=0.95, rate=1e-5, seed=1)
    b = drawn(0.02, 5, 2, recall=0.55, rate=2e-3, seed=2)
    found = compare(a, b, what=WHAT)
    assert found.verdict == "no difference seen"
    assert found.ratio.value == pytest.approx(1.0, abs=0.25)


def test_too_few_units_say_so():
    one = compare(drawn(0.01, 1, 1), drawn(0.03, 1, 1, seed=5), what=WHAT)
    assert one.p_value is None
    assert one.verdict.startswith("cannot tell")
    assert one.ratio.low < 3 < one.ratio.high
    few = compare(drawn(0.01, 1, 3), drawn(0.04, 1, 3, seed=5), what=WHAT)
    assert few.level == "frames"
    assert "one sample a side can't tell" in few.verdict
    assert any("not about others" in remark for remark in few.remarks)


def test_nothing_seen_on_one_side_has_no_ratio():
    found = compare([Tally(0, 2000, 0.9, 0.0, image=str(k)) for k in range(4)], drawn(0.02, 1, 4), what=WHAT)
    assert found.ratio is None
    assert found.p_value < 0.01
    assert any("only 0 vacancies" in remark for remark in found.remarks)
    with pytest.raises(BadInput):
        compare([], drawn(0.02), what=WHAT)


def looks_of(before, made, *, frames=5, n=3000, recall=0.9, rate=2e-4, seed=0):
    """Frames of one place; `made` is the share of sites lost over the whole dose."""
    rng = np.random.default_rng(seed)
    there, onset = rng.random(n) < before, rng.exponential(1 / max(made, 1e-12), n) * 5e4
    doses = (np.arange(frames) + 0.5) / frames * 5e4
    looks = [
        Look(d, (rng.random(n) < np.where(there | (onset < d), recall, rate)).astype(np.int8), recall, rate)
        for d in doses
    ]
    true = set(np.flatnonzero(~there & (onset > doses[0]) & (onset < doses[-1])).tolist())
    return looks, true


@pytest.mark.parametrize(("before", "made"), [(0.02, 0.0), (0.02, 0.02), (0.0, 0.01), (0.05, 0.1)])
def test_damage_is_told_from_what_was_there(before, made):
    looks, true = looks_of(before, made, seed=4)
    series = dose_series(looks, what=WHAT)
    assert series.before.interval.low <= 100 * before <= series.before.interval.high
    assert series.rate.interval.low <= 100 * made / 5e4 <= series.rate.interval.high
    named = {one.site for one in series.made}
    assert len(named & true) >= 0.85 * len(true)
    assert len(named - true) <= 2 * sum(1 - one.p for one in series.made) + 2
    assert not named & set(series.there)
    assert [row["dose"] for row in series.frames] == [look.dose for look in looks]


def test_a_damaged_series_read_without_dose_would_be_wrong():
    looks, _ = looks_of(0.01, 0.08)
    series = dose_series(looks, what=WHAT)
    assert series.frames[-1]["density"] > 2 * series.before.interval.high
    assert series.rate.interval.low > 0


def test_sites_not_seen_in_a_frame_do_no_harm():
    looks, _ = looks_of(0.02, 0.02, seed=2)
    hidden = [Look(k.dose, np.where(np.arange(3000) % 7 == n, -1, k.called).astype(np.int8), k.recall, k.false_rate)
              for n, k in enumerate(looks)]  # fmt: skip
    series = dose_series(hidden, what=WHAT)
    assert series.before.interval.low < 2.0 < series.before.interval.high


@pytest.mark.parametrize("doses", [[1.0], [1.0, 1.0], [2.0, 1.0], [-1.0, 1.0]])
def test_what_is_no_series_is_refused(doses):
    with pytest.raises(BadInput, match="no series"):
        dose_series([Look(d, np.zeros(10, np.int8), 0.9, 0.0) for d in doses], what=WHAT)
