"""Loops over many places: flakes found in a survey, the points of a grid, the worst of them again."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from eucentric.agent.grammar.clauses import Clause
from eucentric.agent.grammar.draft import Draft, number, seconds_text
from eucentric.agent.grammar.image_spec import ImageSpec, read_image
from eucentric.agent.grammar.imaging import contradictions, resolve, series_args, settings
from eucentric.agent.grammar.limits import check_optics, check_stage
from eucentric.core.plan import Step
from eucentric.knowledge.acquisition import (
    BLIND_COUNTS,
    AtomicRecipe,
    overview_bound_e_per_a2,
    recommend_atomic,
)
from eucentric.knowledge.scattering import haadf_cross_section_a2

FOCUS_ASIDE_NM: Final = 60.0
_LAYERS: Final = {"MONOLAYER": 1, "BILAYER": 2, "TRILAYER": 3}
LONGEST_S: Final = 12 * 3600.0
"""Longer than this is a question, not a plan."""
MOST_TILES: Final = 2000


@dataclass
class Work:
    """A campaign that is still being described, clause by clause."""

    kind: str
    """'flakes' or 'grid'."""
    said: str
    at_most: int | None = None
    layers: int | None = None
    min_size_nm: float | None = None
    material: str = ""
    element: str = ""
    nx: int = 1
    ny: int = 1
    pitch_um: float = 0.0
    spec: ImageSpec | None = None
    detect: str = ""
    density: bool = False
    focus: bool = False
    by: str = ""
    keep: int = 0
    again: ImageSpec | None = None
    again_detect: str = ""
    again_focus: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def revisiting(self) -> bool:
        """The places to come back to have been named."""
        return self.keep > 0


def wants_flakes(clause: Clause) -> bool:
    """The clause names things to look for on the sample."""
    return clause.has("FLAKE", "PARTICLE") and clause.has(
        "FIND", "IMAGE", "DETECT", "SURVEY", "ACQUIRE", "VACANCY", "QUESTION", "HAADF"
    )


def flakes(clause: Clause, draft: Draft) -> Work:
    """Read what to look for, and what else the clause says of it."""
    work = Work("flakes", clause.text)
    if clause.has("PARTICLE"):
        draft.ask(f"'{clause.swallow()}': the picker knows flakes of a number of layers, not particles.",
                  "find monolayer flakes and image three", "survey 4x4 tiles of 20 µm, then look yourself")  # fmt: skip
        return work
    _layers(clause, work, draft)
    for token in clause.free("length"):
        if clause.near(token, {"ABOVE", "SIZE"}, before=4, after=5):
            work.min_size_nm, token.used = token.value, True
            clause.take("ABOVE")
            break
    _how_many(clause, work)
    _detection(clause, work)
    if clause.has("IMAGE", "HAADF", "BF", "ATOMIC") or clause.free("dose"):
        work.spec = read_image(clause, draft, counted=False)
    clause.take(
        "FLAKE", "FIND", "SURVEY", "ACQUIRE", "IMAGE", "SUITABLE", "QUESTION", "MANY", "GRID", "WHOLE"
    )
    return work


def _layers(clause: Clause, work: Work, draft: Draft) -> None:
    for concept, layers in _LAYERS.items():
        if clause.take(concept):
            work.layers = layers
    for token in clause.kind("number"):
        if clause.near(token, {"LAYERS"}, before=0, after=2) and token.value == int(token.value):
            work.layers, token.used = int(token.value), True
    if clause.take("FEWLAYER"):
        draft.ask(f"'{clause.text}': how many layers?", "bilayer flakes", "3-layer flakes")
    clause.take("LAYERS")


def _how_many(clause: Clause, work: Work) -> None:
    counts = [
        token for token in clause.kind("number") if token.value == int(token.value) and 1 <= token.value <= 50
    ]
    if counts:
        work.at_most, counts[0].used = int(counts[0].value), True


def _detection(clause: Clause, work: Work) -> None:
    if clause.has("VACANCY", "DEFECT", "DENSITY"):
        work.detect = "vacancy" if clause.said("VACANCY") or not clause.said("DEFECT") else "any"
        work.density = clause.has("DENSITY", "VACANCY")
        clause.take("VACANCY", "DEFECT", "DENSITY", "DETECT", "QUESTION")


def wants_grid(clause: Clause) -> bool:
    """The clause names points or tiles of a grid, or a survey."""
    return clause.has("SURVEY") or (clause.has("GRID") and bool(clause.kind("grid") or clause.kind("number"))) or (
        bool(clause.kind("grid")) and clause.has("IMAGE", "ACQUIRE", "HAADF", "BF", "MOVE", "PITCH")
    )  # fmt: skip


def grid(clause: Clause, draft: Draft) -> Work | None:
    """A grid of separate points (with a pitch) opens a loop; tiles without one are a survey."""
    points = clause.kind("grid") or [
        token for token in clause.kind("size") if clause.near(token, {"GRID"}, 1, 2)
    ]
    pitch = _pitch(clause)
    if points and pitch is not None:
        points[0].used = True
        work = Work(
            "grid", clause.text, nx=int(points[0].value), ny=int(points[0].second), pitch_um=pitch / 1000
        )
        _detection(clause, work)
        clause.take("GRID", "SURVEY", "PITCH", "MOVE", "PLACE", "POSITION", "OVERVIEW", "REVISIT")
        if (
            clause.has("IMAGE", "HAADF", "BF")
            or clause.free("length", "px", "time", "current")
            or clause.kind("size")
        ):
            work.spec = read_image(clause, draft)
        clause.take("ACQUIRE", "SET")
        return work
    _survey(clause, draft, (int(points[0].value), int(points[0].second)) if points else None, points)
    return None


def _pitch(clause: Clause) -> float | None:
    for token in clause.free("length"):
        word = clause.near(token, {"PITCH", "EVERY"})
        if word is not None:
            token.used = word.used = True
            return token.value
    return None


def survey_args(
    draft: Draft, tiles: tuple[int, int] | None = None, fov_um: float | None = None
) -> dict[str, Any]:
    """The survey with its defaults filled in."""
    defaults = draft.situation.defaults
    nx, ny = tiles or (defaults.survey_tiles, defaults.survey_tiles)
    return {"tiles_x": nx, "tiles_y": ny, "fov_um": fov_um or defaults.survey_fov_um, "width_px": defaults.width_px,
            "dwell_us": defaults.survey_dwell_us}  # fmt: skip


def _survey(clause: Clause, draft: Draft, tiles: tuple[int, int] | None, used: list[Any]) -> None:
    for token in used[:1]:
        token.used = True
    overlap = next((token for token in clause.free("percent") if clause.near(token, {"OVERLAP"})), None)
    if overlap is not None and clause.take("OVERLAP"):
        overlap.used = True
    clause.take("SURVEY", "GRID", "WHOLE", "OVERVIEW", "MOVE")
    spec = read_image(clause, draft)
    spec.give_back("frame_s", "frames", "pixel_nm", "defocus_nm", "dose_e_per_a2", "every_s", "duration_s")
    if spec.height_px != spec.width_px:
        spec.give_back("width_px")
    if not settings(spec, draft):
        return
    args = survey_args(draft, tiles, spec.fov_nm / 1000 if spec.fov_nm else None)
    args["width_px"] = spec.width_px or args["width_px"]
    args["dwell_us"] = spec.dwell_us or args["dwell_us"]
    if overlap is not None:
        args["overlap"] = overlap.value / 100
    said = [
        name
        for name, given in (("tiles", tiles), ("field", spec.fov_nm), ("dwell", spec.dwell_us))
        if not given
    ]
    if said:
        draft.assume(
            f"survey {args['tiles_x']} × {args['tiles_y']} tiles of {args['fov_um']:g} µm, {args['width_px']} px, "
            f"{args['dwell_us']:g} µs (default: {', '.join(said)})"
        )
    if _survey_fits(draft, args):
        step = draft.add("survey", "look around", args)
        draft.last_image = f"{step.id}.frames"


def _survey_fits(draft: Draft, args: dict[str, Any]) -> bool:
    tiles = args["tiles_x"] * args["tiles_y"]
    price = draft.price(args["fov_um"] * 1000, args["width_px"], args["width_px"], args["dwell_us"])
    if price and (tiles * price.seconds > LONGEST_S or tiles > MOST_TILES):
        draft.ask(
            f"{tiles} tiles of {args['fov_um']:g} µm take {seconds_text(tiles * price.seconds)} of scan time alone; that is more "
            f"than {LONGEST_S / 3600:g} h or {MOST_TILES} tiles.", "survey 4x4 tiles of 20 µm", "a larger field of view per tile",
        )  # fmt: skip
        return False
    half = [
        (args[f"tiles_{axis}"] - 1) / 2 * args["fov_um"] * (1 - args.get("overlap", 0.1)) for axis in "xy"
    ]
    if not _reach(draft, half[0], half[1]):
        return False
    if price:
        draft.seconds += tiles * price.seconds
        draft.assume(f"predicted survey: {tiles} tiles, {seconds_text(tiles * price.seconds)}, {number(price.mean_e_per_a2)} e/Å² mean, "
                     f"at most {number(price.bound_e_per_a2)} where the probe lands")  # fmt: skip
        limit = draft.limit_e_per_a2()
        if limit is not None and price.bound_e_per_a2 > limit:
            return draft.charge(
                price, "the survey", f"survey dwell {args['dwell_us'] * limit / price.bound_e_per_a2:.2g} µs"
            )
    return True


def _reach(draft: Draft, half_x_um: float, half_y_um: float) -> bool:
    x, y = draft.at.get("x_um", 0.0), draft.at.get("y_um", 0.0)
    ends = [{"x_um": x - half_x_um, "y_um": y - half_y_um}, {"x_um": x + half_x_um, "y_um": y + half_y_um}]
    before = len(draft.refusals)
    return check_stage(draft, ends[0]) and check_stage(draft, ends[1]) and len(draft.refusals) == before


def wants_revisit(clause: Clause, work: Work | None) -> bool:
    """'go back to the 3 worst'."""
    return (
        work is not None
        and clause.has("WORST", "BEST")
        and clause.has("BACK", "REVISIT", "MOVE", "RANK", "IMAGE", "FIND", "ACQUIRE")
    )


def revisit(clause: Clause, draft: Draft, work: Work) -> None:
    """Rank the places of the open grid and come back to some."""
    best = clause.has("BEST")
    work.by = "quality" if best else "vacancy_density"
    counts = [
        token for token in clause.kind("number") if token.value == int(token.value) and token.value >= 1
    ]
    work.keep = int(counts[0].value) if counts else draft.situation.defaults.targets
    for token in counts[:1]:
        token.used = True
    if not counts:
        draft.assume(f"how many to revisit was not said: {work.keep}")
    meaning = "best image quality" if best else "highest defect density found"
    draft.assume(
        f"'{'best' if best else 'worst'}' read as {meaning}; only positions of this grid can be revisited"
    )
    if not best and not work.detect:
        work.detect = "any"
        draft.assume("defect detection added at each position, since the ranking needs it")
    clause.take(
        "WORST",
        "BEST",
        "BACK",
        "REVISIT",
        "MOVE",
        "RANK",
        "FIND",
        "POSITION",
        "DEFECT",
        "DENSITY",
        "VACANCY",
        "PLACE",
    )
    if clause.has("IMAGE", "HAADF", "BF", "ACQUIRE") or clause.free("length", "px", "time"):
        work.again = read_image(clause, draft)


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
        except Exception:  # an element without a cross-section can't be the brightest
            continue
        if value > best:
            best, seen = value, symbol
    if not best:
        draft.assume("no material known: contrast of a Ti column taken for the counts")
    return seen


def _recipe(work: Work, draft: Draft) -> AtomicRecipe | None:
    optics = draft.optics
    if not all(optics.get(name) for name in ("probe_current_pa", "voltage_kv", "convergence_mrad")):
        return None
    able = draft.situation.capabilities
    survey = survey_args(draft)
    flyback = able.line_flyback_s * 1e6
    spent = overview_bound_e_per_a2(
        optics["probe_current_pa"], optics["voltage_kv"], optics["convergence_mrad"], survey_dwell_us=survey["dwell_us"],
        survey_fov_um=survey["fov_um"], survey_px=survey["width_px"], flyback_us=flyback,
    )  # fmt: skip
    return recommend_atomic(
        budget_e_per_a2=draft.limit_e_per_a2(), current_pa=optics["probe_current_pa"], voltage_kv=optics["voltage_kv"],
        convergence_mrad=optics["convergence_mrad"], cross_section_a2=haadf_cross_section_a2(_element(work, draft), optics["voltage_kv"]),
        spent_elsewhere_e_per_a2=spent, flyback_us=flyback, overhead_s=able.frame_overhead_s, min_dwell_us=able.min_dwell_s * 1e6,
    )  # fmt: skip


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
    args_survey = survey_args(draft)
    draft.assume(f"survey {args_survey['tiles_x']} × {args_survey['tiles_y']} tiles of {args_survey['fov_um']:g} µm, "
                 f"{args_survey['dwell_us']:g} µs, around the present position (default)")  # fmt: skip
    if not _survey_fits(draft, args_survey):
        return None
    survey = draft.add("survey", "find candidate flakes at low dose", args_survey)
    picked: dict[str, Any] = {
        "kind": "monolayer" if layers == 1 else "flake",
        "layers": layers,
        "at_most": most,
    }
    picked["min_size_nm"] = work.min_size_nm or 200.0
    if work.min_size_nm is None:
        draft.assume("smallest flake taken: 200 nm (default)")
    return draft.add(
        "select_targets",
        f"at most {most} flakes of {layers} layer(s); you confirm them",
        picked,
        frames=f"{survey.id}.frames",
    )


def _flake_loop(work: Work, draft: Draft, select: Step, most: int, tool: str, args: dict[str, Any]) -> None:
    head = f"s{draft.count() + 1}"
    field_name = "sum" if tool == "acquire_series" else "frame"
    aside = max(FOCUS_ASIDE_NM, 3 * args["fov_nm"])
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
        do.append(Step(id=f"{head}_detect", tool="detect_defects", args={"kind": work.detect},
                       inputs={"frame": f"{head}_image.{field_name}"}, reason="count, with what is not counted"))  # fmt: skip
    draft.steps.append(
        Step(
            id=head,
            for_each=f"{select.id}.targets",
            at_most=most,
            do=tuple(do),
            reason="each confirmed flake",
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
    spec.give_back("every_s", "duration_s", "defocus_nm")
    if own:
        return _own_image(spec, draft, work)
    recipe = _recipe(work, draft)
    if recipe is None:
        draft.ask("The instrument states no probe current, voltage or convergence, so no dose can be predicted. Which settings?",
                  "image at 8 nm, 512 px, dwell 0.5 µs, 4 frames")  # fmt: skip
        return None
    limit = draft.limit_e_per_a2()
    if not recipe.fits or (work.detect and recipe.counts_per_column < BLIND_COUNTS):
        draft.ask(
            f"Below {number(limit or 0)} e/Å² this can't work: {recipe.say}.", f"allow {number(recipe.needed_budget_e_per_a2)} e/Å²",
            "lower the probe current for the survey first (set the probe current to 5 pA)", "a shorter survey dwell, such as 1 µs",
        )  # fmt: skip
        return None
    draft.assume(
        f"'atomic resolution' taken as {recipe.pixel_pm:.1f} pm/px: {recipe.fov_nm:g} nm, {recipe.width_px} px"
    )
    draft.assume(
        f"{recipe.say}; survey and two overviews included ({number(recipe.elsewhere_e_per_a2)} e/Å² under the probe)"
    )
    draft.assume(f"probe current {number(draft.optics['probe_current_pa'])} pA")
    draft.worst_dose_e_per_a2 = max(draft.worst_dose_e_per_a2, recipe.total_e_per_a2)
    draft.seconds += recipe.seconds * (work.at_most or draft.situation.defaults.targets)
    if limit is None:
        draft.assume("no specimen card and no dose stated: no dose budget is checked")
    one = {"detectors": list(spec.detectors or (draft.situation.defaults.detector,)), "width_px": recipe.width_px,
           "height_px": recipe.width_px, "fov_nm": recipe.fov_nm, "dwell_us": recipe.dwell_us}  # fmt: skip
    return "acquire_series", series_args(one, recipe.frames)


def _own_image(spec: ImageSpec, draft: Draft, work: Work) -> tuple[str, dict[str, Any]] | None:
    contradictions(spec)
    spec.give_back("every_s", "duration_s", "defocus_nm")
    if not spec.summed:
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
    if not _reach(draft, (work.nx - 1) / 2 * work.pitch_um, (work.ny - 1) / 2 * work.pitch_um):
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
    positions = draft.add("grid_positions", f"{points} positions around here, snake order",
                          {"nx": work.nx, "ny": work.ny, "pitch_um": work.pitch_um})  # fmt: skip
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
    do = [Step(id=f"{head}_move", tool="move_stage", args={"mode": "absolute"}, inputs={"x_um": "item.x_um", "y_um": "item.y_um"},
               reason="to the position")]  # fmt: skip
    if focus:
        aside = max(FOCUS_ASIDE_NM, 3 * args["fov_nm"])
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
        do.append(Step(id=f"{head}_detect", tool="detect_defects", args={"kind": detect}, inputs={"frame": f"{head}_image.{name}"},
                       reason="defects in that image"))  # fmt: skip
    draft.steps.append(
        Step(id=head, for_each=places, at_most=most, do=tuple(do), reason=f"at most {most} positions")
    )


def _follow_up(work: Work, draft: Draft, points: int) -> None:
    keep = min(work.keep, points)
    rank = draft.add("rank_places", f"the {keep} to revisit", {"by": work.by, "keep": keep})
    before = draft.seconds
    if work.again is not None:
        work.again.give_back("current_pa")
    image = _own_image(work.again or ImageSpec(), draft, work)
    if image is None:
        return
    draft.seconds = before + keep * (draft.seconds - before)
    _place_loop(draft, f"{rank.id}.places", keep, image, work.again_detect, work.again_focus)
    draft.assume(f"worst case {points} + {keep} images, {seconds_text(draft.seconds)} of scan time")
