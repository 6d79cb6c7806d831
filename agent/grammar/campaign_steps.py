"""A campaign that has been described, as steps: survey, choose, loop, combine."""

import math
import re
from typing import Any, Final

from eucentric.agent.grammar.aims import aimed, law_of
from eucentric.agent.grammar.campaign import Work
from eucentric.agent.grammar.draft import Draft, number, seconds_text
from eucentric.agent.grammar.image_spec import ImageSpec
from eucentric.agent.grammar.imaging import contradictions, resolve, series_args, settings
from eucentric.agent.grammar.limits import check_optics
from eucentric.agent.grammar.survey import LONGEST_S, MOST_TILES, reach, survey_args, survey_fits
from eucentric.core.errors import BadInput
from eucentric.core.plan import Step
from eucentric.core.request import SpecimenCard
from eucentric.knowledge.acquisition import (
    MARGIN,
    NEEDED_COUNTS,
    AtomicRecipe,
    recommend_atomic,
)
from eucentric.knowledge.scattering import haadf_cross_section_a2
from eucentric.tools import autofocus
from eucentric.tools import survey as survey_tool
from eucentric.tools.base import Setting
from eucentric.tools.go_to_target import approach_cost, settled_s
from eucentric.tools.scanning import unsteady

FOCUS_ASIDE_NM: Final = 60.0


def close(work: Work, draft: Draft) -> None:
    """Write the steps of a campaign once all of it has been said."""
    (_close_flakes if work.kind == "flakes" else _close_grid)(work, draft)


def _element(work: Work, draft: Draft) -> str:
    """The element whose column may be empty: the one named, else the heaviest of the material."""
    if work.element:
        return work.element
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


def _setting(draft: Draft) -> Setting:
    """What the tools' costs are predicted from."""
    situation = draft.situation
    state = situation.state.model_copy(update={"optics": {**situation.state.optics, **draft.optics}})
    card = situation.specimen or SpecimenCard(name="none", material="unknown")
    return Setting(situation.capabilities, state, card)


def _aside_nm(fov_nm: float, draft: Draft) -> float:
    """How far beside a field to focus: clear of it on this stage."""
    clear = autofocus.clear_nm(draft.situation.capabilities, fov_nm)
    return max(FOCUS_ASIDE_NM, 3 * fov_nm, float(10 * math.ceil(clear / 10)))


def _before_the_image(draft: Draft) -> float:
    """Upper bound of what survey, approach and focus give to the atoms that are imaged last [e/Å²].

    If the move to the next place is missed, the approach to that is one more to this.
    """
    setting = _setting(draft)
    again = 1 if draft.situation.capabilities.position_errors.missed_moves else 0
    return (
        survey_tool.cost(survey_tool.Args.model_validate(survey_args(draft)), setting).dose_e_per_a2
        + (1 + again) * approach_cost(setting).dose_e_per_a2
        + autofocus.cost(autofocus.Args(beside_nm=FOCUS_ASIDE_NM), setting).dose_e_per_a2
    )


def _recipe(work: Work, draft: Draft) -> AtomicRecipe | None:
    optics = draft.optics
    if not all(optics.get(name) for name in ("probe_current_pa", "voltage_kv", "convergence_mrad")):
        return None
    able = draft.situation.capabilities
    flyback = able.line_flyback_s * 1e6
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
        flyback_us=flyback,
        overhead_s=able.frame_overhead_s,
        min_dwell_us=able.min_dwell_s * 1e6,
        unsteady=unsteady(able, settled_s(able)),
        needed_counts=law.counts_for(recall) if law else NEEDED_COUNTS,
        recall=recall,
    )


def _close_flakes(work: Work, draft: Draft) -> None:
    if draft.questions or draft.refusals:
        return
    spec = work.spec or ImageSpec(atomic=True)
    if work.spec is None and not work.detect:
        _find_only(work, draft)
        return
    if spec.current_pa is not None:
        if not check_optics(draft, {"probe_current_pa": spec.current_pa}):
            return
        draft.optics["probe_current_pa"] = spec.current_pa
    image = _flake_image(work, spec, draft)
    if image is None:
        return
    tool, args = image
    if spec.current_pa is not None:
        draft.add("set_optics", f"{spec.current_pa:g} pA", {"probe_current_pa": spec.current_pa})
    select = _select(work, draft)
    if select is not None:
        _flake_loop(work, draft, select, select.args["at_most"], tool, args)


def _find_only(work: Work, draft: Draft) -> None:
    """'find flakes' alone looks and lists; nothing is imaged that was not asked for."""
    if _select(work, draft) is not None:
        draft.assume("only looked for and listed: no image of the flakes was asked for")


def _select(work: Work, draft: Draft) -> Step | None:
    """Survey and choice of targets; None if refused or asked."""
    most = work.at_most or draft.situation.defaults.targets
    if work.at_most is None:
        draft.assume(f"how many flakes was not said: at most {most}")
    if work.layers is None:
        draft.assume("number of layers not said: monolayers")
    layers = work.layers or 1
    given = draft.steps[-1] if draft.steps and draft.steps[-1].tool == "survey" else None
    args_survey = given.args if given else survey_args(draft)
    draft.assume(
        f"survey {args_survey['tiles_x']} × {args_survey['tiles_y']} tiles of {args_survey['fov_um']:g} µm, "
        f"{args_survey['dwell_us']:g} µs, around the present position (default)"
    )
    if given is None and not survey_fits(draft, args_survey):
        return None
    survey = given or draft.add("survey", "find candidate flakes at low dose", args_survey)
    picked: dict[str, Any] = {"layers": layers, "at_most": most}
    picked["min_size_nm"] = work.min_size_nm or 200.0
    if work.min_size_nm is None:
        draft.assume("smallest flake taken: 200 nm (default)")
    spare = _spare(draft, args_survey)
    if spare is not None:
        picked["max_before_e_per_a2"] = spare
    return draft.add(
        "select_targets",
        f"at most {most} flakes of {layers} layer(s), largest and evenest first",
        picked,
        frames=f"{survey.id}.frames",
    )


def _spare(draft: Draft, args_survey: dict[str, Any]) -> float | None:
    """Most that a place may have had, survey included, so that its image still fits the budget [e/Å²]."""
    limit = draft.limit_e_per_a2()
    if limit is None or not draft.worst_dose_e_per_a2:
        return None
    args = survey_tool.Args.model_validate(args_survey)
    given = survey_tool.cost(args, _setting(draft)).dose_e_per_a2
    return float(f"{max(given, limit - draft.worst_dose_e_per_a2 + given):.3g}")


def _flake_loop(work: Work, draft: Draft, select: Step, most: int, tool: str, args: dict[str, Any]) -> None:
    head = f"s{draft.count() + 1}"
    field_name = "sum" if tool == "acquire_series" else "frame"
    aside = _aside_nm(args["fov_nm"], draft)
    do = [
        Step(
            id=f"{head}_goto",
            tool="go_to_target",
            inputs={"target": "item"},
            reason="move, register to the survey, let drift settle",
        ),
        Step(
            id=f"{head}_focus",
            tool="autofocus",
            args={"beside_nm": aside},
            reason="focus beside the area, not on it",
        ),
        Step(id=f"{head}_image", tool=tool, args=args, reason="the image itself"),
    ]
    if work.detect:
        do.append(
            Step(
                id=f"{head}_detect",
                tool="detect_defects",
                args={"kind": work.detect},
                inputs={"frame": f"{head}_image.{field_name}"},
                reason="count, with what is not counted",
            )
        )
    draft.steps.append(
        Step(
            id=head,
            for_each=f"{select.id}.targets",
            at_most=most,
            do=tuple(do),
            reason="each chosen flake",
        )
    )
    draft.assume(
        f"at each flake: autofocus {aside:g} nm beside the area; if fewer than {most} are found, only those are imaged"
    )
    if work.density:
        draft.add("estimate_density", "one density with an interval from all images", {"kind": "vacancy"})


def _flake_image(work: Work, spec: ImageSpec, draft: Draft) -> tuple[str, dict[str, Any]] | None:
    """Tool and arguments of the image at each flake; None if refused or asked."""
    slots = (
        spec.fov_nm,
        spec.dwell_us,
        spec.dose_e_per_a2,
        spec.frames,
        spec.width_px,
        spec.pixel_nm,
        spec.frame_s,
    )
    own = any(slot is not None for slot in slots)
    if own and (work.recall is not None or work.error_percent is not None):
        draft.ask(
            f"'{work.said}': settings of the image and a recall or precision: which of the two is to hold?",
            "the recall or precision; dwell and pixel size are chosen for it",
            "the settings",
        )
        return None
    spec.give_back("every_s", "duration_s", "defocus_nm")
    if own:
        seen = _recipe(work, draft)
        draft.dose_here_e_per_a2 = seen.elsewhere_e_per_a2 if seen else 0.0  # survey and overviews count too
        return _own_image(spec, draft, work)
    recipe = _recipe(work, draft)
    if recipe is None:
        draft.ask(
            "The instrument states no probe current, voltage or "
            "convergence, so no dose can be predicted. Which settings?",
            "image at 8 nm, 512 px, dwell 0.5 µs, 4 frames",
        )
        return None
    limit = draft.limit_e_per_a2()
    if not recipe.fits or (work.detect and recipe.blind):
        draft.ask(
            f"Below {number(limit or 0)} e/Å² this can't work: {recipe.say}.",
            f"allow {number(recipe.needed_budget_e_per_a2)} e/Å²",
            "lower the probe current for the survey first (set the probe current to 5 pA)",
            "a shorter survey dwell, such as 1 µs",
        )
        return None
    if not aimed(work, recipe, draft):
        return None
    draft.assume(
        f"'atomic resolution' taken as {recipe.pixel_pm:.1f} pm/px: {recipe.fov_nm:g} nm, {recipe.width_px} px"
    )
    draft.assume(
        f"{recipe.say}; survey, approach and focus included ({number(recipe.elsewhere_e_per_a2)} e/Å² under the probe)"
    )
    draft.assume(f"probe current {number(draft.optics['probe_current_pa'])} pA")
    draft.worst_dose_e_per_a2 = max(draft.worst_dose_e_per_a2, recipe.total_e_per_a2)
    draft.seconds += recipe.seconds * (work.at_most or draft.situation.defaults.targets)
    if limit is None:
        draft.assume("no specimen card and no dose stated: no dose budget is checked")
    one = {
        "detectors": list(spec.detectors or (draft.situation.defaults.detector,)),
        "width_px": recipe.width_px,
        "height_px": recipe.width_px,
        "fov_nm": recipe.fov_nm,
        "dwell_us": recipe.dwell_us,
    }
    return "acquire_series", _series(one, recipe, draft)


def _series(one: dict[str, Any], recipe: AtomicRecipe, draft: Draft) -> dict[str, Any]:
    """The frames that fit in the worst case; where a place has had less than that, up to what is comfortable."""
    limit = draft.limit_e_per_a2()
    if limit is None or recipe.frames_at_most == recipe.frames:
        return series_args(one, recipe.frames)
    able = draft.situation.capabilities
    spare = approach_cost(_setting(draft)).dose_e_per_a2 if able.position_errors.missed_moves else 0.0
    stop_at = float(f"{limit * (1 - MARGIN) - spare:.4g}")
    draft.assume(
        f"up to {recipe.frames_at_most} frames where a place has had less than the worst case: it stops before "
        f"{number(stop_at)} e/Å² in all"
    )
    return {**series_args(one, recipe.frames_at_most), "stop_at_e_per_a2": stop_at}


def _own_image(spec: ImageSpec, draft: Draft, work: Work) -> tuple[str, dict[str, Any]] | None:
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


def _close_grid(work: Work, draft: Draft) -> None:
    if draft.questions or draft.refusals:
        return
    points = work.nx * work.ny
    if not 1 <= points <= MOST_TILES:
        draft.ask(
            f"'{work.said}': {points} positions; one plan takes at most {MOST_TILES}.",
            "a 5x5 grid with 2 µm pitch",
        )
        return
    if not reach(draft, (work.nx - 1) / 2 * work.pitch_um, (work.ny - 1) / 2 * work.pitch_um):
        span = (max(work.nx, work.ny) - 1) * work.pitch_um
        draft.refusals.append(
            f"The grid is {span:g} µm across; a smaller pitch or fewer positions would fit around here."
        )
        return
    if work.spec is not None and work.spec.current_pa is not None:
        only = ImageSpec(current_pa=work.spec.current_pa)
        if not settings(only, draft):
            return
    before = draft.seconds
    image = _own_image(work.spec or ImageSpec(), draft, work)
    if image is None:
        return
    positions = draft.add(
        "grid_positions",
        f"{points} positions around here, snake order",
        {"nx": work.nx, "ny": work.ny, "pitch_um": work.pitch_um},
    )
    span = (max(work.nx, work.ny) - 1) * work.pitch_um
    draft.assume(
        f"{work.nx} × {work.ny} = {points} positions, {work.pitch_um:g} µm apart, {span:g} µm across, centred here"
    )
    _place_loop(draft, f"{positions.id}.positions", points, image, work.detect, work.focus)
    draft.seconds = before + points * (draft.seconds - before)
    if work.revisiting:
        _follow_up(work, draft, points)
    if work.density and work.detect == "vacancy":
        draft.add("estimate_density", "one density with an interval from all images", {"kind": "vacancy"})
    if draft.seconds > LONGEST_S:
        draft.ask(
            f"'{work.said}': {seconds_text(draft.seconds)} of scan time alone.",
            "fewer positions",
            "a shorter dwell",
        )


def _place_loop(
    draft: Draft, places: str, most: int, image: tuple[str, dict[str, Any]], detect: str, focus: bool
) -> None:
    head = f"s{draft.count() + 1}"
    tool, args = image
    do = [
        Step(
            id=f"{head}_move",
            tool="move_stage",
            args={"mode": "absolute"},
            inputs={"x_um": "item.x_um", "y_um": "item.y_um"},
            reason="to the position",
        )
    ]
    if focus:
        aside = _aside_nm(args["fov_nm"], draft)
        do.append(
            Step(
                id=f"{head}_focus",
                tool="autofocus",
                args={"beside_nm": aside},
                reason="focus beside the area",
            )
        )
    do.append(Step(id=f"{head}_image", tool=tool, args=args, reason="image there"))
    if detect:
        name = "sum" if tool == "acquire_series" else "frame"
        do.append(
            Step(
                id=f"{head}_detect",
                tool="detect_defects",
                args={"kind": detect},
                inputs={"frame": f"{head}_image.{name}"},
                reason="defects in that image",
            )
        )
    draft.steps.append(
        Step(id=head, for_each=places, at_most=most, do=tuple(do), reason=f"at most {most} positions")
    )


def _follow_up(work: Work, draft: Draft, points: int) -> None:
    keep = min(work.keep, points)
    rank = draft.add("rank_places", f"the {keep} to revisit", {"by": work.by, "keep": keep})
    before = draft.seconds
    if work.again is not None:
        work.again.give_back("current_pa")
    draft.dose_here_e_per_a2 = draft.worst_dose_e_per_a2  # the first pass exposed the same places
    image = _own_image(work.again or ImageSpec(), draft, work)
    if image is None:
        return
    draft.seconds = before + keep * (draft.seconds - before)
    _place_loop(draft, f"{rank.id}.places", keep, image, work.again_detect, work.again_focus)
    draft.assume(f"worst case {points} + {keep} images, {seconds_text(draft.seconds)} of scan time")
