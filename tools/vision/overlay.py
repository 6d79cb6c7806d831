"""Pictures for people: the image with what was found on it, and a gallery of the sites that are least certain."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.text import quoted
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.lettering import lettered

# Okabe and Ito's colours, told apart by colour-blind eyes; shapes differ as well.
_ATOM, _VACANCY, _UNSURE, _LOST = "#56B4E9", "#E69F00", "#F0E442", "#D55E00"
_UNSURE_FROM, _UNSURE_TO = 0.1, 0.9


def write_overlay(
    image: NDArray[np.float32], atoms: AtomMap, path: Path, *, simulated: bool = False, title: str = ""
) -> Path:
    """Write the image with atoms (thin rings), vacancies (squares), unsure sites (triangles) and flags as PNG.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    atoms
        What was found on it.
    path
        Of the PNG; its folder is made.
    simulated
        True puts a SIMULATED stamp on the picture.
    title
        One line, escaped here.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = image.shape
    caption = _caption(atoms, title)
    picture, head = 9.0 * height / width, 0.08 + 0.15 * (caption.count("\n") + 1)  # [inch]
    figure = Figure(figsize=(9.0, picture + head), dpi=130)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.01, 0.98, picture / (picture + head) - 0.01))
    _show(axes, image)
    _mark(axes, atoms, width)
    if atoms.pixel_pm:
        _scale_bar(axes, atoms.pixel_pm, width, height)
    if simulated:
        axes.text(0.5, 0.97, "SIMULATED", transform=axes.transAxes, ha="center", va="top", color="white", fontsize=15,
                  weight="bold", bbox={"facecolor": "#CC0000", "edgecolor": "white", "pad": 4})  # fmt: skip
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    figure.text(0.01, 0.995, caption, va="top", fontsize=7.5, parse_math=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": "eucentric"})
    return path


def _show(axes: Any, image: NDArray[np.float32]) -> None:
    low, high = np.nanpercentile(image, (0.5, 99.7))
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")


def _mark(axes: Any, atoms: AtomMap, width: int) -> None:
    spacing = atoms.phase.spacing_angstrom * 100 / (atoms.pixel_pm or atoms.stated_pixel_pm or 1e9)
    points = spacing / width * 9.0 * 72  # a lattice spacing in points
    small, large = (0.45 * points) ** 2, (0.95 * points) ** 2
    scatter = axes.scatter
    scatter(*atoms.atoms_xy.T, s=small, facecolors="none", edgecolors=_ATOM, linewidths=0.5)
    lost = ~atoms.sites_examined & (np.array(atoms.sites_state, dtype=object) != "empty site")
    scatter(*atoms.sites_xy[lost].T, s=small / 3, marker="x", c=_LOST, linewidths=0.4)
    unsure = (atoms.sites_p_vacancy > _UNSURE_FROM) & (atoms.sites_p_vacancy <= 0.5)
    scatter(
        *atoms.sites_xy[unsure].T, s=large, marker="^", facecolors="none", edgecolors=_UNSURE, linewidths=1.0
    )
    scatter(
        *atoms.vacancies_xy.T, s=large, marker="s", facecolors="none", edgecolors=_VACANCY, linewidths=1.6
    )


def _scale_bar(axes: Any, pixel_pm: float, width: int, height: int) -> None:
    length_nm = next(
        n for n in (50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1) if n * 1e3 / pixel_pm < 0.35 * width or n == 0.1
    )
    px = length_nm * 1e3 / pixel_pm
    x, y = 0.04 * width, 0.955 * height
    axes.plot([x, x + px], [y, y], color="white", linewidth=4, solid_capstyle="butt")
    axes.text(x + px / 2, y - 0.012 * height, f"{length_nm:g} nm", color="white", ha="center", va="bottom", fontsize=11,
              bbox={"facecolor": "black", "alpha": 0.45, "pad": 1, "edgecolor": "none"})  # fmt: skip


def _caption(atoms: AtomMap, title: str) -> str:
    lines = [lettered(f"image {quoted(title)}", limit=130)] if title else []
    if atoms.pixel_pm is None:
        lines.append(f"nothing counted: {atoms.cannot_tell}")
    else:
        lines.append(
            f"{len(atoms.atoms_xy)} columns (rings), {_vacancies(atoms)} (squares), unsure sites (triangles), "
            f"not counted (crosses)   {atoms.pixel_pm:.2f} ± {atoms.pixel_pm_sigma:.2f} pm/px"
        )
    lines += [f"FLAG {code}: {text}" for code, text in atoms.flags]
    return "\n".join(line if len(line) < 150 else line[:149] + "…" for line in lines[:6])


def _vacancies(atoms: AtomMap) -> str:
    """As the table counts them: those at the edge are drawn, but not counted."""
    beside = len(atoms.vacancies_xy) - atoms.called
    return f"{atoms.called} vacancies" + (f" and {beside} not counted" if beside else "")


_AT_LEAST = 12
"""Sites shown also where all are decided."""


def write_gallery(
    image: NDArray[np.float32], atoms: AtomMap, path: Path, *, simulated: bool = False, most: int = 24
) -> Path | None:
    """Write crops around the sites whose probability is nearest to one half; None if there is no such site."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = least_certain(atoms, most)
    if not len(rows) or atoms.pixel_pm is None:
        return None
    half = int(2.6 * atoms.phase.spacing_angstrom * 100 / atoms.pixel_pm)
    columns = min(6, len(rows))
    high_in = 1.75 * -(-len(rows) // columns) + 0.4
    figure = Figure(figsize=(1.5 * columns, high_in), dpi=110)
    figure.subplots_adjust(
        left=0.02, right=0.98, bottom=0.25 / high_in, top=1 - 0.4 / high_in, wspace=0.06, hspace=0.3
    )
    FigureCanvasAgg(figure)
    low, high = np.nanpercentile(image, (0.5, 99.7))
    for number, row in enumerate(rows, 1):
        axes = figure.add_subplot(-(-len(rows) // columns), columns, number)
        x, y = atoms.sites_xy[row]
        axes.imshow(image, cmap="gray", vmin=low, vmax=high)
        axes.set(xlim=(x - half, x + half), ylim=(y + half, y - half), xticks=[], yticks=[])
        axes.scatter([x], [y], s=300, marker="s", facecolors="none", edgecolors=_VACANCY, linewidths=1.0)
        axes.set_title(
            f"site {row}   p {atoms.sites_p_vacancy[row]:.2f}\n({x:.0f}, {y:.0f})", fontsize=7, pad=3
        )
    if simulated:
        figure.text(0.5, 0.005, "SIMULATED", ha="center", color="#CC0000", weight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": "eucentric"})
    return path


def least_certain(atoms: AtomMap, most: int = 24) -> NDArray[np.int64]:
    """Examined sites whose probability is nearest to one half: all unsure ones (0.1 < p < 0.9), else the nearest 12."""
    p = atoms.sites_p_vacancy
    rows = np.flatnonzero(atoms.sites_examined)
    order = rows[np.argsort(np.abs(p[rows] - 0.5), kind="stable")].astype(np.int64)
    unsure = int(((p[order] > _UNSURE_FROM) & (p[order] < _UNSURE_TO)).sum())
    return order[: min(most, max(unsure, _AT_LEAST))]
