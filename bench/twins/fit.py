"""Is a stage found again from a log of its moves, and a column from its images?"""

import threading
from typing import Any

import numpy as np

from eucentric.bench.contract import at_least, at_most
from eucentric.bench.twins.moves import measured_log
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.fitting.image_fit import fit_image
from eucentric.instruments.twin.fitting.stage_fit import StageFit, fit_stage
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.presets import PRESETS, StagePreset

_NEVER = threading.Event()
_NOISE_NM = {"good": 0.3, "worn": 0.3, "piezo": 0.1}
"""Of a place measured by image: 0.02 px of an atomic frame."""
FIELDS = (
    "backlash_nm", "jitter_nm", "settle_nm", "settle_s", "thermal_nm_per_s", "readback_nm", "screw_nm",
    "speed_um_per_s", "overhead_s",
)  # fmt: skip
_MOVES = 2500


def deviation(found: StagePreset, truth: StagePreset, field: str) -> float:
    """Relative; where there is none of it, against the jitter."""
    wanted, got = float(getattr(truth, field)), float(getattr(found, field))
    return abs(got - wanted) / (wanted or truth.jitter_nm)


def _affine(found: StageFit, twin: TwinDriver) -> float:
    """Largest error of the matrix over the size of what it corrects."""
    truth = twin._stage._matrix[:2, :2]
    assert found.preset.matrix is not None
    return float(np.abs(np.array(found.preset.matrix) - truth).max() / np.abs(truth - np.eye(2)).max())


def stages(quick: bool, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Each preset from a log of moves; rare misses by their exact interval."""
    figures: dict[str, Any] = {}
    worst, inside, moves = 0.0, 0, 300 if quick else _MOVES
    names = ("worn",) if quick else tuple(_NOISE_NM)
    for number, name in enumerate(names):
        twin, log = measured_log(PRESETS[name], seed + number, moves, _NOISE_NM[name])
        found = fit_stage(log)
        off = {field: round(deviation(found.preset, PRESETS[name], field), 4) for field in FIELDS}
        off["matrix"] = round(_affine(found, twin), 4)
        low, high = found.miss_95
        inside += low <= PRESETS[name].miss <= high
        worst = max(worst, *off.values())
        figures[name] = {"off": off, "missed": found.missed, "of": found.decidable, "miss_95": [low, high]}
    many = len(names) * moves
    return figures, [
        at_most(
            "fitted stages: worst deviation of a figure from the preset",
            worst,
            0.1,
            n=many,
            n_needed=3 * _MOVES,
        ),
        at_least(
            "fitted stages whose interval of misses holds the truth",
            inside / len(names),
            1.0,
            n=many,
            n_needed=3 * _MOVES,
        ),
    ]


def images(quick: bool, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Source size and electrons of images of a suspended monolayer."""
    cases = {}
    for number, fwhm in enumerate((0.7,) if quick else (0.5, 0.6, 0.7, 0.8, 0.6, 0.7)):
        image, pixel_a = _picture(fwhm, seed + number)
        found = fit_image(image, pixel_a, load_world("mxene").material.lattice_a_angstrom)  # type: ignore[union-attr]
        electrons = float(image.mean()) / pixel_a**2
        cases[f"{fwhm} Å, seed {seed + number}"] = {
            "fwhm": round(found.source_fwhm_angstrom, 3),
            "off": round(abs(found.source_fwhm_angstrom / fwhm - 1), 4),
            "electrons_off": round(abs(found.electrons_per_a2 / electrons - 1), 4),
        }
    worst = max(max(one["off"], one["electrons_off"]) for one in cases.values())
    return cases, [
        at_most("fitted images: worst deviation of blur or electrons", worst, 0.1, n=len(cases), n_needed=6)
    ]


def _picture(fwhm: float, seed: int) -> tuple[np.ndarray, float]:
    world = load_world("mxene")
    optics = world.optics.model_copy(update={"source_fwhm_angstrom": fwhm})
    twin = TwinDriver(world.model_copy(update={"optics": optics}), seed, stage="ideal")
    oracle = Oracle(twin)
    spot = oracle.suspended((-100e-6, 100e-6, -100e-6, 100e-6))[0]
    twin.move({"x": spot.x, "y": spot.y}, _NEVER)
    twin.set_optics({"defocus": oracle.height(spot.x, spot.y)}, _NEVER)
    twin.set_blank(False)
    scan = ScanSpec(detectors=("haadf",), rows=1024, columns=1024, fov_m=8e-9, dwell_s=2e-5)
    return twin.acquire(scan, _NEVER)[1][0], 80 / 1024
