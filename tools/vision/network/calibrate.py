"""How much the network's score adds to the lattice stage's probability: a logistic fit on drawn scenes.

Importing this imports torch.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Phase
from eucentric.knowledge.projection import ProjectedCell
from eucentric.tools.vision.atoms import find_atoms
from eucentric.tools.vision.network.card import Fusion
from eucentric.tools.vision.network.figures import read_scene
from eucentric.tools.vision.network.infer import Network
from eucentric.tools.vision.network.scene import Recipe, draw_scene

Array = NDArray[np.float64]

_SIZE_A, _RADIUS_A = 45.0, 0.7
_RIDGE = 3.0
"""Pull towards the lattice stage alone (offset 0, lattice 1, network 0), as so many sites' worth."""
_LEAST_P = 1e-4


def fit_fusions(
    network: Network, crystals: Sequence[tuple[ProjectedCell, Phase]], seed: int, each: int, recipe: Recipe
) -> dict[str, Fusion]:
    """Coefficients for every phase with enough vacancies in scenes that the lattice stage can read."""
    fitted = {phase.name: fit_fusion(network, cell, phase, seed, each, recipe) for cell, phase in crystals}
    return {name: one for name, one in fitted.items() if one is not None}


def fit_fusion(
    network: Network, cell: ProjectedCell, phase: Phase, seed: int, each: int, recipe: Recipe
) -> Fusion | None:
    """Coefficients from the even scenes, their gain on the odd ones; None if too few could be read."""
    whole = recipe.model_copy(update={"boundary": 0.0, "hole": 0.0, "amorphous": 0.0, "counts": (1.0, 20.0)})
    halves: list[list[Array]] = [[], []]
    for number in range(each):
        halves[number % 2].append(
            _sites_of(network, cell, phase, np.random.default_rng([seed, 4, number]), whole)
        )
    fit, check = (np.concatenate(half) if half else np.zeros((0, 3)) for half in halves)
    if not fit[:, 2].any() or not check[:, 2].any():
        return None
    offset, lattice, own = _logistic(fit)
    with_network = _log_likelihood(check, offset, lattice, own)
    gain = float(np.mean(with_network - _log_likelihood(check, 0.0, 1.0, 0.0)))
    return Fusion(
        offset=round(offset, 4), lattice=round(max(lattice, 0.0), 4), network=round(max(own, 0.0), 4),
        sites=len(fit) + len(check), gain=round(gain, 6),
    )  # fmt: skip


def _sites_of(
    network: Network, cell: ProjectedCell, phase: Phase, rng: np.random.Generator, recipe: Recipe
) -> Array:
    """(n, 3): logit of the lattice stage, logit of the network, whether a vacancy is there."""
    scene = draw_scene(cell, rng, _SIZE_A, recipe)
    atoms = find_atoms(scene.image, phase, pixel_pm=100 * scene.pixel_a)
    use = atoms.sites_examined
    if not use.any() or not len(scene.vacancies_xy):
        return np.zeros((0, 3))
    score = read_scene(network, scene, cell.spacing_angstrom).score_at(atoms.sites_xy[use], 1)
    gap, _ = cKDTree(scene.vacancies_xy).query(atoms.sites_xy[use])
    return np.stack(
        [_logit(atoms.sites_p_vacancy[use]), _logit(score), (gap < _RADIUS_A / scene.pixel_a).astype(float)],
        -1,
    )


def _logit(p: Array) -> Array:
    inner = np.clip(p, _LEAST_P, 1 - _LEAST_P)
    result: Array = np.log(inner / (1 - inner))
    return result


def _log_likelihood(rows: Array, offset: float, lattice: float, own: float) -> Array:
    z = offset + lattice * rows[:, 0] + own * rows[:, 1]
    result: Array = np.where(rows[:, 2] > 0, -np.logaddexp(0, -z), -np.logaddexp(0, z))
    return result


def _logistic(rows: Array) -> tuple[float, float, float]:
    """Newton's method with a weak ridge."""
    design = np.column_stack([np.ones(len(rows)), rows[:, :2]])
    prior = np.array([0.0, 1.0, 0.0])
    weights = prior.copy()
    for _ in range(30):
        p = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (rows[:, 2] - p) - _RIDGE * (weights - prior)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + _RIDGE * np.eye(3)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + np.clip(step, -1.0, 1.0)
        if float(np.abs(step).max()) < 1e-6:
            break
    offset, lattice, own = (float(value) for value in weights)
    return offset, lattice, own
