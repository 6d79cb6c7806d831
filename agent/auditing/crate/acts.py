"""Every act of a run as a line: what was commanded, what was reported, what an image measured, what it cost."""

from collections.abc import Iterable, Iterator
from typing import Any

from eucentric.agent.reporting.blocks import Block, Para, Section, Table
from eucentric.agent.reporting.quantities import dose, events_text, length, plural, seconds
from eucentric.agent.reporting.record import RunRecord
from eucentric.core.event import Event

_ENDS = ("returned", "failed", "in_doubt", "resolved")
_UNITS = {"um": "µm", "nm": "nm", "deg": "°", "pa": "pA", "mrad": "mrad", "kv": "kV", "us": "µs", "s": "s"}
_QUIET = ("locate", "store")
"""Acts that send nothing: what they measured or kept is told where it belongs."""
_HEAD = ("events", "UTC", "step", "act", "commanded", "reported", "measured x, y µm", "dose e/Å²", "outcome")


def acts(record: RunRecord) -> Section:
    """The section."""
    intents = [row for row in record.of("intended") if row.body.get("act") not in _QUIET]
    ends = _ends(record)
    measured = _measured(record)
    rows = tuple(_row(row, ends.get(row.action_id or "", []), measured.get(row.seq)) for row in intents)
    refused = tuple(_refused(record))
    blocks: list[Block] = [Para(_words(intents))]
    if rows:
        blocks.append(Table(_HEAD, rows, (7,)))
    if refused:
        blocks.append(Para("Refused before anything was sent:"))
        blocks.append(Table(("event", "UTC", "what and why"), refused, (0,)))
    return Section("Every act on the instrument", tuple(blocks))


def _words(intents: list[Event]) -> str:
    if not intents:
        return "Nothing was sent to the instrument."
    return (
        f"{plural(len(intents), 'act')} in the order of the ledger. Each was written down before it was sent and again "
        "with its outcome. Commanded is what was asked of the instrument, reported what its controller read back, "
        "measured what an image that overlaps an earlier one showed of where the stage really stood, in the readings "
        "of that one: three different numbers. The dose is the upper bound that was charged."
    )


def _ends(record: RunRecord) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for row in record.of(*_ENDS):
        found.setdefault(row.action_id or "", []).append(row)
    return found


def _row(intent: Event, ends: list[Event], located: Event | None) -> tuple[str, ...]:
    last = next(
        (row for row in reversed(ends) if row.kind in ("returned", "failed")), ends[-1] if ends else None
    )
    body = last.body if last else {}
    return (
        events_text((intent.seq, *(row.seq for row in (*ends, located) if row))).partition(" ")[2],
        intent.ts[11:19],
        (intent.action_id or "").partition("/")[2].partition("#")[0],
        str(intent.body.get("act")),
        _commanded(intent),
        _reported(intent, body),
        _measured_words(located),
        _dose(body if last and last.kind != "resolved" else intent.body),
        _outcome(last),
    )


def _commanded(intent: Event) -> str:
    args = intent.body.get("args") or {}
    if intent.body.get("act") == "acquire":
        return _scan(args)
    if intent.body.get("act") == "insert_detector":
        return f"{args.get('detector')} {'in' if args.get('inside') else 'out'}"
    return ", ".join(_value(name, value) for name, value in args.items()) or "–"


def _scan(args: dict[str, Any]) -> str:
    """One frame in a few words."""
    detectors = "+".join(str(one) for one in args.get("detectors") or ()).upper()
    fov = length(float(args["fov_nm"])) if isinstance(args.get("fov_nm"), int | float) else "?"
    return (
        f"{detectors} {args.get('width_px')}×{args.get('height_px')}, {fov}, {args.get('dwell_us')} µs "
        f"({args.get('purpose', 'image')})"
    )


def _value(name: str, value: Any) -> str:
    stem, _, unit = name.rpartition("_")
    if unit not in _UNITS or not isinstance(value, int | float):
        return f"{name} {value}"
    return f"{stem.replace('_', ' ')} {value:+.6g} {_UNITS[unit]}"


def _reported(intent: Event, body: dict[str, Any]) -> str:
    """What was read back of what was commanded."""
    state = body.get("state") or {}
    stage, optics = state.get("stage") or {}, state.get("optics") or {}
    parts = []
    for name in intent.body.get("args") or {}:
        reading = stage.get(name)
        if isinstance(reading, dict):
            parts.append(_value(name, reading.get("reported")))
        elif name in optics:
            parts.append(_value(name, optics[name]))
    if intent.body.get("act") == "insert_detector":
        inside = (state.get("inserted") or {}).get((intent.body.get("args") or {}).get("detector"))
        parts = [] if inside is None else ["in" if inside else "out"]
    if isinstance(body.get("beam_s"), int | float):
        parts.append(f"{seconds(body['beam_s'])} of beam, {body.get('lines_done')} lines")
    return ", ".join(parts) or "–"


def _dose(body: dict[str, Any]) -> str:
    value = (body.get("charge") or {}).get("dose_e_per_a2")
    return dose(float(value)) if isinstance(value, int | float) else "–"


def _outcome(last: Event | None) -> str:
    if last is None:
        return "NOT ENDED: in doubt"
    if last.kind == "returned":
        frames = ", ".join(str(frame.get("id")) for frame in last.body.get("frames") or ())
        return frames or "done"
    sent = {True: " (it had been sent)", False: " (nothing was sent)"}.get(last.body.get("sent"), "")  # type: ignore[arg-type]
    return f"{last.kind.replace('_', ' ').upper()}: {last.summary}{sent}"


def _refused(record: RunRecord) -> Iterator[tuple[str, ...]]:
    """Acts and calls that never began: they have no row 'intended'."""
    for row in record.of("failed"):
        if row.action_id is None and row.body.get("sent") is False:
            error = row.body.get("error") or {}
            yield (
                str(row.seq),
                row.ts[11:19],
                " · ".join(str(error[key]) for key in ("what", "why") if error.get(key)),
            )


def _measured(record: RunRecord) -> dict[int, Event]:
    """By the event of a move: the row of where an image that was taken after it showed that the stage stood."""
    found: dict[int, Event] = {}
    moved: dict[str, int] = {}
    move = 0
    for row in record.of("intended", "returned"):
        if row.kind == "intended":
            move = row.seq if row.body.get("act") == "move_stage" else move
            continue
        moved |= {str(frame.get("id")): move for frame in row.body.get("frames") or ()}
        place = row.body.get("located")
        if isinstance(place, dict) and moved.get(str(place.get("frame"))):
            found[moved[str(place["frame"])]] = row
    return found


def _measured_words(located: Event | None) -> str:
    if located is None:
        return "–"
    place = located.body["located"]
    try:
        return f"{place['x_um']:+.3f}, {place['y_um']:+.3f} ± {place['uncertainty_um']:.2g}"
    except (KeyError, TypeError, ValueError):
        return f"see event {located.seq}"


def sent(record: RunRecord) -> Iterable[Event]:
    """Rows of acts that reach for the instrument."""
    return (row for row in record.of("intended") if row.body.get("act") not in _QUIET)
