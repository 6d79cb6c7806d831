"""How the confidences of `tools.vision.neighbours` relate to being right: prints the figures of its docstring.

Run it as `python tests/tools/measure_neighbours.py [seeds]` (about two seconds a seed).
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from bench_port import BenchPort

from eucentric.core.instrument import StageMove
from eucentric.tools import survey
from eucentric.tools.grid_positions import snake
from eucentric.tools.vision.neighbours import displaced

TILE = survey.Args()
REACH_UM = {"worn": 3.2, "good": 1.0}


def tiles(seed, stage):
    """Each tile twice: (true place [µm], image, image of the same place a second later)."""
    bench = BenchPort(seed=seed, stage=stage)
    for x, y in snake(4, 4, TILE.pitch_um, (0.0, 0.0)):
        bench.move_stage(StageMove(x_um=x, y_um=y))
        at = bench.oracle.actual()
        first, again = (bench.pixels(bench.acquire(TILE.scan())[0]) for _ in range(2))
        yield (x, y), np.array([at["x"], at["y"]]) * 1e6, first, again


def measure(seeds):
    rows = []
    pixel_um = TILE.scan().pixel_nm * 1e-3
    for stage, reach_um in REACH_UM.items():
        for seed in range(seeds):
            before = None
            for told, at, image, again in tiles(seed, stage):
                if before is not None:
                    step = (np.array(told) - before[0])[::-1] / pixel_um
                    true = (at - before[1])[::-1] / pixel_um
                    reach = reach_um / pixel_um
                    if np.hypot(*true) < 50:  # the stage missed it: no neighbours
                        before = np.array(told), at, image
                        continue
                    rows.append(("neighbours as neighbours", displaced(before[2], image, step, reach), true))
                    rows.append(("same as neighbours", displaced(image, again, step, reach), None))
                    rows.append(("neighbours as same", displaced(before[2], image, (0, 0), 12.0), None))
                    rows.append(("same as same", displaced(image, again, (0, 0), 12.0), np.zeros(2)))
                before = np.array(told), at, image
    return rows


def show(rows):
    for kind in dict.fromkeys(row[0] for row in rows):
        of = [row for row in rows if row[0] == kind]
        peaks, leads = ([getattr(match, name) for _, match, _ in of] for name in ("peak", "margin"))
        errors = [
            np.hypot(match.rows - true[0], match.columns - true[1])
            for _, match, true in of
            if true is not None
        ]
        error = f"p95 {np.percentile(errors, 95):.2f} px" if errors else ""
        sure = sum(match.sure for _, match, _ in of)
        sys.stdout.write(
            f"{kind:28} n {len(of):4}  peak {min(peaks):.2f} … {max(peaks):.2f}  lead {min(leads):.2f} … "
            f"{max(leads):.2f}  sure {sure}  {error}\n"
        )


if __name__ == "__main__":
    show(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 12))
