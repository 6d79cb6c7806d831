"""Plain JSON as groups and datasets of HDF5, and back to the last bit.

A dictionary is a group, a list of numbers or texts an array, a list of dictionaries a group whose members are numbered.
Floats are float64 and carry a `units` attribute where their name states a unit.
"""

from typing import Any

import h5py
import numpy as np

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.notebook.vocabulary import unit_of

_NUMBERED = "numbered"
_LARGEST = 1_000_000
_DEEPEST = 12


def put(group: Any, name: str, value: Any) -> None:
    """Write one value of a JSON tree into a group."""
    if isinstance(value, dict):
        inner = group.create_group(name)
        for key, one in value.items():
            put(inner, key, one)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        inner = group.create_group(name)
        inner.attrs[_NUMBERED] = True
        for number, one in enumerate(value, start=1):
            put(inner, str(number), one)
    else:
        _dataset(group, name, value)


def taken(node: Any, where: str, depth: int = 0) -> Any:
    """The JSON tree under a group or dataset.

    Raises
    ------
    BadInput
        It links elsewhere, is too large, or holds what JSON has not.
    """
    if isinstance(node, h5py.Dataset):
        return _value(node, where)
    if depth > _DEEPEST:
        raise _strange(node, where, "groups are nested too deeply")
    members = {name: taken(member(node, name, where), where, depth + 1) for name in node}
    if node.attrs.get(_NUMBERED, False):
        return [members[key] for key in sorted(members, key=_number)]
    return members


def member(group: Any, name: str, where: str) -> Any:
    """A group or dataset that lies in this very file under its own name."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise _strange(
            group, where, f"{visible(name, limit=60)} is a link to elsewhere, which is not followed"
        )
    return group[name]


def text(group: Any, name: str, where: str) -> str:
    """A text of a group; empty if there is none."""
    value = taken(member(group, name, where), where) if name in group else ""
    return value if isinstance(value, str) else ""


def _dataset(group: Any, name: str, value: Any) -> None:
    texts = isinstance(value, str) or (isinstance(value, list) and isinstance(value[0], str))
    if texts:
        group.create_dataset(name, data=value, dtype=h5py.string_dtype("utf-8"))
        return
    array = np.array(value)
    made = group.create_dataset(name, data=array)
    unit = unit_of(name) or ("degree" if group.name.endswith("/limits") and name != "r" else "")
    if array.dtype == np.float64 and unit:
        made.attrs["units"] = unit


def _value(dataset: Any, where: str) -> Any:
    if dataset.external or dataset.is_virtual:
        raise _strange(dataset, where, "its numbers lie in another file, which is not opened")
    if dataset.size is None or dataset.size > _LARGEST:
        raise _strange(dataset, where, f"it has more than {_LARGEST} values, or none")
    if h5py.check_string_dtype(dataset.dtype) is not None:
        found = dataset.asstr()[()]
        return found.tolist() if isinstance(found, np.ndarray) else str(found)
    if dataset.dtype.kind not in "biuf":
        raise _strange(dataset, where, f"numbers and texts are read, not {dataset.dtype}")
    return dataset[()].tolist()


def _number(name: str) -> int:
    return int(name) if name.isdecimal() and len(name) < 9 else 0


def _strange(node: Any, where: str, why: str) -> BadInput:
    return BadInput(
        f"{visible(where, limit=200)}: {visible(str(node.name), limit=80)} is not read",
        why,
        "ask for a file that `eucentric notebook export` made",
    )
