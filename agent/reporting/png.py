"""PNG of a figure or picture with a fixed palette: noise and marks in a third of the bytes of full colour."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DPI = 130
_GREYS = 128
_HUES = ("#E69F00", "#56B4E9", "#D55E00", "#F0E442", "#CC0000", "#a11212", "#0b3c5d", "#3b6f91")
"""Of the marks that are drawn; each is kept over dark, middle and white ground."""
_GROUNDS, _BLENDS = (40, 150, 255), (0.25, 0.5, 0.75, 1.0)
_COLOURLESS = 14
"""A pixel whose channels differ by less is grey."""


def png_of(rgb: NDArray[np.uint8]) -> bytes:
    """PNG bytes of an (H, W, 3) uint8 picture."""
    from PIL import Image

    image = Image.fromarray(_indices(rgb))
    image.putpalette(_palette().astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")  # `optimize` takes six times as long for a tenth of the bytes
    return buffer.getvalue()


def new_figure(width_in: float, height_in: float) -> Any:
    """An empty matplotlib figure [inches] that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png_of_figure(figure: Any, **pads: float) -> bytes:
    """PNG bytes of a matplotlib figure, laid out with these pads [font size], as `Figure.tight_layout` takes them."""
    _lay_out(figure, pads)
    figure.canvas.draw()
    return png_of(np.asarray(figure.canvas.buffer_rgba())[..., :3])


def _lay_out(figure: Any, pads: dict[str, float]) -> None:
    """No label is cut off: each is measured, which takes as long as drawing."""
    figure.tight_layout(**pads)


def _indices(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8: nearest colour of the palette; greys are found by arithmetic."""
    from scipy.spatial import cKDTree

    red, green, blue = (np.ascontiguousarray(rgb[..., n]) for n in range(3))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    grey = np.rint(np.arange(3 * 255 + 1) / 3 * ((_GREYS - 1) / 255)).astype(np.uint8)
    indices: NDArray[np.uint8] = grey[red.astype(np.uint16) + green + blue]
    coloured = spread >= _COLOURLESS
    if coloured.any():
        indices[coloured] = cKDTree(_palette()).query(rgb[coloured].astype(float))[1]
    return indices


@lru_cache(maxsize=1)
def _palette() -> NDArray[np.float64]:
    """(n ≤ 256, 3) float64: greys first, then the hues."""
    greys = np.repeat(np.rint(np.linspace(0, 255, _GREYS))[:, None], 3, axis=1)
    hues = np.array([[int(hue[n : n + 2], 16) for n in (1, 3, 5)] for hue in _HUES], float)
    grounds, blends = np.array(_GROUNDS, float), np.array(_BLENDS)
    mixed = grounds[None, :, None, None] + blends[None, None, :, None] * (
        hues[:, None, None, :] - grounds[None, :, None, None]
    )
    return np.concatenate([greys, np.rint(mixed.reshape(-1, 3))])
