"""Our detector as a peer among peers: the same images in a process of its own, with its time and memory."""

import argparse
import json
import resource
from pathlib import Path
from typing import Any

from eucentric.bench.images.folder import detected, read_example, read_manifest, row_of
from eucentric.bench.reference import reference_seconds


def detect_folder(folder: Path, most: int | None = None) -> list[dict[str, Any]]:
    """One row for each image, with the sites of its lattice: peers without one of their own are judged on it."""
    rows: list[dict[str, Any]] = []
    for entry in read_manifest(folder)[:most]:
        example, material = read_example(folder, entry), str(entry["material"])
        if not rows:  # imports and first-call costs are no part of an image's time
            detected(example.image, material, example.pixel_a)
        seen, seconds, reason = detected(example.image, material, example.pixel_a)
        sites = [] if seen is None else seen.sites_xy.round(3).tolist()
        row = row_of(str(entry["file"]), seen, seconds, reason)
        row |= {"sites": sites, "sublattice": [] if seen is None else seen.sites_sublattice.tolist()}
        rows.append(row | {"columns": 0 if seen is None else len(seen.phase.columns)})
    return rows


def main() -> None:
    """Detect, and write rows, time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int)
    given = parser.parse_args()
    images = detect_folder(given.folder, given.most)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer = {
        "method": "eucentric",
        "peak_mb": round(peak_mb, 1),
        "reference_s": reference_seconds(3),
        "images": images,
    }
    given.out.write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
