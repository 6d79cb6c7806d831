"""Moves of the stage: absolute, relative, by direction, to a place by its name, and back."""

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.limits import check_stage, show
from eucentric.agent.grammar.stage_places import (
    HEAD,
    emit,
    go_back,
    go_to_saved,
    go_to_zero,
    names_a_saved_place,
)
from eucentric.agent.grammar.stage_values import AXES, DIRECTIONS, Value, read_values, values_in


def wants_stage(clause: Clause) -> bool:
    """The clause is about moving the stage."""
    if clause.said("BEAM") and not clause.said("STAGE", "SAMPLE"):
        return False
    if clause.has("MOVE", "TILT", "BACK", "ROTATE"):
        return True
    axis = clause.has(*AXES)
    optic = clause.has("CURRENT", "DEFOCUS", "FOV", "BEAMSHIFT", "DWELL")
    if clause.has("RAISE", "LOWER"):
        return (axis or clause.said("STAGE", "SAMPLE")) and not optic
    return (axis and not optic and bool(values_in(clause)) and not clause.has("SURVEY", "GRID")) or _directed(
        clause
    )


def _directed(clause: Clause) -> bool:
    """'5 µm to the left', '-250 nm in y' with no verb at all."""
    return (
        clause.has(*DIRECTIONS)
        and bool(clause.free("length"))
        and not clause.has("IMAGE", "ACQUIRE", "HAADF", "BF")
    )


def move(clause: Clause, draft: Draft) -> None:
    """Write the move of this clause, or ask, or refuse."""
    if clause.has("ROTATE"):
        draft.ask(
            f"'{clause.swallow()}': this stage tilts (alpha, beta), it does not rotate. Which tilt is meant?",
            "tilt alpha by 5 degrees",
            "tilt beta by 5 degrees",
        )
        return
    values = values_in(clause)
    measured = any(token.kind == "quantity" for token in values)
    if not values or (not measured and names_a_saved_place(clause, draft)):
        _without_numbers(clause, draft)
        return
    if not measured and not clause.has(*AXES) and all(token.value == 0 for token in values):
        for token in values:
            token.used = True
        go_to_zero(clause, draft)
        return
    readings = read_values(clause, values, draft)
    if readings:
        _write(clause, readings, draft)


def _write(clause: Clause, values: list[Value], draft: Draft) -> None:
    clause.take(
        *HEAD,
        *AXES,
        *DIRECTIONS,
        "ABSOLUTE",
        "POSITION",
        "NEGATIVE",
        "POSITIVE",
        "SET",
        "PLACE",
        "BY",
        "BACK",
    )
    absolute = any(value.absolute for value in values) and not any(value.relative for value in values)
    if not absolute and not any(value.relative for value in values) and not _same(values, draft):
        draft.assume("read as a move relative to the present position (say 'to' for an absolute one)")
        if any(value.axis.endswith("deg") for value in values):
            _ask_tilt_mode(clause, values, draft)
            return
    target = {v.axis: v.amount if absolute else draft.at.get(v.axis, 0.0) + v.amount for v in values}
    if not check_stage(draft, target):
        return
    args = {v.axis if absolute else f"d{v.axis}": v.amount for v in values}
    emit(draft, {"mode": "absolute" if absolute else "relative", **args}, target)


def _ask_tilt_mode(clause: Clause, values: list[Value], draft: Draft) -> None:
    first = values[0]
    stem, now = first.axis.rpartition("_")[0], draft.at.get(first.axis, 0.0)
    draft.ask(
        f"'{clause.text}': {stem} is at {show(first.axis, now)}; to {show(first.axis, first.amount)}, or by that much?",
        f"tilt {stem} to {first.amount:g} degrees",
        f"tilt {stem} by {first.amount:g} degrees (to {now + first.amount:g})",
    )


def _same(values: list[Value], draft: Draft) -> bool:
    return all(abs(draft.at.get(value.axis, 0.0)) < 0.005 for value in values)


def _without_numbers(clause: Clause, draft: Draft) -> None:
    if clause.has("ALITTLE"):
        draft.ask(
            f"'{clause.swallow()}': how far, and which way?",
            "move 1 µm to the right (stage +x), about 1 s, no dose",
            "move -500 nm in y, about 1 s, no dose",
            "tilt alpha by 1 degree",
        )
    elif clause.has("ZERO"):
        go_to_zero(clause, draft)
    elif not (go_to_saved(clause, draft) or go_back(clause, draft)):
        hints = [f"go to saved position {name}" for name in list(draft.saved)[:2]]
        draft.ask(
            f"'{clause.swallow()}': where to?", "move 5 µm to the right", "go to x = 10 µm, y = -5 µm", *hints
        )
