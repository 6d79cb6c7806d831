"""Columns erased from real images: is what is claimed of them found, and does the rest stay? `bench planted DIR`.

Real images have no truth, but what was erased from them is known. Every image that can be read is planted in
several ways, turned and rescaled; the claim is the map's own recall with its interval.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.bench.contract import report, share_at_least, wilson
from eucentric.bench.images.erased_columns import RECIPES, Ground, View, chosen, erased, ground
from eucentric.core.errors import BadInput
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import AtomMap, find_atoms, read_image

Array = NDArray[np.float64]

_MATERIAL = "Ti3C2"
_COUNT = 25
_VIEWS = (View(0.0, 1.0), View(23.0, 1.3), View(-41.0, 0.85))
_SUFFIXES = (".tif", ".tiff", ".npy")
_STAY = 0.98
_NEAR = 0.35
"""A place and a site are the same within this share of the spacing."""
_SURE = 0.05
"""Columns with a higher probability of being vacant already are not erased."""
_HALF = "mean"
"""Leaves more than half of a column: shown, but no claim is made about such."""


@dataclass
class _Tally:
    """What one recipe gave over images and views."""

    found: int = 0
    planted: int = 0
    same: int = 0
    others: int = 0
    left: list[float] = field(default_factory=list)
    claims: list[tuple[float, float, float, int]] = field(default_factory=list)
    """(low, value, high, planted sites) of each image."""

    def claim(self) -> tuple[float, float, float]:
        """(low, value, high) over images."""
        table = np.array(self.claims)
        low, value, high = (table[:, 3] @ table[:, :3] / table[:, 3].sum()).tolist()
        return low, value, high


def run(quick: bool = False, seed: int = 7, file: Path | None = None) -> dict[str, Any]:
    """Every image of a folder that can be read; `quick` takes one image, three recipes and one turned view.

    Raises
    ------
    BadInput
        If no folder is given, or nothing in it can be read.
    """
    paths = (
        sorted(p for p in file.iterdir() if p.suffix.lower() in _SUFFIXES) if file and file.is_dir() else []
    )
    recipes, views = (("fitted", "lowest", "between"), _VIEWS[1:2]) if quick else (RECIPES, _VIEWS)
    tallies = {recipe: _Tally() for recipe in recipes}
    cases: list[dict[str, Any]] = []
    for path in paths:
        if quick and cases:
            break
        cases += _image(path, recipes, views, seed, tallies)
    if not cases:
        raise BadInput(
            "the benchmark planted needs a folder of images in focus", f"{len(paths)} images, none of them readable",
            "write `eucentric bench planted DIR`; the images are read as Ti3C2",
        )  # fmt: skip
    figures = {recipe: _figures(tally) for recipe, tally in tallies.items()}
    return report(
        "planted", seed, figures, [bar for r, t in tallies.items() for bar in _bars(r, t)], cases=cases
    )


def _image(
    path: Path, recipes: tuple[str, ...], views: tuple[View, ...], seed: int, tallies: dict[str, _Tally]
) -> list[dict[str, Any]]:
    image = read_image(path)[0].astype(np.float32)
    plain = find_atoms(image, phase(_MATERIAL))
    if plain.cannot_tell:
        return []
    on = _ground(image, plain)
    rng = np.random.default_rng(seed)
    away = np.hypot(*(on.xy - (np.array(image.shape[::-1]) - 1) / 2).T)
    inner = away < min(image.shape) / 2 - 3 * on.spacing  # in sight whichever way the image is turned
    rows = chosen(on, plain.sites_examined & (plain.sites_p_vacancy < _SURE) & inner, _COUNT, rng)
    planted = {recipe: erased(on, rows, recipe, rng) for recipe in recipes}
    cases = []
    for view in views:
        before = find_atoms(view.of(image), phase(_MATERIAL))
        place = view.places(on.xy[rows], image.shape)
        for recipe in recipes:
            after = find_atoms(view.of(planted[recipe]), phase(_MATERIAL))
            cases.append(_compared(path.name, recipe, view, before, after, place, tallies[recipe]))
    return cases


def _ground(image: NDArray[np.float32], plain: AtomMap) -> Ground:
    pixel = plain.pixel_pm or math.nan
    sigma = (plain.column_sigma_pm or math.nan) / pixel
    height = plain.counts_per_column / (2 * math.pi * sigma**2)
    return ground(image, plain.sites_xy, plain.phase.spacing_angstrom * 100 / pixel, sigma, height)


def _compared(
    name: str, recipe: str, view: View, before: AtomMap, after: AtomMap, place: Array, tally: _Tally
) -> dict[str, Any]:
    """What became of the erased columns, and of all others."""
    if before.cannot_tell or after.cannot_tell:
        tally.planted += len(place)
        return {"id": f"{name} {recipe} {view.degrees:g}° ×{view.factor:g}", "outputs": {"cannot_tell": True},
                "deviation": None, "pass": False, "seconds": None}  # fmt: skip
    near = _NEAR * after.phase.spacing_angstrom * 100 / (after.pixel_pm or math.nan)
    gap, site = cKDTree(after.sites_xy).query(place)
    good = (gap < near) & after.sites_examined[site]
    hit = good & (after.sites_p_vacancy[site] > 0.5)
    same, others = _unchanged(before, after, place, near)
    tally.found, tally.planted = tally.found + int(hit.sum()), tally.planted + len(place)
    tally.same, tally.others = tally.same + same, tally.others + others
    tally.left += after.sites_relative[site[good]].tolist()
    tally.claims.append((after.recall_low, after.recall, after.recall_high, len(place)))
    return {
        "id": f"{name} {recipe} {view.degrees:g}° ×{view.factor:g}",
        "outputs": {"found": int(hit.sum()), "planted": len(place), "recall": round(after.recall, 3),
                    "recall_low": round(after.recall_low, 3), "recall_high": round(after.recall_high, 3),
                    "others": others, "changed": others - same, "called_before": before.called},
        "deviation": None, "pass": None, "seconds": None,
    }  # fmt: skip


def _unchanged(before: AtomMap, after: AtomMap, place: Array, near: float) -> tuple[int, int]:
    """(sites with the same call, sites) examined before and after, but for the erased ones."""
    gap, site = cKDTree(after.sites_xy).query(before.sites_xy)
    away, _ = cKDTree(place).query(before.sites_xy)
    both = (gap < near) & (away > near) & before.sites_examined & after.sites_examined[site]
    same = (before.sites_p_vacancy > 0.5) == (after.sites_p_vacancy[site] > 0.5)
    return int((same & both).sum()), int(both.sum())


def _figures(tally: _Tally) -> dict[str, Any]:
    low, value, high = tally.claim() if tally.claims else (math.nan,) * 3
    return {
        "found": tally.found, "planted": tally.planted, "found_share": round(tally.found / tally.planted, 4),
        "recall_claimed": [round(x, 4) if math.isfinite(x) else None for x in (low, value, high)],
        "left_of_column": round(float(np.median(tally.left)), 3) if tally.left else None,
        "others": tally.others, "others_unchanged": round(tally.same / max(tally.others, 1), 5),
    }  # fmt: skip


def _bars(recipe: str, tally: _Tally) -> list[dict[str, Any]]:
    bars = [share_at_least(f"other calls unchanged, {recipe}", tally.same, tally.others, _STAY)]
    if recipe == _HALF or not tally.claims:
        return bars
    low, _, high = tally.claim()
    # The share found is itself uncertain: its interval has to meet the claimed one.
    least, most = wilson(tally.found, tally.planted)
    bars.insert(0, {
        "claim": f"share of erased columns found lies in the claimed recall's interval, {recipe}",
        "figure": tally.found / tally.planted, "bar": low, "bar_high": high, "n": tally.planted, "n_needed": 20,
        "holds": (most >= low and least <= high) if tally.planted >= 20 else None, "low": least, "high": most,
    })  # fmt: skip
    return bars
