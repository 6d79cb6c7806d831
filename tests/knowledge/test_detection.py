"""The law of d', and what it makes of a wanted recall, precision and dose limit."""

import math

import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge.detection import (
    VacancyLaw,
    d_prime_for,
    kinds_of,
    predicted_law,
    recall_of,
    vacancy_of,
)
from eucentric.knowledge.phases import phase
from eucentric.knowledge.recommendation import Optics, Wanted, error_of, recommend

TI, MO = phase("Ti3C2"), phase("MoS2")
OPTICS = Optics(current_pa=30.0, voltage_kv=60.0, convergence_mrad=30.0)
SEEN = {"voltage_kv": 60.0, "convergence_mrad": 30.0, "pixel_pm": 15.0}


def law(**more):
    plain = {
        "kind": "V_Ti",
        "per_count": 0.3,
        "per_count_low": 0.2,
        "per_count_high": 0.45,
        "source": "measured",
    }
    return VacancyLaw.model_validate({**plain, **more})


def test_at_six_standard_deviations_nearly_all_are_found():
    assert recall_of(6.0) == pytest.approx(0.99, abs=0.005)
    assert recall_of(0.0) == 0.0


@pytest.mark.parametrize("recall", [0.3, 0.5, 0.95, 0.999])
def test_counts_and_recall_are_each_others_inverse(recall):
    assert recall_of(d_prime_for(recall)) == pytest.approx(recall)
    one = law(floor=0.1)
    assert one.recall(one.counts_for(recall)) == pytest.approx(recall)
    low, high = one.counts_interval(recall)
    assert low < one.counts_for(recall) < high


def test_scatter_stands_before_any_dose():
    rough = law(floor=0.25)
    assert rough.counts_for(0.95) == math.inf
    assert rough.recall(1e9) < 0.95


@pytest.mark.parametrize("recall", [0.0, 0.29, 1.0, 2.0])
def test_what_cannot_be_promised_is_refused(recall):
    with pytest.raises(BadInput, match="recall"):
        law().counts_for(recall)


@pytest.mark.parametrize(
    ("material", "word", "kind"),
    [(TI, "Ti", "V_Ti"), (TI, "any", "V_Ti"), (MO, "vacancy", "V_S"), (MO, "S", "V_S"), (MO, "V_S2", "V_S2")],
)
def test_a_word_for_a_vacancy(material, word, kind):
    assert vacancy_of(material, word)[1].name == kind


def test_an_unknown_vacancy_is_named_with_those_there_are():
    with pytest.raises(BadInput, match=r"V_Mo, V_S2, V_S"):
        vacancy_of(MO, "Ti")


def test_half_a_column_takes_far_more_counts_than_a_whole_one():
    needed = {kind: predicted_law(MO, kind, **SEEN).counts_for(0.95) for kind in kinds_of(MO)}
    assert needed["V_S"] > 2.5 * needed["V_S2"]
    assert 20 < needed["V_Mo"] < 60
    assert 50 < predicted_law(TI, "Ti", **SEEN).counts_for(0.95) < 100


def test_a_column_of_unknown_length_is_not_predicted():
    with pytest.raises(BadInput, match="thick"):
        predicted_law(phase("SrTiO3"), "Sr", **SEEN)


def test_a_wide_probe_costs_recall():
    sharp, blunt = (
        predicted_law(TI, "Ti", voltage_kv=60.0, convergence_mrad=mrad, pixel_pm=15.0)
        for mrad in (30.0, 12.0)
    )
    assert sharp.recall(60) > blunt.recall(60)


def told(phase_=TI, limit=2e4, **wanted):
    return recommend(phase_, Wanted(**wanted), OPTICS, limit_e_per_a2=limit)


def test_settings_fit_the_limit_and_reach_the_recall():
    r = told()
    assert r.possible
    assert r.dose_e_per_a2 <= 2e4
    assert r.counts_per_column >= r.needed_counts
    assert r.expected_recall >= 0.95
    assert r.recall_low < r.expected_recall < r.recall_high
    assert "15.6 pm/px" in r.say


def test_below_the_dose_it_says_what_would_be_found():
    r = told(limit=6e3)
    assert not r.possible
    assert r.dose_e_per_a2 <= 6e3
    assert r.expected_recall < 0.95
    assert "cannot be done below" in r.say
    assert told(limit=1.001 * r.needed_dose_e_per_a2).possible


@pytest.mark.parametrize("error", [0.5, 0.2, 0.1])
def test_the_fields_a_precision_takes_give_it(error):
    r = told(density_error_percent=error)
    assert r.density_error_percent <= error
    if r.places > 1:
        assert error_of(1.5, r.expected_recall, r.sites_per_place * (r.places - 1)) > error


def test_a_precision_nobody_takes_is_not_promised():
    assert not told(density_error_percent=0.001).possible


def test_a_measured_law_is_used_and_said():
    measured = recommend(
        TI, Wanted(), OPTICS, limit_e_per_a2=2e4, law=law(), dose_per_count=100.0, least_counts=200.0
    )
    assert measured.source == "measured"
    assert measured.needed_counts == 200.0
    assert not measured.possible
    rough = recommend(TI, Wanted(), OPTICS, limit_e_per_a2=2e4, law=law(floor=0.25), dose_per_count=100.0)
    assert "scatter of the columns, not dose" in rough.say


@pytest.mark.parametrize(
    "wanted", [{"recall": 0.1}, {"density_percent": 0.0}, {"density_error_percent": -1.0}, {"kind": "Pb"}]
)
def test_nonsense_is_refused(wanted):
    with pytest.raises(BadInput):
        told(**wanted)


@pytest.mark.parametrize("pixel", [0.5, 60.0])
def test_pixels_that_show_no_columns_are_refused(pixel):
    with pytest.raises(BadInput, match="pixels"):
        recommend(TI, Wanted(), OPTICS, limit_e_per_a2=None, pixel_pm=pixel)
