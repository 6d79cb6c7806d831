"""What a person says about single sites, kept with who, when, why and what the program had said.

One file for one image: JSON lines, only ever added to; the newest word about a site counts. `applied` puts it in the
place of the program's, `eucentric train --corrections` learns from it.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError
from scipy.spatial import cKDTree

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.tools.vision.atom_map import AtomMap

Label = Literal["full", "vacancy", "extra", "unknown"]
LABELS: tuple[Label, ...] = ("full", "vacancy", "extra", "unknown")
"""A whole column; something missing; something more than the column; a person can't tell either (not counted)."""
_MOST_BYTES = 20_000_000
_REACH = 0.5
"""A word is about the nearest site within this share of the spacing of sites."""


class Said(Model):
    """What the program had said about a site."""

    state: str = Field(max_length=80)
    p_vacancy: float = Field(ge=0, le=1)


class Correction(Model):
    """One word of a person about one site."""

    version: Literal[1] = 1
    utc: str = Field(max_length=40)
    by: str = Field(min_length=1, max_length=200)
    why: str = Field(min_length=1, max_length=2000)
    image: str = Field(max_length=1000)
    """Path of the image when it was read."""
    image_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    material: str = Field(max_length=200)
    method: str = Field(max_length=1000)
    """Of the program, when it said `was`."""
    site: int = Field(ge=0)
    """Row among the sites of that map."""
    x_px: float
    """Column of the image, 0 = centre of the first pixel."""
    y_px: float
    label: Label
    was: Said


class Entry(NamedTuple):
    """A place and what is there."""

    x_px: float
    y_px: float
    label: Label


@dataclasses.dataclass(frozen=True)
class Corrections:
    """All that was said about one image."""

    rows: tuple[Correction, ...]
    """Every word, the oldest first."""

    @property
    def image(self) -> str:
        """Path of the image when it was read."""
        return self.rows[-1].image

    @property
    def image_sha256(self) -> str:
        """Digest of its file."""
        return self.rows[-1].image_sha256

    @property
    def newest(self) -> tuple[Correction, ...]:
        """The last word about each place, in the order of the first."""
        last: dict[tuple[float, float], Correction] = {}
        for row in self.rows:
            last[row.x_px, row.y_px] = row
        return tuple(last.values())

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Place and label of the last word about each."""
        return tuple(Entry(row.x_px, row.y_px, row.label) for row in self.newest)


def read_corrections(path: str | Path) -> Corrections:
    """Read a file of corrections.

    Raises
    ------
    BadInput
        If it is missing, empty, damaged, or about several images.
    """
    file = Path(path)
    name = visible(file.name, limit=160)
    if not file.is_file():
        raise BadInput(f"there is no file {visible(str(file), limit=300)}", remedy="check the path")
    if file.stat().st_size > _MOST_BYTES:
        raise BadInput(f"{name} is larger than {_MOST_BYTES // 1_000_000} MB", remedy="is it the right file?")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{name} cannot be read", visible(str(error), limit=160), "check the file") from error
    rows = tuple(_row(line, number, name) for number, line in enumerate(lines, 1) if line.strip())
    if not rows:
        raise BadInput(f"{name} holds no correction", remedy="write some with `eucentric defects correct`")
    if len({row.image_sha256 for row in rows}) > 1:
        raise BadInput(f"{name} is about several images", "one file is about one", "split it by image_sha256")
    return Corrections(rows)


def _row(line: str, number: int, name: str) -> Correction:
    try:
        return Correction.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"line {number} of {name} is no correction",
            visible(f"{where}: {first['msg']}" if where else first["msg"], limit=200),
            "it is written by `eucentric defects correct`, not by hand",
        ) from error


def add_corrections(path: Path, rows: Sequence[Correction]) -> Corrections:
    """Add lines to a file, which is begun if there is none; what is in it stays.

    Raises
    ------
    BadInput
        If the file is damaged, or about another image.
    """
    before = read_corrections(path) if path.exists() else None
    if before is not None and any(row.image_sha256 != before.image_sha256 for row in rows):
        raise BadInput(
            f"{visible(path.name, limit=160)} is about another image",
            f"{before.image_sha256[:12]}… and not {rows[0].image_sha256[:12]}…",
            "name another file with --out",
        )
    text = "".join(json.dumps(row.model_dump(mode="json"), ensure_ascii=False) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    ends = before is None or path.read_bytes().endswith(b"\n")
    with open(path, "a", encoding="utf-8") as file:
        file.write(text if ends else "\n" + text)
    return Corrections((*(before.rows if before else ()), *rows))


def of_image(corrections: Iterable[Corrections], sha256: str) -> Corrections | None:
    """All that was said about the image with this digest; None if nothing was."""
    rows = tuple(row for one in corrections if one.image_sha256 == sha256 for row in one.rows)
    return Corrections(tuple(sorted(rows, key=lambda row: row.utc))) if rows else None


def applied(atoms: AtomMap, corrections: Corrections) -> tuple[AtomMap, tuple[Entry, ...]]:
    """The map with a person's word in place of the program's, and the words that met no site.

    A site that a person looked at is neither missed nor called wrongly: recall and expected false calls are cut by
    the share of the probability, on either side of one half, that the looked-at sites held.
    """
    if not len(atoms.sites_xy) or atoms.pixel_pm is None:
        return atoms, corrections.entries
    entries = corrections.entries
    places = np.array([[entry.x_px, entry.y_px] for entry in entries])
    reach = _REACH * atoms.phase.spacing_angstrom * 100 / atoms.pixel_pm
    far, rows = cKDTree(atoms.sites_xy).query(places)
    met = [(int(row), entry) for row, entry, off in zip(rows, entries, far, strict=True) if off <= reach]
    lost = tuple(entry for entry, off in zip(entries, far, strict=True) if off > reach)
    return (_with(atoms, dict(met)) if met else atoms), lost


def _with(atoms: AtomMap, words: dict[int, Entry]) -> AtomMap:
    p, examined = atoms.sites_p_vacancy.copy(), atoms.sites_examined.copy()
    state, hand = list(atoms.sites_state), np.zeros(len(p), bool)
    for row, entry in words.items():
        hand[row] = True
        p[row] = 1.0 if entry.label == "vacancy" else 0.0
        state[row] = _state(atoms, row, entry.label)
        examined[row] &= entry.label != "unknown"
    vacant = np.flatnonzero((p > 0.5) & np.array([text != "empty site" for text in state]))
    left = atoms.sites_examined & ~hand
    missed = _share(atoms.sites_p_vacancy, left, atoms.sites_examined & (atoms.sites_p_vacancy <= 0.5))
    wrong = _share(1 - atoms.sites_p_vacancy, left, atoms.sites_examined & (atoms.sites_p_vacancy > 0.5))
    recall = (1 - (1 - value) * missed for value in (atoms.recall, atoms.recall_low, atoms.recall_high))
    mean, low, high = recall if atoms.recall_high > 0 else (next(recall), 0.0, 0.0)
    return dataclasses.replace(
        atoms, sites_p_vacancy=p, sites_examined=examined, sites_state=tuple(state), vacancies_site=vacant,
        vacancies_xy=atoms.sites_xy[vacant], vacancies_p=p[vacant], sites_by_hand=np.flatnonzero(hand),
        false_calls=atoms.false_calls * wrong, recall=mean, recall_low=low, recall_high=high,
        sites_posterior=_sure(atoms, {row: state[row] for row in words}),
    )  # fmt: skip


def _state(atoms: AtomMap, row: int, label: Label) -> str:
    """The word in the map's own terms: of a vacancy the kind that it would most probably be."""
    if label == "vacancy":
        known = atoms.sites_state[row]
        kind = atoms.sites_kind[row] if row < len(atoms.sites_kind) else ""
        return known if known.startswith("V_") else kind or "vacancy"
    return {"full": "full", "extra": "extra", "unknown": "unknown"}[label]


def _sure(atoms: AtomMap, words: dict[int, str]) -> Any:
    """Posterior of the classes with what a person said as certain."""
    posterior = atoms.sites_posterior.copy()
    for row, said in words.items():
        if len(posterior) == len(atoms.sites_xy):
            posterior[row] = [
                1.0 if name == said or name.startswith(f"{said} ") else 0.0 for name in atoms.sites_classes
            ]
    return posterior


def _share(weight: Any, kept: Any, among: Any) -> float:
    """How much of the weight is left where nobody looked."""
    total = float(weight[among].sum())
    return float(weight[among & kept].sum()) / total if total > 0 else 1.0
