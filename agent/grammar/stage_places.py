"""Moves to places instead of by numbers: saved under a name, zero, and back to where the request began."""

from typing import Final

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.limits import check_stage, show
from eucentric.agent.grammar.stage_values import AXES

HEAD: Final = ("MOVE", "TILT", "BACK", "RAISE", "LOWER", "ROTATE")
"""Words that begin a move."""


def emit(draft: Draft, args: dict[str, object], target: dict[str, float]) -> None:
    """Add the step and follow the position."""
    words = ", ".join(f"{axis.rpartition('_')[0]} {show(axis, value)}" for axis, value in target.items())
    draft.assume(f"stage ends at {words}")
    draft.add("move_stage", f"to {words}", dict(args))
    draft.at.update(target)
    draft.new_place()


def go_to_zero(clause: Clause, draft: Draft) -> None:
    """To zero: of the axes that are named, else of those that were moved last."""
    named = [AXES[token.concept] for token in clause.tokens if token.concept in AXES]
    tilted = clause.has("TILT")
    axes = named or (["alpha_deg", "beta_deg"] if tilted else _last_moved(draft) or ["x_um", "y_um"])
    clause.take("ZERO", "BACK", *HEAD, *AXES, "POSITION", "ABSOLUTE", "SET")
    target = dict.fromkeys(axes, 0.0)
    if check_stage(draft, target):
        emit(draft, {"mode": "absolute", **target}, target)


def _last_moved(draft: Draft) -> list[str]:
    """'then back to 0': the axes that this request moved last."""
    moves = [step.args for step in draft.steps if step.tool == "move_stage"]
    names = [name.removeprefix("d") for name in moves[-1]] if moves else []
    return [name for name in names if name in AXES.values()]


def names_a_saved_place(clause: Clause, draft: Draft) -> bool:
    """Whether a clause says the name of a saved position."""
    return any(_named(name.lower(), clause.text.lower()) for name in draft.saved)


def go_to_saved(clause: Clause, draft: Draft) -> bool:
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


def go_back(clause: Clause, draft: Draft) -> bool:
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
