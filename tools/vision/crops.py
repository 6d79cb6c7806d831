"""Small pictures of single sites, for a person to look at."""

import io

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.tools.vision.atom_map import AtomMap

_AROUND = 2.6
"""Half the width of a crop [spacings of sites]."""
_EDGE_PX = 120
_SOFT = 0.05
"""Smoothing over half the width: a quarter of a column, so that the eye sees columns and not pixels."""


def site_crops(image: NDArray[np.float32], atoms: AtomMap, rows: NDArray[np.int64]) -> dict[int, bytes]:
    """PNG of the surroundings of each site, the site marked in the middle.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    atoms
        What was found on it.
    rows
        Rows among its sites.
    """
    if atoms.pixel_pm is None or not len(rows):
        return {}
    half = max(4, round(_AROUND * atoms.phase.spacing_angstrom * 100 / atoms.pixel_pm))
    soft = ndimage.gaussian_filter(np.nan_to_num(image, nan=float(np.nanmedian(image))), _SOFT * half)
    low, high = np.percentile(soft, (1, 99.5))
    grey = (soft - low) / max(high - low, 1e-12)
    padded = np.pad((np.clip(grey, 0, 1) * 255).astype(np.uint8), half)
    out = {}
    for row in rows.tolist():
        x, y = (round(float(v)) for v in atoms.sites_xy[row])
        out[row] = _marked(padded[y : y + 2 * half + 1, x : x + 2 * half + 1], half)
    return out


def _marked(crop: NDArray[np.uint8], half: int) -> bytes:
    """As PNG, with four ticks around the middle that leave the site itself free."""
    from PIL import Image, ImageDraw

    scale = max(1, round(_EDGE_PX / crop.shape[0]))
    picture = Image.fromarray(crop).resize((crop.shape[1] * scale,) * 2, Image.Resampling.NEAREST)
    draw, middle = ImageDraw.Draw(picture), (half + 0.5) * scale
    near, far = half * scale / _AROUND * 0.55, half * scale / _AROUND
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        line = [(middle + dx * r, middle + dy * r) for r in (near, far)]
        draw.line(line, fill=255, width=2)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
