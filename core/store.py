"""The store on disk: `audit.db`, content-addressed `blobs/`, and `runs/ID/` with frames and reports."""

import fcntl
import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.anchors import write_anchor
from eucentric.core.errors import BadInput, LedgerError, StoreFull
from eucentric.core.ledger import Ledger

DEFAULT_STORE = Path("eucentric-store")


def _write_synced(path: Path, data: bytes) -> None:
    """Write whole or not at all, and only return when it is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise StoreFull(
            f"can't write {path.name}: {error.strerror or error}",
            "nothing more is exposed",
            "free space on the disk",
        ) from error


class Store:
    """A folder with one ledger and everything its rows refer to by digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"--store {folder} is a file", "a folder is needed", "choose another --store")
        self.ledger = Ledger(folder / "audit.db")

    @classmethod
    def existing(cls, folder: Path) -> "Store":
        """Open a store that must already be there."""
        if not (folder / "audit.db").exists():
            raise BadInput(f"no store at {folder}", remedy="name it with --store DIR, or run something first")
        return cls(folder)

    def run_folder(self, run_id: str) -> Path:
        """`runs/ID/`, made when first asked for."""
        path = self.folder / "runs" / run_id
        path.mkdir(parents=True, exist_ok=True)
        return path

    def blob_path(self, sha256: str) -> Path:
        """Where the blob of that digest lies."""
        return self.folder / "blobs" / sha256[:2] / sha256

    def put_blob(self, data: bytes) -> str:
        """Keep bytes and return their sha256; the same content is stored once."""
        sha = hashlib.sha256(data).hexdigest()
        path = self.blob_path(sha)
        if not path.exists():
            _write_synced(path, data)
        return sha

    def get_blob(self, sha256: str) -> bytes:
        """The bytes of that digest, checked.

        Raises
        ------
        LedgerError
            Missing, or altered since it was written.
        """
        try:
            data = self.blob_path(sha256).read_bytes()
        except OSError as error:
            raise LedgerError(f"blob {sha256[:12]}… is missing from {self.folder}", str(error)) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise LedgerError(f"blob {sha256[:12]}… was altered after it was written", "its digest differs")
        return data

    def put_array(self, pixels: NDArray[np.float32]) -> str:
        """Keep an array as .npy bytes."""
        buffer = io.BytesIO()
        np.save(buffer, pixels, allow_pickle=False)
        return self.put_blob(buffer.getvalue())

    def get_array(self, sha256: str) -> NDArray[np.float32]:
        """The array of that digest."""
        pixels: NDArray[np.float32] = np.load(io.BytesIO(self.get_blob(sha256)), allow_pickle=False)
        return pixels

    def write_sidecar(self, run_id: str, frame_id: str, body: dict[str, Any]) -> None:
        """Describe a frame beside the run, with the ledger's head as an anchor outside the database."""
        seq, head = self.ledger.head()
        text = json.dumps({**body, "anchor": {"seq": seq, "hash": head}}, indent=1, ensure_ascii=False)
        _write_synced(self.run_folder(run_id) / "frames" / f"{frame_id}.json", text.encode())

    def anchor(self) -> tuple[int, str]:
        """Write the ledger's head to the user's state directory; returns (seq, hash)."""
        seq, head = self.ledger.head()
        write_anchor(self.ledger.path, self.ledger.name, seq, head)
        return seq, head

    def is_locked(self, run_id: str) -> bool:
        """Whether a process is working on a run right now."""
        path = self.folder / "runs" / run_id / "lock"
        if not path.exists():
            return False
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def next_run(self) -> str:
        """An unused run id, r-0001 and on."""
        rows = self.ledger.events(kinds=("requested",))
        numbers = [int(row.run_id[2:]) for row in rows if row.run_id[2:].isdigit()]
        return f"r-{max(numbers, default=0) + 1:04d}"

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()
