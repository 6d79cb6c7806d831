"""What lies in a store's folder, and which row names it. Nothing is deleted."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eucentric.agent.auditing.reconciling.model import Disk, File
from eucentric.core.chain import read_only
from eucentric.core.data_check import check_data

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FRAME = re.compile(r"f-(\d{1,9})(?:-.*)?")
_OWN = re.compile(r"audit\.db(-wal|-shm|-journal|\.lock)?")
_REPORTS = ("report.md", "report.html")
_NPY = b"\x93NUMPY"
CUT_OFF = "the part of a write that was cut off"


class _Named:
    """What rows name: digests, frames, files; and which acts never ended well."""

    def __init__(self, folder: Path) -> None:
        self.digests: set[str] = set()
        self.frames: set[tuple[str, str]] = set()
        self.texts: dict[str, list[str]] = {}
        """Bodies by run that may name a picture or a report."""
        self.intents: dict[int, str] = {}
        """Run of each act, by event."""
        self.files: dict[Path, tuple[int, str, str]] = {}
        """What rows give a digest of: (event, what it is, digest) by path in the store, the newest."""
        connection = read_only(folder / "audit.db")
        try:
            for seq, run, kind, body in connection.execute(
                "SELECT seq, run_id, kind, body FROM event ORDER BY seq"
            ):
                self._take(int(seq), str(run), str(kind), str(body))
        finally:
            connection.close()

    def _take(self, seq: int, run: str, kind: str, body: str) -> None:
        self.digests.update(_DIGEST.findall(body))
        self.texts.setdefault(run, [])
        if kind == "intended":
            self.intents[seq] = run
        elif kind == "returned":
            self.frames |= {(run, str(frame.get("id"))) for frame in _dict(body).get("frames", ())}
        elif kind in ("concluded", "reported"):
            self.texts[run].append(body)
            files = _dict(body).get("files") or {}
            self.files |= {Path("runs", run, name): (seq, name, sha) for name, sha in files.items()}
        elif kind == "planned":
            evidence = (_dict(body).get("proposal") or {}).get("evidence") or {}
            self.files |= {_blob(sha): (seq, f"{name} of the model", sha) for name, sha in evidence.items()}

    def says(self, run: str, name: str) -> bool:
        """Whether a row of that run names a file."""
        return any(name in text for text in self.texts.get(run, ()))


def _dict(body: str) -> dict[str, Any]:
    value = json.loads(body)
    return value if isinstance(value, dict) else {}


def disk_of(folder: Path) -> Disk:
    """Look at every file of the store `folder`, and at every file its rows name."""
    frames, problems = check_data(folder)
    named = _Named(folder)
    problems = [*problems, *_missing(folder, named)]
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    doubtful = dict(_unfinished(folder, named))
    left = [one for path in files if (one := _left(folder, path, named, doubtful)) is not None]
    return Disk(
        store=str(folder),
        frames=frames,
        files=len(files),
        bytes=sum(path.stat().st_size for path in files),
        problems=tuple(problems),
        without_row=tuple(one for one in left if one.event is None and one.what != CUT_OFF),
        explained=tuple(one for one in left if one.event is not None or one.what == CUT_OFF),
    )


def _blob(sha: str) -> Path:
    return Path("blobs", sha[:2], sha)


def _missing(folder: Path, named: _Named) -> Iterator[str]:
    """Prompts, replies and reports that rows name, and that are gone or altered; frames are `check_data`'s."""
    for path, (seq, what, sha) in named.files.items():
        try:
            with open(folder / path, "rb") as file:
                wrong = "" if hashlib.file_digest(file, "sha256").hexdigest() == sha else "was altered"
        except OSError:
            wrong = "is missing"
        if wrong:
            yield f"{what} (event {seq}) {wrong}: {path}"


def _unfinished(folder: Path, named: _Named) -> Iterator[tuple[str, int]]:
    """Digests of pixels whose sidecar belongs to an act that has no result row, with its event."""
    for path in folder.glob("runs/*/frames/*.json"):
        event = _event_of(path, named)
        if event is not None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                yield str(json.loads(path.read_text("utf-8")).get("sha256")), event


def _event_of(sidecar: Path, named: _Named) -> int | None:
    """The act a sidecar was written for, if no result row of it names the frame."""
    run, form = sidecar.parts[-3], _FRAME.fullmatch(sidecar.stem)
    if form is None or (run, sidecar.stem) in named.frames:
        return None
    return int(form[1]) if named.intents.get(int(form[1])) == run else None


def _left(folder: Path, path: Path, named: _Named, doubtful: dict[str, int]) -> File | None:
    """A file that no row names; None if one does, or if it is the ledger's own."""
    where = path.relative_to(folder)
    found = _judged(path, where.parts, named, doubtful)
    return found and File(path=str(where), bytes=path.stat().st_size, what=found[0], event=found[1])


def _judged(
    path: Path, parts: tuple[str, ...], named: _Named, doubtful: dict[str, int]
) -> tuple[str, int | None] | None:
    if path.name.startswith(".part-"):
        return CUT_OFF, None
    if len(parts) == 1 and _OWN.fullmatch(path.name):
        return None
    if parts[0] == "blobs" and len(parts) == 3:
        return None if path.name in named.digests else (_content(path), doubtful.get(path.name))
    if parts[0] == "runs" and len(parts) > 2 and parts[1] in named.texts:
        return _of_run(path, parts[1], parts[2:], named)
    return "of no run", None


def _of_run(path: Path, run: str, rest: tuple[str, ...], named: _Named) -> tuple[str, int | None] | None:
    if rest == ("lock",):
        return None
    if rest[0] == "frames" and path.suffix == ".json":
        named_by_row = (run, path.stem) in named.frames
        return None if named_by_row else ("description of a frame", _event_of(path, named))
    name = "report.html" if path.name in _REPORTS or path.name.startswith("report-") else path.name
    what = "picture" if rest[0] == "pictures" else "report" if path.name in _REPORTS else "file"
    return None if named.says(run, name) else (what, None)


def _content(path: Path) -> str:
    """What a blob is, by its first bytes."""
    with open(path, "rb") as file:
        begin = file.read(128)
    if begin.startswith(_NPY):
        shape = re.search(rb"'shape': \(([^)]*)\)", begin)
        return f"pixels ({shape[1].decode('ascii', 'replace')})" if shape else "pixels"
    if begin[:1] in (b"{", b"["):
        return "JSON: a model's prompt, request or reply"
    return "text" if begin.isascii() else "bytes"
