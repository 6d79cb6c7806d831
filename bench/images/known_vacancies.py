"""Frames with known vacancies at a dose far above what is needed: multislice images of a folder, or the twin's own."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eucentric.bench.images.folder import read_example, read_manifest
from eucentric.bench.images.score import bucket_of
from eucentric.core.errors import BadInput
from eucentric.instruments.capabilities import DetectorSpec
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.query import twin_driver
from eucentric.knowledge.dose import electrons
from eucentric.knowledge.phases import Phase, phase

Array = NDArray[np.float64]

KINDS = {"Ti3C2": "V_Ti", "MoS2": "V_S"}
"""The vacancy that is asked about, by phase."""
_NAMES = {"Ti3C2O2": "Ti3C2", "MoS2": "MoS2"}
_FOV_NM, _EDGE, _DOSE = 8.0, 512, 6e4


@dataclass(frozen=True)
class KnownFrame:
    """One frame, and the vacancies of one kind that are in it."""

    name: str
    phase: Phase
    kind: str
    image: NDArray[np.float32]
    pixel_pm: float
    dose_e_per_a2: float
    vacancies_xy: Array
    """(n, 2) [px]: of the kind, off the edges."""
    others_xy: Array
    """(m, 2) [px]: every other vacancy, and those at the edges: calling them is not wrong."""
    atoms_xy: Array


def from_folder(folder: Path, most: int) -> Iterator[KnownFrame]:
    """High-dose images of a set with truth, at most so many of each material."""
    count: dict[str, int] = {}
    for entry in read_manifest(folder):
        name = _NAMES.get(str(entry["material"]))
        if name is None or bucket_of(float(entry["dose_e_per_A2"])) != "high" or count.get(name, 0) >= most:
            continue
        count[name] = count.get(name, 0) + 1
        example = read_example(folder, entry)
        kinds = np.array(example.vacancy_kind)
        yield _known(
            str(entry["file"]), phase(name), example.image, 100 * example.pixel_a, float(entry["dose_e_per_A2"]),
            example.vacancies_xy, kinds == KINDS[name], example.atoms_xy,
        )  # fmt: skip


def _known(
    name: str, material: Phase, image: NDArray[np.float32], pixel_pm: float, dose: float, xy: Array,
    wanted: NDArray[np.bool_], atoms: Array,
) -> KnownFrame:  # fmt: skip
    margin = 1.5 * material.spacing_angstrom * 100 / pixel_pm
    limit = np.array(image.shape[::-1]) - margin
    inner = ((xy >= margin) & (xy < limit)).all(1) if len(xy) else np.zeros(0, bool)
    mine = inner & wanted
    return KnownFrame(name, material, KINDS[material.name], image, pixel_pm, dose, xy[mine], xy[~mine], atoms)


def from_twin(seed: int, most: int) -> Iterator[KnownFrame]:
    """Frames of suspended monolayers of the built-in worlds, in focus; truth from the oracle."""
    for world in ("mxene", "mos2"):
        twin = twin_driver(world, {"seed": str(seed), "stage": "ideal"})
        with _Leased(Guard(twin)) as guard:
            oracle = Oracle(twin)
            for number, place in enumerate(oracle.suspended((-40e-6, 40e-6, -40e-6, 40e-6))[:most]):
                yield _scanned(f"{world} {number}", guard, oracle, (place.x, place.y))


class _Leased:
    """A guard that is given back."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def __enter__(self) -> Guard:
        self.guard.lease("bench")
        return self.guard

    def __exit__(self, *error: object) -> None:
        self.guard.close()


def _scanned(name: str, guard: Guard, oracle: Oracle, place: tuple[float, float]) -> KnownFrame:
    guard.move({"x": place[0], "y": place[1]})
    guard.set_optics({"defocus": oracle.height(*place)})
    pixel_a = 10 * _FOV_NM / _EDGE
    current = guard.state().optics["probe_current"] * 1e12
    dwell_s = _DOSE * pixel_a**2 / electrons(current, 1.0)
    scan = ScanSpec(detectors=("haadf",), rows=_EDGE, columns=_EDGE, fov_m=_FOV_NM * 1e-9, dwell_s=dwell_s)
    low_x, high_x, low_y, _ = box = oracle.field(scan)
    before = oracle.sites(box)  # what the scan itself takes away is no vacancy that it should find
    _, (pixels,) = guard.acquire(scan)
    lost = oracle.sites(box).missing > before.missing
    step = (high_x - low_x) / _EDGE
    xy = np.stack([(before.x - low_x) / step - 0.5, (before.y - low_y) / step - 0.5], -1)
    material = phase("Ti3C2" if name.startswith("mxene") else "MoS2")
    odd = (before.missing > 0) | lost
    wanted = (before.missing == 1) & ~lost & ((before.sublattice == 1) | (material.name != "MoS2"))
    image = _electrons(pixels, guard.capabilities().detector("haadf"))
    return _known(name, material, image, 1e12 * step, _DOSE, xy[odd], wanted[odd], xy[~before.vacant])


def _electrons(pixels: NDArray[np.float32], detector: DetectorSpec | None) -> NDArray[np.float32]:
    if detector is None or not detector.counts_per_electron:
        raise BadInput("the twin's detector has no calibration", "nothing can be counted")
    return ((pixels - detector.offset_counts) / detector.counts_per_electron).astype(np.float32)


def pooled_recall(found: NDArray[np.int64], of: NDArray[np.int64]) -> Array:
    """Recall that never falls with the dose: neighbours that disagree are pooled (isotonic regression)."""
    values = [[float(f), float(n)] for f, n in zip(found, of, strict=True)]
    sizes = [1] * len(values)
    row = 0
    while row < len(values) - 1:
        here, after = values[row], values[row + 1]
        if here[0] / max(here[1], 1e-9) > after[0] / max(after[1], 1e-9):
            values[row : row + 2] = [[here[0] + after[0], here[1] + after[1]]]
            sizes[row : row + 2] = [sizes[row] + sizes[row + 1]]
            row = max(row - 1, 0)
        else:
            row += 1
    return np.repeat([f / max(n, 1e-9) for f, n in values], sizes)


def crossing(doses: Array, recall: Array, level: float = 0.95) -> float:
    """Dose at which a curve that rises reaches a level, between points by the logarithm; NaN if it never does."""
    above = np.flatnonzero(recall >= level)
    if not len(above):
        return math.nan
    row = int(above[0])
    if row == 0:
        return float(doses[0])
    low, high = recall[row - 1], recall[row]
    share = (level - low) / max(high - low, 1e-9)
    return float(doses[row - 1] * (doses[row] / doses[row - 1]) ** share)
