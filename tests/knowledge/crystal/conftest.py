"""Random crystals of all systems and settings, and random orientations, from fixed seeds."""

import math

import numpy as np
import pytest

from eucentric.knowledge import crystal as cr

GROUPS = (
    "P -1", "P 1 2/m 1", "P 1 1 2/m", "P 2/m 1 1", "C 1 2/c 1", "P n m a", "F d d d:2", "I 41/a:2", "P 42/m n m",
    "R -3:H", "R -3 m:R", "P -3 1 m", "P -3 m 1", "P 6/m", "P 63/m m c", "P a -3", "F d -3 m:2", "I m -3 m",
)  # fmt: skip


def random_cell(rng, rotations):
    """Edges and angles of a random metric made invariant under the rotations."""
    while True:
        a, b, c = rng.uniform(3, 12, 3)
        al, be, ga = np.radians(rng.uniform(70, 115, 3))
        metric = np.array(
            [
                [a * a, a * b * math.cos(ga), a * c * math.cos(be)],
                [a * b * math.cos(ga), b * b, b * c * math.cos(al)],
                [a * c * math.cos(be), b * c * math.cos(al), c * c],
            ]
        )
        mean = np.mean([w.T @ metric @ w for w in rotations], axis=0)
        edges = np.sqrt(np.diag(mean))
        cosines = mean / np.outer(edges, edges)
        if np.linalg.det(cosines) > 0.2:
            angles = np.degrees(np.arccos([cosines[1, 2], cosines[0, 2], cosines[0, 1]]))
            return [*edges.tolist(), *angles.tolist()]


def gemmi_rotations(setting):
    import gemmi

    return [np.array(op.rot) // gemmi.Op.DEN for op in setting.operations().sym_ops]


def random_rotation(rng):
    from eucentric.knowledge.crystal.rotation import matrix_of

    q = rng.normal(size=4)
    return matrix_of(q / np.linalg.norm(q))


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def crystals():
    """One random crystal for each of eighteen settings of all seven systems."""
    import gemmi

    rng = np.random.default_rng(11)
    found = []
    for name in GROUPS:
        setting = gemmi.find_spacegroup_by_name(name)
        found.append(cr.crystal_of(random_cell(rng, gemmi_rotations(setting)), name, name))
    return found


@pytest.fixture(scope="session")
def helpers():
    """The functions above, for tests that draw their own crystals."""
    return {"cell": random_cell, "rotation": random_rotation, "operators": gemmi_rotations}
