"""A recall or a precision that a request states: the counts it takes, and whether the plan can have them."""

from typing import Final

from eucentric.agent.grammar.campaigns.campaign import Work
from eucentric.agent.grammar.draft import Draft, number
from eucentric.core.errors import BadInput
from eucentric.knowledge.acquisition import PIXELS_PM, AtomicRecipe
from eucentric.knowledge.detection import (
    DOSE_FACTOR,
    VacancyLaw,
    column_cross_section_a2,
    predicted_law,
    vacancy_of,
)
from eucentric.knowledge.phases import Phase, phase
from eucentric.knowledge.recommendation import Wanted, error_of, places_for, sites_in

_MOST_FLAKES: Final = 50


def law_of(work: Work, draft: Draft) -> tuple[VacancyLaw, float] | None:
    """(recall by counts, cross-section of the column), or None where no recall or precision was asked for."""
    optics, material = draft.optics, _phase(work, draft)
    if (work.recall is None and work.error_percent is None) or material is None:
        return None
    law = predicted_law(
        material, work.element or "vacancy", voltage_kv=optics["voltage_kv"],
        convergence_mrad=optics["convergence_mrad"], pixel_pm=PIXELS_PM[0],
    )  # fmt: skip
    return law, column_cross_section_a2(vacancy_of(material, law.kind)[0], optics["voltage_kv"])


def _phase(work: Work, draft: Draft) -> Phase | None:
    card = draft.situation.specimen
    try:
        material = phase(work.material or (card.material if card else ""))
        vacancy_of(material, work.element or "vacancy")
    except BadInput:
        return None
    return material if material.kind == "hexagonal" else None


def aimed(work: Work, recipe: AtomicRecipe, draft: Draft) -> bool:
    """Whether the recall that was asked for is reached, and how many flakes the precision takes; asked if not."""
    if work.recall is None and work.error_percent is None:
        return True
    known, material = law_of(work, draft), _phase(work, draft)
    if known is None or material is None:
        draft.ask(
            f"'{work.said}': recall and precision can't be reckoned for this material and vacancy.",
            "the same without a recall or a precision",
        )
        return False
    law, _ = known
    expected = law.recall(recipe.counts_per_column)
    if work.recall is not None and not recipe.recall_ok:
        draft.ask(
            f"{100 * work.recall:g} % of the {law.kind} can't be had below {number(draft.limit_e_per_a2() or 0)} e/Å²: "
            f"at the limit about {100 * expected:.0f} % would be found.",
            f"allow {number(recipe.needed_budget_e_per_a2)} e/Å²",
            f"{100 * expected:.0f} % are enough",
        )
        return False
    draft.assume(
        f"{100 * expected:.0f} % of the {law.kind} expected to be found (predicted from physics, "
        f"good to a factor of {DOSE_FACTOR:g} in dose)"
    )
    return _enough_flakes(work, recipe, draft, material, expected)


def _enough_flakes(work: Work, recipe: AtomicRecipe, draft: Draft, material: Phase, recall: float) -> bool:
    wanted = work.error_percent
    if wanted is None:
        return True
    sites = sites_in(material, work.element or "vacancy", recipe.fov_nm)
    aim = Wanted(kind=work.element or "vacancy", density_error_percent=wanted)
    places = places_for(aim, recall, sites)
    told = f"density ± {wanted:g} % of the sites at {aim.density_percent:g} % expected, {sites:,} sites in a field"
    if places is None or places > _MOST_FLAKES:
        draft.ask(f"{told}: that takes more than {_MOST_FLAKES} flakes.", "a wider interval", "± 1 %")
        return False
    if work.at_most is not None and work.at_most < places:
        had = error_of(aim.density_percent, recall, sites * work.at_most) or 0.0
        draft.ask(
            f"{told}: that takes {places} flakes, {work.at_most} give ± {had:.2g} %.",
            f"{places} flakes",
            f"± {had:.2g} % is enough",
        )
        return False
    work.at_most = work.at_most or places
    draft.assume(f"{told}: {places} flake{'s' if places > 1 else ''} needed")
    return True
