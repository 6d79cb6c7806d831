"""The crate's metadata: who, with what instrument and software, from what, made which files."""

import hashlib
import io
import mimetypes
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.person import Person
from rocrate.model.preview import Preview
from rocrate.rocrate import ROCrate

from eucentric.agent.auditing.crate.people import decisions, people_of
from eucentric.agent.reporting.answer import headline
from eucentric.agent.reporting.record import FindingRecord, RunRecord
from eucentric.core.text import visible

VERSION = "1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
"""Has the term sha256."""
PREVIEW = "ro-crate-preview.html"
_ENDED_WELL = ("done", "partial", "answered", "planned")
_TYPES = {
    ".jsonl": "application/jsonl", ".tiff": "image/tiff", ".npy": "application/x-npy", ".md": "text/markdown",
    ".toml": "application/toml", ".py": "text/x-python",
}  # fmt: skip
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*-[0-9.]+[A-Za-z0-9.+-]*|MIT|ISC|Zlib|Unlicense")
Json = dict[str, Any]


def described(folder: Path, records: Sequence[RunRecord], versions: dict[str, Any], licence: str) -> ROCrate:
    """The crate of the files in `folder`, not yet written.

    Parameters
    ----------
    versions
        Software that made the export.
    licence
        An SPDX name, an address or a text; '' if the exporter states none.
    """
    crate = ROCrate(version=VERSION)
    crate.metadata.extra_contexts.append(CONTEXT)
    files = _files(crate, folder, {record.run for record in records if record.simulated})
    _root(crate, records, licence)
    _exporter(crate, versions)
    people = _people(crate, records)
    for record in records:
        _run(crate, record, files, people)
    return crate


def _root(crate: ROCrate, records: Sequence[RunRecord], licence: str) -> None:
    root = crate.root_dataset
    simulated = any(record.simulated for record in records)
    asked = [record.request.text if record.request else record.run for record in records]
    lead = "SIMULATED: " if simulated else ""
    crate.name = lead + visible("; ".join(asked), limit=300)
    ends = "; ".join(f"{record.run}: {record.outcome}" for record in records)
    crate.description = lead + visible(
        "Record of an agent that ran a (scanning) transmission electron microscope under supervision: rows of its "
        f"ledger, frames, cards, decisions and findings. {ends}",
        limit=1500,
    )
    crate.keywords = [
        *(["SIMULATED"] if simulated else []),
        "electron microscopy",
        "STEM",
        "provenance",
        "audit",
    ]
    root["conformsTo"] = _entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    root["license"] = _licence(crate, licence)


def _licence(crate: ROCrate, licence: str) -> ContextEntity:
    if not licence:
        why = "Whoever made this export stated none: ask before reuse."
        return _entity(crate, "#no-licence", "CreativeWork", name="No licence stated", description=why)
    address = licence if "://" in licence else ""
    if not address and _SPDX.fullmatch(licence):
        address = f"https://spdx.org/licenses/{licence}"
    words = f"Licence of this export: {licence}"
    return _entity(crate, address or "#licence", "CreativeWork", name=licence, description=words)


def _files(crate: ROCrate, folder: Path, simulated: set[str]) -> dict[str, Any]:
    """Every file of the folder, with size, type and digest; the page is the crate's preview."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        told = _file(path)
        if name == PREVIEW:
            page = io.BytesIO(path.read_bytes())  # the library would write the file while it reads it
            crate.add(Preview(crate, page, {"name": "The run, told", **told}))
        else:
            found[name] = crate.add_file(
                path, name, properties={"name": name, **told, **_about(name, simulated)}
            )
    return found


def _file(path: Path) -> Json:
    with open(path, "rb") as file:
        sha = hashlib.file_digest(file, "sha256").hexdigest()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {"contentSize": str(path.stat().st_size), "encodingFormat": kind, "sha256": sha}


_ABOUT = {
    "verify.py": "Checks this export: plain Python, nothing to install.",
    "ledger/rows.jsonl": "Rows of the ledger: each line is the text that was hashed, and ends with the hash before it.",
    "ledger/ledger.json": "The random name of the ledger; signatures of decisions cover it.",
    "ledger/sealed.jsonl": "Rows of other runs between them: chained, not readable.",
    "ledger/anchors.jsonl": "Heads of the ledger that were written outside it.",
    "software.json": "Versions of what ran and of what made this export.",
}


def _about(name: str, simulated: set[str]) -> Json:
    if name in _ABOUT:
        return {"description": _ABOUT[name]}
    form = re.fullmatch(r"runs/([^/]+)/(frames|cards|prompts|pictures)/(.+)", name)
    if form is None:
        return {}
    what = {"frames": "Frame", "cards": "Card as it was shown at gate", "prompts": "What a model was sent or replied:",
            "pictures": "Picture"}[form[2]]  # fmt: skip
    stamp = "SIMULATED. " if form[1] in simulated else ""
    return {"description": f"{stamp}{what} {form[3].rpartition('.')[0]} of {form[1]}"}


def _exporter(crate: ROCrate, versions: dict[str, Any]) -> None:
    others = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "eucentric")
    crate.root_dataset["creator"] = _entity(
        crate, "#exporter", "SoftwareApplication",
        name="Eucentric",
        softwareVersion=versions.get("eucentric", "unknown"),
        description=f"Made this export, with {others}.",
    )  # fmt: skip


def _entity(crate: ROCrate, key: str, kind: str, /, **told: Any) -> ContextEntity:
    """Something that is no file; control characters of texts are escaped."""
    plain = {
        key: visible(value, limit=1500) if isinstance(value, str) else value for key, value in told.items()
    }
    return crate.add(ContextEntity(crate, key, {"@type": kind, **plain}))


# --- one run ----------------------------------------------------------------------------------------------


def _people(crate: ROCrate, records: Sequence[RunRecord]) -> dict[str, Any]:
    """Everybody who took part, with what they did in which run."""
    found: dict[str, Any] = {}
    for record in records:
        for name, one in people_of(record).items():
            did = visible(f"{record.run}: {one.described}", limit=500)
            if name in found:
                found[name]["description"] += f"; {did}"
            else:
                told = {"name": visible(name, limit=200), "description": did}
                found[name] = crate.add(Person(crate, one.id, told))
    return found


_TAKEN = ("request.json", "specimen.json", "capabilities.json", "limits.toml", "prompts")
_MADE = ("frames", "report.html", "report.md", "pictures")


def _run(crate: ROCrate, record: RunRecord, files: dict[str, Any], people: dict[str, Any]) -> None:
    here = f"runs/{record.run}/"
    own = {name.removeprefix(here): entity for name, entity in files.items() if name.startswith(here)}
    taken, made = (
        [entity for name, entity in own.items() if name.partition("/")[0] in kinds]
        for kinds in (_TAKEN, _MADE)
    )
    findings = [_finding(crate, record, one) for one in headline(record)]
    who = record.request.who.partition(" (")[0].strip() if record.request else ""
    action = _entity(crate, f"#{record.run}", "CreateAction", **_action(record))
    action["instrument"] = [_software(crate, record), _microscope(crate, record)]
    action["object"] = [*taken, *_specimen(crate, record)]
    action["result"] = [*made, *findings, *(files[name] for name in ("ledger/rows.jsonl",) if name in files)]
    if who in people:
        action["agent"] = people[who]
    crate.root_dataset.append_to("mentions", action)
    for finding in findings:
        crate.root_dataset.append_to("variableMeasured", finding)
    _decided(crate, record, people, own)


def _action(record: RunRecord) -> Json:
    error = record.finished.body.get("error") if record.finished else None
    first, last = record.events[0], record.events[-1]
    stamp = "SIMULATED. " if record.simulated else ""
    told: Json = {
        "name": record.request.text if record.request else record.run,
        "description": f"{stamp}Run {record.run}: {record.outcome}, events {first.seq} to {last.seq}",
        "startTime": first.ts,
        "endTime": last.ts,
        "actionStatus": f"http://schema.org/{'Completed' if record.outcome in _ENDED_WELL else 'Failed'}ActionStatus",
    }
    return told | ({"error": str(error.get("what", ""))} if isinstance(error, dict) else {})


def _software(crate: ROCrate, record: RunRecord) -> ContextEntity:
    name, _, version = (record.software or "eucentric").partition(" ")
    return _entity(
        crate, f"#software-{_slug(record.software or 'eucentric')}", "SoftwareApplication",
        name=name,
        softwareVersion=version or "not recorded",
        description="Ran the microscope and kept the ledger.",
    )  # fmt: skip


def _microscope(crate: ROCrate, record: RunRecord) -> ContextEntity:
    """A device with its serial number; what is simulated is a program, and says so."""
    able = record.capabilities
    told: Json = {"name": record.instrument, "description": "The microscope."}
    if record.request:
        told["identifier"] = record.request.instrument
    if record.simulated:
        told["description"] = "SIMULATED: no real instrument, no real specimen."
    if able:
        maker = _entity(crate, f"#maker-{_slug(able.vendor)}", "Organization", name=able.vendor)
        told |= {"model": able.model, "serialNumber": able.serial, "manufacturer": maker}
    kind = "SoftwareApplication" if record.simulated else "IndividualProduct"
    return _entity(crate, f"#instrument-{_slug(record.instrument)}", kind, **told)


def _specimen(crate: ROCrate, record: RunRecord) -> list[ContextEntity]:
    card = record.specimen
    if card is None:
        return []
    stamp = "SIMULATED specimen; " if record.simulated else ""
    words = f"{stamp}{', '.join(card.form)}; loading {card.loading}, holder {card.holder}"
    name = f"#specimen-{_slug(card.name)}-{_slug(card.loading)}"
    return [_entity(crate, name, "Product", name=card.name, material=card.material, description=words)]


def _finding(crate: ROCrate, record: RunRecord, one: FindingRecord) -> ContextEntity:
    finding, interval = one.finding, one.finding.interval
    told: Json = {"name": finding.what, "unitText": finding.unit, "measurementTechnique": finding.method}
    words = f"event {one.seq} of {record.run}"
    if finding.cannot_tell:
        words += f"; cannot tell: {finding.cannot_tell}"
    else:
        told |= {"minValue": interval.low, "maxValue": interval.high}
        told |= {} if interval.value is None else {"value": interval.value}
    name = f"#finding-{_slug(record.run)}-{one.seq}"
    return _entity(crate, name, "PropertyValue", description=words, **told)


_KINDS = {"approved": "AuthorizeAction", "rejected": "RejectAction"}


def _decided(crate: ROCrate, record: RunRecord, people: dict[str, Any], own: dict[str, Any]) -> None:
    for row, name in decisions(record):
        outcome, gate = str(row.body.get("outcome")), str(row.body.get("gate"))
        words = f"by {row.body.get('by')}, {row.body.get('seconds_on_screen')} s on screen, event {row.seq}"
        action = _entity(
            crate, f"#{_slug(record.run)}-{_slug(gate)}-{row.seq}", _KINDS.get(outcome, "AssessAction"),
            name=f"{outcome} at gate {gate} of {record.run}", description=words, endTime=row.ts,
        )  # fmt: skip
        card = own.get(f"cards/{gate}.txt")
        if card is not None:
            action["object"] = card
        if name in people:
            action["agent"] = people[name]
        crate.root_dataset.append_to("mentions", action)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")[:80] or "unnamed"
