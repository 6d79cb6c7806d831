"""Other people's detectors on a folder of images with truth. Runs in an environment of its own (`setup.sh`).

    ENV/bin/python bench/peers/detectors.py FOLDER --method peak_gauss --out FILE [--weights FILE]

One process a method, so that memory can be told apart. No part of the product imports this module, and it imports no
part of the product. Atomap is under the GPL; the weights of AtomAI are a pickle, which runs whatever its author wrote:
load them nowhere else. Every detector is told the pixel size and the lattice constant. Its settings are those of the
published comparison where that names them; thresholds were swept once for the best atom F1 (see docs/benchmarks.md).
"""
# mypy: ignore-errors

import argparse
import contextlib
import io
import json
import math
import resource
import runpy
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

COLUMN_A = 0.45
"""Width of a column with its source [Å]."""
ATOMAI_A = 0.143
"""Pixel size of the images that the weights were trained on [Å]: 1024² at 10 Mx, halved to 512²."""
Points = np.ndarray
"""(n, 2) float64 [px], x = column, y = row."""


def peak_gauss(image: np.ndarray, pixel_a: float, spacing_a: float, threshold: float = 0.1) -> Points:
    """Local maxima of a difference of Gaussians, then a Gaussian on a level fitted to each."""
    from skimage.feature import peak_local_max

    dog = ndimage.gaussian_filter(image, 0.3 / pixel_a) - ndimage.gaussian_filter(image, 0.75 / pixel_a)
    least = threshold * float(np.percentile(dog, 99))
    rows_cols = peak_local_max(dog, min_distance=max(1, round(0.3 * spacing_a / pixel_a)), threshold_abs=least,
                               exclude_border=False)  # fmt: skip
    return fitted(image, rows_cols[:, ::-1].astype(float), COLUMN_A / pixel_a)


def fitted(image: np.ndarray, xy: Points, sigma_px: float, rounds: int = 6) -> Points:
    """All points at once: height, level and place by Gauss-Newton in windows of two sigma, the width given."""
    if not len(xy):
        return xy
    half = math.ceil(2 * sigma_px)
    dy, dx = (g.ravel() for g in np.mgrid[-half : half + 1, -half : half + 1])
    start, place = np.rint(xy), xy.copy()
    cols = np.clip(start[:, :1].astype(int) + dx, 0, image.shape[1] - 1)
    rows = np.clip(start[:, 1:].astype(int) + dy, 0, image.shape[0] - 1)
    values = image[rows, cols]
    for _ in range(rounds):
        x, y = start[:, :1] + dx - place[:, :1], start[:, 1:] + dy - place[:, 1:]
        gauss = np.exp(-(x**2 + y**2) / (2 * sigma_px**2))
        flat = np.stack([gauss, np.ones_like(gauss)], 2)
        normal, right = flat.transpose(0, 2, 1) @ flat, flat.transpose(0, 2, 1) @ values[:, :, None]
        height, level = np.linalg.solve(normal, right)[:, :, 0].T[:, :, None]
        slope = np.stack([height * gauss * x / sigma_px**2, height * gauss * y / sigma_px**2], 2)
        normal = slope.transpose(0, 2, 1) @ slope + 1e-9 * np.eye(2)
        right = slope.transpose(0, 2, 1) @ (values - height * gauss - level)[:, :, None]
        step = np.linalg.solve(normal, right)[:, :, 0]
        place += np.clip(step, -0.5 * sigma_px, 0.5 * sigma_px)
    away = np.hypot(*(place - xy).T) > 2 * sigma_px  # a fit that left its window is no fit
    place[away] = xy[away]
    return place


def blob_log(image: np.ndarray, pixel_a: float, spacing_a: float, threshold: float = 0.05) -> Points:
    """Blobs by the Laplacian of Gaussians, around the width of a column."""
    from skimage.feature import blob_log as blobs

    low, high = np.percentile(image, (0.5, 99.5))
    scaled = np.clip((image - low) / max(high - low, 1e-12), 0, 1)
    found = blobs(
        scaled,
        min_sigma=0.3 / pixel_a,
        max_sigma=0.6 / pixel_a,
        num_sigma=4,
        threshold=threshold,
        overlap=0.3,
    )
    return found[:, 1::-1].astype(float)


def atomap(image: np.ndarray, pixel_a: float, spacing_a: float) -> Points:
    """Smoothed by 0.25 Å, separation 0.6 of the spacing, centre of mass, then its own two-dimensional Gaussian."""
    import atomap.api as am
    import hyperspy.api as hs

    smooth = ndimage.gaussian_filter(image, 0.25 / pixel_a)
    separation = max(2, round(0.6 * spacing_a / pixel_a))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        places = am.get_atom_positions(hs.signals.Signal2D(smooth), separation=separation)
        sublattice = am.Sublattice(places, image=smooth)
        sublattice.find_nearest_neighbors()
        sublattice.refine_atom_positions_using_center_of_mass(show_progressbar=False)
        sublattice.refine_atom_positions_using_2d_gaussian(show_progressbar=False)
    return np.asarray(sublattice.atom_positions, float)


class AtomAI:
    """The network of Guinan et al. (NREL/mxene_seg) in AtomAI: `native` pixels, `rescaled` to those of its training, or
    the whole image in `512` pixels, as its authors use it."""

    def __init__(self, weights: Path, pixels: str) -> None:
        _without_torchvision()
        import torch
        from atomai.models.segmentor import Segmentor

        kept = torch.load(weights, map_location="cpu", weights_only=False)
        kept.pop("model_type")
        name, classes, values = kept.pop("model"), kept.pop("nb_classes"), kept.pop("weights")
        kept.pop("optimizer", None)
        with contextlib.redirect_stdout(io.StringIO()):
            self.model = Segmentor(name, classes, **kept)
        self.model.net.load_state_dict(values)
        self.model.net.eval()
        self.pixels = pixels

    def __call__(self, image: np.ndarray, pixel_a: float, spacing_a: float) -> Points:
        """Centres of the regions above 0.5."""
        factor = {"native": 1.0, "rescaled": pixel_a / ATOMAI_A, "512": 512 / min(image.shape)}[self.pixels]
        seen = ndimage.zoom(image, factor, order=3, grid_mode=True, mode="nearest") if factor != 1 else image
        with contextlib.redirect_stdout(io.StringIO()):
            _, coordinates = self.model.predict(seen.astype(np.float32), thresh=0.5, verbose=False)
        rows_cols = np.asarray(coordinates[0], float).reshape(-1, 3)[:, :2]
        scale = np.array(seen.shape) / np.array(image.shape)
        return ((rows_cols + 0.5) / scale - 0.5)[:, ::-1]


def _without_torchvision() -> None:
    """AtomAI asks for four names of torchvision that none of this needs; installing it would replace torch."""

    def absent(*_: object, **__: object) -> None:
        raise RuntimeError("torchvision is not installed here")

    named = {"models": ("mobilenet_v2", "resnet50", "vgg16"), "utils": ("make_grid",)}
    top = types.ModuleType("torchvision")
    for part, names in named.items():
        module = types.ModuleType(f"torchvision.{part}")
        for name in names:
            setattr(module, name, absent)
        setattr(top, part, module)
        sys.modules[f"torchvision.{part}"] = module
    sys.modules["torchvision"] = top


Detector = Callable[[np.ndarray, float, float], Points]
METHODS = ("peak_gauss", "blob_log", "atomap", "atomai_native", "atomai_rescaled", "atomai_512")


def detector(method: str, weights: Path | None = None) -> Detector:
    """A method by its name."""
    if method.startswith("atomai"):
        if weights is None:
            raise SystemExit(f"{method} needs --weights")
        return AtomAI(weights, method.removeprefix("atomai_"))
    return {"peak_gauss": peak_gauss, "blob_log": blob_log, "atomap": atomap}[method]


def detect_folder(folder: Path, find: Detector, most: int | None = None) -> list[dict]:
    """One row for each image of the manifest; an image on which a detector fails is a row without atoms."""
    rows, warm = [], False
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["images"][:most]:
        with np.load(folder / entry["file"], allow_pickle=False) as data:
            image = np.asarray(data["image"], np.float32)
        told = float(entry["pixel_size_A"]), float(entry["lattice_a_A"]) / math.sqrt(3)
        if not warm:  # imports and first-call costs are no part of an image's time
            _found(find, image, *told)
            warm = True
        start = time.process_time()
        xy, failure = _found(find, image, *told)
        seconds = time.process_time() - start
        atoms = [{"x_px": round(float(x), 4), "y_px": round(float(y), 4)} for x, y in xy]
        rows.append({"file": entry["file"], "seconds": round(seconds, 4), "failure": failure, "atoms": atoms})
    return rows


def _found(find: Detector, image: np.ndarray, pixel_a: float, spacing_a: float) -> tuple[Points, str]:
    try:
        return find(image, pixel_a, spacing_a), ""
    except Exception as error:  # a peer that stumbles on an image has found nothing there
        return np.zeros((0, 2)), f"{type(error).__name__}: {error}"[:200]


def main() -> None:
    """Detect, and write rows, time and memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--most", type=int, help="only the first images")
    given = parser.parse_args()
    images = detect_folder(given.folder, detector(given.method, given.weights), given.most)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kernel = runpy.run_path(str(Path(__file__).parents[1] / "reference.py"))["reference_seconds"](3)
    answer = {"method": given.method, "peak_mb": round(peak_mb, 1), "reference_s": kernel, "images": images}
    given.out.write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
