"""The tag tree of DM3 and DM4 files, read with a bound on everything: depth, number of tags, every length.

The layout as C. Boothroyd found it (er-c.org/cbb/info/dmformat): groups of named tags; headers are big-endian
(lengths of 4 bytes in DM3, 8 in DM4), values in the order that the file states. Arrays of numbers are not read here,
only found.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import UnreadableImage

_TYPES = {
    2: "i2", 3: "i4", 4: "u2", 5: "u4", 6: "f4", 7: "f8", 8: "u1", 9: "i1", 10: "u1", 11: "i8", 12: "u8",
}  # fmt: skip
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_GROUP, _DATA = 20, 21
_DEEPEST, _MOST_TAGS, _MOST_FIELDS = 40, 500_000, 256
_LONGEST_TEXT = 100_000
"""Arrays of two-byte numbers up to this length are texts, if nothing says otherwise."""

Tree = dict[str, Any]


class Damaged(UnreadableImage):
    """A length or a kind that cannot be."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(f"the tags break off at byte {at:,}", what, "save it again in DigitalMicrograph")


@dataclass(frozen=True)
class Stored:
    """Where an array lies in the file."""

    offset: int
    count: int
    dtype: str


@dataclass(frozen=True)
class Tags:
    """The whole tree."""

    version: int
    tree: Tree


def read_tags(file: Path) -> Tags:
    """Read all tags but the arrays.

    Raises
    ------
    Damaged
        If it is no DM3 or DM4 file, or is cut or altered.
    """
    with open(file, "rb") as stream:
        return _Reader(stream, file.stat().st_size).read()


def read_array(file: Path, stored: Stored) -> NDArray[Any]:
    """The numbers of an array; its length was held against the file's."""
    return np.fromfile(file, np.dtype(stored.dtype), stored.count, offset=stored.offset)


class _Reader:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size = stream, size
        self._order, self._wide, self._tags = "<", False, 0

    def read(self) -> Tags:
        version = self._number(">i4")
        if version not in (3, 4):
            raise Damaged(f"version {version} is not 3 or 4: this is no DM file", 0)
        self._wide = version == 4
        self._length()
        self._order = "<" if self._number(">i4") else ">"
        return Tags(version, self._group(0))

    def _bytes(self, count: int) -> bytes:
        at = self._stream.tell()
        if count < 0 or at + count > self._size:
            raise Damaged(f"{count:,} bytes are asked for, the file has {self._size - at:,} more", at)
        return self._stream.read(count)

    def _number(self, dtype: str) -> int:
        return int(np.frombuffer(self._bytes(np.dtype(dtype).itemsize), dtype)[0])

    def _length(self) -> int:
        return self._number(">i8" if self._wide else ">i4")

    def _group(self, depth: int) -> Tree:
        if depth > _DEEPEST:
            raise Damaged(f"groups lie more than {_DEEPEST} deep", self._stream.tell())
        self._bytes(2)  # sorted, open
        number, tree = self._length(), Tree()
        if not 0 <= number <= _MOST_TAGS:
            raise Damaged(f"a group says that it has {number:,} tags", self._stream.tell())
        for place in range(number):
            self._tags += 1
            if self._tags > _MOST_TAGS:
                raise Damaged(f"more than {_MOST_TAGS:,} tags", self._stream.tell())
            kind = self._number("u1")
            if kind == 0:
                break
            name = self._bytes(self._number(">u2")).decode("latin-1") or str(place)
            if self._wide:
                self._bytes(8)
            if kind not in (_GROUP, _DATA):
                raise Damaged(f"a tag of kind {kind}", self._stream.tell())
            tree[name] = self._group(depth + 1) if kind == _GROUP else self._value()
        return tree

    def _value(self) -> Any:
        if self._bytes(4) != b"%%%%":
            raise Damaged("a value does not begin with its mark", self._stream.tell())
        number = self._length()
        if not 1 <= number <= 2 * _MOST_FIELDS:
            raise Damaged(f"a value described by {number:,} numbers", self._stream.tell())
        return self._typed([self._length() for _ in range(number)])

    def _typed(self, info: list[int]) -> Any:
        kind = info[0]
        if kind in _TYPES:
            return np.frombuffer(self._bytes(np.dtype(_TYPES[kind]).itemsize), self._order + _TYPES[kind])[
                0
            ].item()
        if kind == _STRING and len(info) == 2:
            return self._bytes(2 * info[1]).decode(
                "utf-16-le" if self._order == "<" else "utf-16-be", "replace"
            )
        if kind == _STRUCT:
            return tuple(self._typed([field]) for field in self._fields(info))
        if kind == _ARRAY and len(info) >= 3:
            return self._array(info[1:-1], info[-1])
        raise Damaged(f"a value of kind {kind}", self._stream.tell())

    def _fields(self, info: list[int]) -> list[int]:
        """Kinds of the fields of a structure: [15, name, n, name 1, kind 1, …]."""
        fields = info[4::2]
        plain = all(kind in _TYPES for kind in fields)
        if len(info) < 3 or not plain or info[2] != len(fields) or len(fields) > _MOST_FIELDS:
            raise Damaged("a structure that does not fit its fields", self._stream.tell())
        return fields

    def _array(self, element: list[int], count: int) -> Any:
        at = self._stream.tell()
        if element[0] in _TYPES and len(element) == 1:
            dtype = self._order + _TYPES[element[0]]
            width = np.dtype(dtype).itemsize
        elif element[0] == _STRUCT:
            dtype, width = "", sum(np.dtype(_TYPES[kind]).itemsize for kind in self._fields(element))
        else:
            raise Damaged(f"an array of kind {element[0]}", at)
        if count < 0 or at + count * width > self._size:
            raise Damaged(f"an array of {count:,} elements does not fit the file", at)
        if element[0] == 4 and count <= _LONGEST_TEXT:
            return _Text(self._bytes(count * width), Stored(at, count, dtype))
        self._stream.seek(count * width, 1)
        return Stored(at, count, dtype) if dtype else None


class _Text(str):
    """Two-byte numbers, read as a text; a small image of such numbers is still found by `stored`."""

    stored: Stored

    def __new__(cls, raw: bytes, stored: Stored) -> "_Text":
        made = super().__new__(
            cls, raw.decode("utf-16-be" if stored.dtype[0] == ">" else "utf-16-le", "replace")
        )
        made.stored = stored
        return made


def at(tree: Any, *path: str) -> Any:
    """A value deep in the tree; None if it is not there."""
    for step in path:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def stored_at(tree: Any, *path: str) -> Stored | None:
    """As `at`, of an array of numbers."""
    value = at(tree, *path)
    return value if isinstance(value, Stored) else value.stored if isinstance(value, _Text) else None
