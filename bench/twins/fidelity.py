"""The twin's images beside multislice ones of the same atoms: one fixed table of element weights.

Two kinds of files. `defects_dev` (shared data): its noiseless frames hold contamination and a random displacement of
each line, which no truth file tells. So each comparison is made twice: as they are, and with both taken out alike, the
lines put where they fit best and what is smoother than 3 Å left away. And frames of
`bench/twins/multislice_frames.py`, with thermal motion of every atom and nothing else.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, stats

from eucentric.bench.contract import at_least
from eucentric.instruments.twin.optics.probe import Beam, blurred
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.knowledge.scattering import haadf_cross_section_a2
from eucentric.knowledge.splat import MARGIN, splat

Floats = NDArray[np.float64]

NEEDED = 6
_BAR = 0.98
_PAD_A, _EDGE_A, _SMOOTH_A = 8.0, 3.0, 3.0
_SHIFTS = np.arange(-1.5, 1.51, 0.1)
_LAYER = {"Ti3C2O2": {"A": {"C": 1}, "B": {"O": 2}, "C": {"C": 1}}}
"""What a column of Ti3C2O2 holds besides its one Ti."""
_SITE_A = 0.3
"""One sigma of the Gaussian under which a column's intensity is read."""


@dataclass(frozen=True)
class Frame:
    """An image by multislice and the atoms in it."""

    name: str
    share: Floats
    """(rows, columns) of the beam."""
    xy: Floats
    """(N, 2) column, row [px]."""
    weight: Floats
    """(N,) [Å²]: the twin's table."""
    pixel_a: float
    optics: OpticsSpec
    defocus: float
    untold: bool
    """Whether it holds contamination and jumping lines."""


def _contents(material: str, element: str, site: str, missing: str) -> dict[str, int]:
    """Atoms of a column of the shared frames."""
    if material in _LAYER:
        return _LAYER[material][site] | ({} if missing else {"Ti": 1})
    if missing:
        return {}
    return {"S": 2} if element == "S+S" else {element: 1}


def shared_frames(folder: Path) -> list[Frame]:
    """The frames of `defects_dev`; none if the folder is not there."""
    told = folder / "manifest.json"
    if not told.is_file():
        return []
    return [_shared(folder, one) for one in json.loads(told.read_text(encoding="utf-8"))["images"]]


def _shared(folder: Path, told: dict[str, Any]) -> Frame:
    data, pixel_a = np.load(folder / told["file"]), float(told["pixel_size_A"])
    atoms = zip(data["atoms_element"], data["atoms_site"], strict=True)
    empty = zip(data["vac_kind"], data["vac_site"], strict=True)
    held = [_contents(told["material"], str(element), str(site), "") for element, site in atoms]
    twice = {f"{x:.1f} {y:.1f}" for x, y in data["atoms_xy"]}
    places = list(data["atoms_xy"])
    for (kind, site), place in zip(empty, data["vac_xy"], strict=True):
        if f"{place[0]:.1f} {place[1]:.1f}" not in twice:
            held.append(_contents(told["material"], "", str(site), str(kind)))
            places.append(place)
    optics = OpticsSpec(
        voltage_kv=told["energy_eV"] / 1e3, convergence_mrad=told["semiangle_mrad"],
        source_fwhm_angstrom=told["source_fwhm_A"], thermal_rms_angstrom=told["thermal_rms_A"],
    )  # fmt: skip
    return Frame(
        name=f"{told['material']} {told['file'][:-4]}",
        share=data["noiseless"].astype(np.float64) / (told["dose_e_per_A2"] * pixel_a**2),
        xy=np.array(places, np.float64),
        weight=np.array([sum(n * haadf_cross_section_a2(e) for e, n in one.items()) for one in held]),
        pixel_a=pixel_a, optics=optics, defocus=told["defocus_A"] * 1e-10, untold=True,
    )  # fmt: skip


def own_frames(folder: Path, source_a: float = 0.8) -> list[Frame]:
    """Those of `bench/twins/multislice_frames.py`, seen with a source of finite size."""
    return [
        _own(path, source_a) for path in sorted(folder.glob("*.npz")) if "expected" in np.load(path).files
    ]


def _own(path: Path, source_a: float) -> Frame:
    data = np.load(path)
    pixel_a, atoms = float(data["pixel_a"]), data["atoms"].astype(np.float64)
    share = ndimage.gaussian_filter(
        data["expected"].astype(np.float64), source_a / 2.3548 / pixel_a, mode="nearest"
    )
    optics = OpticsSpec(
        voltage_kv=float(data["voltage_kv"]), convergence_mrad=float(data["convergence_mrad"]),
        source_fwhm_angstrom=source_a, thermal_rms_angstrom=float(data["thermal_rms_a"]),
    )  # fmt: skip
    weight = np.array([haadf_cross_section_a2(str(element)) for element in data["elements"]])
    return Frame(
        path.stem,
        share,
        atoms[:, :2] / pixel_a,
        weight,
        pixel_a,
        optics,
        float(data["defocus_a"]) * 1e-10,
        False,
    )


def twin_image(frame: Frame) -> Floats:
    """What the twin's own splat and probe make of the atoms."""
    pad = int(_PAD_A / frame.pixel_a)
    shape = (frame.share.shape[0] + 2 * pad, frame.share.shape[1] + 2 * pad)
    column, row = (frame.xy + pad).T
    inside = (row >= MARGIN) & (column >= MARGIN) & (row < shape[0] - MARGIN) & (column < shape[1] - MARGIN)
    points = splat(row[inside], column[inside], frame.weight[inside] / frame.pixel_a**2, shape)
    image = blurred(points, Beam(frame.optics, frame.defocus), frame.pixel_a * 1e-10, points=True)
    return np.asarray(image[pad:-pad, pad:-pad], np.float64)


def compared(frame: Frame) -> dict[str, Any]:
    """Correlations and what is left."""
    edge = int(_EDGE_A / frame.pixel_a)
    inner = (slice(edge, -edge), slice(edge, -edge))
    ours, theirs = twin_image(frame), frame.share
    figures = {
        "ncc": _ncc(ours[inner], theirs[inner]),
        "mean_ratio": float(theirs[inner].mean() / ours[inner].mean()),
        "column_rank": _ranks(ours, theirs, frame),
        "column_spread": _spread(ours, theirs, frame),
    }
    if frame.untold:
        figures["ncc_alike"] = _alike(ours, theirs, frame.pixel_a, edge)
    return {key: round(value, 4) for key, value in figures.items()}


def _ncc(one: Floats, other: Floats) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _alike(ours: Floats, theirs: Floats, pixel_a: float, edge: int) -> float:
    """Correlation with jumps of lines and smooth intensity taken out of both."""
    fine, wanted = (_fine(image, pixel_a)[edge:-edge, edge:-edge] for image in (ours, theirs))
    columns = fine.shape[1]
    turn = np.exp(-2j * np.pi * fft.rfftfreq(columns)[None, :] * _SHIFTS[:, None])
    inner, lines = slice(edge, -edge), []
    for line, seen in zip(fine, wanted, strict=True):
        moved = fft.irfft(fft.rfft(line)[None, :] * turn, columns, axis=1)
        fits = [float(np.corrcoef(one[inner], seen[inner])[0, 1]) for one in moved]
        lines.append(moved[int(np.argmax(fits))])
    return _ncc(np.array(lines)[:, inner], wanted[:, inner])


def _fine(image: Floats, pixel_a: float) -> Floats:
    return np.asarray(image - ndimage.gaussian_filter(image, _SMOOTH_A / pixel_a))


def _columns(frame: Frame) -> Floats:
    """(N, 2) places of columns that lie well inside; atoms within half an ångström of each other are one."""
    kept: list[Floats] = []
    far = 0.5 / frame.pixel_a
    edge = _EDGE_A / frame.pixel_a
    last = np.array(frame.share.shape[::-1]) - 1 - edge
    for place in frame.xy[((frame.xy > edge) & (frame.xy < last)).all(axis=1)]:
        if all(np.hypot(*(place - other)) > far for other in kept):
            kept.append(place)
    return np.array(kept)


def _intensities(image: Floats, places: Floats, pixel_a: float) -> Floats:
    soft = ndimage.gaussian_filter(image, _SITE_A / pixel_a)
    return np.asarray(ndimage.map_coordinates(soft, [places[:, 1], places[:, 0]], order=1))


def _ranks(ours: Floats, theirs: Floats, frame: Frame) -> float:
    """Spearman's correlation of column intensities."""
    places = _columns(frame)
    pair = (_intensities(image, places, frame.pixel_a) for image in (ours, theirs))
    return float(stats.spearmanr(*pair).statistic)


def _spread(ours: Floats, theirs: Floats, frame: Frame) -> float:
    """Robust standard deviation of the ratio of column intensities over its median."""
    places = _columns(frame)
    one, other = (_intensities(image, places, frame.pixel_a) for image in (ours, theirs))
    ratio = other / one
    low, middle, high = np.percentile(ratio, [15.87, 50, 84.13])
    return float((high - low) / 2 / middle)


def run(shared: Path, quick: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Figures of all frames; the bar is on monolayers on zone of the shared ones."""
    frames = shared_frames(shared / "defects_dev")
    frames = frames[:2] if quick else frames + own_frames(shared / "multislice")
    figures = {frame.name: compared(frame) for frame in frames}
    alike = [one["ncc_alike"] for one in figures.values() if "ncc_alike" in one]
    worst = min(alike, default=float("nan"))
    claim = "multislice monolayers on zone: least NCC, lines and smooth intensity alike, one table of weights"
    return figures, [at_least(claim, worst, _BAR, n=len(alike), n_needed=NEEDED)]
