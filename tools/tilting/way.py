"""From a target to a path of readings, or to a refusal that says what would work. Nothing is sent here."""

import math
from collections.abc import Sequence

from eucentric.core.errors import LimitRefused, Refused
from eucentric.core.instrument import Outlook, StageMove
from eucentric.knowledge.crystal import Reading, shown
from eucentric.knowledge.tilting import Answer, Situation
from eucentric.knowledge.tilting.target import name_of
from eucentric.tools.base import Context

SAME_DEG = 1.0
"""Candidates whose tilts differ by less are one answer (reference 7.4)."""
_OVERSHOOT_DEG = 1.0
"""By which an axis goes beyond and comes back, if it would arrive from the wrong side."""
APPROACH = 1
"""The side from which the last move of each axis comes: readings grow."""


def check_answer(situation: Situation, answer: Answer) -> None:
    """Refused if the candidates disagree, or the target is out of reach.

    Raises
    ------
    Refused
        Naming the axis that would tell the candidates apart.
    LimitRefused
        With the nearest tilt, its distance, and what else is in reach.
    """
    if answer.ambiguous:
        raise Refused(
            f"{answer.candidates} orientations fit, and they put {answer.target.label} {answer.spread_deg:.1f}° apart",
            f"nothing is moved on a guess: {SAME_DEG:g}° is allowed",
            _look(answer),
        )
    tilt = answer.best.tilt
    if not tilt.reachable:
        raise LimitRefused(
            f"{name_of(situation.crystal, answer.best.indices, answer.target.kind)} needs alpha "
            f"{tilt.alpha_deg:+.2f}, beta {tilt.beta_deg:+.2f} deg",
            f"{_limits(situation)}; nothing was sent to the instrument",
            f"nearest: alpha {tilt.nearest_alpha_deg:+.2f}, beta {tilt.nearest_beta_deg:+.2f} deg, "
            f"{tilt.residual_deg:.2f}° off{_alternatives(situation, answer)}",
        )


def _look(answer: Answer) -> str:
    look = answer.next_axis
    if look is None:
        return "read a third zone axis, or the azimuth of a reflection at one of those read"
    return (
        f"look at {shown(look.uvw)}: alpha {look.alpha_deg:+.2f}, beta {look.beta_deg:+.2f} deg by the first; the "
        f"others have it {look.separation_deg:.1f}° away"
    )


def _limits(situation: Situation) -> str:
    limits = situation.stage.limits
    if limits is None:
        return "no limits are declared"
    corners = limits.boundary([k / 64 for k in range(64)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    return f"limits alpha {low[0]:.3g} … {high[0]:.3g}, beta {low[1]:.3g} … {high[1]:.3g} deg"


def _alternatives(situation: Situation, answer: Answer) -> str:
    near = [
        f"{name_of(situation.crystal, one.uvw)} at alpha {one.alpha_deg:+.2f}, beta {one.beta_deg:+.2f}"
        for one in answer.near[:2]
    ]
    return f"; in reach near there: {', '.join(near)}" if near else ""


def check_expected(expected: tuple[float | None, float | None], tilt: Reading) -> None:
    """Refused if the tilt is not where the plan that was approved said it would be.

    Raises
    ------
    Refused
        Naming both.
    """
    alpha, beta = expected
    if alpha is None or beta is None:
        return
    off = math.hypot(alpha - tilt.alpha_deg, beta - tilt.beta_deg)
    if off > SAME_DEG:
        raise Refused(
            f"the target is at alpha {tilt.alpha_deg:+.2f}, beta {tilt.beta_deg:+.2f} deg now",
            f"the plan was approved for alpha {alpha:+.2f}, beta {beta:+.2f}, {off:.1f}° away: other readings have "
            "come in; nothing was sent",
            "make the plan again",
        )


def readings_between(start: Reading, end: Reading, step_deg: float) -> tuple[Reading, ...]:
    """Readings from after `start` to `end`, no axis moving more than a step at once; straight in both readings."""
    far = max(abs(end.alpha_deg - start.alpha_deg), abs(end.beta_deg - start.beta_deg))
    count = max(1, math.ceil(far / step_deg - 1e-9))
    return tuple(
        Reading(
            alpha_deg=start.alpha_deg + (end.alpha_deg - start.alpha_deg) * k / count,
            beta_deg=start.beta_deg + (end.beta_deg - start.beta_deg) * k / count,
        )
        for k in range(1, count + 1)
    )


def before_arrival(situation: Situation, start: Reading, end: Reading) -> Reading | None:
    """Where to come from so that both axes arrive growing: beyond the end for those that would arrive falling.

    None if both grow already, or the detour is out of reach; then backlash stays in the arrival's error.
    """
    falls = [(end.alpha_deg - start.alpha_deg) * APPROACH < 0, (end.beta_deg - start.beta_deg) * APPROACH < 0]
    if not any(falls):
        return None
    beyond = Reading(
        alpha_deg=end.alpha_deg - APPROACH * _OVERSHOOT_DEG * falls[0],
        beta_deg=end.beta_deg - APPROACH * _OVERSHOOT_DEG * falls[1],
    )
    limits = situation.stage.limits
    inside = limits is None or limits.contains(beyond.alpha_deg, beyond.beta_deg)
    return beyond if inside else None


def path_to(situation: Situation, end: Reading, step_deg: float) -> tuple[Reading, ...]:
    """Readings of a whole tilt, the detour against backlash included."""
    start, beyond = situation.now, before_arrival(situation, situation.now, end)
    if beyond is None:
        return readings_between(start, end, step_deg)
    return (*readings_between(start, beyond, step_deg), end)


def check_way(
    context: Context, path: Sequence[Reading], x_um: float, y_um: float, around_um: float
) -> Outlook:
    """The instrument's own outlook on the path, recentring by up to `around_um` included.

    Raises
    ------
    LimitRefused
        If limits or the room in the gap forbid it, or a real stage's clearance is not known.
    """
    corners = [(sx * around_um, sy * around_um) for sx, sy in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    moves = []
    for n, reading in enumerate(path):
        dx, dy = corners[n % 4]
        moves.append(move_to(context, reading, x_um + dx, y_um + dy))
    last = path[-1]
    moves.append(move_to(context, last, x_um, y_um))
    outlook = context.microscope.look_ahead(moves)
    simulated = context.microscope.capabilities().simulated
    if outlook.problems or not (outlook.clearance_known or simulated):
        why = (
            "; ".join(outlook.problems[:3]) or "nobody measured the gap and this holder: clearance is unknown"
        )
        raise LimitRefused(
            f"the tilt to alpha {last.alpha_deg:+.2f}, beta {last.beta_deg:+.2f} deg can't be gone",
            f"{why}; nothing was sent to the instrument",
            "tilt less, or start nearer to x = y = z = 0; staff register holders and limits",
        )
    return outlook


def move_to(
    context: Context, reading: Reading, x_um: float | None = None, y_um: float | None = None
) -> StageMove:
    """The move to a reading; a second axis that the stage has not is left out."""
    second = "beta_deg" in context.microscope.state().stage
    return StageMove(
        x_um=x_um, y_um=y_um, alpha_deg=reading.alpha_deg, beta_deg=reading.beta_deg if second else None
    )
