"""Settings without an image: current, defocus, field of view, beam shift."""

from typing import Final

from eucentric.agent.grammar.draft import Draft, number
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.tokens import Token
from eucentric.agent.grammar.limits import check_optics, show

_WORDS = {
    "CURRENT": "probe_current_pa",
    "DEFOCUS": "defocus_nm",
    "FOV": "fov_nm",
    "AUTOFOCUS": "defocus_nm",
    "ZOOM": "fov_nm",
}
_DIMS = {"current": "probe_current_pa"}


def wants_optics(clause: Clause) -> bool:
    """The clause states a setting."""
    named = clause.has("CURRENT", "DEFOCUS", "FOV", "BEAMSHIFT") or (
        clause.said("BEAM") and clause.has("MOVE")
    )
    return (
        bool(clause.free("current"))
        or (named and clause.has("SET", "RAISE", "LOWER", "DOUBLE", "HALVE", "ZERO", "MOVE"))
        or (named and bool(clause.free("length") or clause.kind("area") or _zeros(clause)))
    )


def _zeros(clause: Clause) -> list[Token]:
    return [token for token in clause.kind("number") if token.value == 0]


_OF_SETTINGS: Final = (
    "SET",
    "RAISE",
    "LOWER",
    "DOUBLE",
    "HALVE",
    "BY",
    "ZERO",
    "MOVE",
    "X",
    "Y",
    "ACQUIRE",
    "ZOOM",
    *_WORDS,
    "BEAMSHIFT",
)
"""Words that may stand in a request to set something."""


def set_optics(clause: Clause, draft: Draft) -> None:
    """Write the settings of this clause as one step."""
    wanted: dict[str, float] = {}
    for token in [*clause.free("current", "length"), *_zeros(clause), *clause.kind("area")]:
        name = _slot(clause, token)
        oblong = token.kind == "area" and token.value != token.second
        if name is None or name in wanted or name in clause.settled or oblong:
            continue
        wanted[name] = float(_value(clause, token, name, draft))
        token.used = True
        clause.settled.add(name)
    _without_number(clause, draft, wanted)
    said = clause.text
    clause.take(*_OF_SETTINGS)
    if not wanted:
        draft.ask(
            f"'{said}': to what value?",
            "set the probe current to 30 pA",
            "set the field of view to 20 nm",
            "defocus -50 nm",
        )
    elif check_optics(draft, wanted):
        draft.add("set_optics", ", ".join(show(name, value) for name, value in wanted.items()), dict(wanted))
        draft.optics.update(wanted)


def _slot(clause: Clause, token: Token) -> str | None:
    if token.dim in _DIMS:
        return _DIMS[token.dim]
    if clause.said("BEAMSHIFT") or (clause.said("BEAM") and clause.said("MOVE")):
        axis = clause.near(token, {"X", "Y"})
        return f"beam_shift_{axis.concept.lower()}_nm" if axis else None
    role = clause.near(token, set(_WORDS), before=6, after=4)
    if role is None or (token.dim == "length" and role.concept == "CURRENT"):
        return None
    return _WORDS[role.concept]


def _value(clause: Clause, token: Token, name: str, draft: Draft) -> float:
    now = draft.optics.get(name, 0.0)
    if name.startswith("beam_shift") and clause.said("MOVE") and not clause.said("TO"):
        draft.assume(f"{name} from {show(name, now)} by {show(name, token.value)}")
        return now + token.value
    if clause.said("BY") and clause.said("RAISE", "LOWER"):
        value = now + (token.value if clause.said("RAISE") else -token.value)
        draft.assume(f"from {show(name, now)} by {show(name, token.value)} to {show(name, value)}")
        return value
    word = clause.near(token, {"DEFOCUS"}, before=6, after=4)
    if word is not None and word.text.lower().startswith(("under", "unter")) and token.value > 0:
        draft.assume(f"underfocus read as a defocus of {-token.value:g} nm")
        return -token.value
    return token.value


def _without_number(clause: Clause, draft: Draft, wanted: dict[str, float]) -> None:
    """'double the current', 'set defocus to zero'."""
    named = next(
        (_WORDS[token.concept] for token in clause.tokens if token.concept in {"CURRENT", "DEFOCUS", "FOV"}),
        None,
    )
    if wanted or named is None:
        return
    now = draft.optics.get(named)
    factor = (
        2.0 if clause.has("DOUBLE") else 0.5 if clause.has("HALVE") else 0.0 if clause.has("ZERO") else None
    )
    if factor is not None and (now is not None or factor == 0.0):
        wanted[named] = factor * (now or 0.0)
        if factor:
            draft.assume(
                f"{number(factor)} × the present {show(named, now or 0.0)} is {show(named, wanted[named])}"
            )
