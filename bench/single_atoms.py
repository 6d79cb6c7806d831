"""Single Pt atoms against clicked coordinates: `eucentric bench single-atoms DIR --out OUT.json` [DECISIONS 14].

DIR holds NAME.tif beside NAME.csv (X = column, Y = row), as in github.com/Sjeon1/HAADF_Atom_Detection. Nothing is set
for an image. Two readings of the labels are scored, for the numbering of that set slipped while it was clicked: the
first rows of file k mark image k, the others image k-1. `filed` takes every file by its name. `reassigned` cuts each
file once, where its points stop being brighter on its own image than on the one before; it needs those files too.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.bench.contract import at_least, report
from eucentric.bench.images import score as rules
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.tools.vision import read_image
from eucentric.tools.vision.single_atoms import FALSE_SHARE, SingleAtoms, called_at, find_single_atoms

PIXEL_PM = 16.026
"""16.411 nm over 1024 px: the set's own script, and the field of view in the tags of the one whole frame.
The 512² images are cut from such frames, not reduced: their noise is correlated from pixel to pixel just as there."""
RADIUS_NM = 0.14
"""Half the distance of two Pt in the metal: a label can't be meant for another atom."""
_BAR = 0.9
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)

Points = rules.Array
Image = NDArray[np.float32]


@dataclass(frozen=True)
class Labelled:
    """One image with its labels by name, and those that are left to it after reassignment (None: not to be had)."""

    name: str
    image: Image
    filed: Points
    reassigned: Points | None


def run(quick: bool = False, seed: int = 7, file: Path | None = None) -> dict[str, Any]:
    """Every labelled image of a folder; `quick` takes the first four.

    Raises
    ------
    BadInput
        If the folder holds no image with labels.
    """
    examples = read_labelled(file)[: 4 if quick else None]
    figures: dict[str, Any] = {"radius_nm": RADIUS_NM, "pixel_pm": PIXEL_PM, "radius_px": _radius()}
    seen = [find_single_atoms(example.image, PIXEL_PM) for example in examples]
    rows = [_row(example, atoms) for example, atoms in zip(examples, seen, strict=True)]
    figures["labels"] = {row["file"]: row["labels"] for row in rows}
    f1 = {}
    for reading in ("filed", "reassigned"):
        tallies = {share: _tally(examples, seen, reading, share) for share in _SHARES}
        if tallies[FALSE_SHARE].true:
            figures[reading] = {f"{share:g}": _shown(tally) for share, tally in tallies.items()}
            f1[reading] = tallies[FALSE_SHARE]
    bars = [
        at_least(f"F1 within {RADIUS_NM} nm, labels {reading}", tally.f1, _BAR, n=tally.true, n_needed=50)
        for reading, tally in f1.items()
    ]
    return report("single-atoms", seed, figures, bars, images=rows)


def read_labelled(folder: Path | None) -> list[Labelled]:
    """Images with labels, by number."""
    names = sorted((path.stem for path in folder.glob("*.tif") if path.with_suffix(".csv").exists()), key=_number) \
        if folder else []  # fmt: skip
    if not names or folder is None:
        raise BadInput(
            f"no labelled images in {visible(str(folder), limit=200)}", "NAME.tif beside NAME.csv is needed",
            "give such a folder",
        )  # fmt: skip
    images = {name: read_image(folder / f"{name}.tif")[0] for name in names}
    labels = {path.stem: _clicked(path) for path in folder.glob("*.csv")}
    bright = {name: _bright(image) for name, image in images.items()}
    cuts = {
        name: _cut(points, bright.get(name), bright.get(_other(name, -1))) for name, points in labels.items()
    }
    return [
        Labelled(name, images[name], labels[name], _joined(name, labels, cuts)) for name in names
    ]  # fmt: skip


def _number(name: str) -> tuple[str, int]:
    digits = re.search(r"\d+$", name)
    return (name[: digits.start()], int(digits.group())) if digits else (name, -1)


def _other(name: str, step: int) -> str:
    stem, number = _number(name)
    return f"{stem}{number + step}"


def _clicked(path: Path) -> Points:
    points: Points = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2).reshape(-1, 2)
    return points


def _bright(image: Image) -> Points:
    """How bright the brightest spot near each pixel is, by a filter of its own: a label needs no detector's consent."""
    width = 40 / PIXEL_PM
    pixels = image.astype(float)
    spots = ndimage.gaussian_filter(pixels, width) - ndimage.gaussian_filter(pixels, 3 * width)
    near: Points = ndimage.maximum_filter(spots / spots.std(), round(100 / PIXEL_PM) | 1)
    return near


def _at(bright: Points, points: Points) -> Points:
    cells = np.clip(np.rint(points).astype(int), 0, np.array(bright.shape[::-1]) - 1)
    value: Points = bright[cells[:, 1], cells[:, 0]]
    return value


def _cut(points: Points, own: Points | None, before: Points | None) -> int | None:
    """How many rows of a file mark the image of its name; None where an image to compare with is missing."""
    if own is None or before is None:
        return len(points) if own is not None else 0 if before is not None else None
    gain = _at(own, points) - _at(before, points)
    return int(np.argmax(np.concatenate([[0.0], np.cumsum(gain)])))


def _joined(name: str, labels: dict[str, Points], cuts: dict[str, int | None]) -> Points | None:
    after = _other(name, 1)
    head, tail = cuts[name], cuts.get(after)
    first = _number(name)[1] == 0
    if head is None or tail is None or (not first and _other(name, -1) not in labels):
        return None
    return np.concatenate([labels[name][:head], labels[after][tail:]])


def _radius() -> float:
    return round(1e3 * RADIUS_NM / PIXEL_PM, 2)


def _tally(examples: list[Labelled], seen: list[SingleAtoms], reading: str, share: float) -> rules.Tally:
    """Pooled over the images; no edge margin, for nothing here depends on a neighbour."""
    total = rules.Tally()
    for example, atoms in zip(examples, seen, strict=True):
        truth: Points | None = getattr(example, reading)
        if truth is not None:
            found = atoms.xy[called_at(atoms.noise_above, share)]
            shape = (example.image.shape[0], example.image.shape[1])
            total.add(rules.score(found, truth, 10 * RADIUS_NM, PIXEL_PM / 100, shape, -1.0))
    return total


def _shown(tally: rules.Tally) -> dict[str, Any]:
    return {"precision": round(tally.precision, 3), "recall": round(tally.recall, 3), "f1": round(tally.f1, 3),
            "rms_pm": round(tally.rms_pm, 1), "labels": tally.true, "found": tally.predicted}  # fmt: skip


def _row(example: Labelled, seen: SingleAtoms) -> dict[str, Any]:
    """What was found, and how bright the labels are beside random places."""
    bright, rng = _bright(example.image), np.random.default_rng(1)
    anywhere = _at(bright, rng.uniform(0, min(example.image.shape) - 1, (400, 2)))
    limit = float(np.percentile(anywhere, 95))
    readings = {"filed": example.filed, "reassigned": example.reassigned}
    labels = {
        name: {"n": len(points), "brighter_than_95_percent": int((_at(bright, points) > limit).sum())}
        for name, points in readings.items()
        if points is not None
    }
    rows = zip(seen.atoms_xy, seen.p_value[seen.called], seen.sigma_pm[seen.called], strict=True)
    atoms = [
        {
            "x_px": round(float(x), 2),
            "y_px": round(float(y), 2),
            "p_value": float(p),
            "sigma_pm": round(float(s), 1),
        }
        for (x, y), p, s in rows
    ]
    return {"file": example.name, "labels": labels, "flags": [code for code, _ in seen.flags], "atoms": atoms}
