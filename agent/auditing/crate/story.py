"""The run told to a stranger, as one HTML page that needs nothing else: who asked, who allowed, what was done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eucentric.agent.auditing.crate.acts import acts, sent
from eucentric.agent.auditing.crate.gallery import gallery
from eucentric.agent.reporting import pictures, sections
from eucentric.agent.reporting.answer import answer, not_counted
from eucentric.agent.reporting.blocks import Block, Bullets, Code, Document, Para, Picture, Section, Table
from eucentric.agent.reporting.compose import places, stamp
from eucentric.agent.reporting.methods import methods
from eucentric.agent.reporting.quantities import dose, plural, seconds
from eucentric.agent.reporting.record import GateRecord, RunRecord
from eucentric.core.store import Readable

_MARKS = (
    "control", "paused", "suspended", "released", "stopped", "resumed", "resolved", "changed", "consented", "granted",
    "revoked", "restored",
)  # fmt: skip
"""Rows of what people and rules did beside the gates."""


@dataclass(frozen=True)
class Exported:
    """What the page says of the export itself."""

    rows: int
    sealed: int
    parts: tuple[tuple[int, int], ...]
    """First and last event of each stretch of rows."""
    anchors: int
    frames: str
    """Such as 'TIFF'."""
    missing: tuple[str, ...]
    prompts: bool
    software: str
    made_utc: str


def story(records: Sequence[RunRecord], store: Readable, exported: Exported) -> Document:
    """The whole page. Several runs are told one after the other."""
    blocks: list[Block] = []
    for record in records:
        told = [*_told(record, store)]
        blocks += told if len(records) == 1 else _named(record.run, told)
    blocks.append(_how_to_check(exported))
    simulated = [record.simulated for record in records]
    stamps = dict.fromkeys(stamp(record) for record in records)
    return Document(
        _title(records),
        " | ".join(stamps),
        True if any(simulated) else None if None in simulated else False,
        tuple(blocks),
    )


def _title(records: Sequence[RunRecord]) -> str:
    first = records[0]
    asked = first.request.text if first.request else first.events[0].summary
    if len(records) == 1:
        return f"{first.run} · {first.outcome} · {asked}"
    return f"{plural(len(records), 'run')}: {', '.join(record.run for record in records)}"


def _named(run: str, blocks: list[Block]) -> list[Block]:
    """Sections of one run among several say whose they are."""
    return [
        Section(f"{run} · {block.title}", block.blocks, block.tone) if isinstance(block, Section) else block
        for block in blocks
    ]


def _told(record: RunRecord, store: Readable) -> Iterator[Block]:
    yield Section("What came of it", answer(record))
    yield not_counted(record)
    yield Section("In short", (Para(_short(record)), Bullets(tuple(_facts(record)))))
    yield sections.plan(record)
    yield _allowed(record)
    yield acts(record)
    yield places(record)
    yield gallery(record, store)
    yield from _figures(record, store)
    if record.findings:
        yield sections.numbers(record)
    yield sections.cost(record)
    yield Section("Methods", (Para(methods(record)),))


def _figures(record: RunRecord, store: Readable) -> Iterator[Section]:
    folder = Path(store.folder) / "runs" / record.run / "pictures"
    made = [pictures.ladder(record, store), pictures.intervals(record), *pictures.drawn(record, folder)]
    found: tuple[Picture, ...] = tuple(one for one in made if one is not None)
    if found:
        yield Section("Pictures", found)


# --- in short ---------------------------------------------------------------------------------------------


def _short(record: RunRecord) -> str:
    """Two or three sentences that a stranger can start from."""
    who = record.request.who if record.request else record.events[0].actor
    began, ended = record.events[0].ts, record.events[-1].ts
    done = sum(1 for _ in sent(record))
    exposed = sum(1 for _ in sections.exposed(record))
    return (
        f"On {began[:10]} at {began[11:16]} UTC {who} asked an agent, in one sentence, to run this microscope. A "
        "program made a plan of it, a person or a rule that a person wrote allowed it within bounds, and every act was "
        f"checked against those bounds and written into a ledger before it was sent: {plural(done, 'act')} and "
        f"{plural(exposed, 'frame')} until {ended[11:16]}."
    )


def _facts(record: RunRecord) -> Iterator[str]:
    card, able = record.specimen, record.capabilities
    yield f"Instrument: {record.instrument}"
    if card:
        yield (
            f"Specimen: {card.name} ({card.material}; {', '.join(card.form)}), holder {card.holder}, loading "
            f"{card.loading}; at most {dose(card.dose_budget_e_per_a2)} e/Å² at any place"
        )
    if able:
        yield f"Limits in force: {able.limits_version}, measured by {able.measured_by}"
    frame = record.frames[0].frame if record.frames else None
    if frame and frame.voltage_kv:
        yield f"Beam: {frame.voltage_kv:g} kV, {frame.probe_current_pa or 0:.3g} pA"
    if record.software:
        yield f"Software that ran it: {record.software}"


# --- who allowed what -------------------------------------------------------------------------------------


def _allowed(record: RunRecord) -> Section:
    """Every gate with the card as it was shown, and who answered it how; then what people and rules did beside."""
    blocks: list[Block] = []
    for gate in record.gates:
        blocks += _gate(gate, record)
    if not record.gates:
        blocks.append(
            Para("No gate was opened: nothing that moves or exposes was planned, or it was refused.")
        )
    judged = tuple(
        (str(one.seq), one.ts[11:19], str(one.body.get("step", "")), one.summary)
        for one in record.of("judged")
    )
    if judged:
        blocks += [
            Para("Judged by rule, from numbers:"),
            Table(("event", "UTC", "step", "verdict"), judged, (0,)),
        ]
    marks = tuple(
        (str(one.seq), one.ts[11:19], one.kind, one.actor, one.summary) for one in record.of(*_MARKS)
    )
    if marks:
        head = ("event", "UTC", "what", "by", "in words")
        blocks += [Para("What people and rules did beside the gates:"), Table(head, marks, (0,))]
    return Section("Who allowed what, on which evidence", tuple(blocks))


def _gate(gate: GateRecord, record: RunRecord) -> Iterator[Block]:
    yield Para(
        f"Gate {gate.gate}, event {gate.asked}, {gate.asked_utc[:19].replace('T', ' ')} UTC. This card was shown "
        f"(sha256 {gate.card_sha256}):"
    )
    yield Code(gate.card, whole_lines=True)
    if not gate.decisions:
        yield Para("Nobody has answered it.", "caution")
    for seq, ts, approval in gate.decisions:
        same = "the same card" if approval.card_sha256 == gate.card_sha256 else "ANOTHER CARD"
        facts = [
            f"{approval.outcome} by {approval.by}, event {seq}, {ts[:19].replace('T', ' ')} UTC",
            f"{seconds(approval.seconds_on_screen)} on screen; {same} by its digest",
        ]
        facts += [f"reason: {approval.reason}"] if approval.reason else []
        facts += [f"valid until {approval.expires_utc}"] if approval.envelope else []
        facts += list(_signed(record, seq))
        yield Bullets(tuple(facts))


def _signed(record: RunRecord, seq: int) -> Iterator[str]:
    """A signature of whoever decided, if the row has one."""
    row = next((event for event in record.events if event.seq == seq), None)
    signature = row.body.get("signature") if row else None
    if isinstance(signature, dict):
        yield f"signed with the key {signature.get('key')} of {signature.get('by')}; verify.py checks it"


# --- how to check -----------------------------------------------------------------------------------------


def _how_to_check(told: Exported) -> Section:
    spans = ", ".join(f"{first} to {last}" for first, last in told.parts)
    blocks: list[Block] = [
        Para("With Python 3.10 or newer, in the unpacked folder, nothing to install and no network:"),
        Code("python3 verify.py"),
        Bullets(tuple(_proves(told, spans))),
        Para("What it does not prove:"),
        Bullets(tuple(_proves_not(told))),
        Para(
            "By hand, for any single row: a line of ledger/rows.jsonl without its line end is the text that was hashed."
        ),
        Code("sed -n 1p ledger/rows.jsonl | tr -d '\\n' | sha256sum     # the last value of the next line"),
        Para(f"Made by {told.software} at {told.made_utc} from the ledger and the stored frames only."),
    ]
    if told.missing:
        blocks.insert(0, Para(f"Not in this export: {'; '.join(told.missing)}", "caution"))
    return Section("How to check this", tuple(blocks))


def _proves(told: Exported, spans: str) -> Iterator[str]:
    yield "Every file is the one that was exported, by its sha256 in ro-crate-metadata.json, and no file was added."
    yield (
        f"The rows are those of the ledger: {told.rows} rows, events {spans}. Each names the hash of the one before, "
        "so none between the first and the last was edited, added or left out."
    )
    if told.sealed:
        yield (
            f"{plural(told.sealed, 'row')} between them belong to other runs and are sealed: the chain runs through "
            "them, but of their content only the last few characters can be read."
        )
    yield "The pixels of each frame are those whose sha256 its row has; a TIFF is compared pixel by pixel, in bytes."
    yield "The card that is shown above for each gate is the one whose digest was asked about and decided on."


def _proves_not(told: Exported) -> Iterator[str]:
    where = (
        f"{plural(told.anchors, 'head')} of the ledger are enclosed"
        if told.anchors
        else "None is enclosed here"
    )
    yield (
        "That the ledger was not made up as a whole. For that its heads are written where its keeper can't reach: "
        f"compare the event numbers and hashes that verify.py prints with such a copy (log server, another "
        f"person). {where}."
    )
    yield "That rows after the last one were not cut off, unless an anchor of a later event is known to you."
    if told.sealed:
        yield "That sealed rows belong to other runs: that is the exporter's word. The ledger's keeper can show them."
    yield "That nothing was done to the microscope beside the ledger: `eucentric audit reconcile` asks the instrument."
    yield (
        "That people are who they say: names are as they were recorded, with the terminal, or with a proven secret. A "
        "signature shows that whoever had that key decided; whose key it is you must learn elsewhere."
    )


def software() -> dict[str, Any]:
    """Versions of what made the export."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in (
        "eucentric",
        "rocrate",
        "numpy",
        "tifffile",
        "pydantic",
        "sqlite-utils",
        "matplotlib",
        "pillow",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}
