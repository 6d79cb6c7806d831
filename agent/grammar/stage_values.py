"""The numbers of a move: for which axis or direction, which way, and whether a position or a change."""

from dataclasses import dataclass
from typing import Final

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.tokens import Token

AXES: Final = {"X": "x_um", "Y": "y_um", "Z": "z_um", "ALPHA": "alpha_deg", "BETA": "beta_deg"}
DIRECTIONS: Final = {
    "RIGHT": ("x_um", 1.0),
    "LEFT": ("x_um", -1.0),
    "UP": ("y_um", -1.0),
    "DOWN": ("y_um", 1.0),
}


@dataclass
class Value:
    """One number of a move and the axis it is meant for."""

    axis: str
    amount: float
    relative: bool
    """It was said that it is a change."""
    absolute: bool
    """It was said that it is a position."""


def values_in(clause: Clause) -> list[Token]:
    """Numbers and quantities of a clause that may be meant for an axis."""
    return [
        token
        for token in clause.tokens
        if token.kind in {"quantity", "number"}
        and not token.used
        and (token.kind == "number" or token.dim in {"length", "angle"})
    ]


def read_values(clause: Clause, values: list[Token], draft: Draft) -> list[Value]:
    """Each number with its axis, sign and mode; empty if a person has to be asked."""
    tilt = clause.has("TILT")
    style_before = _axis_in(clause, 0, clause.tokens.index(values[0])) is not None
    out: list[Value] = []
    edges = [clause.tokens.index(token) for token in values]
    for index, token in enumerate(values):
        begin = edges[index - 1] + 1 if index else 0
        end = edges[index + 1] if index + 1 < len(edges) else len(clause.tokens)
        reading = _one_value(clause, token, (begin, edges[index], end), style_before, tilt, draft)
        if reading is None:
            return []
        out.append(reading)
    axes = [reading.axis for reading in out]
    if len(set(axes)) < len(axes):
        draft.ask(
            f"'{clause.swallow()}': two values for one axis.", "move x by 5 µm", "go to x = 10 µm, y = -5 µm"
        )
        return []
    return out


def _one_value(
    clause: Clause, token: Token, edges: tuple[int, int, int], before: bool, tilt: bool, draft: Draft
) -> Value | None:
    begin, at, end = edges
    span = (begin, at) if before else (at + 1, end)
    word = _axis_in(clause, *span) or _axis_in(clause, *((at + 1, end) if before else (begin, at)))
    turn = _direction_in(clause, at + 1, end) or _direction_in(clause, begin, at)
    axis = AXES[word.concept] if word else None
    angle = tilt or token.dim == "angle" or axis in {"alpha_deg", "beta_deg"}
    if axis is None and angle:
        axis = "alpha_deg"
        draft.assume("tilt axis not named: alpha")
    if axis is None and turn:
        axis = DIRECTIONS[turn.concept][0]
    if axis is None and clause.has("RAISE", "LOWER"):
        axis = "z_um"
        draft.assume("'raise' and 'lower' read as stage z (+ is up)")
    if axis is None:
        draft.ask(
            f"'{clause.swallow()}': along which axis or direction?",
            "5 µm in x",
            "5 µm to the right (stage +x)",
            "5 µm in z",
        )
        return None
    amount = _amount(clause, token, axis, draft)
    if amount is None:
        return None
    sign = _sign(clause, word, turn, axis, (begin, end), draft)
    relative, absolute = _mode(clause, word, turn, begin, at)
    token.used = True
    return Value(axis, sign * amount, relative, absolute)


def _amount(clause: Clause, token: Token, axis: str, draft: Draft) -> float | None:
    wanted = "angle" if axis.endswith("deg") else "length"
    if token.kind == "number" and (wanted == "angle" or token.value == 0):
        if token.value:
            draft.assume(f"{axis.rpartition('_')[0]} {token.text} read in degrees")
        return token.value
    if token.kind == "number" or token.dim != wanted:
        stem = axis.rpartition("_")[0]
        unit = "degrees" if wanted == "angle" else "µm"
        draft.ask(
            f"'{clause.swallow()}': {token.text} for {stem} in which unit?",
            f"{stem} {token.text.split()[0]} {unit}",
        )
        return None
    return token.value if wanted == "angle" else token.value / 1000


def _axis_in(clause: Clause, begin: int, end: int) -> Token | None:
    return next((token for token in clause.tokens[begin:end] if token.concept in AXES), None)


def _direction_in(clause: Clause, begin: int, end: int) -> Token | None:
    return next((token for token in clause.tokens[begin:end] if token.concept in DIRECTIONS), None)


def _sign(
    clause: Clause,
    word: Token | None,
    turn: Token | None,
    axis: str,
    span: tuple[int, int],
    draft: Draft,
) -> float:
    near = clause.tokens[slice(*span)]
    sign = -1.0 if any(token.concept == "NEGATIVE" for token in near) else 1.0
    if word is not None and _minus_before(clause, word):
        sign = -sign
    if turn is not None and (word is None or turn.concept in {"UP", "DOWN"}):
        factor = DIRECTIONS[turn.concept][1] if word is None else (1.0 if turn.concept == "UP" else -1.0)
        if word is None:
            shown = "+" if factor > 0 else "-"
            draft.assume(
                f"'{turn.text}' read as stage {shown}{axis[0]} (image convention: +x right, +y down)"
            )
        sign *= factor
    if clause.has("LOWER") or (clause.said("LOWER") and axis == "z_um"):
        sign = -sign
    return sign


def _minus_before(clause: Clause, word: Token) -> bool:
    at = clause.tokens.index(word)
    return (
        at > 0 and clause.tokens[at - 1].text in {"-", "−", "–"} and clause.tokens[at - 1].end == word.start
    )


def _mode(clause: Clause, word: Token | None, turn: Token | None, begin: int, at: int) -> tuple[bool, bool]:
    """(relative was said, absolute was said)."""
    lead = clause.tokens[begin:at]
    delta = word is not None and word.text.lower().startswith("d") and len(word.text) <= 6
    relative = clause.said("BY", "RAISE", "LOWER") or delta or (turn is not None)
    if word is not None and clause.tokens.index(word) > at:
        relative = relative or not clause.said("ABSOLUTE")
    equals = any(other.text in {"=", ":"} for other in lead)
    to = any(other.concept == "TO" for other in lead[-3:]) or _first_to(clause)
    absolute = (equals and not delta) or clause.said("ABSOLUTE", "POSITION") or (to and turn is None)
    return relative and not (to and turn is None and not clause.said("BY")), absolute and not clause.said(
        "BY"
    )


def _first_to(clause: Clause) -> bool:
    """'go to x 5, y 3': the 'to' of the first value holds for all."""
    for token in clause.tokens:
        if token.kind in {"quantity", "number"}:
            return False
        if token.concept == "TO":
            return True
    return False
