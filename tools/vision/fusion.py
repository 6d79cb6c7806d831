"""Both readings of one image: what the lattice stage says of each site, and what the network draws there.

The lattice stage stays the measure: its places are fits and its probabilities are calibrated. The network sees what a
lattice cannot: atoms between columns, columns where no lattice was fitted, and that something is wrong with a reading.
Where the two contradict each other after a calibration of both, the site is unknown.
"""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Phase
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.atoms import find_atoms
from eucentric.tools.vision.network import Fusion, NetworkPoints, fits_grid, network_points

if TYPE_CHECKING:
    from eucentric.tools.vision.network.infer import Network

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_VACANCY = 1
_LEAST_P = 1e-4
_FOR, _AGAINST = 0.7, 0.3
_DRAWN, _NOT_DRAWN = 0.8, 0.2
"""A site is unknown if one stage calls it, the network's score says the opposite, and both together make the call
improbable."""
_OFF_COLUMN = 0.38
"""An atom farther from every site than this part of the spacing lies between columns."""
_LITTLE_AGREEMENT, _READABLE_SNR, _LESS_AGREEMENT = 0.90, 6.0, 0.12
"""Agreement of columns below this is flagged where columns stand so far out of the noise, and so much less for each
step below: there the network misses columns for want of counts, and the lattice does not."""
_SURE_ALONE = 0.5
"""Without a lattice only such scores are shown, and only if most are: in noise half of them lie below 0.38."""
_NETWORK_SIGMA_PM = 20.0
"""Of a place by the network alone, along one axis: what it misses true places by at 30-100 counts a column."""


def read_atoms(
    image: NDArray[np.float32], phase: Phase, *, pixel_pm: float | None = None,
    counts_per_electron: float | None = None, network: "Network | None" = None,
) -> AtomMap:  # fmt: skip
    """`find_atoms`, with a network as second reader if one is given.

    Parameters
    ----------
    image
        (H, W) float [any unit].
    pixel_pm
        Pixel size from metadata [pm]. Where no lattice is found, the network alone needs it.

    Raises
    ------
    BadInput
        As `find_atoms`.
    """
    atoms = find_atoms(image, phase, pixel_pm=pixel_pm, counts_per_electron=counts_per_electron)
    return atoms if network is None else read_again(atoms, image, network)


def read_again(atoms: AtomMap, image: NDArray[np.float32], network: "Network") -> AtomMap:
    """What the lattice stage made of an image, read by the network too; without any pixel size it stays as it is."""
    size = atoms.pixel_pm or atoms.stated_pixel_pm
    if size is None or (not len(atoms.sites_xy) and not fits_grid(image.size, size)):
        return atoms
    points = network_points(image, atoms.phase.spacing_angstrom, size, network)
    if not len(atoms.sites_xy):
        return network_only(atoms, points)
    return together(atoms, points, network.card.fusion.get(atoms.phase.name))


def together(atoms: AtomMap, points: NetworkPoints, fusion: Fusion | None) -> AtomMap:
    """The map of the lattice stage with the network's word beside it; probabilities and places stay."""
    score = points.score_at(atoms.sites_xy, _VACANCY)
    unknown = contradicted(atoms.sites_p_vacancy, score, fusion) & atoms.sites_examined
    state = tuple("unknown" if odd else known for known, odd in zip(atoms.sites_state, unknown, strict=True))
    extras = _between(atoms, points)
    agreed = agreement(atoms, points)
    flags = atoms.flags
    least = _LITTLE_AGREEMENT - _LESS_AGREEMENT * max(_READABLE_SNR - atoms.snr, 0.0)
    doubt = min(0.5 * (1 - agreed) / (1 - least), 1.0)
    if doubt > 0.5:
        text = f"lattice and network agree on {agreed:.0%} of the columns only"
        flags = (*flags, ("stages_disagree", text))
    return dataclasses.replace(
        atoms, sites_state=state, sites_network=score, agreement=agreed, flags=flags,
        doubt=max(atoms.doubt, doubt),
        extras_xy=points.extras_xy[extras], extras_score=points.extras_score[extras],
        network_sha256=points.model_sha256,
    )  # fmt: skip


def fused(p: Array, score: Array, fusion: Fusion) -> Array:
    """(n,) probability of a vacancy by both: never falls where either rises."""
    z = fusion.offset + fusion.lattice * _logit(p) + fusion.network * _logit(score)
    both: Array = 1 / (1 + np.exp(-z))
    return both


def _logit(p: Array) -> Array:
    inner = np.clip(p, _LEAST_P, 1 - _LEAST_P)
    result: Array = np.log(inner / (1 - inner))
    return result


def contradicted(p: Array, score: Array, fusion: Fusion | None) -> Mask:
    """(n,) bool: called by the lattice stage, denied by the network and improbable by both, or the other way."""
    if fusion is None or fusion.gain <= 0:  # then the network's word adds nothing to the lattice stage's
        return np.zeros(len(p), bool)
    both = fused(p, score, fusion)
    denied = (p > 0.5) & (score < _NOT_DRAWN) & (both < _AGAINST)
    missed = (p < 0.5) & (score > _DRAWN) & (both > _FOR)
    odd: Mask = np.logical_or(denied, missed)
    return odd


def agreement(atoms: AtomMap, points: NetworkPoints) -> float:
    """F1 of the network's columns against the lattice stage's, where sites are examined; mutual within 0.5 Å."""
    if not len(atoms.atoms_xy) or not len(points.atoms_xy) or atoms.pixel_pm is None:
        return 0.0
    counted = atoms.sites_examined[atoms.atoms_site]
    near, site = cKDTree(atoms.sites_xy).query(points.atoms_xy)
    spacing = atoms.phase.spacing_angstrom * 100 / atoms.pixel_pm
    mine = atoms.sites_examined[site] & (near < spacing)
    gap, to = cKDTree(points.atoms_xy).query(atoms.atoms_xy)
    _, back = cKDTree(atoms.atoms_xy).query(points.atoms_xy)
    both = (gap < 50 / atoms.pixel_pm) & (back[to] == np.arange(len(gap))) & counted
    total = int(counted.sum() + mine.sum())
    return 2 * int(both.sum()) / total if total else 0.0


def _between(atoms: AtomMap, points: NetworkPoints) -> Mask:
    """(n,) bool: extra atoms that lie on no column, where the lattice is seen."""
    if not len(points.extras_xy) or atoms.pixel_pm is None:
        return np.zeros(len(points.extras_xy), bool)
    gap, site = cKDTree(atoms.sites_xy).query(points.extras_xy)
    far: Mask = np.logical_and(
        gap > _OFF_COLUMN * atoms.phase.spacing_angstrom * 100 / atoms.pixel_pm, atoms.sites_examined[site]
    )
    return far


def network_only(atoms: AtomMap, points: NetworkPoints) -> AtomMap:
    """Columns by the network alone, where there is no lattice: shown and said, nothing counted."""
    sure = points.atoms_score >= _SURE_ALONE
    if not sure.sum() > 0.5 * len(sure):
        return dataclasses.replace(atoms, network_sha256=points.model_sha256)
    places, scores = points.atoms_xy[sure], points.atoms_score[sure]
    n, vacant = len(places), len(points.vacancies_xy)
    text = (
        f"no lattice was found: {n} columns by the network alone, without errors of their own; no density is "
        "claimed from them"
    )
    covariance = np.tile([_NETWORK_SIGMA_PM**2, _NETWORK_SIGMA_PM**2, 0.0], (n, 1))
    state = ("column",) * n + ("unknown",) * vacant
    return dataclasses.replace(
        atoms, flags=(*atoms.flags, ("network_only", text)), network_sha256=points.model_sha256,
        atoms_xy=places, atoms_sigma_pm=np.full(n, _NETWORK_SIGMA_PM), atoms_counts=np.zeros(n),
        atoms_site=np.arange(n), atoms_p=scores, atoms_element=("",) * n,
        atoms_covariance_pm2=covariance, atoms_free_xy=places, atoms_free_covariance_pm2=covariance,
        sites_xy=np.concatenate([places, points.vacancies_xy]), sites_p_vacancy=np.zeros(n + vacant),
        sites_network=np.concatenate([np.zeros(n), points.vacancies_score]),
        sites_sublattice=np.zeros(n + vacant, np.int64), sites_relative=np.zeros(n + vacant),
        sites_examined=np.zeros(n + vacant, bool), sites_grain=np.full(n + vacant, -1), sites_state=state,
        sites_kind=("",) * (n + vacant), sites_p_value=np.ones(n + vacant), sites_classes=("column", "unknown"),
        sites_posterior=np.array([[one == "column", one == "unknown"] for one in state], float),
        extras_xy=points.extras_xy, extras_score=points.extras_score,
    )  # fmt: skip
