"""Loops over many places: flakes found in a survey, the points of a grid, the worst of them again."""

from dataclasses import dataclass, field
from typing import Final

from eucentric.agent.grammar.clauses import Clause
from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.image_spec import ImageSpec, read_image
from eucentric.agent.grammar.survey import survey

_LAYERS: Final = {"MONOLAYER": 1, "BILAYER": 2, "TRILAYER": 3}


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
    return clause.has("FLAKE", "PARTICLE") and clause.has(
        "FIND", "IMAGE", "DETECT", "SURVEY", "ACQUIRE", "VACANCY", "QUESTION", "HAADF"
    )


def flakes(clause: Clause, draft: Draft) -> Work:
    """Read what to look for, and what else the clause says of it."""
    work = Work("flakes", clause.text)
    if clause.has("PARTICLE"):
        draft.ask(
            f"'{clause.swallow()}': the picker knows flakes of a number of layers, not particles.",
            "find monolayer flakes and image three",
            "survey 4x4 tiles of 20 µm, then look yourself",
        )
        return work
    _layers(clause, work, draft)
    for token in clause.free("length"):
        if clause.near(token, {"ABOVE", "SIZE"}, before=4, after=5):
            work.min_size_nm, token.used = token.value, True
            clause.take("ABOVE")
            break
    _how_many(clause, work)
    _detection(clause, work)
    if clause.has("IMAGE", "HAADF", "BF", "ATOMIC") or clause.free("dose"):
        work.spec = read_image(clause, draft, counted=False)
    clause.take(
        "FLAKE", "FIND", "SURVEY", "ACQUIRE", "IMAGE", "SUITABLE", "QUESTION", "MANY", "GRID", "WHOLE"
    )
    return work


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


def _how_many(clause: Clause, work: Work) -> None:
    counts = [
        token for token in clause.kind("number") if token.value == int(token.value) and 1 <= token.value <= 50
    ]
    if counts:
        work.at_most, counts[0].used = int(counts[0].value), True


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
        and clause.has("WORST", "BEST")
        and clause.has("BACK", "REVISIT", "MOVE", "RANK", "IMAGE", "FIND", "ACQUIRE")
    )


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
