"""How the confidences of `tools.vision.registration` relate to being right: prints the figures of its docstring.

Run it as `python tests/tools/measure_registration.py [seeds]` (about ten seconds a seed).
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from bench_port import BenchPort

from eucentric.core.instrument import OpticsChange, Scan, StageMove
from eucentric.tools import go_to_target, survey
from eucentric.tools.vision.registration import drift, locate, rescaled

FIELD = survey.Args().scan()


def tile_and_places(bench, rng, count):
    """One survey tile, and places in it [µm from its centre]."""
    tile = bench.acquire(FIELD)[0]
    return tile, rng.uniform(-6.0, 6.0, (count, 2))


def located(bench, tile, at_um, expected_um, dwell_us, reach_um):
    """(error [nm], match): an overview taken at a place, looked for around another."""
    scan = go_to_target._OVERVIEW.model_copy(update={"dwell_us": dwell_us})
    bench.move_stage(StageMove(x_um=float(at_um[0]), y_um=float(at_um[1])))
    seen = bench.pixels(bench.acquire(scan)[0])
    pixel_um = tile.pixel_pm * 1e-6
    expected = expected_um[::-1] / pixel_um + (np.array(tile.shape) - 1) / 2
    small = rescaled(seen, pixel_um / (scan.pixel_nm * 1e-3))
    match = locate(small, bench.pixels(tile), tuple(expected), reach_um / pixel_um)
    found = expected_um + np.array([match.columns, match.rows]) * pixel_um
    return float(np.hypot(*(found - at_um)) * 1e3), match


def measure_locate(seeds):
    rows = []
    for seed in range(seeds):
        bench, rng = BenchPort(seed=seed, stage="ideal"), np.random.default_rng(seed)
        bench.set_optics(OpticsChange(defocus_nm=float(rng.uniform(-400, 400))))
        tile, places = tile_and_places(bench, rng, 8)
        for place in places:
            near = place + rng.uniform(-2, 2, 2)
            away = place + np.array([11.0, 0.0]) * (1 if place[0] < 0 else -1)
            for kind, expected, dwell in (("right", near, 2.0), ("low", near, 0.5), ("wrong", away, 2.0)):
                rows += [(kind, *located(bench, tile, place, expected, dwell, 3.0))]
            outside = np.array([place[0] + 40.0, place[1]])
            rows += [("wrong", *located(bench, tile, outside, place, 2.0, 3.0))]
    return rows


def measure_drift(seeds):
    """Tracking fields, lattice series, the wrong place, and nothing but noise: (kind, error [px], match)."""
    rows = []
    for seed in range(seeds):
        bench, rng = BenchPort(seed=seed, stage="ideal"), np.random.default_rng(seed)
        for place in bench.oracle.suspended((-40e-6, 40e-6, -40e-6, 40e-6))[:3]:
            bench.move_stage(StageMove(x_um=place.x * 1e6, y_um=place.y * 1e6))
            height = bench.oracle.height(place.x, place.y) * 1e9
            bench.set_optics(OpticsChange(defocus_nm=height + float(rng.uniform(-500, 500))))
            rows += pairs(bench, go_to_target._TRACK, rng, 12.0, 20.0, "track")
            bench.set_optics(OpticsChange(defocus_nm=height))
            for dwell in (1.0, 0.2):
                rows += pairs(bench, Scan(fov_nm=8.0, dwell_us=dwell), rng, 3.0, 5.0, f"series {dwell:g} us")
    return rows


def pairs(bench, scan, rng, most_px, reach_px, kind):
    def seen(x_px, y_px):
        bench.set_optics(
            OpticsChange(
                beam_shift_x_nm=float(x_px * scan.pixel_nm), beam_shift_y_nm=float(y_px * scan.pixel_nm)
            )
        )
        return bench.pixels(bench.acquire(scan)[0])

    shift = rng.uniform(-most_px, most_px, 2)
    first, second, far = seen(0, 0), seen(*shift), seen(1900 / scan.pixel_nm, -1900 / scan.pixel_nm)
    match = drift(first, second, reach_px, sigma=1.5)
    error = float(np.hypot(match.columns + shift[0], match.rows + shift[1]))
    noise = [rng.poisson(0.5, first.shape).astype(np.float32) for _ in range(2)]
    return [
        (kind, error, match),
        (f"{kind}, wrong place", np.inf, drift(first, far, reach_px, sigma=1.5)),
        ("noise", np.inf, drift(*noise, reach_px, sigma=1.5)),
    ]


def show(rows, limit):
    for kind in sorted({row[0] for row in rows}):
        part = [row for row in rows if row[0] == kind]
        right = np.array([row[1] < limit for row in part])
        margin = np.array([row[2].margin for row in part])
        sure = np.array([row[2].sure for row in part])
        spread = np.percentile(margin, [0, 5, 50, 95, 100]).round(3).tolist()
        error = np.percentile([row[1] for row in part], [50, 95], method="lower").round(2).tolist()
        sys.stdout.write(
            f"{kind:28s} n {len(part):4d} right {right.mean():.3f} sure {sure.mean():.3f} sure but wrong "
            f"{(sure & ~right).sum()} margin 0/5/50/95/100 % {spread} "
            f"error p50/p95 {error}\n"
        )


if __name__ == "__main__":
    how_many = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    show(measure_locate(how_many), 100.0)
    show(measure_drift(how_many), 1.0)
