"""Defects in stored or just taken frames, densities and reports."""

from typing import Final

from eucentric.agent.grammar.campaigns.campaign import Work
from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause


def wants_analysis(clause: Clause) -> bool:
    """The clause asks for defects, columns or a density."""
    if clause.has("VACANCY", "DEFECT", "DENSITY") and not clause.has("WORST", "BEST", "ZOOM"):
        return True
    return (clause.has("DETECT", "FIND", "QUESTION") and clause.has("ATOMS")) or (
        clause.has("DETECT")
        and (clause.has("IMAGE", "LAST", "FRAME", "IT") or bool(clause.kind("name")))
        and not clause.has("HAADF", "BF", "ACQUIRE", "DOSE")
    )


def wants_lattice(clause: Clause) -> bool:
    """The clause asks for the lattice of a frame: its constant, its strain, or the pixel size that it gives."""
    if clause.free("length", "current", "time") or clause.has("VACANCY", "DEFECT", "DENSITY"):
        return False
    of_frame = clause.has("IMAGE", "LAST", "FRAME", "IT") or bool(clause.kind("name"))
    return clause.has("CELL") or (clause.has("PIXELSIZE") and clause.has("DETECT") and of_frame)


def lattice(clause: Clause, draft: Draft) -> None:
    """Write the measurement of a lattice: in the newest frame of this plan, or in a stored frame."""
    names = clause.kind("name")
    clause.take(
        "CELL", "PIXELSIZE", "PITCH", "DETECT", "FIND", "QUESTION", "LAST", "IMAGE", "FRAME", "HAADF", "BF", "MANY",
        "SURE", "PLACE", "ACQUIRE", "EVERY", "IT", "STATUS", "ATOMIC", "ATOMS",
    )  # fmt: skip
    for name in names:
        name.used = True
    why = "pixel size, cell, grains and strain"
    if not names and draft.last_image:
        draft.add("measure_lattice", f"{why} in the frame just taken", {}, frame=draft.last_image)
        return
    if not names and draft.situation.last_frame is None:
        draft.assume("no frame is known here yet: 'last' is looked up when it runs")
    frame = names[0].text if names else "last"
    shown = draft.situation.last_frame.id if not names and draft.situation.last_frame else frame
    draft.add("measure_lattice", f"{why} in {shown}", {"frame": frame})


_OF_ANALYSIS: Final = (
    "VACANCY", "DEFECT", "DETECT", "FIND", "QUESTION", "ATOMS", "LAST", "IMAGE", "FRAME", "HAADF", "BF",
    "ELEMENT", "MANY", "FINDINGS", "SURE", "PLACE", "ACQUIRE", "EVERY", "IT", "STATUS", "SERIES",
)  # fmt: skip
"""Words that may stand in a request to analyse."""


def analyse(clause: Clause, draft: Draft, work: Work | None) -> None:
    """Write the analysis: in the open campaign, of the newest frame of this plan, or of a stored frame."""
    kind = (
        "vacancy"
        if clause.said("VACANCY") or (clause.said("DENSITY") and not clause.said("DEFECT"))
        else "any"
    )
    density = bool(clause.take("DENSITY"))
    names = clause.kind("name")
    clause.take(*_OF_ANALYSIS)
    if work is not None:
        work.detect, work.density = kind, work.density or density or kind == "vacancy"
        return
    if density and kind == "vacancy" and any(step.tool == "detect_defects" for step in draft.steps):
        draft.add(
            "estimate_density", "one density with an interval from the findings of this run", {"kind": kind}
        )
        return
    _one_frame(draft, kind, names[0].text if names else None)
    for name in names:
        name.used = True
    if density:
        draft.add("estimate_density", "density with an interval", {"kind": "vacancy"})


def _one_frame(draft: Draft, kind: str, name: str | None) -> None:
    what = "vacancies" if kind == "vacancy" else "defects"
    if name is None and draft.last_image:
        draft.add("detect_defects", f"{what} in the frame just taken", {"kind": kind}, frame=draft.last_image)
        return
    if name is None and draft.situation.last_frame is None:
        draft.assume("no frame is known here yet: 'last' is looked up when it runs")
    shown = draft.situation.last_frame.id if name is None and draft.situation.last_frame else (name or "last")
    draft.add(
        "detect_defects",
        f"{what} in {shown}, with interval, threshold and method",
        {"frame": name or "last", "kind": kind},
    )


def report(clause: Clause, draft: Draft) -> None:
    """A report at the end."""
    clause.take("REPORT", "FINDINGS", "RUN", "RUNS", "ACQUIRE", "EVERY", "SAVE", "QUESTION", "LOG")
    draft.add("write_report", "what was done, found and not counted")
