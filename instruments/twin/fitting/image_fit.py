"""Noise and blur of a twin that makes pictures like a given one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from eucentric.core.errors import BadInput
from eucentric.instruments.twin.fitting.picture import RINGS, Picture, measure
from eucentric.instruments.twin.optics.probe import Beam, transfer_at
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.knowledge.electron_optics import wavelength_a

_CORRECTED = OpticsSpec()
_WIDEST_A = 2.5
"""Of a source image: nothing would be seen [Å]."""
_SEEN, _SURE = 3.0, 8.0
"""A ring is seen from so many sigmas on; the first one must be there beyond doubt."""


@dataclass(frozen=True)
class ImageFit:
    """What a twin needs to show such an image."""

    picture: Picture
    source_fwhm_angstrom: float
    """Of the Gaussian that blurs beyond aperture and thermal motion: source, vibration, a focus that is off."""
    blur_known: bool
    """False if no second ring shows: the blur is then the least that hides it, and the background the most."""
    background: float
    """Smooth intensity over that of the lattice: contamination, detector offset that was left."""
    electrons_per_a2: float
    """Detected, as the noise has it [1/Å²]."""
    read_noise_share: float
    """Part of the noise's variance that does not come from electrons."""

    def optics(self, like: OpticsSpec) -> OpticsSpec:
        """The same column with that blur."""
        return like.model_copy(update={"source_fwhm_angstrom": round(self.source_fwhm_angstrom, 3)})


def probe_limit(optics: OpticsSpec) -> float:
    """Highest frequency that the probe transfers [1/Å]."""
    return 2e-3 * optics.convergence_mrad / wavelength_a(optics.voltage_kv)


def fit_image(
    image: NDArray[np.floating], pixel_a: float, lattice_a: float, optics: OpticsSpec = _CORRECTED
) -> ImageFit:
    """Blur from how the lattice's waves weaken outwards, background from how weak the first one is.

    Parameters
    ----------
    image
        (rows, columns), the detector's offset taken off: what is left of it counts as background.
    pixel_a, lattice_a
        Edge of a pixel, hexagonal lattice constant [Å].
    optics
        Voltage, aperture and thermal motion are taken from it.

    Raises
    ------
    BadInput
        No image, too few columns, or no lattice: out of focus, or another lattice constant.
    """
    seen = measure(image, pixel_a, lattice_a, probe_limit(optics))
    first, second = seen.rings["11"], seen.rings["30"]
    if first < _SURE * seen.wave_sigma:
        raise BadInput(
            "the image does not show this lattice", f"first ring {first:.2g} of the mean, noise {seen.wave_sigma:.2g}",
            "another lattice constant or pixel size, or an image in focus",
        )  # fmt: skip
    known = second > _SEEN * seen.wave_sigma
    fwhm = _blur(optics, seen.spacing_a, max(second, _SEEN * seen.wave_sigma) / first)
    return ImageFit(
        picture=seen,
        source_fwhm_angstrom=fwhm,
        blur_known=known,
        background=max(0.0, _shown(optics, fwhm, seen.spacing_a)[0] / first - 1),
        electrons_per_a2=seen.electrons_per_a2,
        read_noise_share=seen.additive,
    )


def _blur(optics: OpticsSpec, spacing_a: float, ratio: float) -> float:
    """Source image for which the second wave is so many times weaker than the first; 0 if none is needed."""

    def over(fwhm: float) -> float:
        one, other = _shown(optics, fwhm, spacing_a)
        return math.log(max(other, 1e-30) / one / ratio)

    if over(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(over, 0.0, _WIDEST_A)) if over(_WIDEST_A) < 0 else _WIDEST_A


def _shown(optics: OpticsSpec, fwhm: float, spacing_a: float) -> tuple[float, float]:
    """Amplitudes of the first two waves of a lattice of points, by a probe in focus."""
    beam = Beam(optics.model_copy(update={"source_fwhm_angstrom": fwhm}), 0.0)
    one, other = transfer_at(beam, np.array([RINGS["11"], RINGS["30"]]) / spacing_a)
    return float(one), float(other)
