"""The image with its single atoms on it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.text import quoted
from eucentric.tools.vision.lettering import lettered
from eucentric.tools.vision.single_atoms import SingleAtoms

_CALLED, _UNSURE = "#56B4E9", "#F0E442"
_SHOWN = 3.5
"""Maxima above so many times the noise are drawn, called or not."""


def write_single_atoms(
    image: NDArray[np.float32], atoms: SingleAtoms, path: Path, *, simulated: bool = False, title: str = ""
) -> Path:
    """Write the image with called atoms (rings) and what is nearly as bright (triangles) as PNG; its folder is made."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = image.shape
    figure = Figure(figsize=(8.0, 8.0 * height / width + 0.5), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.92))
    low, high = np.percentile(image, (0.5, 99.8))
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    mark: Any = axes.scatter
    mark(*atoms.atoms_xy.T, s=110, facecolors="none", edgecolors=_CALLED, linewidths=1.1)
    near = ~atoms.called & (atoms.snr > _SHOWN)
    mark(*atoms.xy[near].T, s=70, marker="^", facecolors="none", edgecolors=_UNSURE, linewidths=0.7)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    if simulated:
        axes.text(0.5, 0.97, "SIMULATED", transform=axes.transAxes, ha="center", va="top", color="white",
                  weight="bold", bbox={"facecolor": "#CC0000", "pad": 4})  # fmt: skip
    figure.text(0.01, 0.99, _caption(atoms, title), va="top", fontsize=8, parse_math=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": "eucentric"})
    return path


def _caption(atoms: SingleAtoms, title: str) -> str:
    name = lettered(f"image {quoted(title)}", limit=120)
    seen = (
        f"{int(atoms.called.sum())} atoms (rings), {atoms.expected_false:.1f} of them expected of noise alone; "
        f"nearly as bright (triangles); {width_nm(atoms):.3g} nm wide"
    )
    return "\n".join([name, seen, *(f"FLAG {code}: {text}" for code, text in atoms.flags)])


def width_nm(atoms: SingleAtoms) -> float:
    """Width of the image [nm]."""
    return atoms.shape[1] * atoms.pixel_pm / 1e3
