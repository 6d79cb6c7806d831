"""Labels of a real image by its own lattice: what lattice and fit find, where they are unsure."""

import numpy as np

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.corrections import Corrections
from eucentric.tools.vision.network.scene import Scene

_SURE = 0.1
"""A site between this and one minus this is not learnt from."""
_REACH = 0.5
"""A person's word is about the nearest site within this part of the spacing."""


def labelled(image: np.ndarray, atoms: AtomMap, name: str, said: Corrections | None = None) -> Scene:
    """The image as a scene to learn from; a person's word goes over the program's.

    Raises
    ------
    BadInput
        If the lattice stage cannot read the image: then nothing labels it.
    """
    if atoms.cannot_tell or atoms.pixel_pm is None:
        raise BadInput(
            f"{visible(name, limit=160)} cannot label itself", atoms.cannot_tell or "no lattice was found",
            "give an image in focus with a lattice all over, or train on drawn scenes alone",
        )  # fmt: skip
    pixels = np.where(np.isfinite(image), image, np.nanmedian(image)).astype(np.float32)
    p, xy = atoms.sites_p_vacancy, atoms.sites_xy
    vacant = p > 0.5
    extra = np.array([state.startswith("extra") for state in atoms.sites_state])
    unsure = ((p > _SURE) & (p < 1 - _SURE)) | ~atoms.sites_examined
    half = np.isin(np.arange(len(xy)), atoms.atoms_site)
    spacing_px = atoms.phase.spacing_angstrom * 100 / atoms.pixel_pm
    for x, y, label in said.entries if said else ():
        gap = np.hypot(*(xy - (x, y)).T)
        row = int(np.argmin(gap))
        if gap[row] <= _REACH * spacing_px:
            vacant[row], extra[row], unsure[row] = label == "vacancy", label == "extra", label == "unknown"
            left = half[row] and _several(atoms, row)  # one S of two may be left; of one Ti nothing is
            half[row] = label in ("full", "extra") or (label == "vacancy" and left)
    place = xy.copy()
    place[atoms.atoms_site] = atoms.atoms_xy
    return Scene(
        pixels, atoms.pixel_pm / 100, place[half], xy[vacant], place[extra], xy[unsure],
        atoms.counts_per_column,
    )  # fmt: skip


def _several(atoms: AtomMap, row: int) -> bool:
    """Whether a full column of the site holds more than one heavy atom."""
    columns = atoms.phase.columns
    elements = columns[min(int(atoms.sites_sublattice[row]), len(columns) - 1)].elements
    return elements.count(elements[0]) > 1
