"""Surveys: tiles around the present position, checked against travel, time and dose."""

from typing import Any, Final

from eucentric.agent.grammar.draft import Draft, number, seconds_text
from eucentric.agent.grammar.image_spec import read_image
from eucentric.agent.grammar.imaging import settings
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.limits import check_stage

LONGEST_S: Final = 12 * 3600.0
"""Longer than this is a question, not a plan."""


MOST_TILES: Final = 2000


def survey_args(
    draft: Draft, tiles: tuple[int, int] | None = None, fov_um: float | None = None
) -> dict[str, Any]:
    """The survey with its defaults filled in."""
    defaults = draft.situation.defaults
    nx, ny = tiles or (defaults.survey_tiles, defaults.survey_tiles)
    return {
        "tiles_x": nx,
        "tiles_y": ny,
        "fov_um": fov_um or defaults.survey_fov_um,
        "width_px": defaults.width_px,
        "dwell_us": defaults.survey_dwell_us,
    }


def survey(clause: Clause, draft: Draft, tiles: tuple[int, int] | None, used: list[Any]) -> None:
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
    if survey_fits(draft, args):
        step = draft.add("survey", "look around", args)
        draft.last_image = f"{step.id}.frames"


def survey_fits(draft: Draft, args: dict[str, Any]) -> bool:
    tiles = args["tiles_x"] * args["tiles_y"]
    price = draft.price(args["fov_um"] * 1000, args["width_px"], args["width_px"], args["dwell_us"])
    if price and (tiles * price.seconds > LONGEST_S or tiles > MOST_TILES):
        draft.ask(
            f"{tiles} tiles of {args['fov_um']:g} µm take "
            f"{seconds_text(tiles * price.seconds)} of scan time alone; that is more "
            f"than {LONGEST_S / 3600:g} h or {MOST_TILES} tiles.",
            "survey 4x4 tiles of 20 µm",
            "a larger field of view per tile",
        )
        return False
    half = [
        (args[f"tiles_{axis}"] - 1) / 2 * args["fov_um"] * (1 - args.get("overlap", 0.1)) for axis in "xy"
    ]
    if not reach(draft, half[0], half[1]):
        return False
    if price:
        draft.seconds += tiles * price.seconds
        draft.assume(
            f"predicted survey: {tiles} tiles, {seconds_text(tiles * price.seconds)}, "
            f"{number(price.mean_e_per_a2)} e/Å² mean, "
            f"at most {number(price.bound_e_per_a2)} where the probe lands"
        )
        limit = draft.limit_e_per_a2()
        if limit is not None and price.bound_e_per_a2 > limit:
            return draft.charge(
                price, "the survey", f"survey dwell {args['dwell_us'] * limit / price.bound_e_per_a2:.2g} µs"
            )
    return True


def reach(draft: Draft, half_x_um: float, half_y_um: float) -> bool:
    x, y = draft.at.get("x_um", 0.0), draft.at.get("y_um", 0.0)
    ends = [{"x_um": x - half_x_um, "y_um": y - half_y_um}, {"x_um": x + half_x_um, "y_um": y + half_y_um}]
    before = len(draft.refusals)
    return check_stage(draft, ends[0]) and check_stage(draft, ends[1]) and len(draft.refusals) == before
