"""What `eucentric detect` wrote about an image, read again: findings and sites, without a look at the image."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.calls import Finding
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.tools.vision.statistics import Arrangement, Tally, arrange, tally_of_finding

_MOST_BYTES = 500_000_000
_FEWEST_SITES = 50


@dataclass(frozen=True)
class Saved:
    """One image."""

    path: Path
    image: str
    sha256: str
    frame: str
    material: str
    method: str
    finding: Finding
    recall: float
    false_calls: float
    pixel_pm: float | None
    equal_columns: bool
    xy: NDArray[np.float64]
    """(n, 2) [px]: all sites."""
    p: NDArray[np.float64]
    sublattice: NDArray[np.int64]
    examined: NDArray[np.bool_]
    grain: NDArray[np.int64] | None
    state: tuple[str, ...]
    kind: tuple[str, ...]
    series: Mapping[str, Any] | None
    dose_e_per_a2: float | None
    """Of this frame alone."""
    corrections: tuple[Mapping[str, Any], ...]
    flags: tuple[str, ...]
    """Codes of what a person should know."""
    run: str
    """Digest of what `detect` was asked for."""

    @property
    def left_out(self) -> str:
        """Why it is not counted; empty if it is."""
        if self.finding.cannot_tell:
            return self.finding.cannot_tell
        if self.finding.of < _FEWEST_SITES:
            return f"fewer than {_FEWEST_SITES} sites examined"
        return ""

    @property
    def sites(self) -> Arrangement:
        """Counted sites by lattice index."""
        kind = np.zeros(len(self.p), np.int64) if self.equal_columns else self.sublattice
        nm = (self.pixel_pm or 0.0) * 1e-3
        return arrange(self.xy, kind, self.p, self.examined, names=self.kind, pixel_nm=nm, part=self.grain)

    def tally(self, sample: str) -> Tally:
        """What it contributes to a density.

        Raises
        ------
        BadInput
            If its finding lacks its counts.
        """
        try:
            return tally_of_finding(self.finding, sample=sample)
        except (KeyError, TypeError) as error:
            name = visible(self.path.name, limit=160)
            raise BadInput(f"{name} lacks its counts", f"missing: {error}", "run detect again") from error


def read_saved(path: Path) -> Saved:
    """Read one JSON file of `detect`.

    Raises
    ------
    BadInput
        If it is missing, damaged, or something else.
    """
    name = visible(path.name, limit=160)
    if not path.is_file():
        raise BadInput(f"there is no file {visible(str(path), limit=300)}", remedy="check the path")
    if path.stat().st_size > _MOST_BYTES:
        raise BadInput(f"{name} is larger than {_MOST_BYTES // 10**6} MB", remedy="is it the right file?")
    try:
        return _saved(path, json.loads(path.read_text(encoding="utf-8")))
    except (LookupError, TypeError, ValueError, RecursionError, AttributeError, OSError) as error:
        raise BadInput(
            f"{name} is no map of `eucentric detect`",
            visible(f"{type(error).__name__}: {error}", limit=160),
            "give the JSON file of one image, made by this version",
        ) from error


def saved_in(folder: Path) -> tuple[list[Saved], list[tuple[str, str]]]:
    """All maps in a folder, by name, or the one that a file holds; and what was not one, with why.

    Raises
    ------
    BadInput
        If there is no such folder, or no map in it.
    """
    shown = visible(str(folder), limit=300)
    if folder.is_file():
        return [read_saved(folder)], []
    if not folder.is_dir():
        raise BadInput(f"there is no folder {shown}", remedy="give what `eucentric detect --out` wrote")
    found: list[Saved] = []
    other: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_saved(path))
        except BadInput as error:
            other.append((path.name, error.what))
    if not found:
        raise BadInput(f"{shown} holds no map", remedy="give what `eucentric detect --out` wrote")
    return found, other


def _saved(path: Path, data: dict[str, Any]) -> Saved:
    sites = data["sites"]
    xy = np.stack([_numbers(sites["x_px"]), _numbers(sites["y_px"])], 1)
    series, dose = data["series"], data["known"].get("dose_e_per_a2")
    saved = Saved(
        path=path, image=str(data["image"]), sha256=str(data["sha256"]), frame=str(data["frame"]),
        material=str(data["material"]), method=_method(data), finding=Finding.model_validate(data["findings"][0]),
        recall=float(data["recall"]), false_calls=float(data["expected_false_calls"]),
        pixel_pm=None if data["pixel_pm"] is None else float(data["pixel_pm"]),
        equal_columns=bool(sites["equal_columns"]), xy=xy, p=_numbers(sites["p_vacancy"]),
        sublattice=_numbers(sites["sublattice"]).astype(np.int64), examined=_numbers(sites["examined"]) > 0,
        grain=_numbers(sites["grain"]).astype(np.int64) if sites["grain"] else None,
        state=tuple(map(str, sites["state"])), kind=tuple(map(str, sites["kind"])), series=_series(series),
        dose_e_per_a2=None if dose is None else float(dose), corrections=tuple(data["corrections"]),
        flags=tuple(str(flag["code"]) for flag in data["flags"]), run=str(data["run"]),
    )  # fmt: skip
    lengths = {
        len(saved.p),
        len(saved.sublattice),
        len(saved.examined),
        len(saved.state),
        len(saved.kind),
        len(xy),
    }
    if len(lengths) > 1 or not np.isfinite(xy).all() or not ((saved.p >= 0) & (saved.p <= 1)).all():
        raise ValueError("its sites contradict each other")
    return saved


def _method(data: Mapping[str, Any]) -> str:
    """With the network that read along, if one did: what it doubts is not counted alike without it."""
    second = data.get("network")
    return str(data["method"]) + (f", network {str(second['sha256'])[:12]}" if second else "")


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array(text.split(), np.float64)


def _series(value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    shift = value["shift_px"]
    return {
        "place": str(value["place"]), "number": int(value["number"]), "of": int(value["of"]),
        "shift_px": None if shift is None else (float(shift[0]), float(shift[1])),
    }  # fmt: skip
