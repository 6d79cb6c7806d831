"""Makes a set of simulated HAADF images with truth, for `eucentric bench defects`. Runs in an environment of its own.

    python -m venv ENV && ENV/bin/pip install abtem==1.0.11 ase "numpy<2.3"
    ENV/bin/python bench/images/make.py FOLDER --fields 4 --seed 1

abTEM is under the GPL, so no part of the product imports it, and this script imports no part of the product.
Each field is one multislice (PRISM) calculation and is kept; images are acquisitions of it at other pixel sizes,
rotations, doses, drifts and contaminations. Images of one field share its defects: they are not independent.
"""
# mypy: ignore-errors

import argparse
import hashlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

ENERGY, SEMIANGLE, DETECTOR = 60e3, 30.0, (60.0, 140.0)
A = {"Ti3C2O2": 3.05, "MoS2": 3.16, "WS2": 3.153, "SrTiO3": 3.905}
GRID_A = 0.05
"""Step of the stored field [Å]."""
THERMAL_A = 0.075
BUCKETS = {"high": (2e4, 1e5), "mid": (5e3, 1e4), "low": (2e3, 3e3)}
Z = {"Ti": 22, "Mo": 42, "S": 16, "W": 74, "V": 23, "Se": 34, "Sr": 38, "La": 57, "Nb": 41}


def _hexagonal(a: float, nx: int = 16, ny: int = 9) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """(xy [Å], sublattice 0-2, size [Å]) of the triangular lattice a/√3 on a rectangular cell."""
    size = (nx * a, ny * a * math.sqrt(3))
    i, j = (g.ravel() for g in np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij"))
    corner = np.stack([i * a, j * a * math.sqrt(3)], -1)
    cell = np.concatenate([corner, corner + np.array([a / 2, a * math.sqrt(3) / 2])])
    step = np.array([0.0, a / math.sqrt(3)])
    xy = np.concatenate([(cell + k * step) % size for k in range(3)])
    return xy, np.repeat(np.arange(3), len(cell)), size


def _square(a: float, n: int = 13) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """(xy [Å], sublattice 0-3, size [Å]) of a cubic perovskite on [001]: A, B and the two of O alone."""
    i, j = (g.ravel() for g in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    corner = np.stack([i * a, j * a], -1)
    at = np.array([[0.0, 0.0], [0.5, 0.5], [0.5, 0.0], [0.0, 0.5]]) * a
    return (
        np.concatenate([corner + step for step in at]),
        np.repeat(np.arange(4), len(corner)),
        (n * a, n * a),
    )


def _pick(
    rng: np.random.Generator, pool: np.ndarray, xy: np.ndarray, size: tuple[float, float], share: float
) -> np.ndarray:
    """Random rows of a pool, a third of them beside one already taken."""
    wanted, taken = max(1, round(share * len(pool))), [int(rng.choice(pool))]
    while len(taken) < wanted:
        if rng.random() < 0.3:
            gap = xy[pool] - xy[taken[-1]]
            gap -= np.round(gap / size) * size
            near = pool[np.argsort(np.hypot(*gap.T))[1:7]]
            new = int(rng.choice(near))
        else:
            new = int(rng.choice(pool))
        if new not in taken:
            taken.append(new)
    return np.array(taken)


Made = tuple[list[tuple], dict[int, str], dict[int, str]]
"""Atoms (element, x, y, z, column), vacancy kinds by column, elements by column."""


def _ti3c2o2(rng: np.random.Generator, xy: np.ndarray, kind: np.ndarray, size: tuple[float, float]) -> Made:
    """Every column holds one Ti; O lies above and below the middle one."""
    c, o = 1.27, 3.45
    piles = {
        0: [("Ti", 0.0), ("O", o), ("O", -o)],
        1: [("Ti", 2.35), ("C", -c)],
        2: [("Ti", -2.35), ("C", c)],
    }
    empty = set(_pick(rng, np.arange(len(xy)), xy, size, rng.uniform(0.02, 0.045)).tolist())
    full = np.setdiff1d(np.arange(len(xy)), list(empty))
    extra = set(rng.choice(full, rng.integers(0, 5), replace=False).tolist())
    atoms, element = [], {}
    for row, (x, y) in enumerate(xy):
        for name, z in piles[kind[row]]:
            if name == "Ti" and row in empty:
                continue
            atoms.append((name, x, y, z, row))
        if row not in empty:
            element[row] = "Ti"
        if row in extra:
            atoms.append(("Ti", x, y, 5.4, row))
    return atoms, dict.fromkeys(empty, "V_Ti"), element


def _dichalcogenide(
    rng: np.random.Generator, xy: np.ndarray, kind: np.ndarray, size: tuple[float, float], metal: str,
    others: dict[str, float], se: float = 0.0,
) -> Made:  # fmt: skip
    """The metal on the first sublattice, two S on the second, nothing on the third; shares of substitutes."""
    mo, s = np.flatnonzero(kind == 0), np.flatnonzero(kind == 1)
    vac = {int(r): f"V_{metal}" for r in _pick(rng, mo, xy, size, rng.uniform(0.015, 0.03))}
    vac |= {int(r): "V_S2" for r in _pick(rng, s, xy, size, rng.uniform(0.01, 0.025))}
    vac |= {int(r): "V_S" for r in _pick(rng, np.setdiff1d(s, list(vac)), xy, size, rng.uniform(0.01, 0.025))}
    other: dict[int, str] = {}
    for name, share in others.items():
        other |= {int(r): name for r in _pick(rng, np.setdiff1d(mo, [*vac, *other]), xy, size, share)}
    swapped = {int(r) for r in _pick(rng, np.setdiff1d(s, list(vac)), xy, size, se)} if se else set()
    atoms, element = [], {}
    for row, (x, y) in enumerate(xy):
        if kind[row] == 0 and row not in vac:
            element[row] = other.get(row, metal)
            atoms.append((element[row], x, y, 0.0, row))
        if kind[row] == 1 and vac.get(row) != "V_S2":
            one = vac.get(row) == "V_S"
            element[row] = "S" if one else "S+Se" if row in swapped else "S+S"
            side = rng.choice([-1.56, 1.56]) if one else None
            pile = element[row].split("+")
            atoms += [(n, x, y, z, row) for n, z in zip(pile, (side,) if one else (-1.56, 1.56), strict=True)]
    return atoms, vac, element


def _mos2(rng: np.random.Generator, xy: np.ndarray, kind: np.ndarray, size: tuple[float, float]) -> Made:
    return _dichalcogenide(rng, xy, kind, size, "Mo", {"V": 0.012, "W": 0.006})


def _ws2(rng: np.random.Generator, xy: np.ndarray, kind: np.ndarray, size: tuple[float, float]) -> Made:
    return _dichalcogenide(rng, xy, kind, size, "W", {"Mo": 0.012}, se=0.012)


def _srtio3(rng: np.random.Generator, xy: np.ndarray, kind: np.ndarray, size: tuple[float, float]) -> Made:
    """One free cell: a missing Sr leaves nothing, a missing Ti its O; columns of O alone are in no truth list."""
    a = A["SrTiO3"]
    sr, ti = np.flatnonzero(kind == 0), np.flatnonzero(kind == 1)
    vac = {int(r): "V_Sr" for r in _pick(rng, sr, xy, size, rng.uniform(0.015, 0.03))}
    vac |= {int(r): "V_Ti" for r in _pick(rng, ti, xy, size, rng.uniform(0.015, 0.03))}
    other = {int(r): "La" for r in _pick(rng, np.setdiff1d(sr, list(vac)), xy, size, 0.012)}
    other |= {int(r): "Nb" for r in _pick(rng, np.setdiff1d(ti, list(vac)), xy, size, 0.012)}
    atoms, element = [], {}
    for row, (x, y) in enumerate(xy):
        if kind[row] < 2 and row not in vac:
            element[row] = other.get(row, ("Sr", "Ti")[kind[row]])
            atoms.append((element[row], x, y, kind[row] * a / 2, row))
        if kind[row] > 0:
            atoms.append(("O", x, y, 0.0 if kind[row] == 1 else a / 2, row))
    return atoms, vac, element


BUILD = {"Ti3C2O2": _ti3c2o2, "MoS2": _mos2, "WS2": _ws2, "SrTiO3": _srtio3}


def make_field(material: str, seed: int, tilt_deg: float) -> dict:
    """One multislice image of about 50 × 50 Å, with its truth."""
    import abtem
    from ase import Atoms

    rng = np.random.default_rng(seed)
    xy, kind, size = (_square if material == "SrTiO3" else _hexagonal)(A[material])
    atoms, vacant, element = BUILD[material](rng, xy, kind, size)
    names, place = [a[0] for a in atoms], np.array([a[1:4] for a in atoms])
    row = np.array([a[4] for a in atoms])
    place[:, :2] += rng.normal(0, 0.02, (len(place), 2))  # static disorder
    turn = rng.uniform(0, 2 * math.pi)
    place[:, :2] += np.tan(math.radians(tilt_deg)) * place[:, 2:] * [math.cos(turn), math.sin(turn)]
    truth = {"xy": [], "element": [], "vac": [], "kind": []}
    for r, name in element.items():
        of = (row == r) & np.isin(names, list(Z))
        weight = np.array([Z[n] ** 1.7 for n in np.array(names)[of]])
        truth["xy"].append(np.average(place[of, :2], axis=0, weights=weight))
        truth["element"].append(name)
    for r, name in vacant.items():
        truth["vac"].append(xy[r])
        truth["kind"].append(name)
    place[:, 2] += (
        9.0  # atoms of one column then lie two slices apart, and scatter as independently as when they shake
    )
    crystal = Atoms(names, positions=place, cell=(*size, 18.0), pbc=True)
    crystal.wrap()
    gpts = tuple(8 * math.ceil(s / 0.8) for s in size)  # 0.1 Å, a multiple of the interpolation
    potential = abtem.Potential(crystal, gpts=gpts, slice_thickness=2.0, parametrization="lobato")
    matrix = abtem.SMatrix(potential=potential, energy=ENERGY, semiangle_cutoff=SEMIANGLE, interpolation=4)
    step = 0.3
    scan = abtem.GridScan(
        start=(0, 0), end=size, gpts=(round(size[0] / step), round(size[1] / step)), endpoint=False
    )
    lens = abtem.CTF(energy=ENERGY, semiangle_cutoff=SEMIANGLE, defocus=10.0)
    detector = abtem.AnnularDetector(*DETECTOR)
    image = matrix.scan(scan=scan, detectors=detector, ctf=lens).compute(progress_bar=False)
    return {
        "share": _upsampled(np.asarray(image.array), size),
        "size": np.array(size),
        **{f"truth_{key}": np.array(value) for key, value in truth.items()},
        "tilt_deg": tilt_deg,
    }


def _upsampled(array: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    """Fourier interpolation to about `GRID_A`; axis 0 is x."""
    shape = tuple(round(s / GRID_A) for s in size)
    spectrum = np.fft.fftshift(np.fft.fft2(array))
    out = np.zeros(shape, complex)
    centre = [n // 2 - m // 2 for n, m in zip(shape, array.shape, strict=True)]
    out[centre[0] : centre[0] + array.shape[0], centre[1] : centre[1] + array.shape[1]] = spectrum
    fine = np.fft.ifft2(np.fft.ifftshift(out)).real * (np.prod(shape) / np.prod(array.shape))
    return np.maximum(fine, 0).astype(np.float32)


@dataclass(frozen=True)
class Scan:
    """How pixels lie on the field."""

    pixel: float
    turn: np.ndarray
    centre: np.ndarray
    drift: np.ndarray
    n: int

    def specimen(self, xy: np.ndarray, shake: np.ndarray | float = 0.0) -> np.ndarray:
        """[Å] on the field for image places [px]; `shake` is the random part of the scan [px]."""
        late = xy[:, 1:] / self.n - 0.5
        return ((xy + shake - self.n / 2) * self.pixel) @ self.turn + self.centre + late * self.drift

    def image(self, places: np.ndarray) -> np.ndarray:
        """Image places [px] of points of the field [Å], by inverting `specimen`."""
        xy = (places - self.centre) @ self.turn.T / self.pixel + self.n / 2
        for _ in range(6):
            xy = xy + (places - self.specimen(xy)) @ self.turn.T / self.pixel
        return xy


def acquire(
    field: dict,
    material: str,
    rng: np.random.Generator,
    bucket: str,
    n: int = 512,
    pixel: float | None = None,
) -> tuple[dict, dict]:
    """One image of n×n pixels, as (arrays, entry of the manifest); a given pixel size [Å] replaces chance."""
    dose = float(np.exp(rng.uniform(*np.log(BUCKETS[bucket]))))
    drawn, rotation = float(rng.uniform(0.07, 0.16)), float(rng.uniform(0, 85))
    pixel = pixel or drawn
    fwhm = float(rng.uniform(0.7, 1.1))
    drift = rng.uniform(-1, 1, 2) if rng.random() < 0.6 else np.zeros(2)
    jitter, contamination = float(rng.choice([0.2, 0.3])), float(rng.uniform(0, 0.25))
    centre = field["size"] * rng.uniform(0.3, 0.7, 2)
    c, s = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    scan = Scan(pixel, np.array([[c, -s], [s, c]]), centre, drift, n)
    expected = _expected(field, scan, fwhm, jitter, contamination, rng) * dose * pixel**2
    image = rng.poisson(expected) + rng.normal(0, 0.3, (n, n))
    atoms, element = _placed(field["truth_xy"], field["truth_element"], scan, field["size"])
    vac, kind = _placed(field["truth_vac"], field["truth_kind"], scan, field["size"])
    arrays = {
        "image": image.astype(np.float32), "noiseless": expected.astype(np.float16),
        "atoms_xy": atoms.astype(np.float32), "atoms_element": element, "vac_xy": vac.astype(np.float32),
        "vac_kind": kind, "pixel_size_A": pixel,
    }  # fmt: skip
    entry = {
        "material": material, "pixel_size_A": pixel, "rotation_deg": rotation, "dose_e_per_A2": dose,
        "source_fwhm_A": fwhm, "thermal_rms_A": THERMAL_A, "drift_A": drift.tolist(), "line_jitter_px": jitter,
        "contamination": contamination, "tilt_deg": float(field["tilt_deg"]), "lattice_a_A": A[material],
        "n_atom_columns": len(atoms), "n_vacancies": len(vac), "mean_counts_per_px": float(expected.mean()),
    }  # fmt: skip
    return arrays, entry


def _expected(
    field: dict, scan: Scan, fwhm: float, jitter: float, contamination: float, rng: np.random.Generator
) -> np.ndarray:
    """Share of the beam on the detector for every pixel."""
    n = scan.n
    sigma = math.hypot(fwhm / 2.3548, THERMAL_A) / GRID_A
    blurred = ndimage.gaussian_filter(field["share"], sigma, mode="wrap")
    rows, cols = (g.ravel() for g in np.mgrid[0:n, 0:n])
    shake = np.stack([rng.normal(0, jitter, n)[rows], np.zeros(n * n)], -1)
    at = (scan.specimen(np.stack([cols, rows], -1).astype(float), shake) / GRID_A).T
    share = ndimage.map_coordinates(blurred, at, order=1, mode="grid-wrap").reshape(n, n)
    dirt = ndimage.gaussian_filter(rng.normal(size=(n, n)), 8.0 / scan.pixel, mode="wrap")
    return share + contamination * share.mean() * np.clip(1 + 0.5 * dirt / dirt.std(), 0, None)


def _placed(
    places: np.ndarray, names: np.ndarray, scan: Scan, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points of the field that lie in the image, with their periodic copies, and their names."""
    found, kept = [], []
    reach = math.ceil(scan.n * scan.pixel * 1.5 / min(size)) + 1
    steps = np.arange(-reach, reach + 1)
    shift = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2) * size
    for place, name in zip(places, names, strict=True):
        xy = scan.image(place + shift)
        inside = ((xy >= -0.5) & (xy < scan.n - 0.5)).all(1)
        found.append(xy[inside])
        kept += [name] * int(inside.sum())
    return np.concatenate(found).reshape(-1, 2), np.array(kept)


def main() -> None:
    """Fields first (slow, kept), then the images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fields", type=int, default=4, help="of each material")
    parser.add_argument("--acquisitions", type=int, default=2, help="of each field and dose bucket")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--pixels", type=int, default=512, help="along each side; beyond the field it repeats"
    )
    parser.add_argument("--pixel-size", type=float, help="[Å]; else by chance, 0.07-0.16")
    parser.add_argument("--materials", nargs="*", default=["Ti3C2O2", "MoS2"], choices=list(A))
    given = parser.parse_args()
    (given.folder / "fields").mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(given.fields):
        for material in given.materials:
            seed = given.seed * 1000 + number * 10 + list(A).index(material)
            kept = given.folder / "fields" / f"{material}_{seed}.npz"
            if not kept.exists():
                start = time.process_time()
                np.savez_compressed(kept, **make_field(material, seed, (0.0, 1.0, 0.0, 3.0)[number % 4]))
                print(f"{kept.name}: {time.process_time() - start:.0f} CPU-s", flush=True)
            field, rng = dict(np.load(kept)), np.random.default_rng(seed + 500)
            for bucket in BUCKETS:
                for turn in range(given.acquisitions):
                    arrays, entry = acquire(field, material, rng, bucket, given.pixels, given.pixel_size)
                    name = f"{material}_{seed}_{bucket}_{turn}.npz"
                    np.savez_compressed(given.folder / name, **arrays)
                    digest = hashlib.sha256((given.folder / name).read_bytes()).hexdigest()
                    entries.append({"file": name, "sha256": digest, "field": seed} | entry)
            (given.folder / "manifest.json").write_text(json.dumps({"images": entries}, indent=0))


if __name__ == "__main__":
    main()
