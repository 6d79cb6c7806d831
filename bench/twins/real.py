"""Real images of Ti3C2Tx beside the twin's, as it ships and fitted to each: contrast, noise, rings, columns."""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.core.errors import EucentricError
from eucentric.core.units import ELECTRON_C
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.fitting.image_fit import ImageFit, fit_image
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.specimen_spec import ContaminationSpec
from eucentric.instruments.twin.world import WorldSpec
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import find_atoms, read_image

Image = NDArray[np.float32]

FOLDER = Path("stem") / "mxene_ti3c2"
_NEVER = threading.Event()
_SLOW_NM = 1.0
"""What is smoother than this is neither lattice nor noise (one sigma)."""
_FIELD_NM = 12.0
"""Coarser patches of contamination are one brightness over a field."""
_SHIPPED_DWELL_S = 2e-5
"""Twenty frames of a microsecond, as the real ones."""


@dataclass(frozen=True)
class Pair:
    """One real image with two of the twin, same pixels and field."""

    name: str
    real: Image
    shipped: Image
    fitted: Image | None
    pixel_pm: float
    fit: ImageFit | None


def pixel_size_pm(name: str) -> float:
    """Measured from rings of twelve such images (shared data, README)."""
    return 5.53 if "14.5Mx" in name else 7.79


def pairs(shared: Path, seed: int) -> Iterator[Pair]:
    """The five images, if they are there."""
    for number, path in enumerate(sorted((shared / FOLDER).glob("*.tif"))):
        real, pixel_pm = read_image(path)[0], pixel_size_pm(path.name)
        fit = _fit(real, pixel_pm)
        world = load_world("mxene")
        shipped = taken(world, real.shape, pixel_pm, _SHIPPED_DWELL_S, seed + number)
        fitted = None
        if fit is not None:
            dwell_s = dwell_for(world, fit, pixel_pm)
            slow = slow_spread(real, pixel_pm)
            fitted = taken(like(world, fit, slow), real.shape, pixel_pm, dwell_s, seed + number)
        yield Pair(path.name.split("_")[0], real, shipped, fitted, pixel_pm, fit)


def _fit(image: Image, pixel_pm: float) -> ImageFit | None:
    try:
        return fit_image(image, pixel_pm / 100, phase("Ti3C2").a_angstrom)
    except EucentricError:
        return None


def slow_spread(image: Image, pixel_pm: float) -> float:
    """Standard deviation of what is smooth, over the mean."""
    smooth = ndimage.gaussian_filter(image.astype(np.float64), _SLOW_NM * 1e3 / pixel_pm)
    return float(smooth.std() / image.mean())


def like(world: WorldSpec, fit: ImageFit, slow: float) -> WorldSpec:
    """The world with the blur of a fit, and smooth intensity of that amount and unrest."""
    texture = world.contamination.texture
    wanted = math.log1p((slow * (1 + fit.background) / max(fit.background, 0.1)) ** 2)
    within = [
        s if _SLOW_NM < cell < _FIELD_NM else 0.0
        for cell, s in zip(texture.cells_nm, texture.sigmas, strict=True)
    ]
    scale = math.sqrt(wanted / sum(s**2 for s in within))
    smooth = texture.model_copy(update={"sigmas": tuple(s * scale for s in within)})
    dirt = ContaminationSpec(share_of_monolayer=fit.background, texture=smooth)
    return world.model_copy(update={"optics": fit.optics(world.optics), "contamination": dirt})


def dwell_for(world: WorldSpec, fit: ImageFit, pixel_pm: float) -> float:
    """Dwell that detects as many electrons as the fit found [s]: of a layer and its background."""
    share = Oracle(TwinDriver(world, 0, stage="ideal")).layer_fraction * (1 + fit.background)
    beam = world.optics.probe_current_pa * 1e-12 / ELECTRON_C
    return fit.electrons_per_a2 * (pixel_pm / 100) ** 2 / (beam * share)


def taken(world: WorldSpec, shape: tuple[int, ...], pixel_pm: float, dwell_s: float, seed: int) -> Image:
    """One frame of a suspended monolayer in focus."""
    twin = TwinDriver(world, seed, stage="ideal")
    oracle = Oracle(twin)
    spot = oracle.suspended((-100e-6, 100e-6, -100e-6, 100e-6))[0]
    twin.move({"x": spot.x, "y": spot.y}, _NEVER)
    twin.set_optics({"defocus": oracle.height(spot.x, spot.y)}, _NEVER)
    twin.set_blank(False)
    rows, columns = shape[:2]
    scan = ScanSpec(
        detectors=("haadf",), rows=rows, columns=columns, fov_m=columns * pixel_pm * 1e-12, dwell_s=dwell_s
    )
    return np.asarray(twin.acquire(scan, _NEVER)[1][0], np.float32)


def figures_of(image: Image, pixel_pm: float) -> dict[str, Any]:
    """What is compared."""
    known = phase("Ti3C2")
    atoms = find_atoms(image, known, pixel_pm=pixel_pm)
    area = image.size * (pixel_pm / 100) ** 2
    fit = _fit(image, pixel_pm)
    found: dict[str, Any] = {
        "contrast": round(float(image.std() / image.mean()), 4),
        "slow": round(slow_spread(image, pixel_pm), 4),
        "columns": len(atoms.atoms_xy),
        "columns_of_capacity": round(len(atoms.atoms_xy) / (area / known.site_area_a2), 3),
        "coherence": round(atoms.coherence, 3),
        "residual_pm": atoms.residual_pm and round(atoms.residual_pm, 1),
        "column_snr": round(atoms.snr, 2),
        "flags": [code for code, _ in atoms.flags],
    }
    if fit is not None:
        picture = fit.picture
        found |= {
            "pixel_noise": round(picture.pixel_noise, 4),
            "electrons_per_column": round(picture.electrons_per_a2 * known.site_area_a2, 0),
            "ring_11": round(picture.rings["11"], 5),
            "ring_30": round(picture.rings["30"], 5),
            "ring_noise": round(picture.wave_sigma, 5),
            "fwhm_a": round(fit.source_fwhm_angstrom, 3),
            "blur_known": fit.blur_known,
            "background": round(fit.background, 2),
        }
    return found


def run(shared: Path, quick: bool, seed: int) -> dict[str, Any]:
    """Figures of the real images and of both twins."""
    figures = {}
    for pair in pairs(shared, seed):
        figures[pair.name] = {
            "real": figures_of(pair.real, pair.pixel_pm),
            "shipped": figures_of(pair.shipped, pair.pixel_pm),
        }
        if pair.fitted is not None:
            figures[pair.name]["fitted"] = figures_of(pair.fitted, pair.pixel_pm)
        if quick:
            break
    return figures
