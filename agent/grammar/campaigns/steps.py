"""A campaign that has been described, as steps: survey, choose, loop, combine."""

from typing import Any

from eucentric.agent.grammar.campaigns.campaign import Work
from eucentric.agent.grammar.campaigns.image import flake_image, own_image
from eucentric.agent.grammar.campaigns.loops import flake_loop, place_loop
from eucentric.agent.grammar.campaigns.recipe import spare
from eucentric.agent.grammar.campaigns.survey import LONGEST_S, MOST_TILES, reach, survey_args, survey_fits
from eucentric.agent.grammar.draft import Draft, seconds_text
from eucentric.agent.grammar.image_spec import ImageSpec
from eucentric.agent.grammar.imaging import settings
from eucentric.agent.grammar.limits import check_optics
from eucentric.core.plan import Step


def close(work: Work, draft: Draft) -> None:
    """Write the steps of a campaign once all of it has been said."""
    (_close_flakes if work.kind == "flakes" else _close_grid)(work, draft)


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
    image = flake_image(work, spec, draft)
    if image is None:
        return
    if spec.current_pa is not None:
        draft.add("set_optics", f"{spec.current_pa:g} pA", {"probe_current_pa": spec.current_pa})
    select = _select(work, draft)
    if select is not None:
        flake_loop(draft, f"{select.id}.targets", select.args["at_most"], image, work.detect)
        _density(work, draft)


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
    left = spare(draft, args_survey)
    if left is not None:
        picked["max_before_e_per_a2"] = left
    return draft.add(
        "select_targets",
        f"at most {most} flakes of {layers} layer(s), largest and evenest first",
        picked,
        frames=f"{survey.id}.frames",
    )


def _close_grid(work: Work, draft: Draft) -> None:
    if draft.questions or draft.refusals:
        return
    points = work.nx * work.ny
    if not _grid_fits(work, draft, points):
        return
    if work.spec is not None and work.spec.current_pa is not None:
        only = ImageSpec(current_pa=work.spec.current_pa)
        if not settings(only, draft):
            return
    before = draft.seconds
    image = own_image(work.spec or ImageSpec(), draft, work)
    if image is None:
        return
    positions = _positions(work, draft, points)
    place_loop(draft, f"{positions.id}.positions", points, image, work.detect, work.focus)
    draft.seconds = before + points * (draft.seconds - before)
    if work.revisiting:
        _follow_up(work, draft, points)
    if work.detect == "vacancy":
        _density(work, draft)
    if draft.seconds > LONGEST_S:
        draft.ask(
            f"'{work.said}': {seconds_text(draft.seconds)} of scan time alone.",
            "fewer positions",
            "a shorter dwell",
        )


def _grid_fits(work: Work, draft: Draft, points: int) -> bool:
    """Whether the stage reaches all positions and one plan takes them; refused or asked if not."""
    if not 1 <= points <= MOST_TILES:
        draft.ask(
            f"'{work.said}': {points} positions; one plan takes at most {MOST_TILES}.",
            "a 5x5 grid with 2 µm pitch",
        )
        return False
    if not reach(draft, (work.nx - 1) / 2 * work.pitch_um, (work.ny - 1) / 2 * work.pitch_um):
        draft.refusals.append(
            f"The grid is {_span_um(work):g} µm across; a smaller pitch or fewer positions would fit around here."
        )
        return False
    return True


def _span_um(work: Work) -> float:
    return (max(work.nx, work.ny) - 1) * work.pitch_um


def _positions(work: Work, draft: Draft, points: int) -> Step:
    positions = draft.add(
        "grid_positions",
        f"{points} positions around here, snake order",
        {"nx": work.nx, "ny": work.ny, "pitch_um": work.pitch_um},
    )
    draft.assume(
        f"{work.nx} × {work.ny} = {points} positions, {work.pitch_um:g} µm apart, {_span_um(work):g} µm across, "
        f"centred here"
    )
    return positions


def _density(work: Work, draft: Draft) -> None:
    if work.density:
        draft.add("estimate_density", "one density with an interval from all images", {"kind": "vacancy"})


def _follow_up(work: Work, draft: Draft, points: int) -> None:
    keep = min(work.keep, points)
    rank = draft.add("rank_places", f"the {keep} to revisit", {"by": work.by, "keep": keep})
    before = draft.seconds
    if work.again is not None:
        work.again.give_back("current_pa")
    draft.dose_here_e_per_a2 = draft.worst_dose_e_per_a2  # the first pass exposed the same places
    image = own_image(work.again or ImageSpec(), draft, work)
    if image is None:
        return
    draft.seconds = before + keep * (draft.seconds - before)
    place_loop(draft, f"{rank.id}.places", keep, image, work.again_detect, work.again_focus)
    draft.assume(f"worst case {points} + {keep} images, {seconds_text(draft.seconds)} of scan time")
