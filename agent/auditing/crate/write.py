"""Write an export: gather, lay out, tell, describe, check. The store is only read."""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from eucentric.agent.auditing.crate import verify
from eucentric.agent.auditing.crate.frames import Form, write_frames
from eucentric.agent.auditing.crate.rows import parts_of, write_anchors, write_rows
from eucentric.agent.auditing.crate.story import Exported, software, story
from eucentric.agent.reporting.gather import gather
from eucentric.agent.reporting.html import html
from eucentric.agent.reporting.record import RunRecord
from eucentric.core.anchors import frame_anchors, signed_lines, state_anchors
from eucentric.core.base import Model
from eucentric.core.clock import utc_now
from eucentric.core.errors import DISK_FULL, BadInput, Defect, EucentricError, LedgerError, StoreFull
from eucentric.core.store import Archive
from eucentric.core.text import visible
from eucentric.instruments.limits_file import limits_path, load_limits

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""Names of runs, frames and gates become file names; a row may come from a stranger's ledger."""


class Options(Model):
    """What goes in."""

    frames: Form = "tiff"
    with_prompts: bool = False
    licence: str = ""
    secrets: tuple[str, ...] = ()
    """Texts that must not be in it: the export is refused if one is."""


class Export(Model):
    """What was made."""

    path: str
    runs: tuple[str, ...]
    files: int
    bytes: int
    rows: int
    sealed: int
    frames: int
    fingerprint: str
    """sha256 of its metadata, which has the digest of every file."""
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def export(store: Path, runs: Sequence[str], out: Path, options: Options) -> Export:
    """Write runs of a store as a folder, or as one file if `out` ends in .zip.

    Raises
    ------
    BadInput
        There is no such run, `out` is there already, or a text of `options.secrets` would be in it.
    ChainBroken
        The rows don't prove themselves; nothing is exported.
    StoreFull, LedgerError
        It can't be written.
    """
    if out.exists():
        raise BadInput(f"{out} is there already", "nothing is overwritten", "choose another --out")
    archive = Archive(store)
    try:
        records = [_checked(gather(archive, run)) for run in dict.fromkeys(runs)]
        with _written(out) as folder:
            missing = _lay_out(store, archive, records, folder, options)
            _refuse_secrets(folder, options.secrets)
            _describe(records, folder, options)
            return _proven(folder, out, records, missing)
    finally:
        archive.close()


def _checked(record: RunRecord) -> RunRecord:
    names = [record.run, *(one.frame.id for one in record.frames), *(gate.gate for gate in record.gates)]
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadInput(
                f"'{visible(name, limit=80)}' can't be the name of a file", "it is a name in the ledger"
            )
    return record


@contextlib.contextmanager
def _written(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes it, whole or not at all."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".part-") as part:
            folder = Path(part) / "crate"
            folder.mkdir()
            yield folder
            _moved(folder, out, Path(part))
    except OSError as error:
        kind = StoreFull if error.errno in DISK_FULL else LedgerError
        raise kind(
            f"can't write {out}: {error.strerror or error}", "nothing was exported", "choose another --out"
        ) from error


def _moved(folder: Path, out: Path, part: Path) -> None:
    if out.suffix.lower() != ".zip":
        os.rename(folder, out)
        return
    made = shutil.make_archive(str(part / "crate"), "zip", folder)
    os.rename(made, out)


# --- files ------------------------------------------------------------------------------------------------


def _lay_out(
    store: Path, archive: Archive, records: Sequence[RunRecord], folder: Path, options: Options
) -> tuple[str, ...]:
    ledger = store / "audit.db"
    anchors = [*state_anchors(ledger), *frame_anchors(store)]
    parts = parts_of(ledger, [record.run for record in records], anchors)
    (folder / "ledger").mkdir()
    rows, sealed = write_rows(ledger, [record.run for record in records], parts, folder / "ledger")
    kept = write_anchors(anchors, signed_lines(ledger), parts, folder / "ledger")
    (folder / "ledger" / "ledger.json").write_text(json.dumps({"ledger_id": archive.ledger.name}), "ascii")
    missing: list[str] = []
    for record in records:
        missing += _lay_out_run(store, archive, record, folder / "runs" / record.run, options)
    (folder / "software.json").write_text(
        json.dumps(
            {"ran": {one.run: one.software for one in records}, "exported with": software()}, indent=1
        ),
        "utf-8",
    )
    shutil.copyfile(verify.__file__, folder / "verify.py")
    told = Exported(
        rows=rows, sealed=sealed, parts=tuple((part.first, part.last) for part in parts), anchors=kept,
        frames=options.frames, missing=tuple(missing), prompts=options.with_prompts,
        software=f"eucentric {software().get('eucentric', '')}", made_utc=utc_now(),
    )  # fmt: skip
    page = html(story(records, archive, told))
    (folder / "ro-crate-preview.html").write_bytes(page.encode("utf-8", "backslashreplace"))
    return tuple(missing)


def _lay_out_run(
    store: Path, archive: Archive, record: RunRecord, folder: Path, options: Options
) -> list[str]:
    folder.mkdir(parents=True)
    for name, model in (
        ("request", record.request),
        ("specimen", record.specimen),
        ("capabilities", record.capabilities),
    ):
        if model is not None:
            (folder / f"{name}.json").write_text(model.model_dump_json(indent=1), "utf-8")
    _limits(record, folder)
    for gate in record.gates:
        (folder / "cards").mkdir(exist_ok=True)
        (folder / "cards" / f"{gate.gate}.txt").write_bytes(gate.card.encode("utf-8", "surrogatepass"))
    own = store / "runs" / record.run
    for name in ("report.html", "report.md"):
        if (own / name).is_file():
            shutil.copyfile(own / name, folder / name)
    _pictures(own, folder)
    missing = write_frames(
        store, record.run, (one.frame for one in record.frames), options.frames, folder / "frames"
    )
    return missing + (_prompts(archive, record, folder) if options.with_prompts else [])


def _pictures(own: Path, folder: Path) -> None:
    for path in sorted((own / "pictures").glob("*.png")):
        if _NAME.fullmatch(path.name):
            (folder / "pictures").mkdir(exist_ok=True)
            shutil.copyfile(path, folder / "pictures" / path.name)


def _limits(record: RunRecord, folder: Path) -> None:
    """The file of the limits that were in force, if it still is that one: its label has a digest."""
    able, uri = record.capabilities, record.request.instrument if record.request else ""
    with contextlib.suppress(EucentricError, OSError):
        path = limits_path(uri) if able else None
        if path is not None and able is not None and load_limits(path).label == able.limits_version:
            shutil.copyfile(path, folder / "limits.toml")


def _prompts(archive: Archive, record: RunRecord, folder: Path) -> list[str]:
    missing: list[str] = []
    for row in record.of("planned"):
        evidence = (row.body.get("proposal") or {}).get("evidence") or {}
        for name, sha in evidence.items():
            (folder / "prompts").mkdir(exist_ok=True)
            file = f"{row.seq:05d}-{re.sub(r'[^a-z0-9.-]+', '-', str(name).lower())[:40]}-{str(sha)[:12]}.txt"
            try:
                (folder / "prompts" / file).write_bytes(archive.get_blob(str(sha)))
            except LedgerError as error:
                missing.append(f"{name} of event {row.seq}: {error.what}")
    return missing


# --- checks -----------------------------------------------------------------------------------------------


def _refuse_secrets(folder: Path, secrets: Sequence[str]) -> None:
    """A key never gets into the store; if one did, it does not get out of it."""
    wanted = [secret.encode() for secret in secrets if len(secret) >= 8]
    for path in sorted(folder.rglob("*")) if wanted else ():
        data = path.read_bytes() if path.is_file() else b""
        if any(secret in data for secret in wanted):
            raise BadInput(
                f"{path.relative_to(folder)} holds the key that is in the environment",
                "nothing was exported",
                "find out how it got into the store, and have the key replaced",
            )


def _describe(records: Sequence[RunRecord], folder: Path, options: Options) -> None:
    try:
        from eucentric.agent.auditing.crate.metadata import described
    except ImportError as error:
        raise BadInput(
            f"an export needs the package {error.name}",
            "it is not installed",
            "pip install 'eucentric[export]'",
        ) from error
    described(folder, records, software(), options.licence).write(folder)


def _proven(folder: Path, out: Path, records: Sequence[RunRecord], missing: tuple[str, ...]) -> Export:
    """What was written is checked as a stranger would before it gets its name."""
    result = verify.verify(folder)
    if not result.ok:
        raise Defect(f"the export does not verify: {result.problems[0]}", "nothing was exported")
    facts = result.facts
    return Export(
        path=str(out), runs=tuple(record.run for record in records), files=facts["files"] + 1,
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()), rows=facts["rows"],
        sealed=facts["sealed"], frames=facts["frames"], fingerprint=facts["fingerprint"], missing=missing,
        notes=tuple(result.notes),
    )  # fmt: skip
