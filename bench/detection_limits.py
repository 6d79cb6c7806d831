"""Where the detector works and where it breaks, over dose and pixel size, and whether `recommend` had said so.

Frames of far more dose than needed are thinned; what is found is held against what is known to be there. Beside it
stands what the tool says of the same frames without knowing that (planted vacancies and the law of d'), and what
physics says without any frame. `--out FILE.json` also draws FILE.png.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.bench.contract import at_least, at_most, report, wilson
from eucentric.bench.images.known_vacancies import KnownFrame, crossing, from_folder, from_twin, pooled_recall
from eucentric.bench.images.score import partners
from eucentric.knowledge.detection import VacancyLaw, column_cross_section_a2, predicted_law, vacancy_of
from eucentric.tools.vision import AtomMap, find_atoms
from eucentric.tools.vision.limits import measure_limits
from eucentric.tools.vision.thinning import coarser, electrons_of, thinned

_DOSES = np.geomspace(1.25e3, 4e4, 7)
_PIXELS_PM = (16.0, 24.0, 32.0, 39.0)
_PIXEL_DOSES = (5e3, 2e4)
_QUICK_DOSES = np.geomspace(2e3, 3.2e4, 5)
_FRAMES = 4
"""Of each material."""
_RADIUS_PM, _ATOM_PM = 70.0, 50.0
_LEAST_TRUE = 40
_TOOL_FACTOR, _PHYSICS_FACTOR = 2.0, 2.0
LEVEL = 0.95


@dataclass
class Cell:
    """What was found at one dose and pixel size, over all frames of a material."""

    found: int = 0
    true: int = 0
    called: int = 0
    wrong: int = 0
    readings: int = 0
    silent: int = 0
    atoms: list[float] = field(default_factory=list)
    claimed: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """As figures."""
        low, high = wilson(self.found, self.true)
        return {
            "true": self.true, "recall": _ratio(self.found, self.true), "low": round(low, 3), "high": round(high, 3),
            "precision": _ratio(self.called - self.wrong, self.called), "atom_f1": _mean(self.atoms),
            "claimed": _mean(self.claimed), "cannot_tell": _ratio(self.silent, self.readings),
        }  # fmt: skip


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def run(quick: bool = False, seed: int = 7, file: Path | None = None) -> dict[str, Any]:
    """Thin every frame, and compare; `file` is a folder of images with truth, else the twin's worlds are scanned.

    Raises
    ------
    BadInput
        If the folder is no set of images with truth.
    """
    most = 1 if quick else _FRAMES
    frames = list(from_folder(file, most) if file else from_twin(seed, most))
    doses = _QUICK_DOSES if quick else _DOSES
    by_dose: dict[str, dict[float, Cell]] = defaultdict(lambda: defaultdict(Cell))
    by_pixel: dict[str, dict[tuple[float, float], Cell]] = defaultdict(lambda: defaultdict(Cell))
    laws: dict[str, list[tuple[VacancyLaw, float, int]]] = defaultdict(list)
    for number, frame in enumerate(frames):
        rng = np.random.default_rng([seed, number])
        for dose in doses[doses <= frame.dose_e_per_a2]:
            _read(frame, float(dose), 1.0, by_dose[frame.phase.name][float(dose)], rng)
        for dose, pixel in () if quick else _grid(frame):
            _read(frame, dose, pixel / frame.pixel_pm, by_pixel[frame.phase.name][dose, pixel], rng)
        laws[frame.phase.name] += _law(frame, quick, seed + number)
    figures: dict[str, Any] = {"source": "multislice" if file else "twin", "frames": len(frames)}
    bars: list[dict[str, Any]] = []
    for name, cells in by_dose.items():
        frame = next(one for one in frames if one.phase.name == name)
        figures[name] = _figures(frame, cells, by_pixel[name], laws[name])
        bars += _bars(name, figures[name], quick)
    return report("detection-limits", seed, figures, bars)


def _grid(frame: KnownFrame) -> Iterator[tuple[float, float]]:
    for dose in _PIXEL_DOSES:
        for pixel in _PIXELS_PM:
            if dose <= frame.dose_e_per_a2 and pixel >= frame.pixel_pm:
                yield dose, pixel


def _read(frame: KnownFrame, dose: float, factor: float, cell: Cell, rng: np.random.Generator) -> None:
    """One reading with fewer electrons and coarser pixels."""
    electrons = thinned(electrons_of(frame.image, 1.0), dose / frame.dose_e_per_a2, rng)
    image = coarser(electrons, factor, rng).image.astype(np.float32)
    pixel = frame.pixel_pm * factor
    seen = find_atoms(image, frame.phase, pixel_pm=pixel, counts_per_electron=1.0)
    cell.readings += 1
    cell.true += len(frame.vacancies_xy)
    cell.atoms.append(_f1(frame, seen, factor))
    if seen.cannot_tell:
        cell.silent += 1
        cell.claimed.append(0.0)
        return
    cell.claimed.append(seen.recall)
    radius = _RADIUS_PM / pixel
    truth, others = _placed(frame.vacancies_xy, factor), _placed(frame.others_xy, factor)
    called = seen.vacancies_xy[seen.sites_examined[seen.vacancies_site]]
    cell.found += int((partners(seen.vacancies_xy, truth, radius) >= 0).sum())
    cell.called += len(called)
    cell.wrong += _far(called, np.concatenate([truth, others]), radius)


def _placed(xy: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    place: NDArray[np.float64] = (xy + 0.5) / factor - 0.5
    return place


def _far(points: NDArray[np.float64], truth: NDArray[np.float64], radius: float) -> int:
    if not len(points) or not len(truth):
        return len(points)
    gap, _ = cKDTree(truth).query(points)
    return int((gap >= radius).sum())


def _f1(frame: KnownFrame, seen: AtomMap, factor: float) -> float:
    """Of columns, off the edges."""
    pixel = frame.pixel_pm * factor
    margin = 1.5 * frame.phase.spacing_angstrom * 100 / pixel
    limit = np.array(seen.shape[::-1]) - margin
    truth = _placed(frame.atoms_xy, factor)
    truth, found = (xy[((xy >= margin) & (xy < limit)).all(1)] for xy in (truth, seen.atoms_xy))
    both = int((partners(found, truth, _ATOM_PM / pixel) >= 0).sum())
    return 2 * both / max(len(found) + len(truth), 1)


def _law(frame: KnownFrame, quick: bool, seed: int) -> list[tuple[VacancyLaw, float, int]]:
    """(law, dose for one count, true vacancies) by the tool, which knows nothing of the truth."""
    keeps = (1.0, 0.3, 0.1) if quick else (1.0, 0.5, 0.25, 0.12, 0.06, 0.03)
    told = measure_limits(
        frame.image, frame.phase, frame.kind, pixel_pm=frame.pixel_pm, counts_per_electron=1.0,
        dose_e_per_a2=frame.dose_e_per_a2, keeps=keeps, coarser_by=(), seed=seed,
    )  # fmt: skip
    if told.law is None or told.dose_per_count is None:
        return []
    return [(told.law, told.dose_per_count, len(frame.vacancies_xy))]


def _figures(
    frame: KnownFrame, by_dose: dict[float, Cell], by_pixel: dict[tuple[float, float], Cell],
    laws: list[tuple[VacancyLaw, float, int]],
) -> dict[str, Any]:  # fmt: skip
    doses = np.array(sorted(by_dose))
    found, true = (np.array([getattr(by_dose[dose], name) for dose in doses]) for name in ("found", "true"))
    fine = np.geomspace(200.0, 1e6, 400)
    column, _ = vacancy_of(frame.phase, frame.kind)
    plain = predicted_law(
        frame.phase, frame.kind, voltage_kv=60.0, convergence_mrad=30.0, pixel_pm=frame.pixel_pm
    )
    per_dose = column_cross_section_a2(column, 60.0)
    physics = [plain.recall(dose * per_dose) for dose in fine]
    tool = _together(laws, fine)
    return {
        "kind": frame.kind, "vacancies": int(true.max()) if len(true) else 0,
        "dose_for_95": {
            "true": _rounded(crossing(doses, pooled_recall(found, true), LEVEL)),
            "tool": _rounded(crossing(fine, tool, LEVEL)),
            "physics": _rounded(crossing(fine, np.array(physics), LEVEL)),
        },
        "dose": [{"dose_e_per_a2": round(float(dose)), **by_dose[float(dose)].row()} for dose in doses],
        "curves": {
            "dose_e_per_a2": [round(float(v)) for v in fine[::8]], "tool": [round(float(v), 3) for v in tool[::8]],
            "physics": [round(v, 3) for v in physics[::8]],
        },
        "pixel": [
            {"dose_e_per_a2": dose, "pixel_pm": pixel, **cell.row()} for (dose, pixel), cell in sorted(by_pixel.items())
        ],
    }  # fmt: skip


def _together(laws: list[tuple[VacancyLaw, float, int]], doses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Recall by the tool over all frames, each with the vacancies that it has."""
    if not laws:
        return np.zeros(len(doses))
    curves = [[law.recall(dose / per_count) for dose in doses] for law, per_count, _ in laws]
    mean: NDArray[np.float64] = np.average(curves, axis=0, weights=[max(n, 1) for *_, n in laws])
    return mean


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value)


def _factor(doses: dict[str, Any], by: str) -> float:
    """How far off, either way; NaN if one of them is not known."""
    if not doses["true"] or not doses[by]:
        return math.nan
    return float(math.exp(abs(math.log(doses[by] / doses["true"]))))


def _bars(name: str, figures: dict[str, Any], quick: bool) -> list[dict[str, Any]]:
    n, kind, doses = figures["vacancies"], figures["kind"], figures["dose_for_95"]
    needed = _LEAST_TRUE if not quick else 10 * _LEAST_TRUE
    best = figures["dose"][-1]
    return [
        at_most(f"{kind} in {name}: dose for 95 % recall by the tool, off by a factor", _factor(doses, "tool"),
                _TOOL_FACTOR, n=n, n_needed=needed),
        at_most(f"{kind} in {name}: the same from physics alone", _factor(doses, "physics"), _PHYSICS_FACTOR, n=n,
                n_needed=needed),
        at_least(f"{kind} in {name}: recall at the highest dose", best["recall"] or math.nan, LEVEL, n=best["true"],
                 n_needed=_LEAST_TRUE),
    ]  # fmt: skip
