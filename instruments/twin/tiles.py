"""Electrons in tiles of true specimen, integrated line by line: what any bound of a dose is held against.

Nothing here is shared with `knowledge.dose` or the dose book. Every pixel's electrons are spread over the focused
probe's square (or over the pixel, if that is smaller), so a well-sampled scan is exact but for a rim of one pixel.
"""

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.exposure_log import Exposure, ExposureLog, LineScan

Grid = NDArray[np.float64]


def electrons_in_tiles(log: ExposureLog, x: Grid, y: Grid, first: int = 0, last: int | None = None) -> Grid:
    """Electrons that each tile has had.

    Parameters
    ----------
    x, y
        Edges of the tiles, (nx + 1,) and (ny + 1,), rising [m].
    first, last
        Scans that count, as a slice of the log, each with the spots on which its beam was parked. A beam that stood
        still outside scans counts only if all do.

    Returns
    -------
    (ny, nx) float64 [electrons]
    """
    total = np.zeros((len(y) - 1, len(x) - 1))
    for scan in log.scans[first:last]:
        if touches(scan, x, y):
            total += electrons_of_scan(scan, x, y)
    for spot in log.spots if first == 0 and last is None else ():
        total += electrons_of_spot(spot, x, y)
    return total


def electrons_of_scan(scan: LineScan, x: Grid, y: Grid) -> Grid:
    """(ny, nx) electrons of one scan in tiles with these edges, those of its parked beam included."""
    return _scanned(scan, x, y) + _parked(scan, x, y)


def extent(scan: LineScan) -> tuple[float, float, float, float]:
    """(x low, x high, y low, y high) beyond which a scan left nothing [m]."""
    half_x, half_y = scan.columns / 2 * scan.step + scan.probe, scan.pitch + scan.probe
    low, high = float(scan.x.min()), float(scan.x.max())
    return low - half_x, high + half_x, float(scan.y.min()) - half_y, float(scan.y.max()) + half_y


def touches(scan: LineScan, x: Grid, y: Grid) -> bool:
    """Whether a scan may have reached the range of these edges."""
    left, right, top, bottom = extent(scan)
    return bool(left < x[-1] and right > x[0] and top < y[-1] and bottom > y[0])


def _scanned(scan: LineScan, x: Grid, y: Grid) -> Grid:
    total = np.zeros((len(y) - 1, len(x) - 1))
    left, right, top, bottom = extent(scan)
    across, down = _reached(x, left, right), _reached(y, top, bottom)
    if across.stop - across.start > 1 and down.stop - down.start > 1:
        part = slice(down.start, down.stop - 1), slice(across.start, across.stop - 1)
        total[part] = _lines_in(scan, x[across], y[down])
    return total


def _reached(edges: Grid, low: float, high: float) -> slice:
    """Edges of the tiles that may lie between two places."""
    first, last = np.searchsorted(edges, [low, high])
    return slice(max(0, int(first) - 1), min(len(edges), int(last) + 1))


def _lines_in(scan: LineScan, x: Grid, y: Grid) -> Grid:
    width = min(scan.pitch, scan.probe)
    near = (scan.y + width / 2 > y[0]) & (scan.y - width / 2 < y[-1])
    share = np.diff(_ramp(y[None, :] - scan.y[near, None], width), axis=1)
    along = np.diff(_along(scan, x[None, :] - scan.x[near, None]), axis=1)
    return np.asarray(
        np.einsum("lr,lc->rc", share, along)
    )  # a product of matrices wakes threads for so little


def _ramp(offset: Grid, width: float) -> Grid:
    """Share of a square of edge `width` that lies below an offset from its middle."""
    return np.clip(offset / width + 0.5, 0.0, 1.0)


def _along(scan: LineScan, offset: Grid) -> Grid:
    """Electrons of one line that lie left of an offset from its middle."""
    width = min(scan.step, scan.probe)
    place = offset / scan.step + (scan.columns - 1) / 2
    """In pixels from the first one."""
    nearest = np.clip(np.rint(place), 0, scan.columns - 1)
    pixels = nearest + _ramp((place - nearest) * scan.step, width)
    swept = np.clip((place + 0.5) / scan.columns, 0.0, 1.0)
    return np.asarray(scan.pixel_electrons * pixels + scan.flyback_electrons * swept)


def _parked(scan: LineScan, x: Grid, y: Grid) -> Grid:
    """On the first pixel and on the last one."""
    half = (scan.columns - 1) / 2 * scan.step
    total = np.zeros((len(y) - 1, len(x) - 1))
    for line, side in ((0, -half), (-1, half)):
        across = np.diff(_ramp(x - scan.x[line] - side, scan.probe))
        down = np.diff(_ramp(y - scan.y[line], scan.probe))
        total += scan.parked_electrons * np.outer(down, across)
    return total


def electrons_of_spot(spot: Exposure, x: Grid, y: Grid) -> Grid:
    """(ny, nx) electrons of a beam that stood still."""
    across = np.diff(_ramp(x - spot.x, spot.width))
    down = np.diff(_ramp(y - spot.y, spot.height))
    return np.asarray(spot.electrons * np.outer(down, across))
