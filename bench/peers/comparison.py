"""`eucentric bench peers DIR --python ENV/bin/python`: ours and the peers on the same images, one after the other.

Every method gets a process of its own, one thread, the pixel size and the material. All are scored by the same rules;
where a peer has no vacancies of its own, they are the sites of *our* lattice that it leaves empty.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.bench.contract import report, share_at_least
from eucentric.bench.images import score as rules
from eucentric.bench.images.folder import Example, read_example, read_manifest
from eucentric.bench.peers.vacant import vacant_sites
from eucentric.core.errors import BadInput
from eucentric.core.text import visible

OURS = "eucentric"
METHODS = ("peak_gauss", "blob_log", "atomap", "atomai_native", "atomai_rescaled")
_WEIGHTS = "nrel_mxene.tar"
"""Where `setup.sh` puts the network of the NREL, inside the environment."""
_QUICK_IMAGES = 4
_HOURS = 4 * 3600.0

Answer = dict[str, Any]
Group = dict[str, rules.Tally]


def run(
    quick: bool = False, seed: int = 7, file: Path | None = None, python: Path | None = None,
    methods: Sequence[str] = METHODS,
) -> dict[str, Any]:  # fmt: skip
    """Ours and the peers; `quick` takes the first images and leaves out the slow one.

    Raises
    ------
    BadInput
        If there is no folder of images with truth, or no interpreter of the peers' environment.
    """
    if file is None or python is None or not python.exists():
        raise BadInput(
            "the benchmark peers needs a folder of images with truth and the peers' own interpreter",
            "atomap is under the GPL and AtomAI's weights are a pickle: neither runs inside this program",
            "run bench/peers/setup.sh ENV, then `eucentric bench peers DIR --python ENV/bin/python`",
        )
    entries = read_manifest(file)[: _QUICK_IMAGES if quick else None]
    examples = [read_example(file, entry) for entry in entries]
    chosen = [name for name in methods if not (quick and name == "atomap")]
    with tempfile.TemporaryDirectory() as scratch:
        answers = {OURS: _ours(file, Path(scratch), len(entries))}
        answers |= {name: peer_answer(name, python, file, Path(scratch), len(entries)) for name in chosen}
    failures = {name: reason for name, answer in answers.items() if (reason := failed(answer))}
    ran = {name: answer for name, answer in answers.items() if name not in failures}
    _with_vacancies(ran, examples)
    scores = {name: _scored(answer["images"], examples) for name, answer in ran.items()}
    figures = {name: _figures(ran[name], scores[name]) for name in ran}
    behind, bars = _compared(scores)
    images = [{"method": name} | _shown(row) for name, answer in ran.items() for row in answer["images"]]
    return report(
        "peers", seed, {"methods": figures, "not_ahead": behind, "not_run": failures}, bars, images=images
    )  # fmt: skip


def _ours(folder: Path, scratch: Path, most: int) -> Answer:
    return _process([sys.executable, "-m", "eucentric.bench.peers.ours", str(folder)], OURS, scratch, most)


def peer_answer(name: str, python: Path, folder: Path, scratch: Path, most: int) -> Answer:
    """What a peer says of the first images of a folder, or `failure`."""
    script = Path(__file__).with_name("detectors.py")
    command = [str(python), str(script), str(folder), "--method", name]
    weights = python.parent.parent / _WEIGHTS
    if weights.exists():
        command += ["--weights", str(weights)]
    return _process(command, name, scratch, most)


def _process(command: list[str], name: str, scratch: Path, most: int) -> Answer:
    """What a method wrote, or why it wrote nothing."""
    out = scratch / f"{name}.json"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [*command, "--out", str(out), "--most", str(most)], env=os.environ | threads | {"MPLBACKEND": "agg"},
        capture_output=True, text=True, errors="replace", timeout=_HOURS, check=False,
    )  # fmt: skip
    if done.returncode or not out.exists():
        return {"failure": visible(done.stderr.strip()[-300:] or f"exit {done.returncode}", limit=300)}
    answer: Answer = json.loads(out.read_text(encoding="utf-8"))
    return answer


def failed(answer: Answer) -> str:
    """Why a method counts as not run: no answer, or the same trouble with every image."""
    if "failure" in answer:
        return str(answer["failure"])
    reasons = [str(row.get("failure", "")) for row in answer["images"]]
    return reasons[0] if reasons and all(reasons) else ""


def _points(rows: list[dict[str, Any]]) -> rules.Array:
    return np.array([[row["x_px"], row["y_px"]] for row in rows], float).reshape(-1, 2)


def _with_vacancies(answers: dict[str, Answer], examples: list[Example]) -> None:
    """Give the peers the vacancies that their atoms leave on our lattice."""
    for name, answer in answers.items():
        for row, ours, example in zip(answer["images"], answers[OURS]["images"], examples, strict=True):
            if name == OURS:
                continue
            sites = np.array(ours["sites"], float).reshape(-1, 2)
            sublattice = np.array(ours["sublattice"], np.int64)
            empty = max(len(np.unique(sublattice)) - int(ours["columns"]), 0)
            spacing = float(example.entry["lattice_a_A"]) / math.sqrt(3) / example.pixel_a
            left = vacant_sites(_points(row["atoms"]), sites, sublattice, empty, spacing)
            row["vacancies"] = [{"x_px": float(x), "y_px": float(y), "kind": ""} for x, y in sites[left]]


def _scored(images: list[dict[str, Any]], examples: list[Example]) -> dict[str, Group]:
    """Tallies of atoms and vacancies by material and dose."""
    groups: dict[str, Group] = defaultdict(lambda: {"atoms": rules.Tally(), "vacancies": rules.Tally()})
    for row, example in zip(images, examples, strict=True):
        shape = (example.image.shape[0], example.image.shape[1])
        margin = rules.margin_px(float(example.entry["lattice_a_A"]), example.pixel_a)
        group = groups[
            f"{example.entry['material']} {rules.bucket_of(float(example.entry['dose_e_per_A2']))}"
        ]
        for what, truth, radius in (
            ("atoms", example.atoms_xy, rules.ATOM_RADIUS_A),
            ("vacancies", example.vacancies_xy, rules.VACANCY_RADIUS_A),
        ):
            found = _points(row[what])
            group[what].add(rules.score(found, truth, radius, example.pixel_a, shape, margin))
    return dict(groups)


def _figures(answer: Answer, groups: dict[str, Group]) -> dict[str, Any]:
    cpu = float(np.median([row["seconds"] for row in answer["images"]]))
    failed = sum(bool(row.get("failure")) for row in answer["images"])
    return {
        "cpu_ms": round(1000 * cpu, 1), "cpu_over_reference": round(cpu / answer["reference_s"], 2),
        "peak_mb": answer["peak_mb"], "images_failed": failed,
        "groups": {name: {what: _tally(tally) for what, tally in group.items()} for name, group in groups.items()},
    }  # fmt: skip


def _tally(tally: rules.Tally) -> dict[str, float | int | None]:
    values = {"precision": tally.precision, "recall": tally.recall, "f1": tally.f1, "rms_pm": tally.rms_pm}
    shown = {name: round(value, 4) if math.isfinite(value) else None for name, value in values.items()}
    return shown | {"true": tally.true, "predicted": tally.predicted}


def _compared(scores: dict[str, dict[str, Group]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(rows where ours is not ahead, a bar for each peer): atom F1, atom rms and vacancy F1 of every group."""
    behind: list[dict[str, Any]] = []
    bars = []
    for peer in scores:
        if peer == OURS:
            continue
        rows = [
            row for group in scores[peer] for row in _rows(group, scores[OURS][group], scores[peer][group])
        ]
        behind += [{"peer": peer} | row for row in rows if not row["ahead"]]
        claim = f"rows (atom F1, rms, vacancy F1 by material and dose) ahead of {peer}"
        bars.append(share_at_least(claim, sum(row["ahead"] for row in rows), len(rows), 1.0))
    return behind, bars


def _rows(name: str, ours: Group, theirs: Group) -> list[dict[str, Any]]:
    """What a peer can produce here, beside ours; a measure that it has no figure for is no row."""
    rows = []
    for measure, mine, other, less in (
        ("atom F1", ours["atoms"].f1, theirs["atoms"].f1, False),
        ("rms pm", ours["atoms"].rms_pm, theirs["atoms"].rms_pm, True),
        ("vacancy F1", ours["vacancies"].f1, theirs["vacancies"].f1, False),
    ):
        if math.isfinite(other):
            ahead = math.isfinite(mine) and (mine < other if less else mine > other)
            shown = round(mine, 4) if math.isfinite(mine) else None
            row = {
                "group": name,
                "measure": measure,
                "ours": shown,
                "theirs": round(other, 4),
                "ahead": ahead,
            }
            rows.append(row)
    return rows


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("sites", "sublattice", "columns")}
