"""A folder of images with truth: `manifest.json` and one npz an image; what the detector says of an image, as rows."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput, EucentricError
from eucentric.core.text import visible
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import AtomMap, read_atoms
from eucentric.tools.vision.network import open_network

Array = NDArray[np.float64]

CANDIDATE = 0.05
"""Sites with at least this probability of being vacant are listed as candidates."""
_NEEDED = ("file", "material", "pixel_size_A", "dose_e_per_A2", "lattice_a_A")


@dataclass(frozen=True)
class Example:
    """One image with what is true of it."""

    entry: dict[str, Any]
    image: NDArray[np.float32]
    noiseless: Array | None
    atoms_xy: Array
    atoms_element: tuple[str, ...]
    vacancies_xy: Array
    vacancy_kind: tuple[str, ...]

    @property
    def pixel_a(self) -> float:
        """[Å]"""
        return float(self.entry["pixel_size_A"])


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """Entries of a folder's images.

    Raises
    ------
    BadInput
        If the folder has no manifest of the expected form.
    """
    try:
        entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["images"]
        if not entries or any(key not in entry for entry in entries for key in _NEEDED):
            raise ValueError(f"every image needs {', '.join(_NEEDED)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"no images with truth in {visible(str(folder), limit=200)}",
            visible(f"{type(error).__name__}: {error}", limit=160),
            "give a folder with manifest.json and the npz files that it names",
        ) from error
    return list(entries)


def read_example(folder: Path, entry: dict[str, Any]) -> Example:
    """Image and truth of one entry.

    Raises
    ------
    BadInput
        If the file is missing, leads out of the folder, or lacks an array.
    """
    path = folder / str(entry["file"])
    try:
        if path.resolve().parent != folder.resolve():
            raise ValueError("it leads out of the folder")
        with np.load(path, allow_pickle=False) as data:
            return _example(entry, data)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"cannot read {visible(str(entry['file']), limit=120)}", visible(f"{error}", limit=160),
            "make the set again",
        ) from error  # fmt: skip


def _example(entry: dict[str, Any], data: Any) -> Example:
    noiseless = np.asarray(data["noiseless"], np.float64) if "noiseless" in data.files else None
    return Example(
        entry, np.asarray(data["image"], np.float32), noiseless,
        np.asarray(data["atoms_xy"], np.float64).reshape(-1, 2), tuple(str(e) for e in data["atoms_element"]),
        np.asarray(data["vac_xy"], np.float64).reshape(-1, 2), tuple(str(k) for k in data["vac_kind"]),
    )  # fmt: skip


def detected(
    image: NDArray[np.float32], material: str, pixel_a: float | None
) -> tuple[AtomMap | None, float, str]:
    """(map, CPU seconds, reason without a map); pixel size and material are all the detector is told."""
    network = open_network()  # torch is loaded once for many images
    start = time.process_time()
    try:
        seen = read_atoms(
            image,
            phase(material),
            pixel_pm=None if pixel_a is None else 100 * pixel_a,
            counts_per_electron=1.0,
            network=network,
        )
    except EucentricError as error:
        return None, time.process_time() - start, str(error)
    return seen, time.process_time() - start, ""


def row_of(file: str, seen: AtomMap | None, seconds: float, reason: str) -> dict[str, Any]:
    """What goes into the answer's `images`: x = column, y = row, 0 = centre of the first pixel."""
    if seen is None:
        flags = [{"code": "refused", "text": reason}]
        return {"file": file, "seconds": round(seconds, 4), "flags": flags, "cannot_tell": reason, "doubt": 1.0,
                "atoms": [], "vacancies": [], "candidates": []}  # fmt: skip
    order = np.argsort(-seen.sites_p_vacancy, kind="stable")
    likely = [i for i in order if seen.sites_p_vacancy[i] > CANDIDATE]
    return {
        "file": file,
        "seconds": round(seconds, 4),
        "flags": [{"code": code, "text": text} for code, text in seen.flags],
        "cannot_tell": seen.cannot_tell,
        "doubt": round(seen.doubt, 4),
        "atoms": [
            {"x_px": round(float(x), 4), "y_px": round(float(y), 4), "element": element, "p": round(float(p), 4),
             "sigma_pm": round(float(sigma), 3)}
            for (x, y), element, p, sigma in zip(
                seen.atoms_xy, seen.atoms_element, seen.atoms_p, seen.atoms_sigma_pm, strict=True)
        ],
        "vacancies": [_site(seen, int(i)) for i in seen.vacancies_site],
        "candidates": [_site(seen, int(i)) for i in likely],
    }  # fmt: skip


def _site(seen: AtomMap, i: int) -> dict[str, Any]:
    return {
        "x_px": round(float(seen.sites_xy[i, 0]), 4), "y_px": round(float(seen.sites_xy[i, 1]), 4),
        "kind": seen.sites_kind[i], "p": round(float(seen.sites_p_vacancy[i]), 4),
    }  # fmt: skip
