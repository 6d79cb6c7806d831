"""What a step of a walk gives to the places of the specimen."""

from typing import Any

from eucentric.agent.dose.stage_errors import stage_error_um
from eucentric.agent.preview.walk import Walk
from eucentric.core.calls import Cost
from eucentric.tools.scanning import predicted_dose


def book_dose(name: str, args: Any, cost: Cost, walk: Walk) -> None:
    """Enter what a step gives to the present place, and to those it leaves on its way."""
    if name == "go_to_target":  # until the place is found again, it may be the last one
        walk.worst = max(walk.worst, walk.shared + walk.if_missed() + cost.dose_e_per_a2)
    if name == "survey":
        deep = survey_dose(args, cost, walk)
        before = max(walk.place, _before_survey(args, walk))
        walk.worst = max(walk.worst, walk.shared + before + deep)
        walk.shared += cost.dose_e_per_a2
    else:
        given = _given(cost, walk)
        walk.place += given
        walk.given += given
    if cost.elsewhere_e_per_a2:
        walk.elsewhere = max(walk.elsewhere, walk.shared + walk.place + cost.elsewhere_e_per_a2)
    walk.worst = max(walk.worst, walk.shared + walk.place)


def _given(cost: Cost, walk: Walk) -> float:
    """What a step gives to the present place; one that looks stops in time, but for its first frame."""
    if cost.stops_at_e_per_a2 is None:
        return cost.dose_e_per_a2
    room = cost.stops_at_e_per_a2 - walk.base - walk.shared - walk.place
    return min(cost.dose_e_per_a2, max(room, cost.dose_e_per_a2 / max(cost.frames, 1)))


def _before_survey(args: Any, walk: Walk) -> float:
    """What earlier runs gave to the deepest place of the area; a survey over it can't pass the budget either."""
    x, y = (here if asked is None else asked for asked, here in zip(centre_of(args), walk.xy(), strict=True))
    width, height = (2 * args.half_width_um(count) + args.fov_um for count in (args.tiles_x, args.tiles_y))
    before = walk.earlier(x, y, width, height)
    if before:
        walk.notes.append(
            f"earlier runs gave up to {before:.3g} e/Å² to a place of the survey area (upper bound, stage error "
            f"included); a fresh area begins {max(width, height):.0f} µm away"
        )
    return before


def centre_of(args: Any) -> tuple[float | None, float | None]:
    return args.centre_x_um, args.centre_y_um


def survey_dose(args: Any, cost: Cost, walk: Walk) -> float:
    """At the corners of tiles; targets are chosen off the edges, so that what they had is the tool's own cost.

    Neighbouring tiles lie over each other by their overlap and by the error of the stage; after a move that was
    missed, one more lies on them.
    """
    one = predicted_dose(args.scan(), walk.setting).bound_e_per_a2
    near = args.fov_um + stage_error_um(walk.setting.capabilities)
    deep = fields_deep(near, args.pitch_um, args.tiles_x) * fields_deep(near, args.pitch_um, args.tiles_y)
    tiles: int = args.tiles_x * args.tiles_y
    return max(cost.dose_e_per_a2, one * min(deep + walk.missable(), tiles))


def fields_deep(near_um: float, pitch_um: float, count: int) -> int:
    """Fields of a row that can cover one place."""
    return min(count, 1 + int(near_um / pitch_um))
