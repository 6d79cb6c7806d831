"""`eucentric bench`: every claim with a number has one of these."""

import importlib
import inspect
import json
import sys
from pathlib import Path

import click

BENCHES: dict[str, str] = {
    "crystal": "Golden cases of crystallography: `bench crystal FILE`, tilts, orientations, boundaries.",
    "defect-statistics": "Intervals, tests and dose series on drawn lattices of known truth: do they keep their word?",
    "defects": "Images with truth: `bench defects DIR`, atoms, vacancies, kinds, positions, calibration.",
    "defects-real": "Real MXene images: `bench defects-real DIR`, counts, capacity, the authors' network.",
    "demo": "The whole request over many worlds and true densities: does the interval cover the truth?",
    "detection-limits": "Frames thinned in dose and pixels: what is found, and did `recommend` say so? [DIR]",
    "diffraction": "Simulated patterns of all crystal systems: indexed, tilt measured, or said that nobody can tell.",
    "dose": "Random plans on good and worn stages: dose predicted, bound and budget against true 1 nm tiles.",
    "frame": "CPU of one simulated frame, beside the reference kernel.",
    "fuzz": "Adversarial calls at the executor, judged at the driver by a spy with its own limits.",
    "gate": "Races of processes at a gate, forged and void approvals, strangers: one decision, the first.",
    "inject": "Hostile texts by every way in: effects at the driver, forged lines, decisions nobody made.",
    "kill": "200 kill -9 of a run, two resumes at once: nothing exposed twice, nothing lost.",
    "lattice": "Drawn oxides, graphene, grains, strain, wrong scales: columns, boundaries, errors against claims.",
    "ledger": "Is tampering found? What do durable rows, verification and search cost?",
    "limits": "Random moves of five stage axes against a brute-force swept volume: collisions, false refusals.",
    "network": "The small network alone: `bench network [DIR]`, speed, training, images with truth, real images.",
    "notebook": "Random sessions written down, sent in both formats, altered: the same to the last bit, or refused?",
    "overhead": "CPU of the executor per tool call, beside the reference kernel.",
    "peers": "Ours beside peak+Gaussian, blob_log, atomap, AtomAI: `bench peers DIR --python ENV/bin/python`.",
    "planted": "Columns erased from real images: `bench planted DIR`; found as claimed, the rest unchanged?",
    "recompute": "Every finding of many runs made again from the raw frames; forged ones must show.",
    "replay": "50 runs with faults, edits, pauses, deaths made again on a fresh twin: the same bytes?",
    "single-atoms": "Pt atoms against clicked coordinates: `bench single-atoms DIR` (NAME.tif beside NAME.csv).",
    "stop": "From `eucentric stop` to a dark beam: cold starts and stop keys on a loaded machine.",
    "twin": "Is the twin what it says? Frames, multislice, stage statistics, faults, replay, fits, real images.",
    "tilt": "CPU of tilt solutions, orientations with all candidates, and disorientations.",
    "zone-axis": "Arrival at zone axes on the twin's polycrystal: noisy readings, backlash, patterns to centre by.",
}


@click.command(epilog="\b\n" + "\n".join(f"{name:<17} {text}" for name, text in BENCHES.items()))
@click.argument("name", type=click.Choice(list(BENCHES)))
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@click.option("--quick", is_flag=True, help="Fewer cases; ends within 50 s.")
@click.option("--seed", default=7, show_default=True, type=int)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Also write the object, with every case, to this file."
)
@click.option(
    "--python", type=click.Path(path_type=Path), help="Interpreter of the peers' own environment (peers)."
)
@click.option("--json", "as_json", is_flag=True, help="Kept for symmetry: stdout is always one JSON object.")
def bench(
    name: str, file: Path | None, quick: bool, seed: int, out: Path | None, python: Path | None, as_json: bool
) -> None:
    """Run benchmark NAME: one JSON object on stdout; exit 1 if a bar does not hold.

    FILE holds the given cases (crystal); for defects, defects-real, planted, peers and single-atoms a folder.
    """
    module = importlib.import_module(f"eucentric.bench.{name.replace('-', '_')}")
    takes = inspect.signature(module.run).parameters
    given = {"file": file, "python": python}
    for option, hint in (("file", "FILE"), ("python", "--python")):
        if given[option] is not None and option not in takes:
            raise click.BadParameter(f"{name} takes no {option}", param_hint=hint)
    result = module.run(
        quick=quick, seed=seed, **{key: value for key, value in given.items() if key in takes}
    )
    if out is not None:
        out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    shown = {key: value for key, value in result.items() if key not in ("cases", "images")}
    click.echo(json.dumps(shown, ensure_ascii=False))
    sys.exit(1 if any(bar["holds"] is False for bar in result["bars"]) else 0)
