"""Find atoms and vacancies in a frame."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Finding
from eucentric.core.instrument import Frame
from eucentric.knowledge.phases import phase
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.vision import (
    AtomMap,
    PairCorrelation,
    Topology,
    arrangement_of,
    find_atoms,
    pair_correlation,
    read_again,
    topology,
    vacancy_density,
    write_gallery,
    write_overlay,
)
from eucentric.tools.vision.advice import Advice, advice_of, why_not_counted
from eucentric.tools.vision.network import open_network

Kind = Literal["vacancy", "any"]


class Args(Model):
    """Which frame, which defects."""

    frame: str = Field("last", min_length=1, max_length=120)
    """A frame id, or 'last'."""
    kind: Kind = "vacancy"
    """vacancy: missing atoms; any: also columns that are brighter or dimmer than their kind (adatoms, substitutes)."""
    material: str | None = Field(None, max_length=200)
    """A known phase; None takes it from the specimen card."""
    accept_scale: bool = Field(False, json_schema_extra={"detail": True})
    """Count although the pixel size and the lattice disagree: a person looked, and the lattice's value is right."""


class Defect(Model):
    """One site that is not what the lattice says."""

    x_px: float
    """Column of the image, 0 = centre of the first pixel."""
    y_px: float
    kind: str
    """Most probable state, such as 'V_Ti'."""
    p_vacancy: float
    relative_brightness: float
    examined: bool
    """False: shown, but not part of the density (at the edge, or where the lattice is lost)."""


class QualityFlag(Model):
    """Something a person should know before trusting the numbers."""

    code: str
    text: str


class Result(Model):
    """What the frame shows."""

    frame: str
    material: str
    simulated: bool
    pixel_pm: float | None
    pixel_pm_sigma: float | None
    columns: int
    vacancies: int
    """Sites with p > 0.5 among the examined ones."""
    unsure: int
    """Examined sites with 0.1 < p < 0.9."""
    sites_examined: int
    recall: float
    recall_low: float
    """Recall if a vacancy is as shallow as can be held possible here."""
    recall_high: float
    expected_false_calls: float
    counts_per_column: float
    localisation_pm: float | None
    coherence: float
    residual_pm: float | None
    usable_fraction: float
    flags: tuple[QualityFlag, ...]
    cannot_tell: str
    advice: Advice = "none"
    """What would help: refocus, more_dose, shorter_dwell, check_scale, tilt, other_place, ask. none: it was counted."""
    defects: tuple[Defect, ...]
    findings: tuple[Finding, ...]
    overlay: str
    """File name in the run's folder of pictures."""
    gallery: str | None
    method: str
    topology: Topology | None = None
    """Clusters of neighbouring vacancies by size; None if nothing is said about vacancies."""
    pair_correlation: PairCorrelation | None = None
    """Distances of vacancies against chance."""
    by_hand: int = 0
    """Sites where a person's word stands in place of the program's."""


def run(args: Args, context: Context) -> Result:
    """Read the frame's pixels, find what is there, draw it, and state a density with an interval."""
    frame = context.records.frame(args.frame)
    material = phase(args.material or context.specimen.material)
    pixels = np.asarray(context.records.pixels(frame), np.float32) - np.float32(frame.offset_counts)
    context.note(f"finding columns of {material.name} in {frame.id}")
    atoms = find_atoms(
        pixels, material, pixel_pm=frame.pixel_pm, counts_per_electron=frame.counts_per_electron
    )
    if args.kind == "any" or not len(atoms.sites_xy):
        # Atoms between columns, and columns without a lattice, are beyond the lattice stage.
        atoms = read_again(atoms, pixels, open_network())
    overlay, gallery = _pictures(pixels, atoms, frame, context.folder)
    reason = why_not_counted(atoms, scale_accepted=args.accept_scale)
    advice = advice_of(atoms, scale_accepted=args.accept_scale)
    atoms = replace(atoms, cannot_tell=reason)
    finding = vacancy_density([atoms], finding_id=f"{frame.id}-vacancies", evidence=(frame.id,))
    finding, method = _with_reader(finding, atoms)
    made = result_of(atoms, frame, finding, args.kind, overlay.name, gallery.name if gallery else None)
    return _brief(made.model_copy(update={"advice": advice, "method": method}))


def _with_reader(finding: Finding, atoms: AtomMap) -> tuple[Finding, str]:
    """The finding and the method with the network that read along, if one did: both can be traced to its weights."""
    if not atoms.network_sha256:
        return finding, atoms.method
    method = f"{atoms.method}, network {atoms.network_sha256[:12]}"
    details = {**finding.details, "network_sha256": atoms.network_sha256}
    return finding.model_copy(update={"method": method, "details": details}), method


def _brief(result: Result) -> Result:
    """As it goes into a row: what the picture shows is not listed again."""
    return result.model_copy(
        update={
            "topology": result.topology and result.topology.model_copy(update={"clusters": ()}),
            "pair_correlation": result.pair_correlation
            and result.pair_correlation.model_copy(update={"shells": ()}),
        }
    )


def _pictures(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.float32]], atoms: AtomMap, frame: Frame, folder: Path
) -> tuple[Path, Path | None]:
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in frame.id)[:80]
    stamp = frame.simulated
    overlay = write_overlay(pixels, atoms, folder / f"{stem}-defects.png", simulated=stamp, title=frame.id)
    return overlay, write_gallery(pixels, atoms, folder / f"{stem}-unsure.png", simulated=stamp)


def result_of(
    atoms: AtomMap, frame: Frame, finding: Finding, kind: Kind, overlay: str, gallery: str | None
) -> Result:
    """The tool's result from a map; arrays become plain numbers, rounded to what they can mean."""
    p = atoms.sites_p_vacancy[atoms.sites_examined]
    sites = None if atoms.cannot_tell or not atoms.called else [arrangement_of(atoms)]
    return Result(
        frame=frame.id, material=atoms.phase.name, simulated=frame.simulated,
        pixel_pm=_rounded(atoms.pixel_pm, 4), pixel_pm_sigma=_rounded(atoms.pixel_pm_sigma, 4),
        columns=len(atoms.atoms_xy), vacancies=atoms.called, unsure=int(((p > 0.1) & (p < 0.9)).sum()),
        sites_examined=atoms.examined, recall=round(atoms.recall, 4),
        recall_low=round(atoms.recall_low, 4), recall_high=round(atoms.recall_high, 4),
        expected_false_calls=round(atoms.false_calls, 3), counts_per_column=round(atoms.counts_per_column, 3),
        localisation_pm=_rounded(atoms.localisation_pm, 2), coherence=round(atoms.coherence, 4),
        residual_pm=_rounded(atoms.residual_pm, 2), usable_fraction=round(atoms.usable, 4),
        flags=tuple(QualityFlag(code=code, text=text) for code, text in atoms.flags),
        cannot_tell=atoms.cannot_tell, defects=defects_of(atoms, kind), findings=(finding,), overlay=overlay,
        gallery=gallery, method=atoms.method, topology=topology(sites) if sites else None,
        pair_correlation=pair_correlation(sites) if sites else None, by_hand=len(atoms.sites_by_hand),
    )  # fmt: skip


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def defects_of(atoms: AtomMap, kind: Kind) -> tuple[Defect, ...]:
    """Vacancies with p > 0.5, the surest first; for 'any' the other unusual columns after them."""
    rows = list(atoms.vacancies_site[np.argsort(-atoms.vacancies_p, kind="stable")])
    if kind == "any":
        usual = {"full", "empty site"}
        known = set(rows)
        rows += [
            i for i, state in enumerate(atoms.sites_state)
            if state not in usual and not state.startswith("V_") and i not in known
        ]  # fmt: skip
    return tuple(_defect(atoms, int(row)) for row in rows)


def _defect(atoms: AtomMap, row: int) -> Defect:
    x, y = atoms.sites_xy[row]
    return Defect(
        x_px=round(float(x), 2), y_px=round(float(y), 2), kind=atoms.sites_state[row],
        p_vacancy=round(float(atoms.sites_p_vacancy[row]), 4),
        relative_brightness=round(float(atoms.sites_relative[row]), 3), examined=bool(atoms.sites_examined[row]),
    )  # fmt: skip


def summary(result: Result) -> str:
    """The result in one line for a person."""
    flags = f"; flagged: {', '.join(flag.code for flag in result.flags)}" if result.flags else ""
    if result.cannot_tell:
        return f"{result.frame}: cannot tell ({result.cannot_tell}){flags}; would help: {result.advice}"
    hand = f", {result.by_hand} of them by hand" if result.by_hand else ""
    examined = [one for one in result.defects if one.examined]
    others = Counter(one.kind for one in examined if one.p_vacancy <= 0.5)
    more = kinds_text(one.kind for one in examined if one.p_vacancy > 0.5)
    more += "".join(f", {number} {kind}" for kind, number in sorted(others.items()))
    return (
        f"{result.frame}: {result.columns:,} columns, {result.vacancies} vacancies{more}, {result.unsure} unsure, of "
        f"{result.sites_examined:,} sites examined{hand}, recall {result.recall:.2f} "
        f"({result.recall_low:.2f} … {result.recall_high:.2f}){flags}"
    )


def kinds_text(called: Iterable[str]) -> str:
    """' (V_Mo 3, V_S 58)' where vacancies of several kinds were called; unknown: both stages contradict each other."""
    kinds = [f"{kind} {number}" for kind, number in sorted(Counter(called).items())]
    return f" ({', '.join(kinds)})" if len(kinds) > 1 else ""


TOOL: Tool[Args, Result] = Tool(
    "detect_defects",
    "Find the atom columns and vacancies of a known phase in a HAADF frame: a probability for every site, a density "
    "with a 95 % interval, recall and expected false calls at these counts. Says 'cannot tell' out of focus, without a "
    "lattice, with too few counts or where pixel size and lattice disagree, and in 'advice' what would help (refocus, "
    "more_dose, shorter_dwell, check_scale, tilt, other_place, ask). It only reads a frame: no exposure, no motion.",
    "analyse",
    Args,
    Result,
    run,
    free,
    summary,
)
