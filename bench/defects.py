"""Atoms and point defects in images with truth: `eucentric bench defects DIR --out OUT.json` [DECISIONS 14].

The detector is told the pixel size and the name of the material, nothing else.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.bench.contract import at_least, at_most, report, share_at_least
from eucentric.bench.images import score as rules
from eucentric.bench.images.bound import bounds_of, column_width_a
from eucentric.bench.images.cover import Coverage
from eucentric.bench.images.folder import Example, detected, read_example, read_manifest, row_of
from eucentric.bench.images.ideal import Ideal, ideal_of
from eucentric.bench.images.odd import judge_odd
from eucentric.core.errors import BadInput
from eucentric.tools.vision import AtomMap

_ATOM_F1 = {"Ti3C2O2": (0.995, 0.98, 0.85), "MoS2": (0.997, 0.995, 0.98)}
_VACANCY = {"Ti3C2O2": ((0.98, 0.98), (0.95, 0.85)), "MoS2": ((0.93, 0.93), (0.85, 0.75))}
"""(precision, recall) at high and mid dose."""
_OVER_BOUND = {"Ti3C2O2": 1.25, "MoS2": 1.5}
_LEAST_COUNTS = 100.0
_KIND = 0.95
_ECE = 0.05
_QUICK_IMAGES = 6


@dataclass
class _Group:
    """What the images of one material and dose bucket gave together."""

    atoms: rules.Tally = field(default_factory=rules.Tally)
    vacancies: rules.Tally = field(default_factory=rules.Tally)
    kinds: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    recall_of: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    error_pm: list[float] = field(default_factory=list)
    bound_pm: list[float] = field(default_factory=list)
    stated_pm: list[float] = field(default_factory=list)
    cover: Coverage = field(default_factory=Coverage)
    ideal: list[Ideal] = field(default_factory=list)
    images: int = 0
    flagged: int = 0


def run(quick: bool = False, seed: int = 7, file: Path | None = None) -> dict[str, Any]:
    """Every image of a folder, read and compared with its truth; `quick` takes the first few, and no odd ones.

    Raises
    ------
    BadInput
        If no folder is given, or it is no set of images with truth.
    """
    if file is None:
        raise BadInput(
            "the benchmark defects needs a folder of images with truth",
            "manifest.json and the npz files that it names; none is shipped",
            "write `eucentric bench defects DIR --out OUT.json`",
        )
    entries = read_manifest(file)
    groups: dict[tuple[str, str], _Group] = defaultdict(_Group)
    calls, images, cases = rules.Calls(), [], []
    for entry in entries[:_QUICK_IMAGES] if quick else entries:
        example = read_example(file, entry)
        seen, seconds, reason = detected(example.image, str(entry["material"]), example.pixel_a)
        row = row_of(str(entry["file"]), seen, seconds, reason)
        bucket = rules.bucket_of(float(entry["dose_e_per_A2"]))
        cases.append(_judge(example, seen, row, groups[str(entry["material"]), bucket], calls))
        images.append(row)
    figures: dict[str, Any] = {
        "groups": {f"{material} {bucket}": _figures(group) for (material, bucket), group in groups.items()},
        "calibration": rules.calibration(calls, 0.05), "calibration_all_sites": rules.calibration(calls),
        "cpu_s_per_image": round(float(np.median([row["seconds"] for row in images])), 3),
    }  # fmt: skip
    bars = _bars(groups, calls)
    if not quick:
        clear = [row["doubt"] for row, entry in zip(images, entries, strict=True) if _clear(entry)]
        figures["odd"], more = judge_odd(file, entries, clear, seed)
        bars += more
    return report("defects", seed, figures, bars, cases=cases, images=images)


def _clear(entry: dict[str, Any]) -> bool:
    """Counts enough to be read."""
    return rules.bucket_of(float(entry["dose_e_per_A2"])) != "low"


def _points(rows: list[dict[str, Any]]) -> rules.Array:
    return np.array([[row["x_px"], row["y_px"]] for row in rows], float).reshape(-1, 2)


def _judge(
    example: Example, seen: AtomMap | None, row: dict[str, Any], group: _Group, calls: rules.Calls
) -> dict[str, Any]:
    """Score what would be written to the file, add it to the group, and say what it was for this image."""
    shape = (example.image.shape[0], example.image.shape[1])
    margin = rules.margin_px(float(example.entry["lattice_a_A"]), example.pixel_a)
    found = _points(row["atoms"])
    atoms = rules.score(found, example.atoms_xy, rules.ATOM_RADIUS_A, example.pixel_a, shape, margin)
    called = _points(row["vacancies"])
    vacancies = rules.score(
        called, example.vacancies_xy, rules.VACANCY_RADIUS_A, example.pixel_a, shape, margin
    )
    group.atoms.add(atoms)
    group.vacancies.add(vacancies)
    group.images += 1
    group.flagged += bool(row["flags"])
    _kinds(example, called, [one["kind"] for one in row["vacancies"]], shape, margin, group)
    if (ideal := ideal_of(example)) is not None:
        group.ideal.append(ideal)
    if seen is not None:
        _calibrated(example, seen, shape, margin, calls)
    sigma_pm = np.array([one["sigma_pm"] for one in row["atoms"]])
    ratio = _positions(example, seen, found, sigma_pm, shape, margin, group)
    return {
        "id": row["file"], "outputs": _tally(atoms, vacancies) | {"over_bound": ratio, "doubt": row["doubt"]},
        "deviation": None, "pass": None, "seconds": row["seconds"],
        "flags": [flag["code"] for flag in row["flags"]],
    }  # fmt: skip


def _kinds(
    example: Example,
    called: rules.Array,
    kinds: list[str],
    shape: tuple[int, int],
    margin: float,
    group: _Group,
) -> None:
    to = rules.partners(called, example.vacancies_xy, rules.VACANCY_RADIUS_A / example.pixel_a)
    inner = rules.inside(example.vacancies_xy, shape, margin)
    matched = {int(t): kind for t, kind in zip(to, kinds, strict=True) if t >= 0}
    for i in np.flatnonzero(inner):
        true = example.vacancy_kind[i]
        group.recall_of[true].append(int(i) in matched)
        if int(i) in matched:
            group.kinds[true].append(matched[int(i)] == true)


def _calibrated(
    example: Example, seen: AtomMap, shape: tuple[int, int], margin: float, calls: rules.Calls
) -> None:
    """Every site of the lattice inside the margin is a candidate."""
    to = rules.partners(seen.sites_xy, example.vacancies_xy, rules.VACANCY_RADIUS_A / example.pixel_a)
    inner = rules.inside(seen.sites_xy, shape, margin) if len(seen.sites_xy) else np.zeros(0, bool)
    calls.add(seen.sites_p_vacancy[inner], (to >= 0)[inner])


def _positions(
    example: Example,
    seen: AtomMap | None,
    found: rules.Array,
    sigma_pm: rules.Array,
    shape: tuple[int, int],
    margin: float,
    group: _Group,
) -> float | None:
    """rms of the brightest kind of column over the bound, where it has counts enough."""
    fwhm = example.entry.get("source_fwhm_A")
    if example.noiseless is None or fwhm is None or not len(found):
        return None
    heavy = np.array([element in ("Ti", "Mo") for element in example.atoms_element])
    inner = heavy & rules.inside(example.atoms_xy, shape, margin)
    bounds = bounds_of(example.noiseless, example.atoms_xy, column_width_a(float(fwhm)), example.pixel_a)
    good = inner & (bounds.counts >= _LEAST_COUNTS)
    to = rules.partners(found, example.atoms_xy, rules.ATOM_RADIUS_A / example.pixel_a)
    rows = np.flatnonzero(to >= 0)
    rows = rows[good[to[rows]]]
    if len(rows) < 20:
        return None
    gap = np.hypot(*(found[rows] - example.atoms_xy[to[rows]]).T) * example.pixel_a * 100
    group.error_pm.extend(gap.tolist())
    group.bound_pm.extend(bounds.rms_pm[to[rows]].tolist())
    group.stated_pm.extend(sigma_pm[rows].tolist())
    if seen is not None:
        _covered(example, seen, to, rows, group)
    return round(_rms(gap.tolist()) / _rms(bounds.rms_pm[to[rows]].tolist()), 3)


def _covered(
    example: Example, seen: AtomMap, to: NDArray[np.int64], rows: NDArray[np.intp], group: _Group
) -> None:
    """Errors of the same columns beside their stated covariances."""
    pm = example.pixel_a * 100
    errors = [(xy[rows] - example.atoms_xy[to[rows]]) * pm for xy in (seen.atoms_xy, seen.atoms_free_xy)]
    group.cover.add(
        errors[0], seen.atoms_covariance_pm2[rows], errors[1], seen.atoms_free_covariance_pm2[rows]
    )


def _rms(values: list[float]) -> float:
    return math.sqrt(float(np.mean(np.square(values)))) if values else math.nan


def _tally(atoms: rules.Tally, vacancies: rules.Tally) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return round(value, 4) if math.isfinite(value) else None

    return {
        "atoms": {"precision": number(atoms.precision), "recall": number(atoms.recall), "f1": number(atoms.f1),
                  "rms_pm": number(atoms.rms_pm), "true": atoms.true, "predicted": atoms.predicted},
        "vacancies": {"precision": number(vacancies.precision), "recall": number(vacancies.recall),
                      "f1": number(vacancies.f1), "rms_pm": number(vacancies.rms_pm), "true": vacancies.true,
                      "predicted": vacancies.predicted},
    }  # fmt: skip


def _figures(group: _Group) -> dict[str, Any]:
    found = [right for one in group.kinds.values() for right in one]
    error, bound = _rms(group.error_pm), _rms(group.bound_pm)
    stated = math.sqrt(2) * _rms(group.stated_pm)
    return _tally(group.atoms, group.vacancies) | {
        "images": group.images, "flagged": group.flagged,
        "kind_right": round(sum(found) / len(found), 4) if found else None,
        "kinds": {kind: {"true": len(hits), "found": sum(hits), "named_right": sum(group.kinds[kind])}
                  for kind, hits in sorted(group.recall_of.items())},
        "one_of_two_missing": _ideal(group.ideal),
        "bright_columns": {"n": len(group.error_pm), "rms_pm": _shown(error), "bound_pm": _shown(bound),
                           "over_bound": _shown(error / bound) if group.bound_pm else None,
                           "stated_pm": _shown(stated), "covered": group.cover.figures()},
    }  # fmt: skip


def _ideal(each: list[Ideal]) -> dict[str, Any] | None:
    """What one who knows everything else would find of half-empty columns, and call wrongly."""
    if not each:
        return None
    halved, found, false = (sum(getattr(one, name) for one in each) for name in ("halved", "found", "false"))
    return {"halved": halved, "ideal_recall": round(found / halved, 3), "ideal_false_calls": round(false, 1),
            "separation_median": round(float(np.median([one.separation for one in each])), 2)}  # fmt: skip


def _shown(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _bars(groups: dict[tuple[str, str], _Group], calls: rules.Calls) -> list[dict[str, Any]]:
    bars = []
    for (material, bucket), group in groups.items():
        level = ("high", "mid", "low").index(bucket)
        if material in _ATOM_F1:
            bar = _ATOM_F1[material][level]
            bars.append(at_least(f"atom F1, {material}, {bucket}", group.atoms.f1, bar, n=group.atoms.true))
        if material in _VACANCY and level < 2:
            bars += _vacancy_bars(material, bucket, group, _VACANCY[material][level])
    for material, bar in _OVER_BOUND.items():
        bars += _position_bar(
            material, bar, [group for (name, _), group in groups.items() if name == material]
        )
    figures = rules.calibration(calls, 0.05)
    if figures["n"]:
        claim = "calibration error over sites with p > 0.05"
        bars.append(at_most(claim, float(figures["ece"] or 0.0), _ECE, n=int(figures["n"]), n_needed=50))
    return bars


def _vacancy_bars(
    material: str, bucket: str, group: _Group, bar: tuple[float, float]
) -> list[dict[str, Any]]:
    v, named = group.vacancies, f"{material}, {bucket}"
    bars = [
        share_at_least(f"vacancy precision, {named}", v.predicted_true, v.predicted, bar[0]),
        share_at_least(f"vacancy recall, {named}", v.found, v.true, bar[1]),
    ]
    found = [right for one in group.kinds.values() for right in one]
    if len(group.recall_of) > 1 and bucket == "high":
        bars.append(share_at_least(f"kind right of found vacancies, {named}", sum(found), len(found), _KIND))
    return bars


def _position_bar(material: str, bar: float, groups: list[_Group]) -> list[dict[str, Any]]:
    error = [value for group in groups for value in group.error_pm]
    bound = [value for group in groups for value in group.bound_pm]
    if not error:
        return []
    claim = f"position error over the Cramér-Rao bound, {material}, columns of ≥ {_LEAST_COUNTS:g} counts"
    return [at_most(claim, _rms(error) / _rms(bound), bar, n=len(error), n_needed=100)]
