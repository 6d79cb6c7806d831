"""A notebook as HDF5 with the names of NeXus: groups have an NX_class, numbers have units, tilts are a chain of axes.

Each entry is a group of /entry under its id. The names are those of NeXus base classes; the file does not claim to be
complete in the sense of the application definition NXem, and says so (`definition_local`).
"""

import io
from pathlib import Path
from typing import Any

import h5py

from eucentric import __version__
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.crystal import Stage
from eucentric.knowledge.notebook.book import Notebook, Row, checked_rows, stored_form
from eucentric.knowledge.notebook.entries import ReadingEntry
from eucentric.knowledge.notebook.frames import stage_of
from eucentric.knowledge.notebook.jsonld import LARGEST_BYTES, check_whole
from eucentric.knowledge.notebook.tree import member, put, taken, text
from eucentric.knowledge.notebook.vocabulary import FORMAT, named_id

_CLASSES = {
    "specimen": "NXsample", "phase": "NXcollection", "calibration": "NXcalibration", "loading": "NXcollection",
    "grain": "NXcollection", "reading": "NXcollection", "picture": "NXnote", "solution": "NXprocess",
}  # fmt: skip
_EDGES = ("a_angstrom", "b_angstrom", "c_angstrom")
_ANGLES = ("alpha_deg", "beta_deg", "gamma_deg")
_AXES = {"double_tilt": (0.0, 1.0, 0.0), "single_tilt": (0.0, 1.0, 0.0), "tilt_rotate": (0.0, 0.0, 1.0)}
"""Of the second axis of a holder, at alpha = 0."""
_LAB = {
    "x_direction": "along the alpha axis toward the rod tip",
    "y_direction": "z cross x",
    "z_direction": "from the specimen to the gun, against the electrons",
}


def to_hdf5(book: Notebook) -> bytes:
    """The file's bytes."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update(
            NX_class="NXroot", default="entry", creator="eucentric", creator_version=__version__
        )
        entry = _group(file, "entry", "NXentry")
        for name, value in _head(book).items():
            put(entry, name, value)
        _conventions(entry)
        for number, row in enumerate(book.rows):
            _put_row(entry, number, row, book)
    return buffer.getvalue()


def from_hdf5(path: Path) -> Notebook:
    """The notebook in a file that `to_hdf5` made.

    Raises
    ------
    BadInput
        It can't be read, is no such file, or was altered.
    """
    where = path.name
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise OSError(f"larger than {LARGEST_BYTES} bytes")
        with h5py.File(path, "r") as file:
            return _notebook(file, where)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"cannot read {visible(str(path), limit=200)} as HDF5",
            visible(str(error), limit=160),
            "check the path; it is what `eucentric notebook export FILE.h5` writes",
        ) from error


def _notebook(file: Any, where: str) -> Notebook:
    entry = member(file, "entry", where) if "entry" in file else {}
    form = text(entry, "definition_local", where)
    if form != FORMAT:
        raise BadInput(
            f"{visible(where, limit=200)} is no notebook in the form {FORMAT}",
            f"it says {visible(form, limit=60)!r}",
            "export it with `eucentric notebook export`",
        )
    groups = [(name, member(entry, name, where)) for name in entry if "number" in entry[name].attrs]
    groups.sort(key=lambda one: int(one[1].attrs["number"]))
    found = [(name, _body(group, where), str(group.attrs.get("digest", ""))) for name, group in groups]
    identity = text(entry, "entry_identifier_uuid", where).replace("-", "")
    book = Notebook(id=identity, rows=checked_rows(found, where))
    check_whole(book, text(entry, "digest", where), where)
    return book


def _head(book: Notebook) -> dict[str, Any]:
    return {
        "definition_local": FORMAT,
        "title": book.specimen.name,
        "start_time": book.rows[0].entry.at,
        "end_time": book.rows[-1].entry.at,
        "entry_identifier_uuid": named_id(book.id).removeprefix("urn:uuid:"),
        "digest": book.sha256,
    }


def _conventions(entry: Any) -> None:
    group = _group(entry, "conventions", "NXem_conventions")
    rotations = _group(group, "rotation_conventions", "NXobject")
    put(rotations, "rotation_handedness", "counter_clockwise")
    put(rotations, "rotation_convention", "active")
    put(rotations, "identifier", "C1")
    put(rotations, "description", "v_sample = G v_crystal; crystal axes: a along x, c* along z")
    systems = _group(entry, "coordinate_systems", "NXcoordinate_system_set")
    lab = _group(systems, "lab", "NXcoordinate_system")
    for name, value in {"type": "cartesian", "handedness": "right_handed", **_LAB}.items():
        put(lab, name, value)


def _put_row(entry: Any, number: int, row: Row, book: Notebook) -> None:
    group = _group(entry, row.id, _CLASSES[row.entry.kind])
    group.attrs.update(number=number, digest=row.sha256)
    for name, value in _renamed(stored_form(row.entry)).items():
        put(group, name, value)
    if isinstance(row.entry, ReadingEntry):
        found = book.calibration_of(row.entry.loading)
        _chain(group, stage_of(found[1] if found else None))
    if "crystal" in group:
        group["crystal/unit_cell"].attrs["NX_class"] = "NXunit_cell"


def _chain(group: Any, stage: Stage) -> None:
    """NXtransformations: the lab turns into alpha, alpha into the second axis; a vector carries the axis' sign."""
    axes = group["transformations"]
    axes.attrs["NX_class"] = "NXtransformations"
    group.create_dataset("depends_on", data="transformations/beta", dtype=h5py.string_dtype("utf-8"))
    chain = {
        "alpha": (stage.alpha_sign, (1.0, 0.0, 0.0), "."),
        "beta": (stage.beta_sign, _AXES[stage.holder], "alpha"),
    }
    for name, (sign, axis, before) in chain.items():
        axes[name].attrs.update(
            units="degree", transformation_type="rotation", depends_on=before, vector=[sign * x for x in axis],
            sign_calibrated=stage.screen_azimuth_deg is not None,
        )  # fmt: skip


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    """An entry's content under the names of NeXus."""
    if body["kind"] == "reading":
        body["transformations"] = {"alpha": body.pop("alpha_deg"), "beta": body.pop("beta_deg")}
    if body["kind"] == "phase":
        crystal = body["crystal"]
        cell = crystal.pop("cell")
        crystal["unit_cell"] = {
            "a_b_c": [cell[name] for name in _EDGES],
            "alpha_beta_gamma": [cell[name] for name in _ANGLES],
        }
    if body["kind"] == "picture":
        body["file_name"] = body.pop("path")
    return body


def _body(group: Any, where: str) -> dict[str, Any]:
    """The same back again; what is only there for other readers is left out."""
    body = taken(group, where)
    if not isinstance(body, dict):
        return {}
    body.pop("depends_on", None)
    axes = body.pop("transformations", None)
    if isinstance(axes, dict):
        body |= {"alpha_deg": axes.get("alpha"), "beta_deg": axes.get("beta")}
    if "file_name" in body:
        body["path"] = body.pop("file_name")
    if "crystal" in body:
        cell = body["crystal"].pop("unit_cell")
        numbers = (*cell["a_b_c"], *cell["alpha_beta_gamma"])
        body["crystal"]["cell"] = dict(zip((*_EDGES, *_ANGLES), numbers, strict=True))
    return body


def _group(parent: Any, name: str, nx_class: str) -> Any:
    made = parent.create_group(name)
    made.attrs["NX_class"] = nx_class
    return made
