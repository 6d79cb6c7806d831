"""Loops over many places: flakes found in a survey, the points of a grid, the worst of them again."""

from dataclasses import dataclass, field
from typing import Final

from eucentric.agent.grammar.campaigns.survey import survey
from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.goals import element_named, read_goal
from eucentric.agent.grammar.image_spec import ImageSpec, read_image
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.tokens import Token

_LAYERS: Final = {"MONOLAYER": 1, "BILAYER": 2, "TRILAYER": 3}
SOUGHT: Final = frozenset({"FLAKE", *_LAYERS})
"""Words for what is looked for: 'two monolayers' are two monolayer flakes."""
_SINGULAR: Final = frozenset(
    {"flake", "flocke", "island", "sheet", "nanosheet", "platelet", "crystallite", "monolayer", "bilayer", "trilayer",
     "monolage", "doppellage", "insel"}
)  # fmt: skip
_PAST: Final = frozenset({"did", "found", "gefunden", "hast", "habt"})
_ONE: Final = frozenset({"a", "an", "ein", "eine", "einer", "einem", "einen"})
_THIS: Final = frozenset(
    {"this", "that", "the", "same", "diese", "dieser", "diesem", "dieses", "die", "der", "current", "present",
     "aktuelle", "aktuellen"}
)  # fmt: skip


@dataclass
class Work:
    """A campaign that is still being described, clause by clause."""

    kind: str
    """'flakes' or 'grid'."""
    said: str
    at_most: int | None = None
    layers: int | None = None
    min_size_nm: float | None = None
    material: str = ""
    element: str = ""
    nx: int = 1
    ny: int = 1
    pitch_um: float = 0.0
    spec: ImageSpec | None = None
    detect: str = ""
    density: bool = False
    recall: float | None = None
    """Share of the vacancies that is to be found."""
    error_percent: float | None = None
    """Half-width wanted of the density's interval [% of the sites]."""
    focus: bool = False
    by: str = ""
    keep: int = 0
    again: ImageSpec | None = None
    again_detect: str = ""
    again_focus: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def revisiting(self) -> bool:
        """The places to come back to have been named."""
        return self.keep > 0


def wants_flakes(clause: Clause) -> bool:
    """The clause names things to look for on the sample."""
    if clause.has("QUESTION") and any(token.text.lower() in _PAST for token in clause.tokens):
        return False  # 'how many flakes did you find?'
    return clause.has("PARTICLE", *SOUGHT) and clause.has(
        "FIND",
        "IMAGE",
        "DETECT",
        "SURVEY",
        "ACQUIRE",
        "VACANCY",
        "DEFECT",
        "DENSITY",
        "QUESTION",
        "HAADF",
        "ATOMIC",
    )


def _led_by(clause: Clause, words: frozenset[str]) -> str:
    """'the flake', 'a monolayer Ti3C2 flake': the noun, if it is singular and one of `words` leads it."""
    for at, token in enumerate(clause.tokens):
        following = clause.tokens[at + 1].concept if at + 1 < len(clause.tokens) else ""
        if token.text.lower() not in _SINGULAR or following in {"FLAKE", "MATERIAL"}:
            continue
        for before in reversed(clause.tokens[max(0, at - 4) : at]):
            if before.text.lower() in words:
                return f"{before.text} {token.text}"
            if before.concept not in {"FILLER", "MATERIAL", "SUITABLE", "BEST", *_LAYERS}:
                break
    return ""


def points_here(clause: Clause, draft: Draft) -> bool:
    """'image this flake' may mean the one in view: asked, never searched for."""
    said = "" if clause.has("FIND", "SURVEY") or clause.kind("number") else _led_by(clause, _THIS)
    if said:
        draft.ask(
            f"'{clause.swallow()}': is '{said}' the one at the present position, or should one be looked for?",
            "take an image here",
            "find one monolayer flake and image it",
        )
    return bool(said)


def flakes(clause: Clause, draft: Draft) -> Work:
    """Read what to look for, and what else the clause says of it."""
    work = Work("flakes", clause.text)
    close_up(clause, draft)
    if clause.has("PARTICLE"):
        draft.ask(
            f"'{clause.swallow()}': the picker knows flakes of a number of layers, not particles.",
            "find monolayer flakes and image three",
            "survey 4x4 tiles of 20 µm, then look yourself",
        )
        return work
    _layers(clause, work, draft)
    aim(clause, work, draft)
    for token in clause.free("length"):
        if clause.near(token, {"ABOVE", "SIZE"}, before=4, after=5):
            work.min_size_nm, token.used = token.value, True
            clause.take("ABOVE")
            break
    _how_many(clause, work, draft)
    _detection(clause, work)
    if clause.has("IMAGE", "HAADF", "BF", "ATOMIC") or clause.free("dose"):
        work.spec = read_image(clause, draft, counted=False)
    clause.take(
        "FLAKE", "FIND", "SURVEY", "ACQUIRE", "IMAGE", "SUITABLE", "QUESTION", "MANY", "GRID", "WHOLE"
    )
    return work


def aim(clause: Clause, work: Work, draft: Draft) -> None:
    """How surely vacancies are to be found, or how precisely their density is wanted."""
    goal = read_goal(clause, draft)
    work.recall, work.error_percent = goal.recall or work.recall, goal.error_percent or work.error_percent
    if goal.recall or goal.error_percent:
        work.element = work.element or element_named(clause)
        work.detect, work.density = work.detect or "vacancy", work.density or goal.error_percent is not None


def close_up(clause: Clause, draft: Draft) -> None:
    """'high-res' of a flake is atomic resolution; of anything else it is left to be asked about."""
    for token in clause.take("HIGHRES"):
        draft.assume(f"'{token.text}' of flakes read as atomic resolution")


def _layers(clause: Clause, work: Work, draft: Draft) -> None:
    for concept, layers in _LAYERS.items():
        if clause.take(concept):
            work.layers = layers
    for token in clause.kind("number"):
        if clause.near(token, {"LAYERS"}, before=0, after=2) and token.value == int(token.value):
            work.layers, token.used = int(token.value), True
    if clause.take("FEWLAYER"):
        draft.ask(f"'{clause.text}': how many layers?", "bilayer flakes", "3-layer flakes")
    clause.take("LAYERS")


def whole_numbers(clause: Clause) -> list[Token]:
    """Bare numbers that can count flakes, those right before a word for a flake first."""
    counts = [
        token
        for token in clause.kind("number")
        if token.value == int(token.value) and 1 <= token.value <= 50
        if not token.signed and not token.concept and not _for_each(clause, token)
    ]
    return sorted(counts, key=lambda token: clause.near(token, SOUGHT, before=0, after=3) is None)


def _how_many(clause: Clause, work: Work, draft: Draft) -> None:
    counts = whole_numbers(clause)
    if counts:
        work.at_most, counts[0].used = int(counts[0].value), True
    elif said := _led_by(clause, _ONE):
        work.at_most = 1
        draft.assume(f"'{said}' read as one flake")


def only_counts(clause: Clause, work: Work) -> bool:
    """'find three', 'do two of them': says how many, if that had been left open."""
    counts = whole_numbers(clause)
    doing = {"FIND", "ACQUIRE", "SET", "QUESTION", "MOVE", "SUITABLE", *SOUGHT}
    rest = [
        token
        for token in clause.tokens
        if token.matters and token not in counts and token.concept not in doing
    ]
    if work.at_most is not None or len(counts) != 1 or any(not token.used and token.dim for token in rest):
        return False
    if any(token.concept not in {"BELOW", "BUDGET", "DOSE", "KEEP"} for token in rest):
        return False
    work.at_most, counts[0].used = int(counts[0].value), True
    clause.take(*doing - set(_LAYERS))
    return True


def _for_each(clause: Clause, count: Token) -> bool:
    """'4 images each', '3 positions', 'two vacancies': no number of flakes."""
    later = clause.tokens[clause.tokens.index(count) + 1 :]
    noun = next(
        (token.concept for token in later if token.concept not in {"FILLER", "ELEMENT", "SUITABLE"}), ""
    )
    if noun in {"POSITION", "PLACE", "ATOMS", "VACANCY", "DEFECT", "TIMES"}:
        return True
    if clause.near(count, SOUGHT, before=0, after=3):
        return False
    pictures = any(token.concept in {"IMAGE", "FRAME", "HAADF", "BF", "SERIES"} for token in later[:3])
    return pictures and any(
        token.concept == "EACH" or token.text.lower() in {"per", "pro", "je"} for token in later
    )


def _detection(clause: Clause, work: Work) -> None:
    if clause.has("VACANCY", "DEFECT", "DENSITY"):
        work.detect = "vacancy" if clause.said("VACANCY") or not clause.said("DEFECT") else "any"
        work.density = clause.has("DENSITY", "VACANCY")
        clause.take("VACANCY", "DEFECT", "DENSITY", "DETECT", "QUESTION")


def wants_grid(clause: Clause) -> bool:
    """The clause names points or tiles of a grid, or a survey."""
    return (
        clause.has("SURVEY")
        or (clause.has("GRID") and bool(clause.kind("grid") or clause.kind("number")))
        or (bool(clause.kind("grid")) and clause.has("IMAGE", "ACQUIRE", "HAADF", "BF", "MOVE", "PITCH"))
    )


def grid(clause: Clause, draft: Draft) -> Work | None:
    """A grid of separate points (with a pitch) opens a loop; tiles without one are a survey."""
    points = clause.kind("grid") or [
        token for token in clause.kind("size") if clause.near(token, {"GRID"}, 1, 2)
    ]
    pitch = _pitch(clause)
    if points and pitch is not None:
        points[0].used = True
        work = Work(
            "grid", clause.text, nx=int(points[0].value), ny=int(points[0].second), pitch_um=pitch / 1000
        )
        _detection(clause, work)
        clause.take("GRID", "SURVEY", "PITCH", "MOVE", "PLACE", "POSITION", "OVERVIEW", "REVISIT")
        if (
            clause.has("IMAGE", "HAADF", "BF")
            or clause.free("length", "px", "time", "current")
            or clause.kind("size")
        ):
            work.spec = read_image(clause, draft)
        for token in clause.kind("number"):
            token.used = token.value == work.nx * work.ny  # 'take 9 images on a 3x3 grid'
        if work.spec is not None and work.spec.frames == work.nx * work.ny:
            work.spec.frames = None
        clause.take("ACQUIRE", "SET", "EVERY")
        return work
    survey(clause, draft, (int(points[0].value), int(points[0].second)) if points else None, points)
    return None


def _pitch(clause: Clause) -> float | None:
    for token in clause.free("length"):
        word = clause.near(token, {"PITCH", "EVERY"})
        if word is not None:
            token.used = word.used = True
            return token.value
    return None


def wants_revisit(clause: Clause, work: Work | None) -> bool:
    """'go back to the 3 worst'."""
    return (
        work is not None
        and work.kind == "grid"
        and clause.has("WORST", "BEST")
        and clause.has("BACK", "REVISIT", "MOVE", "RANK", "IMAGE", "FIND", "ACQUIRE")
    )


def best_of_flakes(clause: Clause, draft: Draft) -> bool:
    """'image the best one': nothing ranks flakes before they are imaged."""
    if not clause.has("WORST", "BEST"):
        return False
    draft.ask(
        f"'{clause.swallow()}': flakes are ranked by size and evenness when they are chosen; "
        "no other order is known before they are imaged. How many should be imaged?",
        "find one monolayer flake and image it",
        "find 3 monolayer flakes and image them",
    )
    return True


def revisit(clause: Clause, draft: Draft, work: Work) -> None:
    """Rank the places of the open grid and come back to some."""
    best = clause.has("BEST")
    work.by = "quality" if best else "vacancy_density"
    counts = [
        token for token in clause.kind("number") if token.value == int(token.value) and token.value >= 1
    ]
    work.keep = int(counts[0].value) if counts else draft.situation.defaults.targets
    for token in counts[:1]:
        token.used = True
    if not counts:
        draft.assume(f"how many to revisit was not said: {work.keep}")
    meaning = "best image quality" if best else "highest defect density found"
    draft.assume(
        f"'{'best' if best else 'worst'}' read as {meaning}; only positions of this grid can be revisited"
    )
    if not best and not work.detect:
        work.detect = "any"
        draft.assume("defect detection added at each position, since the ranking needs it")
    clause.take(
        "WORST",
        "BEST",
        "BACK",
        "REVISIT",
        "MOVE",
        "RANK",
        "FIND",
        "POSITION",
        "DEFECT",
        "DENSITY",
        "VACANCY",
        "PLACE",
    )
    if clause.has("IMAGE", "HAADF", "BF", "ACQUIRE") or clause.free("length", "px", "time"):
        work.again = read_image(clause, draft)
