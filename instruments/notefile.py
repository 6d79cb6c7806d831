"""Where a host's notes lie: one JSON line each, beside its log, so that they outlive it."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from eucentric.core.places import host_key, hosts_dir
from eucentric.instruments.notes import Note

MOST_BYTES = 1 << 20
"""A file that has grown longer becomes the old one, and the old one before it goes."""
_LOG = logging.getLogger(__name__)


def notes_path(uri: str) -> Path:
    """The file of the instrument at `uri`."""
    return hosts_dir() / f"{host_key(uri)}.notes"


def keep_notes(uri: str, notes: Iterable[Note]) -> None:
    """Append; a disk that refuses is only a line in the host's log."""
    lines = "".join(f"{note.model_dump_json()}\n" for note in notes)
    path = notes_path(uri)
    try:
        if path.exists() and path.stat().st_size > MOST_BYTES:
            os.replace(path, _old(path))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "a") as file:
            file.write(lines)
    except OSError:
        _LOG.exception("notes can't be kept")


def read_notes(uri: str) -> tuple[Note, ...]:
    """All notes there are, oldest first; none if no host of this user ever served the instrument.

    A line that was torn by a power loss is left out.
    """
    path = notes_path(uri)
    return tuple(note for file in (_old(path), path) for note in _notes_in(file))


def _old(path: Path) -> Path:
    return path.with_suffix(".notes.old")


def _notes_in(path: Path) -> Iterable[Note]:
    try:
        lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    except OSError:
        return
    for line in lines:
        try:
            yield Note.model_validate_json(line)
        except ValidationError:
            continue
