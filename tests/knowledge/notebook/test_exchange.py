"""What a collaborator gets is the notebook, to the last bit; what was altered on the way is refused."""

import json
import math

import h5py
import numpy as np
import pytest
from notebook_session import CELLS, fill

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import notebook as nb
from eucentric.knowledge.notebook.jsonld import from_jsonld, to_jsonld
from eucentric.knowledge.notebook.nexus import from_hdf5, to_hdf5
from eucentric.knowledge.notebook.vocabulary import context


def all_tilts(book):
    """Every tilt that a notebook gives: reachable axes of all candidates, made again from the raw readings."""
    inputs = nb.inputs_of(book, "grain1", "load1")
    again = cr.solve_orientation(inputs.crystal, inputs.observations, inputs.stage)
    return [
        (
            tilt.uvw,
            tilt.alpha_deg,
            tilt.beta_deg,
            cr.predicted_arrival(inputs.crystal, one.orientation, tilt).rms_deg,
        )
        for one in again
        for tilt in cr.reachable_axes(inputs.crystal, one.orientation, inputs.stage, 3)
    ]


def test_round_trip_through_every_format(filled, tmp_path):
    file, _ = filled
    book = file.read()
    text = to_jsonld(book)
    with nb.NotebookFile.copy(tmp_path / "two.notebook", from_jsonld(text, "mail")) as two:
        (tmp_path / "three.h5").write_bytes(to_hdf5(two.read()))
    with nb.NotebookFile.copy(tmp_path / "three.notebook", from_hdf5(tmp_path / "three.h5")) as three:
        last = three.read()
    assert last.sha256 == book.sha256
    assert [row.model_dump() for row in last.rows] == [row.model_dump() for row in book.rows]
    assert to_jsonld(last) == text
    assert all_tilts(last) == all_tilts(book)
    assert len(all_tilts(last)) > 20
    for name in ("sol1", "sol2"):
        made = nb.remade(last, name)
        assert (made.same_inputs, made.identical, made.turned_deg) == (True, True, 0.0)


def test_every_key_of_the_document_is_in_its_context(filled):
    document = json.loads(to_jsonld(filled[0].read()))
    known = document["@context"]
    assert {k: v for k, v in known.items() if k != "@base"} == context()

    def keys(value):
        if isinstance(value, dict):
            for key, one in value.items():
                yield key
                yield from keys(one)
        elif isinstance(value, list):
            for one in value:
                yield from keys(one)

    body = {key: value for key, value in document.items() if key != "@context"}
    assert {key for key in keys(body) if not key.startswith("@")} <= set(known)
    assert all(node["@type"] in known for node in document["entries"])


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """(JSON-LD, HDF5) of one notebook."""
    numbers, group = CELLS["quartz"]
    file, _ = fill(tmp_path_factory.mktemp("sent") / "x.notebook", cr.crystal_of(numbers, group, "quartz"))
    with file:
        book = file.read()
    return to_jsonld(book), to_hdf5(book)


def change(path, what):
    """A JSON document with one change."""
    document = json.loads(path.read_text("utf-8"))
    what(document)
    path.write_text(json.dumps(document), "utf-8")


def node(document, name):
    return next(one for one in document["entries"] if one["@id"] == f"#{name}")


JSON_CHANGES = {
    "a digit": lambda d: node(d, "r1").update(alpha_deg=math.nextafter(node(d, "r1")["alpha_deg"], 1e9)),
    "an index": lambda d: node(d, "r1").update(written="[0 1 1]"),
    "an entry gone": lambda d: d["entries"].pop(),
    "another order": lambda d: d["entries"].insert(1, d["entries"].pop(2)),
    "an entry twice": lambda d: d["entries"].append(d["entries"][-1]),
    "a link to nowhere": lambda d: node(d, "r1").update(grain="#grain9"),
    "an unknown field": lambda d: node(d, "r1").update(colour="red"),
    "an unknown type": lambda d: node(d, "r1").update({"@type": "Opinion"}),
    "no specimen": lambda d: d["entries"].pop(0),
    "a newer form": lambda d: d.update(format="eucentric-notebook/2"),
    "no entries": lambda d: d.update(entries=None),
    "no id": lambda d: d.update({"@id": "here"}),
    "a number instead": lambda d: d["entries"].__setitem__(3, 7),
}


@pytest.mark.parametrize("change_of", JSON_CHANGES.values(), ids=JSON_CHANGES)
def test_an_altered_document_is_refused(sent, tmp_path, change_of):
    path = tmp_path / "x.jsonld"
    path.write_text(sent[0], "utf-8")
    change(path, change_of)
    with pytest.raises(BadInput):
        from_jsonld(path.read_text("utf-8"), "x.jsonld")


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"a": NaN}', "[" * 5000, "\ud800"])
def test_what_is_no_document_is_refused(text):
    with pytest.raises(BadInput):
        from_jsonld(text, "x.jsonld")


def replaced(group, name, value):
    del group[name]
    group[name] = value


H5_CHANGES = {
    "a digit": lambda e: e["r1/transformations/alpha"].write_direct(
        np.array(math.nextafter(e["r1/transformations/alpha"][()], 1e9))
    ),
    "not a number": lambda e: e["r1/sigma_deg"].write_direct(np.array(math.nan)),
    "a matrix": lambda e: replaced(e, "sol1/candidates/1/orientation/matrix", np.eye(3)),
    "an entry gone": lambda e: e.__delitem__("sol2"),
    "a reading without tilts": lambda e: e.__delitem__("r1/transformations"),
    "half a cell": lambda e: replaced(e, "phase1/crystal/unit_cell/a_b_c", [1.0, 2.0]),
    "a link to a file": lambda e: replaced(e, "r1/method", h5py.ExternalLink("/etc/passwd", "/x")),
    "a link inside": lambda e: replaced(e, "r1/method", h5py.SoftLink("/entry/r2/method")),
    "another id": lambda e: replaced(e, "entry_identifier_uuid", "0" * 8),
    "a newer form": lambda e: replaced(e, "definition_local", "eucentric-notebook/2"),
    "no form": lambda e: e.__delitem__("definition_local"),
    "a complex number": lambda e: replaced(e, "r1/sigma_deg", 1j),
    "numbers in its place": lambda e: replaced(e, "r1", [1.0]),
}  # fmt: skip


@pytest.mark.parametrize("change_of", H5_CHANGES.values(), ids=H5_CHANGES)
def test_an_altered_hdf5_is_refused(sent, tmp_path, change_of):
    path = tmp_path / "x.h5"
    path.write_bytes(sent[1])
    with h5py.File(path, "r+") as opened:
        change_of(opened["entry"])
    with pytest.raises(BadInput):
        from_hdf5(path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"hello" * 1000])
def test_what_is_no_hdf5_is_refused(tmp_path, content):
    path = tmp_path / "x.h5"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="HDF5"):
        from_hdf5(path)


def rotation_about(axis, degrees):
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = math.radians(degrees)
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k


@pytest.mark.parametrize("crystal", ["ZrO2"], indirect=True)
def test_the_chain_of_axes_is_the_rotation_of_the_stage(filled, tmp_path):
    """Read as NeXus says, by its own code: start at depends_on, multiply from the left until '.'."""
    book = filled[0].read()
    path = tmp_path / "x.h5"
    path.write_bytes(to_hdf5(book))
    with h5py.File(path) as file:
        for key, reading in book.of(nb.ReadingEntry):
            group = file["entry"][key]
            name = group["depends_on"].asstr()[()].split("/")[-1]
            turned = np.eye(3)
            while name != ".":
                axis = group["transformations"][name]
                assert axis.attrs["transformation_type"] == "rotation"
                assert axis.attrs["units"] == "degree"
                turned = rotation_about(axis.attrs["vector"], axis[()]) @ turned
                name = axis.attrs["depends_on"]
            found = book.calibration_of(reading.loading)
            at = cr.Reading(alpha_deg=reading.alpha_deg, beta_deg=reading.beta_deg)
            expected = cr.rotation(nb.stage_of(found[1]), at)
            assert np.abs(turned - expected).max() < 1e-12


@pytest.mark.parametrize("crystal", ["SrTiO3"], indirect=True)
def test_every_group_has_a_class_where_nexus_wants_one_and_every_float_a_unit(filled, tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes(to_hdf5(filled[0].read()))
    unitless = ("matrix", "worst_sigmas", "r")
    with h5py.File(path) as file:
        assert file["entry"].attrs["NX_class"] == "NXentry"
        assert all(
            group.attrs["NX_class"].startswith("NX")
            for group in file["entry"].values()
            if isinstance(group, h5py.Group)
        )
        floats = []
        file.visititems(
            lambda name, one: (
                floats.append(one) if isinstance(one, h5py.Dataset) and one.dtype.kind == "f" else None
            )
        )
        assert len(floats) > 60
        for one in floats:
            assert ("units" in one.attrs) == (one.name.rsplit("/", 1)[-1] not in unitless), one.name
