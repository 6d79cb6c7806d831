"""A small network that draws where atoms are, are missing, and are too many. This is the room's one door.

torch is imported by the functions that need it, never by importing this.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.tools.vision.network.card import Card, Fusion, card_text
from eucentric.tools.vision.network.points import NetworkPoints, points_of
from eucentric.tools.vision.network.scene import GRID_A
from eucentric.tools.vision.network.weights import read_weights

if TYPE_CHECKING:
    from eucentric.tools.vision.network.infer import Network

__all__ = [
    "SHIPPED", "Card", "Fusion", "NetworkPoints", "card_text", "network_file", "network_points", "open_network",
    "read_weights",
]  # fmt: skip

FOLDER = Path(__file__).parent / "models"
SHIPPED = "general"
"""The model that comes with the program."""
_MOST_PX = 8192 * 8192


def network_file(name_or_path: str | Path = SHIPPED) -> Path:
    """The file of a shipped model, or the path itself.

    Raises
    ------
    BadInput
        If there is neither.
    """
    path = Path(name_or_path)
    shipped = FOLDER / f"{name_or_path}.npz"
    if path.is_file():
        return path
    if path.name == str(name_or_path) and shipped.is_file():
        return shipped
    known = ", ".join(sorted(one.stem for one in FOLDER.glob("*.npz")))
    raise BadInput(
        f"there is no network {visible(str(name_or_path), limit=200)!r}", f"shipped: {known or 'none'}",
        "give one of these, or a file written by `eucentric train`",
    )  # fmt: skip


def open_network(name_or_path: str | Path = SHIPPED) -> "Network":
    """A model, ready to draw; kept, because reading it again costs more than an image.

    Raises
    ------
    BadInput
        If there is none, it has been altered, or is of another kind.
    """
    path = network_file(name_or_path)
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _opened(path: Path, changed: int) -> "Network":
    from eucentric.tools.vision.network.infer import load

    return load(path)


def fits_grid(pixels: int, pixel_pm: float) -> bool:
    """Whether an image of so many pixels is small enough on the network's grid."""
    return pixels * (pixel_pm / 100 / GRID_A) ** 2 <= _MOST_PX


def network_points(
    image: NDArray[np.float32], spacing_angstrom: float, pixel_pm: float, network: "Network"
) -> NetworkPoints:
    """What the network alone finds: atoms, vacancies and extra atoms with scores.

    Parameters
    ----------
    image
        (H, W) float [any unit]; what is not finite is taken as the median.
    spacing_angstrom
        Distance of neighbouring columns [Å]: places closer than 0.45 of it are one.
    pixel_pm
        [pm]

    Raises
    ------
    BadInput
        If the image would be too large on the network's grid.
    """
    from eucentric.tools.vision.network.infer import maps_of

    pixel_a = pixel_pm / 100
    if not fits_grid(image.size, pixel_pm):
        raise BadInput(
            f"the image has {image.size:,} px of {pixel_a:.3f} Å", f"too large on a grid of {GRID_A} Å",
            "cut it into parts",
        )  # fmt: skip
    finite = np.isfinite(image)
    whole = image if finite.all() else np.where(finite, image, np.float32(np.median(image[finite])))
    maps = maps_of(network, np.asarray(whole, np.float32), pixel_a)
    shape = (image.shape[0], image.shape[1])
    return points_of(maps, shape, spacing_angstrom / GRID_A, network.card.sha256)
