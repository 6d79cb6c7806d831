"""The figures of a model card: on scenes of other random numbers, and on images kept for validation.

Importing this imports torch.
"""

from collections.abc import Sequence

import numpy as np

from eucentric.knowledge.projection import ProjectedCell
from eucentric.tools.vision.network.infer import Network, maps_of
from eucentric.tools.vision.network.points import NetworkPoints, points_of
from eucentric.tools.vision.network.scene import GRID_A, Recipe, Scene, draw_scene
from eucentric.tools.vision.network.scores import Agreement, agreement

Row = dict[str, float | int | None]

ATOM_RADIUS_A, VACANCY_RADIUS_A = 0.5, 0.7
_SIZE_A = 36.0
COUNTS = (("≥ 100 counts", 100.0), ("30-100 counts", 30.0), ("< 30 counts", 0.0))
"""Of the brightest kind of column."""


def read_scene(network: Network, scene: Scene, spacing_a: float) -> NetworkPoints:
    """What the network alone finds in a scene."""
    shape = (scene.image.shape[0], scene.image.shape[1])
    maps = maps_of(network, scene.image, scene.pixel_a)
    return points_of(maps, shape, spacing_a / GRID_A, network.card.sha256)


def drawn_figures(
    network: Network, cells: Sequence[ProjectedCell], seed: int, each: int, recipe: Recipe
) -> dict[str, Row]:
    """Rows by counts, over scenes with a lattice."""
    total: dict[str, list[Agreement]] = {}
    regular = recipe.model_copy(update={"amorphous": 0.0})
    for number in range(each * len(cells)):
        cell = cells[number % len(cells)]
        scene = draw_scene(cell, np.random.default_rng([seed, 3, number]), _SIZE_A, regular)
        name = next(name for name, least in COUNTS if scene.counts >= least)
        judged = judged_scene(read_scene(network, scene, cell.spacing_angstrom), scene, cell.spacing_angstrom)
        known = total.setdefault(name, [Agreement(), Agreement(), Agreement()])
        total[name] = [old + new for old, new in zip(known, judged, strict=True)]
    return {name: row_of(*total[name]) for name, _ in COUNTS if name in total}


def judged_scene(
    points: NetworkPoints, scene: Scene, spacing_a: float
) -> tuple[Agreement, Agreement, Agreement]:
    """Atoms, vacancies, extra atoms."""
    margin, shape = 1.5 * spacing_a / scene.pixel_a, points.shape
    pairs = (
        (points.atoms_xy, scene.atoms_xy, ATOM_RADIUS_A),
        (points.vacancies_xy, scene.vacancies_xy, VACANCY_RADIUS_A),
        (points.extras_xy, scene.extras_xy, VACANCY_RADIUS_A),
    )
    atoms, vacancies, extras = (
        agreement(found, truth, radius / scene.pixel_a, shape, margin) for found, truth, radius in pairs
    )
    return atoms, vacancies, extras


def row_of(atoms: Agreement, vacancies: Agreement, extras: Agreement | None = None) -> Row:
    """What the card says of them."""
    row: Row = {
        "atom_f1": atoms.f1, "atoms": atoms.true, "vacancy_precision": vacancies.precision,
        "vacancy_recall": vacancies.recall, "vacancies": vacancies.true,
    }  # fmt: skip
    if extras is not None:
        row |= {"extra_precision": extras.precision, "extra_recall": extras.recall, "extras": extras.true}
    return row


def image_figures(network: Network, images: Sequence[tuple[str, Scene, float]]) -> dict[str, Row]:
    """One row for each (name, labelled image, column spacing [Å]): agreement with lattice and fit, which may err."""
    rows = {}
    for name, scene, spacing in images:
        atoms, vacancies, _ = judged_scene(read_scene(network, scene, spacing), scene, spacing)
        rows[f"image {name}"] = row_of(atoms, vacancies)
    return rows
