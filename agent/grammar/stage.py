"""Moves: absolute, relative, by direction, by name, and back."""

from dataclasses import dataclass
from typing import Final

from eucentric.agent.grammar.clauses import Clause
from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.limits import check_stage, show
from eucentric.agent.grammar.tokens import Token

AXES: Final = {"X": "x_um", "Y": "y_um", "Z": "z_um", "ALPHA": "alpha_deg", "BETA": "beta_deg"}
DIRECTIONS: Final = {
    "RIGHT": ("x_um", 1.0),
    "LEFT": ("x_um", -1.0),
    "UP": ("y_um", -1.0),
    "DOWN": ("y_um", 1.0),
}
_HEAD: Final = ("MOVE", "TILT", "BACK", "RAISE", "LOWER", "ROTATE")


@dataclass
class Value:
    """One number of a move and the axis it is meant for."""

    axis: str
    amount: float
    relative: bool
    absolute: bool
    read: str = ""


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
    return (axis and not optic and bool(_values(clause)) and not clause.has("SURVEY", "GRID")) or _directed(
        clause
    )


def _directed(clause: Clause) -> bool:
    """'5 µm to the left', '-250 nm in y' with no verb at all."""
    return (
        clause.has(*DIRECTIONS)
        and bool(clause.free("length"))
        and not clause.has("IMAGE", "ACQUIRE", "HAADF", "BF")
    )


def _values(clause: Clause) -> list[Token]:
    return [
        token
        for token in clause.tokens
        if token.kind in {"quantity", "number"}
        and not token.used
        and (token.kind == "number" or token.dim in {"length", "angle"})
    ]


def move(clause: Clause, draft: Draft) -> None:
    """Write the move of this clause, or ask, or refuse."""
    if clause.has("ROTATE"):
        draft.ask(
            f"'{clause.swallow()}': this stage tilts (alpha, beta), it does not rotate. Which tilt is meant?",
            "tilt alpha by 5 degrees",
            "tilt beta by 5 degrees",
        )
        return
    values = _values(clause)
    measured = any(token.kind == "quantity" for token in values)
    if not values or (not measured and _known_name(clause, draft)):
        _without_numbers(clause, draft)
        return
    if not measured and not clause.has(*AXES) and all(token.value == 0 for token in values):
        for token in values:
            token.used = True
        _zero(clause, draft)
        return
    readings = _read_values(clause, values, draft)
    if readings:
        _write(clause, readings, draft)


def _read_values(clause: Clause, values: list[Token], draft: Draft) -> list[Value]:
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
    sign = _sign(clause, word, turn, axis, begin, at, end, draft)
    relative, absolute = _mode(clause, token, word, turn, begin, at)
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
    begin: int,
    at: int,
    end: int,
    draft: Draft,
) -> float:
    near = clause.tokens[begin:end]
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


def _mode(
    clause: Clause, token: Token, word: Token | None, turn: Token | None, begin: int, at: int
) -> tuple[bool, bool]:
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


def _write(clause: Clause, values: list[Value], draft: Draft) -> None:
    clause.take(
        *_HEAD,
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
        absolute = False
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


def emit(draft: Draft, args: dict[str, object], target: dict[str, float]) -> None:
    """Add the step and follow the position."""
    words = ", ".join(f"{axis.rpartition('_')[0]} {show(axis, value)}" for axis, value in target.items())
    draft.assume(f"stage ends at {words}")
    draft.add("move_stage", f"to {words}", dict(args))
    draft.at.update(target)
    draft.new_place()


def _without_numbers(clause: Clause, draft: Draft) -> None:
    if clause.has("ALITTLE"):
        draft.ask(
            f"'{clause.swallow()}': how far, and which way?",
            "move 1 µm to the right (stage +x), about 1 s, no dose",
            "move -500 nm in y, about 1 s, no dose",
            "tilt alpha by 1 degree",
        )
    elif clause.has("ZERO"):
        _zero(clause, draft)
    elif not (_saved(clause, draft) or _back(clause, draft)):
        hints = [f"go to saved position {name}" for name in list(draft.saved)[:2]]
        draft.ask(
            f"'{clause.swallow()}': where to?", "move 5 µm to the right", "go to x = 10 µm, y = -5 µm", *hints
        )


def _zero(clause: Clause, draft: Draft) -> None:
    named = [AXES[token.concept] for token in clause.tokens if token.concept in AXES]
    tilted = clause.has("TILT")
    axes = named or (["alpha_deg", "beta_deg"] if tilted else _last_moved(draft) or ["x_um", "y_um"])
    clause.take("ZERO", "BACK", *_HEAD, *AXES, "POSITION", "ABSOLUTE", "SET")
    target = dict.fromkeys(axes, 0.0)
    if check_stage(draft, target):
        emit(draft, {"mode": "absolute", **target}, target)


def _known_name(clause: Clause, draft: Draft) -> bool:
    return any(_named(name.lower(), clause.text.lower()) for name in draft.saved)


def _last_moved(draft: Draft) -> list[str]:
    """'then back to 0': the axes that this request moved last."""
    moves = [step.args for step in draft.steps if step.tool == "move_stage"]
    names = [name.removeprefix("d") for name in moves[-1]] if moves else []
    return [name for name in names if name in AXES.values()]


def _saved(clause: Clause, draft: Draft) -> bool:
    """Go to a place that was saved under a name, if the clause names one."""
    said = clause.text.lower()
    known = {name.lower(): name for name in draft.saved}
    hit = next((known[name] for name in sorted(known, key=len, reverse=True) if _named(name, said)), None)
    if hit is None and clause.has("SAVED") and len(draft.saved) == 1:
        hit = next(iter(draft.saved))
        draft.assume(f"the only saved position: {hit}")
    if hit is None:
        if clause.has("SAVED", "NAMED") or clause.kind("quote"):
            names = ", ".join(draft.saved) or "none is saved"
            draft.ask(
                f"'{clause.swallow()}': no saved position of that name (saved: {names}).",
                "save this position as A",
            )
            return True
        return False
    clause.swallow_words()
    _use_name(clause, hit)
    x, y = draft.saved[hit]
    target = {"x_um": x, "y_um": y}
    if check_stage(draft, target):
        emit(draft, {"mode": "saved", "name": hit}, target)
    return True


def _use_name(clause: Clause, name: str) -> None:
    parts = set(name.lower().replace("-", " ").split())
    for token in clause.tokens:
        if token.kind == "number" and token.text.strip().lower() in parts:
            token.used = True


def _named(name: str, said: str) -> bool:
    padded = "".join(char if char.isalnum() or char in "-_" else " " for char in said)
    wanted = "".join(char if char.isalnum() or char in "-_" else " " for char in name)
    return f" {wanted.strip()} " in f" {padded} "


def _back(clause: Clause, draft: Draft) -> bool:
    """'go back': to where this request began, if it moved; there is no other memory of places."""
    if not clause.has("BACK") or not draft.moved:
        return False
    home = {name: reading.reported for name, reading in draft.situation.state.stage.items()}
    target = {name: value for name, value in home.items() if abs(draft.at.get(name, value) - value) > 1e-9}
    clause.take("BACK", "MOVE", "POSITION", "TILT", "LAST")
    if not target:
        return False
    draft.assume("'back' read as the place where this request began")
    if check_stage(draft, target):
        emit(draft, {"mode": "absolute", **target}, target)
    return True


def save(clause: Clause, draft: Draft) -> None:
    """Remember the present place under a name."""
    name = _name_after(clause)
    if not name:
        name = f"place-{len(draft.saved) + 1}"
        draft.assume(f"no name given: saved as {name}")
    clause.swallow_words()
    for token in clause.tokens:
        token.used = token.used or token.text in name.split() or (token.text in name and token.kind != "word")
    draft.saved[name] = (draft.at.get("x_um", 0.0), draft.at.get("y_um", 0.0))
    draft.add("save_position", f"remember this place as {name}", {"name": name})


def _name_after(clause: Clause) -> str:
    quotes = clause.kind("quote")
    if quotes:
        return quotes[0].text.strip("\"“”„«»`'")[:40]
    for index, token in enumerate(clause.tokens):
        if token.concept == "NAMED" or token.text.lower() in {"as", "als"}:
            words = [
                other.text
                for other in clause.tokens[index + 1 :]
                if other.kind != "mark" and other.concept != "POLITE"
            ]
            words = [word for word in words if word.lower() not in {"please", "bitte", "the", "position"}]
            return " ".join(words)[:40]
    loose = [token.text for token in clause.tokens if token.kind != "mark" and not token.concept]
    return " ".join(loose)[:40]
