"""What an atomic image may take at a place of a campaign: what comes before it there, and what is left for it."""

import math
import re
from typing import Any, Final

from eucentric.agent.grammar.campaigns.aims import law_of
from eucentric.agent.grammar.campaigns.campaign import Work
from eucentric.agent.grammar.campaigns.survey import survey_args
from eucentric.agent.grammar.draft import Draft
from eucentric.core.errors import BadInput
from eucentric.core.request import SpecimenCard
from eucentric.knowledge.acquisition import NEEDED_COUNTS, AtomicRecipe, recommend_atomic
from eucentric.knowledge.scattering import haadf_cross_section_a2
from eucentric.tools import autofocus
from eucentric.tools import survey as survey_tool
from eucentric.tools.base import Setting
from eucentric.tools.go_to_target import approach_cost, settled_s
from eucentric.tools.scanning import unsteady

_FOCUS_ASIDE_NM: Final = 60.0


def recipe_for(work: Work, draft: Draft) -> AtomicRecipe | None:
    """How to image at atomic resolution within the budget; None if the instrument does not state enough."""
    optics = draft.optics
    if not all(optics.get(name) for name in ("probe_current_pa", "voltage_kv", "convergence_mrad")):
        return None
    able = draft.situation.capabilities
    law, section = law_of(work, draft) or (
        None,
        haadf_cross_section_a2(_element(work, draft), optics["voltage_kv"]),
    )
    recall = work.recall or 0.95
    return recommend_atomic(
        budget_e_per_a2=draft.limit_e_per_a2(),
        current_pa=optics["probe_current_pa"],
        voltage_kv=optics["voltage_kv"],
        convergence_mrad=optics["convergence_mrad"],
        cross_section_a2=section,
        spent_elsewhere_e_per_a2=_before_the_image(draft),
        flyback_us=able.line_flyback_s * 1e6,
        overhead_s=able.frame_overhead_s,
        min_dwell_us=able.min_dwell_s * 1e6,
        unsteady=unsteady(able, settled_s(able)),
        needed_counts=law.counts_for(recall) if law else NEEDED_COUNTS,
        recall=recall,
    )


def _before_the_image(draft: Draft) -> float:
    """Upper bound of what survey, approach and focus give to the atoms that are imaged last [e/Å²].

    If the move to the next place is missed, the approach to that is one more to this.
    """
    setting = setting_of(draft)
    again = 1 if draft.situation.capabilities.position_errors.missed_moves else 0
    return (
        survey_tool.cost(survey_tool.Args.model_validate(survey_args(draft)), setting).dose_e_per_a2
        + (1 + again) * approach_cost(setting).dose_e_per_a2
        + autofocus.cost(autofocus.Args(beside_nm=_FOCUS_ASIDE_NM), setting).dose_e_per_a2
    )


def spare(draft: Draft, args_survey: dict[str, Any]) -> float | None:
    """Most that a place may have had, survey included, so that its image still fits the budget [e/Å²]."""
    limit = draft.limit_e_per_a2()
    if limit is None or not draft.worst_dose_e_per_a2:
        return None
    args = survey_tool.Args.model_validate(args_survey)
    given = survey_tool.cost(args, setting_of(draft)).dose_e_per_a2
    return float(f"{max(given, limit - draft.worst_dose_e_per_a2 + given):.3g}")


def setting_of(draft: Draft) -> Setting:
    """What the tools' costs are predicted from."""
    situation = draft.situation
    state = situation.state.model_copy(update={"optics": {**situation.state.optics, **draft.optics}})
    card = situation.specimen or SpecimenCard(name="none", material="unknown")
    return Setting(situation.capabilities, state, card)


def aside_nm(fov_nm: float, draft: Draft) -> float:
    """How far beside a field to focus: clear of it on this stage."""
    clear = autofocus.clear_nm(draft.situation.capabilities, fov_nm)
    return max(_FOCUS_ASIDE_NM, 3 * fov_nm, float(10 * math.ceil(clear / 10)))


def _element(work: Work, draft: Draft) -> str:
    """The element whose column may be empty: the one named, else the heaviest of the material."""
    if work.element:
        return work.element.removeprefix("V_").rstrip("0123456789")
    card = draft.situation.specimen
    formula = work.material or (card.material if card else "")
    best, seen = 0.0, "Ti"
    for symbol in re.findall(r"[A-Z][a-z]?", formula):
        try:
            value = haadf_cross_section_a2(symbol)
        except BadInput:  # an element without a cross-section can't be the brightest
            continue
        if value > best:
            best, seen = value, symbol
    if not best:
        draft.assume("no material known: contrast of a Ti column taken for the counts")
    return seen
