"""Real MXene images without truth: `eucentric bench defects-real DIR [--python ENV/bin/python]` [DECISIONS 14].

DIR holds published HAADF images of Ti3C2Tx (github.com/NREL/mxene_seg) and `published_counts.csv`. What can be said
without truth: is the image that is out of focus flagged, do the counts fit the area, how do they compare with those
published, image by image and over the etchants, and, with the peers' interpreter, how do the columns agree with the
points of the authors' network.
"""

import csv
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.bench.contract import at_least, at_most, report
from eucentric.bench.images import score as rules
from eucentric.bench.peers.comparison import peer_answer
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import AtomMap, find_atoms, read_image, vacancy_density

_MATERIAL = "Ti3C2"
_OUT_OF_FOCUS = "1415_"
_AGREE_A = 0.6
"""Points of both nearer than this are one column [Å]."""
_OFF_CAPACITY = 0.03
_NETWORK = "atomai_512"


def run(
    quick: bool = False, seed: int = 7, file: Path | None = None, python: Path | None = None
) -> dict[str, Any]:
    """Every TIFF of a folder; `quick` takes the first two.

    Raises
    ------
    BadInput
        If the folder holds no TIFF.
    """
    paths = sorted(file.glob("*.tif"))[: 2 if quick else None] if file else []
    if not paths or file is None:
        raise BadInput(
            f"no TIFF in {visible(str(file), limit=200)}", remedy="give a folder with HAADF images"
        )
    images = [read_image(path)[0] for path in paths]
    maps = [find_atoms(image, phase(_MATERIAL)) for image in images]
    published = _published(file)
    rows = [_row(path.name, seen, published.get(path.name)) for path, seen in zip(paths, maps, strict=True)]
    figures: dict[str, Any] = {"images": rows, "by_hf_percent": _series(rows, maps)}
    figures["published"] = _beside_published(rows)
    if python is not None:
        figures["network"] = _network(paths, images, maps, python)
    return report("defects-real", seed, figures, _bars(rows))


def _published(folder: Path) -> dict[str, dict[str, Any]]:
    """Counts of the authors' pipeline by file name; empty without the table."""
    table = folder / "published_counts.csv"
    if not table.exists():
        return {}
    with open(table, newline="", encoding="utf-8") as file:
        return {
            row["file_name"]: {
                "atoms": int(row["num_atoms"]),
                "vacancies": int(row["num_vacancies"]),
                "hf": float(row["hf_percent"]),
            }
            for row in csv.DictReader(file)
        }


def hf_percent(name: str) -> float | None:
    """Share of HF in the etchant as the authors sort their files: 5, 9.1 or 12.5 %; None if the name does not tell."""
    for pattern, value in ((r"_5HF|_3mL", 5.0), (r"HF9p1|_6mL", 9.1), (r"_12HF", 12.5)):
        if re.search(pattern, name):
            return value
    return None


def _series(rows: list[dict[str, Any]], maps: list[AtomMap]) -> dict[str, Any]:
    """One density for each etchant, over the images that can be read, beside the published counts of the same."""
    series = {}
    for hf in sorted({row["hf_percent"] for row in rows if row["hf_percent"] is not None}):
        chosen = [(row, seen) for row, seen in zip(rows, maps, strict=True) if row["hf_percent"] == hf]
        read = [(row, seen) for row, seen in chosen if not row["cannot_tell"]]
        counts = [row["published"] for row, _ in read if row["published"]]
        atoms, vacancies = (sum(one[what] for one in counts) for what in ("atoms", "vacancies"))
        density = vacancy_density([seen for _, seen in read]) if read else None
        series[f"{hf:g}"] = {
            "images": len(chosen), "read": len(read),
            "density": None if density is None else density.interval.model_dump(mode="json"),
            "called": None if density is None else density.details.get("called"),
            "published_images": len(counts), "published_percent": round(100 * vacancies / atoms, 3) if atoms else None,
        }  # fmt: skip
    return series


def _beside_published(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Vacancies of both over the images that can be read and have published counts."""
    both = [
        (row["vacancies"], row["published"]["vacancies"])
        for row in rows
        if row["published"] and not row["cannot_tell"]
    ]
    ours, theirs = (
        (np.array(column, float) for column in zip(*both, strict=True)) if both else (np.zeros(0),) * 2
    )
    varied = len(both) > 2 and bool(ours.std() and theirs.std())
    correlation = round(float(np.corrcoef(ours, theirs)[0, 1]), 3) if varied else None
    return {
        "images": len(both),
        "ours": int(ours.sum()),
        "theirs": int(theirs.sum()),
        "correlation": correlation,
    }


def _row(name: str, seen: AtomMap, published: dict[str, Any] | None) -> dict[str, Any]:
    columns, called = len(seen.atoms_xy), len(seen.vacancies_xy)
    density = vacancy_density([seen])
    hf = published["hf"] if published else hf_percent(name)
    row: dict[str, Any] = {
        "file": name, "hf_percent": hf, "flags": [code for code, _ in seen.flags],
        "cannot_tell": seen.cannot_tell, "columns": columns, "vacancies": called,
        "pixel_pm": None if seen.pixel_pm is None else round(seen.pixel_pm, 3),
        "capacity": round(seen.capacity, 1), "recall": round(seen.recall, 3), "coherence": round(seen.coherence, 3),
        "sites_over_capacity": round((columns + called) / seen.capacity, 4) if seen.capacity else None,
        "density": density.model_dump(mode="json"), "published": published,
    }  # fmt: skip
    return row


def _network(
    paths: list[Path], images: list[np.ndarray[Any, Any]], maps: list[AtomMap], python: Path
) -> dict[str, Any]:
    """Agreement of the authors' network with our columns, ours taken as the reference."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        entries = []
        for number, (image, seen) in enumerate(zip(images, maps, strict=True)):
            np.savez(folder / f"{number}.npz", image=image)
            pixel_a = (seen.pixel_pm or 10.0) / 100
            entries.append(
                {"file": f"{number}.npz", "pixel_size_A": pixel_a, "lattice_a_A": seen.phase.a_angstrom}
            )
        (folder / "manifest.json").write_text(json.dumps({"images": entries}), encoding="utf-8")
        answer = peer_answer(_NETWORK, python, folder, folder, len(entries))
    if "failure" in answer:
        return {"not_run": answer["failure"]}
    rows = zip(paths, answer["images"], images, maps, strict=True)
    return {path.name: agreement(_points(row), image.shape, seen) for path, row, image, seen in rows}


def _points(row: dict[str, Any]) -> rules.Array:
    return np.array([[atom["x_px"], atom["y_px"]] for atom in row["atoms"]], float).reshape(-1, 2)


def agreement(points: rules.Array, shape: tuple[int, ...], seen: AtomMap) -> dict[str, Any]:
    """Precision, recall and rms of other points against our columns, mutual nearest, away from the edge."""
    if seen.pixel_pm is None:
        return {"points": len(points)}
    pixel_a = seen.pixel_pm / 100
    margin = rules.margin_px(seen.phase.a_angstrom, pixel_a)
    tally = rules.score(points, seen.atoms_xy, _AGREE_A, pixel_a, (shape[0], shape[1]), margin)
    shown = {"precision": tally.precision, "recall": tally.recall, "f1": tally.f1}
    rounded = {name: round(value, 4) if value == value else None for name, value in shown.items()}
    return rounded | {"rms_pm": round(tally.rms_pm, 1) if tally.pairs else None, "points": len(points)}


def _bars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    unfocused = [row for row in rows if row["file"].startswith(_OUT_OF_FOCUS)]
    whole = [
        row
        for row in rows
        if not row["cannot_tell"] and "partly_lost" not in row["flags"] and row["capacity"]
    ]
    off = [abs(row["sites_over_capacity"] - 1) for row in whole]
    flagged = sum("out_of_focus" in row["flags"] for row in unfocused)
    return [
        at_least("the image out of focus is flagged as that", float(flagged), 1.0, n=len(unfocused)),
        at_most(
            "sites over the capacity of the area, in focus, off by",
            max(off, default=0.0),
            _OFF_CAPACITY,
            n=len(off),
        ),
    ]
