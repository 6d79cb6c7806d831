"""Make multislice frames with abTEM, for `bench twin`: run in an environment of its own, which the product never is.

    python3.11 -m venv ENV && ENV/bin/pip install abtem==1.0.11 ase==3.29.0
    ENV/bin/python bench/twins/multislice_frames.py FOLDER [NAME ...]

abTEM is GPL-3: nothing of it is imported by the package. One npz a frame: `expected` (rows, columns) share of the
beam at 60-140 mrad, thermal motion included (frozen phonons), source size not; `atoms` (N, 3) mean places [Å] with
x along the columns, y down the rows and 0 at the middle of the first pixel; `elements` (N,), `pixel_a`, `voltage_kv`,
`convergence_mrad`, `defocus_a`, `thermal_rms_a`.

Without thermal motion the atoms of a column scatter coherently to high angles and S2 in MoS2 is 1.7 times too bright.
"""

# ruff: noqa: ANN001, ANN201, ANN202
# mypy: ignore-errors
import math
import sys
import time
from pathlib import Path

import numpy as np

KV, MRAD, INNER, OUTER, DEFOCUS_A = 60.0, 30.0, 60.0, 140.0, 10.0
SLICE_A = 0.5
"""Thick slices move atoms of a column against each other: with 2 Å, Ti between two O comes out 1.3 times too bright."""
STEP_A = 0.2
"""Of the scan: finer than λ/4α = 0.4 Å, so the frames hold all there is."""
WINDOW_A = 20.0
THERMAL_A, CONFIGURATIONS = 0.075, 4


def layer(formula, a, atoms):
    """One hexagonal layer as (element, fractional x, fractional y, z [Å]) and its lattice constant."""
    return formula, a, atoms


THIRD = 1 / 3
MXENE = [
    ("Ti", THIRD, 2 * THIRD, 0.0), ("C", 2 * THIRD, THIRD, 1.19), ("Ti", 0.0, 0.0, 2.37), ("C", THIRD, 2 * THIRD, 3.55),
    ("Ti", 2 * THIRD, THIRD, 4.74), ("O", 0.0, 0.0, -0.98), ("O", 0.0, 0.0, 5.72),
]  # fmt: skip


def sulphide(metal, other, half):
    """A 2H trigonal-prismatic layer."""
    return [
        (metal, 0.0, 0.0, half),
        (other, THIRD, 2 * THIRD, 0.0),
        (other, THIRD, 2 * THIRD, 2 * half),
    ]


LAYERS = {
    "Ti3C2O2": (3.05, MXENE),
    "V2CO2": (
        2.90,
        [("V", THIRD, 2 * THIRD, 0.0), ("C", 0.0, 0.0, 1.1), ("V", 2 * THIRD, THIRD, 2.2),
         ("O", 2 * THIRD, THIRD, -1.0), ("O", THIRD, 2 * THIRD, 3.2)],
    ),
    "MoS2": (3.16, sulphide("Mo", "S", 1.56)),
    "WS2": (3.15, sulphide("W", "S", 1.57)),
    "graphene": (2.46, [("C", THIRD, 2 * THIRD, 0.0), ("C", 2 * THIRD, THIRD, 0.0)]),
}  # fmt: skip


def sheet(name, extent, turn_deg=0.0, lift=0.0, shift=(0.0, 0.0)):
    """Elements (N,) and positions (N, 3) [Å] of a round piece of one layer about the origin."""
    a, basis = LAYERS[name]
    count = int(extent / a) + 3
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(-count, count + 1), np.arange(-count, count + 1)))
    turn = math.radians(turn_deg)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    elements, places = [], []
    for element, u, v, z in basis:
        plane = (
            np.stack([a * (i + u - 0.5 * (j + v)), a * math.sqrt(3) / 2 * (j + v)]) + np.array(shift)[:, None]
        )
        x, y = rotation @ plane
        elements += [element] * x.size
        places.append(np.stack([x, y, np.full(x.size, z + lift)], axis=1))
    return np.array(elements), np.concatenate(places)


def tilted(places, degrees):
    """Turned about x through the middle of the layer."""
    angle = math.radians(degrees)
    middle = places[:, 2].mean()
    y, z = places[:, 1], places[:, 2] - middle
    turned = places.copy()
    turned[:, 1] = y * math.cos(angle) - z * math.sin(angle)
    turned[:, 2] = y * math.sin(angle) + z * math.cos(angle)
    return turned


def emptied(elements, places, rng, chosen, share):
    """Some atoms of one element taken out."""
    near = (np.abs(places[:, :2]) < WINDOW_A / 2 - 1.0).all(axis=1)
    sites = np.flatnonzero((elements == chosen) & near)
    gone = rng.choice(sites, max(1, round(share * sites.size)), replace=False)
    keep = np.ones(elements.size, bool)
    keep[gone] = False
    return elements[keep], places[keep]


def exchanged(elements, places, rng, chosen, other, count):
    """Some atoms of one element made another."""
    near = (np.abs(places[:, :2]) < WINDOW_A / 2 - 2.0).all(axis=1)
    elements = elements.astype("<U2").copy()
    elements[rng.choice(np.flatnonzero((elements == chosen) & near), count, replace=False)] = other
    return elements, places


def monolayer(name, turn, vacant, share, swap=None, adatom=None, degrees=0.0):
    """A defective layer."""

    def build(rng):
        elements, places = sheet(name, 40.0, turn)
        for element in vacant:
            elements, places = emptied(elements, places, rng, element, share)
        if swap:
            elements, places = exchanged(elements, places, rng, *swap)
        if adatom:
            near = np.flatnonzero((elements == adatom) & (np.abs(places[:, :2]) < 7).all(axis=1))
            top = places[rng.choice(near)] + np.array([0.0, 0.0, places[:, 2].max() + 2.0])
            elements, places = np.append(elements, adatom), np.vstack([places, top])
        return elements, tilted(places, degrees) if degrees else places

    return build


def bilayer(name, turn, twist, lift):
    """Two layers, one turned."""

    def build(rng):
        below = emptied(*sheet(name, 40.0, turn), rng, LAYERS[name][1][0][0], 0.03)
        above = sheet(name, 40.0, turn + twist, lift)
        return np.append(below[0], above[0]), np.vstack([below[1], above[1]])

    return build


FRAMES = {
    "ti3c2o2": monolayer("Ti3C2O2", 8.0, ("Ti",), 0.03),
    "ti3c2o2_turned": monolayer("Ti3C2O2", 23.0, ("Ti", "O"), 0.02, adatom="Ti"),
    "mos2": monolayer("MoS2", 12.0, ("Mo", "S"), 0.04, swap=("Mo", "W", 1)),
    "mos2_vanadium": monolayer("MoS2", 40.0, ("S",), 0.06, swap=("Mo", "V", 3)),
    "ws2": monolayer("WS2", 5.0, ("W", "S"), 0.04),
    "v2co2": monolayer("V2CO2", 17.0, ("V",), 0.04),
    "graphene": monolayer("graphene", 11.0, ("C",), 0.03),
    "bilayer_ti3c2o2": bilayer("Ti3C2O2", 8.0, 0.0, 9.9),
    "bilayer_ti3c2o2_twisted": bilayer("Ti3C2O2", 8.0, 12.0, 9.9),
    "bilayer_mos2_twisted": bilayer("MoS2", 12.0, 7.0, 6.15),
    "tilt02_ti3c2o2": monolayer("Ti3C2O2", 8.0, ("Ti",), 0.03, degrees=2.0),
    "tilt05_ti3c2o2": monolayer("Ti3C2O2", 8.0, ("Ti",), 0.03, degrees=5.0),
    "tilt15_ti3c2o2": monolayer("Ti3C2O2", 8.0, ("Ti",), 0.03, degrees=15.0),
    "tilt05_mos2": monolayer("MoS2", 12.0, ("Mo",), 0.04, degrees=5.0),
}


def expected(elements, places, cell_a, seed):
    """Share of the beam at INNER-OUTER over the middle WINDOW_A of a cell, (n, n)."""
    import abtem
    import ase

    low = places[:, 2].min()
    middle = np.array([cell_a / 2, cell_a / 2, 2.0 - low])
    inside = (np.abs(places[:, :2]) < cell_a / 2 - 0.5).all(axis=1)
    height = float(np.ptp(places[inside, 2])) + 4.0
    atoms = ase.Atoms(elements[inside].tolist(), places[inside] + middle, cell=(cell_a, cell_a, height))
    moving = abtem.FrozenPhonons(atoms, num_configs=CONFIGURATIONS, sigmas=THERMAL_A, seed=seed)
    potential = abtem.Potential(moving, sampling=0.1, slice_thickness=SLICE_A, parametrization="lobato")
    matrix = abtem.SMatrix(
        potential=potential, energy=KV * 1e3, semiangle_cutoff=MRAD, interpolation=2, downsample=False
    )
    first = (cell_a - WINDOW_A) / 2
    scan = abtem.GridScan((first, first), (first + WINDOW_A,) * 2, sampling=STEP_A, endpoint=False)
    measured = matrix.scan(
        scan=scan,
        detectors=abtem.AnnularDetector(INNER, OUTER),
        ctf=abtem.CTF(defocus=DEFOCUS_A, semiangle_cutoff=MRAD),
    ).compute(progress_bar=False)
    return np.asarray(measured.array, np.float32).T  # abTEM: first axis x


def main(folder, names):
    """Write the frames."""
    import dask

    dask.config.set(scheduler="synchronous")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or FRAMES:
        start = time.process_time()
        elements, places = FRAMES[name](np.random.default_rng(list(name.encode())))
        cell = 36.0
        plane = expected(elements, places, cell, sum(name.encode()))
        kept = (np.abs(places[:, :2]) < WINDOW_A / 2 + 6.0).all(axis=1)
        np.savez_compressed(
            folder / f"{name}.npz",
            expected=plane.astype(np.float32),
            atoms=np.round(places[kept] + np.array([WINDOW_A / 2, WINDOW_A / 2, 0.0]), 4).astype(np.float32),
            elements=elements[kept],
            pixel_a=STEP_A, voltage_kv=KV, convergence_mrad=MRAD, defocus_a=DEFOCUS_A,
            thermal_rms_a=THERMAL_A,
        )  # fmt: skip
        print(f"{name}: mean {plane.mean():.5f}, {time.process_time() - start:.0f} s CPU", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
