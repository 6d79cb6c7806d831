"""A simulated diffraction pattern: direct beam, spots, diffuse background and Kikuchi bands, in expected electrons.

Pure functions of crystal, orientation and optics. The brightness of bands and background is a plausible model, not
multiple scattering: positions are exact, contrast is not.
"""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eucentric.core.base import Model
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.diffraction.kikuchi import Bands, bands
from eucentric.knowledge.diffraction.reflections import Reflections
from eucentric.knowledge.diffraction.screen import Screen
from eucentric.knowledge.diffraction.spots import Illumination, Spots, spots

Image = NDArray[np.float32]
_TAIL_PX = 4.0
"""How many standard deviations of a spot are drawn."""
_MEAN_FREE_NM = 90.0
"""Inelastic mean free path at 200 kV [nm]; in proportion to beta² (assumed for a middle-weight solid)."""
_EDGE_PER_A = 0.008
"""Half-width of a band's edge [1/Å]."""
_MOST_SCATTERED = 0.85
"""Largest share of the elastic electrons that is drawn in spots: kinematic intensities know no such bound."""


class Look(Model):
    """What makes a pattern look as it does, apart from the crystal."""

    spot_px: float = Field(1.2, gt=0.2, le=20)
    """Standard deviation of the camera's point spread [px]."""
    bands: int = Field(40, ge=0, le=200)
    """How many bands are drawn."""
    band_contrast: float = Field(0.5, ge=0, le=1)
    """Of all bands together, relative to the background."""
    background: float = Field(1.0, ge=0, le=3)
    """Times the inelastic share of the model."""


def pattern(
    known: Reflections,
    to_lab: Array,
    light: Illumination,
    thickness_nm: float,
    screen: Screen,
    look: Look | None = None,
) -> Image:
    """(rows, columns) float32: share of the incident electrons that each pixel is expected to get.

    Parameters
    ----------
    known
        Reflections to at least `screen.reach`.
    to_lab
        (3, 3) crystal Cartesian to lab: `rotation(stage, reading) @ orientation.array`.
    thickness_nm
        Along the beam [nm].
    """
    look = look or Look()
    seen = spots(known, to_lab, light, thickness_nm)
    inelastic = look.background * inelastic_share(thickness_nm, light.voltage_kv)
    image = spot_image(seen, light, screen, look) * np.float32(max(0.0, 1 - inelastic))
    if inelastic > 0:
        drawn = bands(known, to_lab, light.k, look.bands, screen.reach)
        image += np.float32(inelastic) * _background(drawn, light, screen, look)
    return image


def layer_pattern(seen: Spots, light: Illumination, screen: Screen, look: Look | None = None) -> Image:
    """The same for the spots of a single layer: no bands, hardly any background."""
    return spot_image(seen, light, screen, look or Look())


def counted(image: Image, electrons: float, rng: np.random.Generator) -> Image:
    """What a counting camera records of `electrons` incident ones: Poisson numbers, float32."""
    return np.asarray(rng.poisson(image * np.float64(electrons)), dtype=np.float32)


def inelastic_share(thickness_nm: float, voltage_kv: float) -> float:
    """Share of the electrons that lose energy: 1 - exp(-t/lambda)."""
    beta2 = 1 - 1 / (1 + voltage_kv / 510.99895) ** 2
    return 1 - math.exp(-thickness_nm / (_MEAN_FREE_NM * beta2 / 0.4835))


def spot_image(seen: Spots, light: Illumination, screen: Screen, look: Look) -> Image:
    """(rows, columns) float32: direct beam and spots, one in all where all of them are on the screen.

    A kinematic intensity I is drawn as I/(1 + I): strong reflections give back what they took.
    """
    taken = seen.intensity / (1 + seen.intensity)
    total = float(taken.sum())
    scale = min(1.0, _MOST_SCATTERED / total) if total > 0 else 1.0
    at = np.concatenate([[screen.middle], screen.to_pixels(seen.at)])
    share = np.concatenate([[1 - scale * total], scale * taken])
    disc_px = light.convergence_mrad * 1e-3 * light.k / screen.per_pixel
    width = math.hypot(look.spot_px, disc_px / 2)  # a disc of radius r has the variance r²/4 along an axis
    image = np.zeros((screen.rows, screen.columns), dtype=np.float32)
    for (row, column), weight in zip(at.tolist(), share.tolist(), strict=True):
        _splat(image, row, column, weight, width)
    return image


def _splat(image: Image, row: float, column: float, weight: float, width: float) -> None:
    """Add a Gaussian of that sum, in place."""
    half = math.ceil(_TAIL_PX * width)
    r0, r1 = max(0, round(row) - half), min(image.shape[0], round(row) + half + 1)
    c0, c1 = max(0, round(column) - half), min(image.shape[1], round(column) + half + 1)
    if r0 >= r1 or c0 >= c1:
        return
    down = np.exp(-0.5 * ((np.arange(r0, r1) - row) / width) ** 2)
    right = np.exp(-0.5 * ((np.arange(c0, c1) - column) / width) ** 2)
    image[r0:r1, c0:c1] += (weight / (2 * math.pi * width**2) * np.outer(down, right)).astype(np.float32)


def _background(drawn: Bands, light: Illumination, screen: Screen, look: Look) -> Image:
    """Sum one over the whole plane but for the bands; some of it is beyond the screen."""
    x, y = _places(screen)
    q2 = x * x + y * y
    near, far = np.float32(0.12**2), np.float32(0.7**2)
    area = np.float32(screen.per_pixel**2)
    # inelastic scattering near the beam (normalised Lorentzian², width 0.12 1/Å), phonons far out (Gaussian)
    shade = area * (
        0.6 * near / (math.pi * (q2 + near) ** 2) + 0.4 / (2 * math.pi * far) * np.exp(-q2 / (2 * far))
    )
    if not len(drawn) or look.band_contrast == 0:
        return np.asarray(shade, dtype=np.float32)
    relief = band_image(drawn, light.k, screen)
    return np.asarray(shade * (1 + np.float32(look.band_contrast) * relief), dtype=np.float32)


def band_image(drawn: Bands, k: float, screen: Screen) -> Image:
    """(rows, columns) float32 [-1 … 1]: bands alone, bright between their lines, mean near zero."""
    x, y = _places(screen)
    down = np.sqrt(np.float32(k * k) - x * x - y * y)
    relief = np.zeros((screen.rows, screen.columns), dtype=np.float32)
    for (gx, gy, gz), width, strength in zip(drawn.g.tolist(), drawn.width, drawn.strength, strict=True):
        scale = np.float32(2 / (gx * gx + gy * gy + gz * gz))
        inside = np.abs(
            x * (np.float32(gx) * scale) + (y * (np.float32(gy) * scale) - down * (np.float32(gz) * scale))
        )
        steep = np.float32(width / (4 * _EDGE_PER_A))
        profile = np.clip((1 - inside) * steep + np.float32(0.5), 0, 1)
        relief += np.float32(strength) * profile
    relief -= relief.mean()
    top = float(np.abs(relief).max())
    return relief / np.float32(top) if top > 0 else relief


def _places(screen: Screen) -> tuple[Image, Image]:
    """Lab x and y of every pixel [1/Å], each broadcast from a row and a column."""
    row, column = screen.middle
    rows = (np.arange(screen.rows, dtype=np.float32) - np.float32(row))[:, None]
    columns = (np.arange(screen.columns, dtype=np.float32) - np.float32(column))[None, :]
    (a, b), (c, d) = (screen.per_pixel * screen.turn).astype(np.float32)
    return a * columns + b * rows, c * columns + d * rows
