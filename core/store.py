"""The store on disk: `audit.db`, content-addressed `blobs/`, and `runs/ID/` with frames and reports."""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.anchors import write_anchor
from eucentric.core.errors import DISK_FULL, BadInput, LedgerError, StoreFull
from eucentric.core.ledger import Ledger
from eucentric.core.redaction import redact_bytes, redacted
from eucentric.core.rows import open_rows
from eucentric.core.settings_file import DEFAULT_STORE as DEFAULT_STORE
from eucentric.core.text import visible

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""Ids of runs and frames become file names; a row may come from a stranger's ledger."""


@contextlib.contextmanager
def _disk_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in DISK_FULL
        raise (StoreFull if full else LedgerError)(
            f"can't write {what}: {error.strerror or error}",
            "nothing more is exposed",
            "free space on the disk" if full else "check the rights of the store folder",
        ) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    """As `mkdir -p`, and each new name is on disk."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _write_synced(path: Path, data: bytes) -> None:
    """Write whole or not at all, and only return when it is on disk."""
    part = path.parent / f".part-{secrets.token_hex(8)}"
    with _disk_errors(path.name):
        _make_folder(path.parent)
        try:
            with open(part, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def npy(pixels: NDArray[np.float32]) -> bytes:
    """An array as the .npy bytes that are kept; their sha256 is the frame's."""
    buffer = io.BytesIO()
    np.save(buffer, pixels, allow_pickle=False)
    return buffer.getvalue()


def blob_path(folder: Path, sha256: str) -> Path:
    """Where the blob of that digest lies in a store's folder; LedgerError if it is no digest."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise LedgerError(f"'{visible(sha256, limit=80)}' is no digest of a blob")
    return folder / "blobs" / sha256[:2] / sha256


def read_blob(folder: Path, sha256: str) -> bytes:
    """The bytes of that digest in a store's folder, checked.

    Raises
    ------
    LedgerError
        Missing, or altered since it was written.
    """
    try:
        data = blob_path(folder, sha256).read_bytes()
    except OSError as error:
        raise LedgerError(f"blob {sha256[:12]}… is missing from {folder}", str(error)) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise LedgerError(f"blob {sha256[:12]}… was altered after it was written", "its digest differs")
    return data


def load_array(data: bytes, sha256: str) -> NDArray[np.float32]:
    """The array in the bytes of a blob; LedgerError if they are none."""
    try:
        pixels: NDArray[np.float32] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise LedgerError(f"blob {sha256[:12]}… is not an array", str(error)) from error
    return pixels


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise LedgerError(f"'{visible(name, limit=80)}' is no name of a run or frame")
    return name


class Store:
    """A folder with one ledger and everything its rows refer to by digest."""

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"--store {folder} is a file", "a folder is needed", "choose another --store")
        self.ledger = Ledger(folder / "audit.db", create=create)

    @classmethod
    def existing(cls, folder: Path) -> "Store":
        """Open a store that must already be there."""
        if not (folder / "audit.db").exists():
            raise BadInput(f"no store at {folder}", remedy="name it with --store DIR, or run something first")
        return cls(folder, create=False)

    def run_folder(self, run_id: str) -> Path:
        """`runs/ID/`, made when first asked for."""
        path = self.folder / "runs" / _checked_name(run_id)
        with _disk_errors(f"runs/{run_id}"):
            _make_folder(path)
        return path

    def blob_path(self, sha256: str) -> Path:
        """Where the blob of that digest lies; LedgerError if it is no digest."""
        return blob_path(self.folder, sha256)

    def put_blob(self, data: bytes) -> str:
        """Keep bytes and return their sha256; the same content is stored once."""
        sha = hashlib.sha256(data).hexdigest()
        path = self.blob_path(sha)
        if path.is_file() and path.read_bytes() == data:  # what lies there may have been altered
            with _disk_errors(path.name):
                _sync_folder(path.parent)  # whoever wrote it may have died before its name was on disk
        else:
            _write_synced(path, data)
        return sha

    def get_blob(self, sha256: str) -> bytes:
        """The bytes of that digest, checked; see `read_blob`."""
        return read_blob(self.folder, sha256)

    def put_text(self, text: bytes) -> str:
        """Keep the bytes of a text (a prompt, a reply) without the secrets in them; see `put_blob`."""
        return self.put_blob(redact_bytes(text))

    def put_array(self, pixels: NDArray[np.float32]) -> str:
        """Keep an array as .npy bytes."""
        return self.put_blob(npy(pixels))

    def get_array(self, sha256: str) -> NDArray[np.float32]:
        """The array of that digest; LedgerError if it is missing, altered or no array."""
        return load_array(self.get_blob(sha256), sha256)

    def write_sidecar(self, run_id: str, frame_id: str, body: dict[str, Any]) -> None:
        """Describe a frame beside the run, with the ledger's head as an anchor outside the database."""
        seq, head = self.ledger.head()
        text = json.dumps(
            {**redacted(body), "anchor": {"seq": seq, "hash": head}},
            indent=1,
            ensure_ascii=False,
            allow_nan=False,
        )
        path = self.run_folder(run_id) / "frames" / f"{_checked_name(frame_id)}.json"
        _write_synced(path, text.encode("utf-8", "backslashreplace"))

    def read_sidecar(self, run_id: str, frame_id: str) -> dict[str, Any] | None:
        """What `write_sidecar` wrote, without its anchor; None if there is none that can be read."""
        path = self.folder / "runs" / _checked_name(run_id) / "frames" / f"{_checked_name(frame_id)}.json"
        try:
            body = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return {k: v for k, v in body.items() if k != "anchor"} if isinstance(body, dict) else None

    def anchor(self) -> tuple[int, str]:
        """Write the ledger's head to the user's state directory; returns (seq, hash)."""
        seq, head = self.ledger.head()
        write_anchor(self.ledger.path, self.ledger.name, seq, head)
        return seq, head

    def is_locked(self, run_id: str) -> bool:
        """Whether a process is working on a run right now."""
        path = self.folder / "runs" / _checked_name(run_id) / "lock"
        if not path.exists():
            return False
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def next_run(self) -> str:
        """A run id that nobody has, r-0001 and on; it is taken at once, by making its folder."""
        rows = self.ledger.events(kinds=("requested",))
        folder = self.folder / "runs"
        used = {row.run_id for row in rows} | {path.name for path in folder.glob("r-*")}
        number = max((int(name[2:]) for name in used if re.fullmatch("r-[0-9]{1,9}", name)), default=0)
        with _disk_errors("runs"):
            _make_folder(folder)
            while True:
                number += 1
                with contextlib.suppress(FileExistsError):
                    (folder / f"r-{number:04d}").mkdir()
                    return f"r-{number:04d}"

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()


class Archive:
    """A store that is only read: nothing is written and nothing made, so an auditor needs no right to.

    Raises
    ------
    LedgerError
        Its ledger can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = open_rows(folder / "audit.db")

    def get_blob(self, sha256: str) -> bytes:
        """As of `Store`."""
        return read_blob(self.folder, sha256)

    def get_array(self, sha256: str) -> NDArray[np.float32]:
        """As of `Store`."""
        return load_array(self.get_blob(sha256), sha256)

    def close(self) -> None:
        """Let the ledger go."""
        self.ledger.close()


Readable = Store | Archive
"""What a report can be made from."""
