"""Questions: the state, the log, what was found, what something would cost. Nothing is exposed."""

from typing import Any, Final

from eucentric.agent.grammar.draft import Draft, number, seconds_text
from eucentric.agent.grammar.image_spec import read_image
from eucentric.agent.grammar.imaging import resolve
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.limits import show
from eucentric.core.units import STAGE

_STATE = (
    "STAGE",
    "POSITION",
    "X",
    "Y",
    "Z",
    "ALPHA",
    "BETA",
    "CURRENT",
    "FOV",
    "DEFOCUS",
    "BEAM",
    "BLANK",
    "UNBLANK",
    "HT",
    "STATUS",
    "TILT",
    "BEAMSHIFT",
    "AUTOFOCUS",
    "DWELL",
    "SAMPLE",
)
_STORED = ("LOG", "RUNS", "RUN", "FINDINGS", "DOSE", "BUDGET", "LIMITS")
_OF_RECORDS: Final = (
    "LAST", "SAVED", "IMAGE", "FRAME", "HAADF", "BF", "FRAMETIME", "QUESTION", "ACQUIRE", "FOV",
    "EVERY", "SET", "MANY", "STOPPEDAT", "SAVE", "YESTERDAY", "MOVE", "TILT", "FIND", "LEFT", "RIGHT",
    "CLAIM", "STOP", "GATE", "BACK",
)  # fmt: skip
"""Words that may stand in a question about what is on record."""


def wants_read(clause: Clause) -> bool:
    """A question about what is, was or would be."""
    asking = clause.asked or clause.has("QUESTION", "STATUS", "PREDICT")
    action = clause.has(
        "ACQUIRE", "MOVE", "FIND", "DETECT", "SAVE", "SET", "SURVEY", "AUTOFOCUS"
    ) and not clause.has("QUESTION")
    if clause.has("VACANCY", "DEFECT", "DENSITY", "DISLOCATION", "ATOMS") and not clause.has("DOSE"):
        return False
    if clause.has("PREDICT"):
        return True
    about = clause.has(*_STATE, *_STORED, "LAST", "SAVED", "PLACE", "FRAMETIME", "IMAGE") or bool(
        clause.kind("name")
    )
    about = about or (clause.has("FIND") and clause.has("QUESTION")) or _who(clause)
    about = about or any(token.text.lower() in {"where", "wo"} for token in clause.tokens)
    bare = clause.has("STATUS", "LOG", "FINDINGS") or (
        clause.has("POSITION", "RUNS") and len(_words(clause)) <= 3 and not action
    )
    action = (
        action
        and not _who(clause)
        and not (
            clause.asked
            and not clause.has("ACQUIRE", "SET", "FIND", "DETECT", "SAVE", "AUTOFOCUS", "SURVEY")
            and _state_question(clause)
        )
    )
    if clause.has("STATUS") and not clause.has("IMAGE", "MOVE", "SET"):
        return True
    return (asking and about and not action) or (bare and not action)


def _who(clause: Clause) -> bool:
    return any(
        token.text.lower() in {"who", "why", "wer", "warum", "when", "wann"} for token in clause.tokens
    )


def _state_question(clause: Clause) -> bool:
    first = next((token.text.lower() for token in clause.tokens if token.kind == "word"), "")
    return first in {"is", "are", "was", "were", "has", "did", "does", "ist", "sind", "war", "hat"}


def _words(clause: Clause) -> list[str]:
    return [token.concept for token in clause.tokens if token.kind == "word" and token.matters]


def read(clause: Clause, draft: Draft) -> None:
    """Write the look-up that answers the question."""
    if clause.has("PREDICT"):
        _predict(clause, draft)
    elif (clause.has("DOSE", "BUDGET") and clause.has("LAST", "IMAGE", "FRAME")) or _about_last(clause):
        _query(clause, draft, "last_acquisition", "settings, time and dose of the newest frame")
    elif clause.has("DOSE", "BUDGET"):
        _query(clause, draft, "dose_here", "what this place has received")
    elif clause.has("LIMITS"):
        _limits(clause, draft)
    elif clause.has("SAVED") or any(
        token.text.lower() in {"positions", "positionen"} for token in clause.tokens
    ):
        _query(clause, draft, "positions", "saved positions")
    elif _who(clause):
        _query(clause, draft, "events", "who did what, when and on whose approval")
    elif clause.has("FINDINGS", "FIND"):
        _query(clause, draft, "findings", "findings so far, with intervals")
        clause.take("FLAKE", "MONOLAYER", "BILAYER", "TRILAYER")
    elif clause.has("RUNS", "RUN"):
        _query(clause, draft, "runs", "runs in this store")
    elif clause.has("LOG"):
        _query(clause, draft, "events", "newest events of the ledger")
    else:
        _state(clause, draft)


def _about_last(clause: Clause) -> bool:
    return (
        clause.has("LAST")
        and clause.has("IMAGE", "FRAME", "HAADF", "BF")
        and not clause.has("STAGE", "POSITION")
    )


def _query(clause: Clause, draft: Draft, what: str, reason: str) -> None:
    args: dict[str, Any] = {"what": what}
    whole = next(
        (one for one in clause.kind("number") if one.value == int(one.value) and one.value > 0), None
    )
    if whole is not None:
        named = {"text": f"{whole.value:g}"} if clause.has("RUN") else {"limit": min(int(whole.value), 200)}
        args |= named
        whole.used = True
    names = clause.kind("name")
    if names:
        args["text"], names[0].used = names[0].text, True
    clause.take(*_STATE, *_STORED, *_OF_RECORDS)
    draft.add("query_log", reason, args)


def _state(clause: Clause, draft: Draft) -> None:
    clause.take(
        *_STATE, "QUESTION", "AXIS", "ABSOLUTE", "LAST", "ACQUIRE", "MANY", "ZERO", "DESCRIBE", "MOVE"
    )
    if draft.steps and draft.steps[-1].tool == "get_state":
        return
    draft.add("get_state", "stage, optics and beam as the instrument reports them")
    stage = draft.situation.state.stage
    parts = [
        f"{name.rpartition('_')[0]} {reading.reported:.2f} {'deg' if name.endswith('deg') else 'µm'}"
        for name, reading in stage.items()
    ]
    optics = draft.situation.state.optics
    parts += [
        show(name, value).join((name.rpartition("_")[0].replace("_", " ") + " ", ""))
        for name, value in optics.items()
    ]
    parts.append("beam blanked" if draft.situation.state.blanked else "beam on the sample")
    if parts:
        draft.answers.append(f"Reported: {', '.join(parts)}.")


def _limits(clause: Clause, draft: Draft) -> None:
    able = draft.situation.capabilities
    clause.take(*_STATE, "LIMITS", "QUESTION", "RANGE", "MANY")
    parts = []
    for name, si in STAGE.items():
        axis = able.axis(si.si)
        if axis is not None:
            unit = "deg" if name.endswith("deg") else "µm"
            parts.append(f"{si.si} {axis.lower / si.factor:.4g} to {axis.upper / si.factor:.4g} {unit}")
    draft.answers.append(f"Limits ({able.limits_version}): {', '.join(parts)}.")
    draft.add("get_state", "where the instrument is inside these limits")


def _predict(clause: Clause, draft: Draft) -> None:
    """What an image would cost, said without taking it."""
    spec = read_image(clause, draft)
    clause.take("PREDICT", "DOSE", "QUESTION", "FRAMETIME", "LAST", "MANY")
    spec.give_back("every_s", "duration_s", "defocus_nm")
    if spec.current_pa is not None:
        draft.optics["probe_current_pa"] = spec.current_pa
    args = resolve(spec, draft, clause.text)
    if args is None:
        return
    price = draft.price(
        args["fov_nm"], args["width_px"], args["height_px"], args["dwell_us"], spec.frames or 1
    )
    if price is not None:
        current = number(draft.optics.get("probe_current_pa", 0.0))
        draft.answers.append(
            f"{spec.frames or 1} × {args['width_px']} × {args['height_px']} "
            f"px, {number(args['fov_nm'])} nm, {args['dwell_us']:g} µs at "
            f"{current} pA: {seconds_text(price.seconds)}, {number(price.mean_e_per_a2)} e/Å² mean, at most "
            f"{number(price.bound_e_per_a2)} at any atom. Nothing is exposed."
        )
    draft.add("get_state", "the settings this estimate rests on")
