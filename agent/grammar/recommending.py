"""'How much dose do I need to see Ti vacancies', 'recommend settings for …': the tool answers, nothing is exposed."""

from typing import Any, Final

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.goals import element_named, named_kinds, read_goal
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.elements import ELEMENT_NAMES
from eucentric.agent.grammar.language.words import fold
from eucentric.core.errors import BadInput
from eucentric.knowledge.detection import kinds_of, vacancy_of
from eucentric.knowledge.phases import Phase, known_phases, phase

_NEED: Final = frozenset(
    {"need", "needs", "needed", "require", "required", "requires", "necessary", "enough", "sufficient", "suffices",
     "brauche", "brauchen", "braucht", "noetig", "benoetige", "reicht", "genuegt", "should", "sollte"}
)  # fmt: skip
_SETTINGS: Final = ("DOSE", "DWELL", "PIXELSIZE", "FRAMETIME", "CURRENT", "FRAME", "FOV")
_TAKEN: Final = (
    "RECOMMEND", "QUESTION", *_SETTINGS, "ACQUIRE", "DETECT", "FIND", "VACANCY", "DEFECT", "DENSITY", "ATOMS",
    "IMAGE", "HAADF", "BUDGET", "RECALL", "PRECISION", "MANY", "SERIES", "SUITABLE", "BEST", "LOWDOSE", "ATOMIC",
    "EVERY",
)  # fmt: skip
_SEEING: Final = frozenset({"see", "sehen", "resolve", "visible", "sichtbar", "erkennen", "aufloesen"})
_PLAIN: Final = frozenset(
    {"acquisition", "imaging", "visible", "resolve", "sichtbar", "aufloesen", "settings"}
)


def wants_recommendation(clause: Clause) -> bool:
    """A question about settings for vacancies, or a request to recommend some; nothing is to be done."""
    about = clause.has("VACANCY", "DEFECT", "DENSITY") or bool(named_kinds(clause))
    if not about or clause.has("FLAKE", "MONOLAYER", "BILAYER", "TRILAYER", "SURVEY", "GRID", "MOVE"):
        return False
    if clause.has("RECOMMEND"):
        return True
    asking = clause.asked or clause.has("QUESTION")
    words = {fold(token.text) for token in clause.tokens}
    meant = (
        bool(words & (_NEED | _SEEING)) or bool(clause.free("percent")) or clause.has("RECALL", "PRECISION")
    )
    return asking and meant and clause.has(*_SETTINGS)


def joined(clauses: list[Clause]) -> list[Clause]:
    """'Welche Dosis brauche ich, um Leerstellen zu sehen': what for belongs to the question before it."""
    out: list[Clause] = []
    for clause in clauses:
        if out and clause.has("VACANCY", "DEFECT") and _purpose(clause) and _open_question(out[-1]):
            out[-1] = Clause([*out[-1].tokens, *clause.tokens], asked=True)
        else:
            out.append(clause)
    return out


def _purpose(clause: Clause) -> bool:
    first = next((fold(token.text) for token in clause.tokens if token.kind == "word"), "")
    return first in {"um", "damit", "to", "so", "for", "fuer", "so that", "in order"}


def _open_question(clause: Clause) -> bool:
    words = {fold(token.text) for token in clause.tokens}
    about = clause.has("VACANCY", "DEFECT", "DENSITY", "FLAKE")
    return clause.has("QUESTION") and clause.has(*_SETTINGS) and bool(words & _NEED) and not about


def recommend(clause: Clause, draft: Draft) -> None:
    """Write the look-up."""
    material = _material(clause, draft)
    goal = read_goal(clause, draft)
    named = element_named(clause) or _element(clause)
    args: dict[str, Any] = {}
    if material is not None and _known_kind(material, named, clause, draft):
        args = {"kind": named or "vacancy", "material": material.name}
    if goal.recall is not None:
        args["recall"] = goal.recall
    if goal.error_percent is not None:
        args["density_error_percent"] = goal.error_percent
    _numbers(clause, args)
    _frame(clause, args)
    clause.take(*_TAKEN)
    for token in clause.tokens:
        token.used = token.used or fold(token.text) in _PLAIN | _SEEING | _NEED
    if material is not None and material.kind != "hexagonal" and "frame" not in args:
        draft.ask(
            f"'{clause.text}': nothing can be predicted for {material.name}, whose columns are as long as it is thick. "
            "On which frame are the limits to be measured?",
            "the same from the last image",
        )
    if not draft.questions:
        draft.add("recommend_acquisition", "settings, dose and expected recall; nothing is exposed", args)


def _material(clause: Clause, draft: Draft) -> Phase | None:
    """The phase that is named, or the card's; asked if nobody knows it."""
    named = [token.text for token in clause.take("MATERIAL")]
    card = draft.situation.specimen
    name = named[0] if named else card.material if card else ""
    try:
        return phase(name)
    except BadInput:
        draft.ask(
            f"'{clause.text}': {f'no plan view of {name} is known.' if name else 'in which material?'} "
            f"Known: {', '.join(known_phases())}.",
            f"the same in {known_phases()[0]}",
        )
    return None


def _element(clause: Clause) -> str:
    return next((ELEMENT_NAMES.get(fold(t.text), t.text) for t in clause.take("ELEMENT")), "")


def _known_kind(material: Phase, named: str, clause: Clause, draft: Draft) -> bool:
    try:
        vacancy_of(material, named or "vacancy")
    except BadInput:
        draft.ask(
            f"'{clause.text}': {material.name} has no {named} vacancy that a plan view shows. Which one?",
            *(f"{kind} in {material.name}" for kind in kinds_of(material)),
        )
        return False
    return True


def _numbers(clause: Clause, args: dict[str, Any]) -> None:
    """Current, dose limit and pixel size, if they are given as such."""
    for token in clause.free("current")[:1]:
        args["probe_current_pa"], token.used = token.value, True
    for token in clause.free("dose")[:1]:
        if clause.near(token, {"BELOW", "BUDGET", "KEEP", "LIMITS"}) is not None:
            args["max_dose_e_per_a2"], token.used = token.value, True
            clause.take("BELOW", "KEEP", "LIMITS")
    for token in clause.free("length")[:1]:
        if clause.near(token, {"PIXELSIZE", "PX"}) is not None:
            args["pixel_pm"], token.used = round(1e3 * token.value, 4), True
            clause.take("PX")


def _frame(clause: Clause, args: dict[str, Any]) -> None:
    """The frame that the limits are to be measured on."""
    names = clause.kind("name")
    if names:
        args["frame"], names[0].used = names[0].text, True
    elif clause.has("LAST") and clause.has("IMAGE", "FRAME", "HAADF"):
        args["frame"] = "last"
        clause.take("LAST")
