"""What `eucentric detect` reads of each file, and what it writes about each image."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eucentric.core.instrument import Frame
    from eucentric.knowledge.phases import Phase
    from eucentric.tools.vision import AtomMap
    from eucentric.tools.vision.corrections import Corrections
    from eucentric.tools.vision.network.infer import Network

CANDIDATE = 0.05
"""Sites with at least this probability of being vacant are listed."""
_KNOWN = ("detector", "voltage_kv", "probe_current_pa", "convergence_mrad", "dwell_us", "counts_per_electron",
          "alpha_deg", "beta_deg", "x_um", "y_um", "instrument")  # fmt: skip
_ELECTRON_C = 1.602176634e-19


@dataclass(frozen=True)
class Task:
    """What all images of a run are looked at with."""

    phase: "Phase"
    out: Path
    pixel_pm: float | None
    words: "Sequence[Corrections]"
    network: "Network | None"
    scale_accepted: bool
    run: str
    """Digest of what was asked for: maps of one folder that differ in it are of several runs."""


@dataclass(frozen=True)
class Shot:
    """One image to look at."""

    pixels: "NDArray[np.float32]"
    frame: "Frame"
    path: Path
    stem: str
    series: dict[str, Any] | None = None
    """Of one of several frames of a place: its number, how many there are, where it lies [px]."""


@dataclass(frozen=True)
class Seen:
    """One image, looked at."""

    atoms: "AtomMap"
    body: dict[str, Any]
    crops: dict[int, bytes]
    """PNG of the least certain sites, by site."""
    pixels: str
    """Digest of its pixels: the same image in another file is no other place."""

    @property
    def place(self) -> str:
        """What counts once in a density over images: a place, or the image by itself."""
        return str((self.body["series"] or {}).get("place", self.pixels))


def shots_of(path: Path, stem: str, frames: str, dataset: str | None) -> list[Shot]:
    """Images of a file: one, the sum of a stack, one frame of it, or each.

    Raises
    ------
    UnreadableImage
        If there is none, or the frames cannot be laid on each other.
    """
    from eucentric.tools.vision import read_frames, read_image

    if frames.isdigit():
        return [Shot(*read_image(path, dataset=dataset, frame=int(frames)), path, stem)]
    read = read_frames(path, dataset=dataset)
    if len(read) == 1:
        return [Shot(*read[0], path, stem)]
    if frames == "sum":
        return [_summed(read, path, stem)]
    return in_series([Shot(pixels, frame, path, f"{stem}-{k}") for k, (pixels, frame) in enumerate(read, 1)])


def in_series(shots: Sequence[Shot]) -> list[Shot]:
    """Frames of one place, in order, with where each lies.

    Raises
    ------
    BadInput
        If they differ in size.
    """
    from eucentric.core.errors import BadInput
    from eucentric.tools.vision.series import drift_path

    if len({shot.pixels.shape for shot in shots}) > 1:
        raise BadInput("frames of one place differ in size", remedy="give frames of one scan")
    path = drift_path([_whole(shot.pixels) for shot in shots])
    name = f"{shots[0].frame.id} {shots[0].frame.sha256[:12]}"  # files in two folders may share a name
    out = []
    for number, (shot, here) in enumerate(zip(shots, path, strict=True), 1):
        shift = None if here is None else [round(here[1], 3), round(here[0], 3)]
        place = {"place": name, "number": number, "of": len(shots), "shift_px": shift}
        out.append(replace(shot, series=place))
    return out


def _whole(pixels: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Without holes, for the registration."""
    import numpy as np

    return np.nan_to_num(pixels, nan=float(np.nanmedian(pixels)))


def _summed(read: "list[tuple[NDArray[np.float32], Frame]]", path: Path, stem: str) -> Shot:
    from eucentric.core.errors import UnreadableImage
    from eucentric.core.text import visible
    from eucentric.tools.vision.files.reading import digest_of
    from eucentric.tools.vision.series import aligned_sum

    total = aligned_sum([_whole(pixels) for pixels, _ in read])
    first, used = read[0][1], sum(total.used)
    name = visible(path.name, limit=160)
    if used == 1:
        raise UnreadableImage(
            f"the {len(read)} frames of {name} cannot be laid on each other",
            "too much drift or too few counts", "look at them one by one: --frames each, or --frames 1",
        )  # fmt: skip
    frame = first.model_copy(
        update={
            "id": name, "sha256": digest_of(path), "shape": total.image.shape, "dtype": "float32",
            "parents": tuple(one.id for (_, one), ok in zip(read, total.used, strict=True) if ok),
            "offset_counts": first.offset_counts * used,
        }
    )  # fmt: skip
    return Shot(total.image, frame, path, stem)


def look(shot: Shot, task: Task, say: Callable[[str], None]) -> Seen:
    """Analyse one image and write everything about it."""
    from eucentric.core.redaction import redacted
    from eucentric.tools.vision import least_certain
    from eucentric.tools.vision.crops import site_crops

    pixels = shot.pixels - type(shot.pixels.flat[0])(shot.frame.offset_counts)
    say("looking for columns")
    atoms, more = _read(shot, task, pixels)
    say("drawing")
    overlay, gallery = _pictures(shot, task.out, pixels, atoms)
    _write_tables(atoms, task.out, shot.stem)
    body = _body(shot, atoms, overlay, gallery) | more | {"run": task.run}
    body["files"] = _files(task.out, shot.stem, gallery is not None)
    kept = redacted(body | {"sites": _sites(atoms)})
    text = json.dumps(kept, indent=1, allow_nan=False)
    (task.out / f"{shot.stem}.json").write_text(text, encoding="utf-8")
    crops = site_crops(pixels, atoms, least_certain(atoms))
    return Seen(atoms, body, crops, hashlib.sha256(shot.pixels.tobytes()).hexdigest())


def _read(shot: Shot, task: Task, pixels: "NDArray[np.float32]") -> "tuple[AtomMap, dict[str, Any]]":
    """The map, with a person's words in it, and what was advised and said."""
    from eucentric.tools.vision import read_atoms
    from eucentric.tools.vision.advice import advice_of, why_not_counted
    from eucentric.tools.vision.corrections import applied, of_image

    frame = shot.frame
    atoms = read_atoms(
        pixels, task.phase, pixel_pm=task.pixel_pm or frame.pixel_pm, counts_per_electron=frame.counts_per_electron,
        network=task.network,
    )  # fmt: skip
    advice = advice_of(atoms, scale_accepted=task.scale_accepted)
    atoms = replace(atoms, cannot_tell=why_not_counted(atoms, scale_accepted=task.scale_accepted))
    said = of_image(task.words, frame.sha256)
    atoms, lost = applied(atoms, said) if said else (atoms, ())
    more: dict[str, Any] = {"advice": advice, "corrections_without_site": [list(entry) for entry in lost]}
    return atoms, more | {"corrections": [row.model_dump(mode="json") for row in said.newest] if said else []}


def _pictures(
    shot: Shot, out: Path, pixels: "NDArray[np.float32]", atoms: "AtomMap"
) -> tuple[Path, Path | None]:
    from eucentric.tools.vision import write_gallery, write_overlay

    stamp, unsure = shot.frame.simulated, out / f"{shot.stem}-unsure.png"
    overlay = out / f"{shot.stem}-overlay.png"
    write_overlay(pixels, atoms, overlay, simulated=stamp, title=shot.frame.id)
    gallery = write_gallery(pixels, atoms, unsure, simulated=stamp)
    if gallery is None:  # an old picture of an earlier run must not look like one of this image
        unsure.unlink(missing_ok=True)
    return overlay, gallery


def _body(shot: Shot, atoms: "AtomMap", overlay: Path, gallery: Path | None) -> dict[str, Any]:
    """Everything about an image as plain JSON, but its sites."""
    from eucentric.tools.detect_defects import result_of
    from eucentric.tools.vision import vacancy_density

    frame = shot.frame
    finding = vacancy_density([atoms], finding_id=f"{shot.stem}-vacancies", evidence=(frame.id,))
    result = result_of(atoms, frame, finding, "any", overlay.name, gallery.name if gallery else None)
    body = {"image": str(shot.path), "ok": True, "sha256": frame.sha256} | result.model_dump(mode="json")
    body |= {"atoms": _atoms(atoms), "vacancy_candidates": _candidates(atoms), "series": shot.series}
    body |= {"known": _known(frame, atoms), "network": _network(atoms), "lattice": _lattice(atoms)}
    if frame.counts_per_electron is None:  # the file's numbers are no electrons
        body["counts_per_column"] = None
    return body


def _known(frame: "Frame", atoms: "AtomMap") -> dict[str, Any]:
    """What the file said about the frame, and the mean dose that follows from it [e/Å²]."""
    out = {key: value for key in _KNOWN if (value := getattr(frame, key)) not in (None, "")}
    if frame.probe_current_pa and frame.dwell_us and atoms.pixel_pm:
        electrons = frame.probe_current_pa * 1e-12 * frame.dwell_us * 1e-6 / _ELECTRON_C
        out["dose_e_per_a2"] = round(electrons / (atoms.pixel_pm / 100) ** 2 * max(len(frame.parents), 1), 3)
    return out


def _lattice(atoms: "AtomMap") -> dict[str, Any] | None:
    """How the pixel size was found, what was told, and the grains; None without a lattice."""
    if atoms.pixel_pm is None:
        return None
    told = atoms.stated_pixel_pm
    grains = [
        {"turn_deg": round(one.turn_deg, 2), "area_share": round(one.area_share, 4)} for one in atoms.grains
    ]
    off = None if told is None else round(100 * (atoms.pixel_pm / told - 1), 2)
    return {"rings": atoms.rings, "told_pixel_pm": told, "off_percent": off, "grains": grains}


def _network(atoms: "AtomMap") -> dict[str, Any] | None:
    """What the second reader adds; None without one."""
    if not atoms.network_sha256:
        return None
    rows = zip(atoms.extras_xy, atoms.extras_score, strict=True)
    between = [
        {"x_px": round(float(x), 3), "y_px": round(float(y), 3), "score": round(float(s), 3)}
        for (x, y), s in rows
    ]
    agreement = None if atoms.agreement is None else round(atoms.agreement, 4)
    return {"sha256": atoms.network_sha256, "agreement": agreement, "atoms_between_columns": between}


def _atoms(atoms: "AtomMap") -> list[dict[str, Any]]:
    """Positions of the columns, x = column, y = row, 0 = centre of the first pixel."""
    rows = zip(atoms.atoms_xy, atoms.atoms_sigma_pm, strict=True)
    return [
        {"x_px": round(float(x), 3), "y_px": round(float(y), 3), "sigma_pm": round(float(sigma), 2)}
        for (x, y), sigma in rows
    ]


def _candidates(atoms: "AtomMap") -> list[dict[str, Any]]:
    """Sites that may be vacant, the likeliest first."""
    order = [i for i in atoms.sites_p_vacancy.argsort()[::-1] if atoms.sites_p_vacancy[i] >= CANDIDATE]
    return [
        {
            "site": int(i),
            "x_px": round(float(atoms.sites_xy[i][0]), 3),
            "y_px": round(float(atoms.sites_xy[i][1]), 3),
            "p": round(float(atoms.sites_p_vacancy[i]), 4),
            "kind": atoms.sites_state[i],
            "examined": bool(atoms.sites_examined[i]),
        }
        for i in order
    ]


def _sites(atoms: "AtomMap") -> dict[str, Any]:
    """All sites by column, so that statistics and corrections need no second look at the image."""
    return {
        "x_px": _line(f"{x:.3f}" for x in atoms.sites_xy[:, 0]),
        "y_px": _line(f"{y:.3f}" for y in atoms.sites_xy[:, 1]),
        "p_vacancy": _line(f"{p:.4f}" for p in atoms.sites_p_vacancy),
        "relative": _line(f"{value:.3f}" for value in atoms.sites_relative),
        "sublattice": _line(str(int(kind)) for kind in atoms.sites_sublattice),
        "examined": _line(str(int(one)) for one in atoms.sites_examined),
        "grain": _line(str(int(one)) for one in atoms.sites_grain),
        "equal_columns": atoms.phase.equal_columns,
        "state": list(atoms.sites_state),
        "kind": list(atoms.sites_kind),
    }


def _line(values: Iterator[str]) -> str:
    """Numbers in one text: an indented list would take a line for each."""
    return " ".join(values)


def _files(out: Path, stem: str, gallery: bool) -> dict[str, str]:
    names = {"overlay": "-overlay.png", "atoms": "-atoms.csv", "vacancies": "-vacancies.csv", "json": ".json"}
    if gallery:
        names["gallery"] = "-unsure.png"
    return {kind: str(out / f"{stem}{suffix}") for kind, suffix in names.items()}


_VACANCY_COLUMNS = (
    "site", "x_px", "y_px", "p_vacancy", "state", "sublattice", "relative_brightness", "examined", "by_hand", "counted",
)  # fmt: skip
"""`counted`: in the density; no vacancy of an image that can't be counted is."""


def _write_tables(atoms: "AtomMap", out: Path, stem: str) -> None:
    with open(out / f"{stem}-atoms.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["x_px", "y_px", "sigma_pm", "counts", "sublattice", "state"])
        rows = zip(atoms.atoms_xy, atoms.atoms_sigma_pm, atoms.atoms_counts, atoms.atoms_site, strict=True)
        for (x, y), sigma, counts, site in rows:
            table.writerow([f"{x:.3f}", f"{y:.3f}", f"{sigma:.2f}", f"{counts:.5g}", int(atoms.sites_sublattice[site]),
                            atoms.sites_state[site]])  # fmt: skip
    with open(out / f"{stem}-vacancies.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(_VACANCY_COLUMNS)
        hand = set(atoms.sites_by_hand.tolist())
        for site, (x, y), p in zip(atoms.vacancies_site, atoms.vacancies_xy, atoms.vacancies_p, strict=True):
            kind = int(atoms.sites_sublattice[site])
            relative, examined = f"{atoms.sites_relative[site]:.3f}", int(atoms.sites_examined[site])
            table.writerow(
                [int(site), f"{x:.3f}", f"{y:.3f}", f"{p:.4f}", atoms.sites_state[site], kind, relative, examined,
                 int(site in hand), int(examined and not atoms.cannot_tell)]
            )  # fmt: skip
