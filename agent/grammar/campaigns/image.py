"""The image at each place of a campaign: as it was described, or as the dose budget allows."""

from typing import Any

from eucentric.agent.grammar.campaigns.aims import aimed
from eucentric.agent.grammar.campaigns.campaign import Work
from eucentric.agent.grammar.campaigns.recipe import recipe_for, setting_of
from eucentric.agent.grammar.draft import Draft, number
from eucentric.agent.grammar.image_spec import ImageSpec
from eucentric.agent.grammar.imaging import contradictions, resolve, series_args
from eucentric.knowledge.acquisition import MARGIN, AtomicRecipe
from eucentric.tools.go_to_target import approach_cost

Image = tuple[str, dict[str, Any]]
"""A tool and its arguments."""


def flake_image(work: Work, spec: ImageSpec, draft: Draft) -> Image | None:
    """The image at each flake; None if refused or asked."""
    own = _has_settings(spec)
    if own and (work.recall is not None or work.error_percent is not None):
        draft.ask(
            f"'{work.said}': settings of the image and a recall or precision: which of the two is to hold?",
            "the recall or precision; dwell and pixel size are chosen for it",
            "the settings",
        )
        return None
    spec.give_back("every_s", "duration_s", "defocus_nm")
    recipe = recipe_for(work, draft)
    if own:
        draft.dose_here_e_per_a2 = (
            recipe.elsewhere_e_per_a2 if recipe else 0.0
        )  # survey and overviews count too
        return own_image(spec, draft, work)
    if recipe is None:
        draft.ask(
            "The instrument states no probe current, voltage or "
            "convergence, so no dose can be predicted. Which settings?",
            "image at 8 nm, 512 px, dwell 0.5 µs, 4 frames",
        )
        return None
    if not _fits(work, recipe, draft) or not aimed(work, recipe, draft):
        return None
    _tell(work, recipe, draft)
    return "acquire_series", _recommended(spec, recipe, draft)


def _has_settings(spec: ImageSpec) -> bool:
    """Whether the image was described, not only its resolution."""
    slots = (
        spec.fov_nm,
        spec.dwell_us,
        spec.dose_e_per_a2,
        spec.frames,
        spec.width_px,
        spec.pixel_nm,
        spec.frame_s,
    )
    return any(slot is not None for slot in slots)


def _fits(work: Work, recipe: AtomicRecipe, draft: Draft) -> bool:
    """Whether the budget allows an image in which the wanted is seen; asked if not."""
    if recipe.fits and not (work.detect and recipe.blind):
        return True
    draft.ask(
        f"Below {number(draft.limit_e_per_a2() or 0)} e/Å² this can't work: {recipe.say}.",
        f"allow {number(recipe.needed_budget_e_per_a2)} e/Å²",
        "lower the probe current for the survey first (set the probe current to 5 pA)",
        "a shorter survey dwell, such as 1 µs",
    )
    return False


def _tell(work: Work, recipe: AtomicRecipe, draft: Draft) -> None:
    """What was chosen, and what it takes at the worst place."""
    draft.assume(
        f"'atomic resolution' taken as {recipe.pixel_pm:.1f} pm/px: {recipe.fov_nm:g} nm, {recipe.width_px} px"
    )
    draft.assume(
        f"{recipe.say}; survey, approach and focus included ({number(recipe.elsewhere_e_per_a2)} e/Å² under the probe)"
    )
    draft.assume(f"probe current {number(draft.optics['probe_current_pa'])} pA")
    draft.worst_dose_e_per_a2 = max(draft.worst_dose_e_per_a2, recipe.total_e_per_a2)
    draft.seconds += recipe.seconds * (work.at_most or draft.situation.defaults.targets)
    if draft.limit_e_per_a2() is None:
        draft.assume("no specimen card and no dose stated: no dose budget is checked")


def _recommended(spec: ImageSpec, recipe: AtomicRecipe, draft: Draft) -> dict[str, Any]:
    one = {
        "detectors": list(spec.detectors or (draft.situation.defaults.detector,)),
        "width_px": recipe.width_px,
        "height_px": recipe.width_px,
        "fov_nm": recipe.fov_nm,
        "dwell_us": recipe.dwell_us,
    }
    return _series(one, recipe, draft)


def _series(one: dict[str, Any], recipe: AtomicRecipe, draft: Draft) -> dict[str, Any]:
    """The frames that fit in the worst case; where a place has had less than that, up to what is comfortable."""
    limit = draft.limit_e_per_a2()
    if limit is None or recipe.frames_at_most == recipe.frames:
        return series_args(one, recipe.frames)
    able = draft.situation.capabilities
    spare = approach_cost(setting_of(draft)).dose_e_per_a2 if able.position_errors.missed_moves else 0.0
    stop_at = float(f"{limit * (1 - MARGIN) - spare:.4g}")
    draft.assume(
        f"up to {recipe.frames_at_most} frames where a place has had less than the worst case: it stops before "
        f"{number(stop_at)} e/Å² in all"
    )
    return {**series_args(one, recipe.frames_at_most), "stop_at_e_per_a2": stop_at}


def own_image(spec: ImageSpec, draft: Draft, work: Work) -> Image | None:
    """The image as it was described; None if refused or asked."""
    contradictions(spec)
    spec.give_back("every_s", "duration_s", "defocus_nm")
    if not spec.summed and (spec.frames or 1) > 1:
        spec.give_back("frames")
    args = resolve(spec, draft, work.said)
    if args is None:
        return None
    frames = spec.frames if spec.summed and spec.frames and spec.frames > 1 else 1
    price = draft.price(args["fov_nm"], args["width_px"], args["height_px"], args["dwell_us"], frames)
    if price is not None:
        if not draft.charge(price, "each image"):
            return None
        draft.assume(f"predicted at each place: {price.line()}")
        draft.dose_here_e_per_a2 = 0.0
    return ("acquire_series", series_args(args, frames)) if frames > 1 else ("acquire_image", args)
