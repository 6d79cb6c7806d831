"""The small network by itself: size, speed, training, and what it finds without a lattice [DECISIONS 14].

`eucentric bench network [DIR]`: DIR is a folder of images with truth (bench defects). Real images are taken from the
shared data beside the repository, where they are.
"""

import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.bench.contract import at_least, at_most, report
from eucentric.bench.images import score as rules
from eucentric.bench.images.folder import Example, read_example, read_manifest
from eucentric.knowledge.phases import Phase, phase
from eucentric.knowledge.projection import projected
from eucentric.tools.vision import find_atoms, read_image
from eucentric.tools.vision.fusion import together
from eucentric.tools.vision.network import NetworkPoints, network_file, network_points, open_network
from eucentric.tools.vision.network.infer import Network, load, tiled

_SIDES = (512, 1024, 2048)
_OUT_OF_FOCUS = "1415"
_AGREE = 0.97
_MOST_PARAMETERS = 120_000
_TRAIN_S = 600.0
"""5 minutes on two cores."""
_HALF_DIFFERENCE = 0.05
_QUICK_IMAGES, _QUICK_STEPS = 4, 8


def _shared_data() -> Path:
    """Where public test data lie: in EUCENTRIC_SHARED_DATA, or beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("EUCENTRIC_SHARED_DATA", beside))


def run(quick: bool = False, seed: int = 7, file: Path | None = None) -> dict[str, Any]:
    """Every figure of the shipped network; `quick` leaves out 2048² and most images, and trains 8 steps."""
    network = open_network()
    speed, bars = _speed(seed, _SIDES[:2] if quick else _SIDES)
    training, more = _training(seed, quick)
    bars += more
    figures: dict[str, Any] = {
        "model": {"name": network.card.name, "sha256": network.card.sha256, "parameters": network.card.parameters,
                  "file_bytes": network_file().stat().st_size, "card": network.card.figures},
        "forward": speed, "training": training,
    }  # fmt: skip
    bars.append(at_most("parameters of the network", network.card.parameters, _MOST_PARAMETERS, n=1))
    if file is not None:
        figures["alone"] = _alone(network, file, quick)
    figures["real"], more = _real(network, quick)
    return report("network", seed, figures, bars + more)


def _speed(seed: int, sides: tuple[int, ...]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """CPU milliseconds of the maps, both number formats; input is on the grid already."""
    both = {
        "bf16": load(network_file(), half=True, device="cpu"),
        "fp32": load(network_file(), half=False, device="cpu"),
    }
    rng, figures, worst = np.random.default_rng(seed), {}, 0.0
    for side in sides:
        grid = rng.normal(0, 1, (side, side)).astype(np.float32)
        drawn, row = {}, {}
        for name, network in both.items():
            tiled(network, grid[:256, :256])
            cpu, wall = time.process_time(), time.monotonic()
            drawn[name] = tiled(network, grid)
            row[f"{name}_cpu_ms"] = round(1000 * (time.process_time() - cpu))
            row[f"{name}_wall_ms"] = round(1000 * (time.monotonic() - wall))
        apart = float(np.abs(drawn["bf16"] - drawn["fp32"]).max())
        worst = max(worst, apart)
        figures[str(side)] = row | {"largest_difference": round(apart, 4)}
    figures["peak_rss_mb"] = {"all_so_far": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    claim = "largest difference of scores, bfloat16 against float32"
    return figures, [at_most(claim, worst, _HALF_DIFFERENCE, n=len(sides))]


def _training(seed: int, quick: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """CPU seconds of a training for one material with the default number of steps."""
    import tempfile

    from eucentric.tools.vision.network.training import STEPS, Plan, train

    steps = _QUICK_STEPS if quick else STEPS
    plan = Plan(((projected("Ti3C2"), 1.0),), "bench", seed=seed, steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        cpu, wall = time.process_time(), time.monotonic()
        card = train(plan, Path(folder) / "bench.npz", lambda what, done, of, loss: None)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    figures = {"steps": steps, "cpu_s": round(cpu, 1), "wall_s": round(wall, 1), "loss": card.loss,
               "figures": card.figures, "threads": card.threads}  # fmt: skip
    claim = f"CPU-s of a training of {STEPS} steps"
    return figures, [at_most(claim, cpu, _TRAIN_S, n=steps, n_needed=STEPS)]


def _alone(network: Network, folder: Path, quick: bool) -> dict[str, Any]:
    """The network without a lattice, on images with truth, pooled as bench defects does."""
    groups: dict[str, tuple[rules.Tally, rules.Tally]] = {}
    entries = read_manifest(folder)
    for entry in entries[:_QUICK_IMAGES] if quick else entries:
        example = read_example(folder, entry)
        spacing = phase(str(entry["material"])).spacing_angstrom
        points = network_points(example.image, spacing, 100 * example.pixel_a, network)
        name = f"{entry['material']} {rules.bucket_of(float(entry['dose_e_per_A2']))}"
        known = groups.setdefault(name, (rules.Tally(), rules.Tally()))
        for tally, new in zip(known, _scored(example, points), strict=True):
            tally.add(new)
    return {name: _row(atoms, vacancies) for name, (atoms, vacancies) in sorted(groups.items())}


def _scored(example: Example, points: NetworkPoints) -> tuple[rules.Tally, rules.Tally]:
    shape = (example.image.shape[0], example.image.shape[1])
    margin = rules.margin_px(float(example.entry["lattice_a_A"]), example.pixel_a)
    return (
        rules.score(points.atoms_xy, example.atoms_xy, rules.ATOM_RADIUS_A, example.pixel_a, shape, margin),
        rules.score(
            points.vacancies_xy, example.vacancies_xy, rules.VACANCY_RADIUS_A, example.pixel_a, shape, margin
        ),
    )


def _row(atoms: rules.Tally, vacancies: rules.Tally) -> dict[str, Any]:
    def shown(value: float) -> float | None:
        return round(value, 4) if value == value else None

    return {
        "atom_f1": shown(atoms.f1), "rms_pm": shown(atoms.rms_pm), "atoms": atoms.true,
        "vacancy_precision": shown(vacancies.precision), "vacancy_recall": shown(vacancies.recall),
        "vacancies": vacancies.true,
    }  # fmt: skip


def _real(network: Network, quick: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Network alone against lattice alone on the published MXene images; no bar for the one out of focus."""
    folder = _shared_data() / "stem" / "mxene_ti3c2"
    known = phase("Ti3C2")
    rows: dict[str, Any] = {}
    bars: list[dict[str, Any]] = []
    paths = sorted(folder.glob("*.tif"))
    for path in paths[:2] if quick else paths:
        name = path.stem.split("_")[0]
        row, true = _beside(network, path, known)
        if not row:
            continue
        rows[name] = row
        if name != _OUT_OF_FOCUS:
            claim = f"real image {name}: F1 of network alone against lattice alone"
            bars.append(at_least(claim, float(row["f1"]), _AGREE, n=true))
    return rows, bars


def _beside(network: Network, path: Path, known: Phase) -> tuple[dict[str, Any], int]:
    """One real image by both stages, and how many columns the lattice stage sees; nothing without a lattice."""
    pixels, frame = read_image(path)
    cpu = time.process_time()
    atoms = find_atoms(pixels, known)
    lattice_s = time.process_time() - cpu
    if atoms.pixel_pm is None:
        return {}, 0
    cpu = time.process_time()
    points = network_points(pixels, known.spacing_angstrom, atoms.pixel_pm, network)
    both = together(atoms, points, network.card.fusion.get(known.name))
    network_s = time.process_time() - cpu
    states = zip(both.sites_state, atoms.sites_state, strict=True)
    contradicted = sum(one != other for one, other in states)
    shape, pixel_a = (pixels.shape[0], pixels.shape[1]), atoms.pixel_pm / 100
    margin = rules.margin_px(known.a_angstrom, pixel_a)
    tally = rules.score(points.atoms_xy, atoms.atoms_xy, rules.ATOM_RADIUS_A, pixel_a, shape, margin)
    return {
        "f1": round(tally.f1, 4), "apart_pm": round(tally.rms_pm, 1), "agreement": round(both.agreement or 0.0, 4),
        "learnt_from": frame.sha256 in network.card.images, "vacancies_network": len(points.vacancies_xy),
        "vacancies_lattice": len(atoms.vacancies_xy), "contradicted": contradicted,
        "between_columns": len(both.extras_xy), "lattice_cpu_s": round(lattice_s, 3),
        "network_cpu_s": round(network_s, 3), "flags": [code for code, _ in both.flags],
    }, tally.true  # fmt: skip
