"""A picture of the dose: the whole exposed area, and the most exposed place."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.dose.charge import Charge
from eucentric.agent.reporting.png import png_of_figure

_TILES = 300
_DARKEST = 1e-4
"""Of the largest dose: less is drawn like this."""
_LEAST_GREY = 3.0
"""The least dose is drawn that far above white: no dose is white."""
Spot = tuple[Charge, tuple[float, float]]
"""A charge and its centre as it is best known [µm]."""


def dose_picture(
    spots: Sequence[Spot], budget_e_per_a2: float | None, simulated: bool | None
) -> bytes | None:
    """PNG of the upper bound by the readings, or None if nothing was exposed.

    Left the whole area, right the smallest field of the deepest place with what surrounds it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kept = [spot for spot in spots if spot[0].dose_e_per_a2 > 0]
    if not kept:
        return None
    figure = Figure(figsize=(8.6, 4.1), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    _panel(axes[0], kept, _whole(kept), "all exposed places")
    _panel(axes[1], kept, _deepest(kept), "around the most exposed place")
    if budget_e_per_a2 is not None:
        figure.text(0.01, 0.01, f"budget {budget_e_per_a2:.3g} e/Å² at any place", fontsize=7.5)
    if simulated:
        figure.text(
            0.995, 0.985, "SIMULATED", ha="right", va="top", fontsize=7.5, color="#a11212", weight="bold"
        )
    figure.tight_layout(pad=0.9)
    return png_of_figure(figure)


_Box = tuple[float, float, float, float]


def _box(spot: Spot) -> _Box:
    charge, (x, y) = spot
    return (
        x - charge.width_um / 2,
        x + charge.width_um / 2,
        y - charge.height_um / 2,
        y + charge.height_um / 2,
    )


def _whole(spots: Sequence[Spot]) -> _Box:
    x0, x1, y0, y1 = np.array([_box(spot) for spot in spots]).T
    return _square(float(x0.min()), float(x1.max()), float(y0.min()), float(y1.max()), 1.05)


def _deepest(spots: Sequence[Spot]) -> _Box:
    """Eight times the smallest field that had the most."""
    x0, x1, y0, y1 = np.array([_box(spot) for spot in spots]).T
    middle = np.array([spot[1] for spot in spots])
    dose = np.array([spot[0].dose_e_per_a2 for spot in spots])
    inside = (x0 <= middle[:, :1]) & (middle[:, :1] <= x1) & (y0 <= middle[:, 1:]) & (middle[:, 1:] <= y1)
    depth, width = inside @ dose, x1 - x0
    number = int(np.lexsort((width, depth < 0.99 * depth.max()))[0])
    return _square(float(x0[number]), float(x1[number]), float(y0[number]), float(y1[number]), 8.0)


def _square(x0: float, x1: float, y0: float, y1: float, factor: float) -> _Box:
    half = factor * max(x1 - x0, y1 - y0) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - half, x + half, y - half, y + half


def _raster(spots: Sequence[Spot], box: _Box) -> NDArray[np.float64]:
    """(n, n) sum of the bounds; a field smaller than a tile fills the tile."""
    x_edges, y_edges = np.linspace(*box[:2], _TILES + 1), np.linspace(*box[2:], _TILES + 1)
    total = np.zeros((_TILES, _TILES))
    for spot in spots:
        x0, x1, y0, y1 = _box(spot)
        columns = slice(*_span(x_edges, x0, x1))
        rows = slice(*_span(y_edges, y0, y1))
        total[rows, columns] += spot[0].dose_e_per_a2
    return total


def _span(edges: NDArray[np.float64], low: float, high: float) -> tuple[int, int]:
    if high <= edges[0] or low >= edges[-1]:
        return 0, 0
    return max(0, int(np.searchsorted(edges, low, "right")) - 1), int(np.searchsorted(edges, high, "left"))


def _panel(axes: Any, spots: Sequence[Spot], box: _Box, title: str) -> None:
    from matplotlib.colors import LogNorm

    raster = _raster(spots, box)
    most = float(raster.max())
    shown = np.where(raster > 0, np.maximum(raster, most * _DARKEST), np.nan)
    norm = LogNorm(float(np.nanmin(shown)) / _LEAST_GREY, most)
    # rows run down as in every image: y grows downward
    drawn = axes.imshow(
        shown, extent=(box[0], box[1], box[3], box[2]), norm=norm, cmap="gray_r", interpolation="nearest"
    )
    axes.set_title(title, fontsize=8.5)
    axes.set_xlabel("stage x / µm", fontsize=8)
    axes.set_ylabel("stage y / µm", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.ticklabel_format(useOffset=False)
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.85)
    bar.set_label("at most e/Å² at any atom", fontsize=7.5)
    bar.ax.tick_params(labelsize=7, which="both")
