"""Does the detector say when an image cannot be read, and does it read the same view at any scale and rotation?"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.bench.contract import at_least, at_most
from eucentric.bench.images import score as rules
from eucentric.bench.images.folder import Example, detected, read_example
from eucentric.bench.images.vary import odd_images, view_at
from eucentric.tools.vision.advice import why_not_counted

_KINDS = ("defocus", "amorphous", "grain boundary", "wrong scale", "empty")
"""Of these the bar speaks; others are reported."""
_PIXELS_A = (0.05, 0.08, 0.12, 0.18)
_TURNS = (0.0, 13.0, 30.0, 47.0)
_MOST_SOURCES = 8


def judge_odd(
    folder: Path, entries: list[dict[str, Any]], ordinary: list[float], seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(figures, bars) of images made from those of a folder.

    Parameters
    ----------
    folder, entries
        Images with truth; those of low dose are left out.
    ordinary
        Doubt of the images as they are.
    seed
        Of the noise and of which wrong scale is told.
    """
    rng = np.random.default_rng(seed)
    doubts: dict[str, list[float]] = defaultdict(list)
    flagged: dict[str, list[bool]] = defaultdict(list)
    counted: dict[str, list[bool]] = defaultdict(list)
    scales: dict[float, rules.Tally] = {pixel: rules.Tally() for pixel in _PIXELS_A}
    for entry in _spread(entries):
        example = read_example(folder, entry)
        for odd in odd_images(example, rng):
            seen, _, _ = detected(odd.image, odd.told_material, odd.told_pixel_a)
            doubts[odd.kind].append(1.0 if seen is None else seen.doubt)
            flagged[odd.kind].append(seen is None or bool(seen.flags))
            counted[odd.kind].append(seen is not None and not why_not_counted(seen))
        for pixel, turn in zip(_PIXELS_A, _TURNS, strict=True):
            _read_at(example, pixel, turn, rng, scales[pixel])
    odd_all = [value for kind in _KINDS for value in doubts[kind]]
    area = rules.auroc(ordinary, odd_all)
    f1 = {f"{pixel:g}": round(tally.f1, 4) for pixel, tally in scales.items() if tally.true}
    figures = {
        "auroc": {kind: round(rules.auroc(ordinary, doubts[kind]), 4) for kind in doubts},
        "flagged": {kind: f"{sum(flagged[kind])} of {len(flagged[kind])}" for kind in flagged},
        "counted": {kind: f"{sum(counted[kind])} of {len(counted[kind])}" for kind in counted},
        "atom_f1_by_pixel_a": f1,
    }
    drop = max(f1.values()) - min(f1.values()) if f1 else float("nan")
    return figures, [
        at_least(
            "odd images against ordinary ones, AUROC of the doubt", area, 0.95, n=len(odd_all), n_needed=20
        ),
        at_most("atom F1 lost between 0.05 and 0.18 Å/px at equal counts", drop, 0.01, n=len(f1), n_needed=3),
    ]


def _spread(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most eight images with counts enough, taken evenly from the list."""
    good = [e for e in entries if rules.bucket_of(float(e["dose_e_per_A2"])) != "low"]
    return good[:: max(1, -(-len(good) // _MOST_SOURCES))]


def _read_at(
    example: Example, pixel_a: float, degrees: float, rng: np.random.Generator, into: rules.Tally
) -> None:
    view = view_at(example, pixel_a, degrees, rng)
    if view is None:
        return
    seen, _, _ = detected(view.image, str(example.entry["material"]), pixel_a)
    shape = (view.image.shape[0], view.image.shape[1])
    margin = rules.margin_px(float(example.entry["lattice_a_A"]), pixel_a)
    found = np.zeros((0, 2)) if seen is None else seen.atoms_xy
    into.add(rules.score(found, view.atoms_xy, rules.ATOM_RADIUS_A, pixel_a, shape, margin))
