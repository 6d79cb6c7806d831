"""The picture of a measured lattice: the image with its cells, and the four maps of strain."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.text import quoted
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.lettering import lettered
from eucentric.tools.vision.strain import COMPONENTS, StrainMap

_COLOURS = "PuOr"
"""Diverging, and told apart by colour-blind eyes."""
_ARROW = {"arrowstyle": "->", "color": "#E69F00", "lw": 2}
_CELLS = 4
"""Vectors are drawn this many times longer, to be seen."""


def write_strain(
    image: NDArray[np.float32], atoms: AtomMap, strain: StrainMap | None, path: Path, *, simulated: bool = False,
    title: str = "",
) -> Path:  # fmt: skip
    """Write the image with the cell of every grain, and maps of exx, eyy, exy and rotation, as PNG.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    atoms
        What was found on it.
    strain
        None leaves the maps out.
    path
        Of the PNG; its folder is made.
    simulated
        True puts a SIMULATED stamp on the picture.
    title
        One line, escaped here.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = 1 if strain is None else 1 + len(COMPONENTS)
    figure = Figure(figsize=(3.4 * panels, 3.3), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, panels, k + 1) for k in range(panels)]
    _cells(axes[0], image, atoms)
    for place, name in enumerate(COMPONENTS if strain is not None else ()):
        _map(figure, axes[place + 1], image, strain, place, name)
    for one in axes:
        one.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5), xticks=[], yticks=[])
    if simulated:
        axes[0].text(0.5, 0.97, "SIMULATED", transform=axes[0].transAxes, ha="center", va="top", color="white",
                     weight="bold", bbox={"facecolor": "#CC0000", "edgecolor": "white", "pad": 3})  # fmt: skip
    if title:
        figure.suptitle(lettered(f"image {quoted(title)}", limit=130), fontsize=8, parse_math=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": "eucentric"})
    return path


def _cells(axes: Any, image: NDArray[np.float32], atoms: AtomMap) -> None:
    low, high = np.nanpercentile(image, (0.5, 99.7))
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    for number, grain in enumerate(atoms.grains):
        own = atoms.sites_xy[atoms.sites_grain == number]
        if len(own):
            x, y = np.median(own, axis=0)
            for dx, dy in _CELLS * grain.vectors_px:
                axes.annotate("", (x + dx, y + dy), (x, y), arrowprops=_ARROW)
    axes.set_title(f"{len(atoms.grains)} grain(s), cell vectors ×{_CELLS}", fontsize=8)


def _map(
    figure: Any, axes: Any, image: NDArray[np.float32], strain: StrainMap | None, place: int, name: str
) -> None:
    if strain is None:
        return
    unit, factor = ("°", 180 / np.pi) if name == "rotation" else ("%", 100.0)
    value = factor * strain.values[:, place]
    most = max(float(np.percentile(np.abs(value), 98)), 1e-6)
    points = axes.scatter(*strain.xy.T, c=value, s=9, cmap=_COLOURS, vmin=-most, vmax=most, linewidths=0)
    axes.set(aspect="equal", facecolor="#444444")
    error = factor * float(np.median(strain.errors[:, place]))
    axes.set_title(f"{name} [{unit}], error of a value {error:.2g}", fontsize=8)
    figure.colorbar(points, ax=axes, shrink=0.6)
