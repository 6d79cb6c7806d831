#!/usr/bin/env python3
"""Check an exported run: every file, every row of the ledger, every frame, every card. Plain Python, nothing else.

    python verify.py                (in the unpacked folder)
    python verify.py CRATE.zip

What it proves and what not is written in ro-crate-preview.html under "How to check this". In short: the files are
those of the export; the rows are those that the ledger chained, none between the first and the last is missing, and
the pixels are those the rows speak of. Whether the ledger itself was made up is told by its anchors: ask whoever keeps
a copy that the exporter could not write, and compare the numbers and hashes that are printed here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

METADATA = "ro-crate-metadata.json"
ROWS, SEALED, ANCHORS = "ledger/rows.jsonl", "ledger/sealed.jsonl", "ledger/anchors.jsonl"
LEDGER = "ledger/ledger.json"
OF_ALL = "-"
"""The run of rows that belong to no run."""
_SHOWN = 20


class Result:
    """What was found."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """As one JSON object."""
        return {"ok": self.ok, **self.facts, "notes": self.notes, "problems": self.problems}


# --- reading ----------------------------------------------------------------------------------------------


class Crate:
    """A folder or a zip file; names are relative, and none leads out of it."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path) if path.is_file() else None
        self._folder = path
        self.names = frozenset(self._all())

    def _all(self) -> Iterator[str]:
        if self._zip is not None:
            yield from (one.filename for one in self._zip.infolist() if not one.is_dir())
            return
        for path in self._folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(self._folder).as_posix()

    def read(self, name: str) -> bytes:
        """The bytes of a file; KeyError if there is none."""
        if name not in self.names:
            raise KeyError(name)
        return self._zip.read(name) if self._zip is not None else (self._folder / name).read_bytes()

    def lines(self, name: str) -> list[bytes]:
        """Lines without their ends; none if there is no such file."""
        return [line for line in self.read(name).split(b"\n") if line] if name in self.names else []

    def close(self) -> None:
        """Let the zip file go."""
        if self._zip is not None:
            self._zip.close()


def verify(path: Path) -> Result:
    """Check the crate at `path`. Whatever is wrong ends up in `problems`; nothing is raised."""
    result = Result()
    try:
        crate = Crate(path)
    except (OSError, zipfile.BadZipFile) as error:
        result.problems.append(f"it can't be read: {error}")
        return result
    try:
        for check in (_check_files, _check_rows, _check_frames, _check_cards, _check_signatures):
            _guarded(check, crate, result)
    finally:
        crate.close()
    return result


def _guarded(check: Callable[[Crate, Result], None], crate: Crate, result: Result) -> None:
    try:
        check(crate, result)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        OSError,
        struct.error,
        RecursionError,
    ) as error:
        what = check.__name__.strip("_").replace("_", " ")
        result.problems.append(f"{what}: it is not as an export writes it ({type(error).__name__}: {error})")


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- files ------------------------------------------------------------------------------------------------


def _check_files(crate: Crate, result: Result) -> None:
    """Each file that the metadata lists is there with its digest, and no other file is."""
    data = crate.read(METADATA)
    listed = {str(one["@id"]): one for one in json.loads(data)["@graph"] if "sha256" in one}
    for name, entity in sorted(listed.items()):
        if name not in crate.names:
            result.problems.append(f"{name} is missing")
        elif _sha(crate.read(name)) != entity["sha256"]:
            result.problems.append(f"{name} was altered: its digest differs")
    others = sorted(crate.names - listed.keys() - {METADATA})
    result.problems += [f"{name} does not belong to the export" for name in others]
    result.facts |= {"files": len(listed), "fingerprint": _sha(data)}


# --- rows -------------------------------------------------------------------------------------------------


class Row:
    """A row as it was hashed, or one of another run that is sealed."""

    def __init__(self, seq: int, own: str, prev: str, values: list[Any] | None) -> None:
        self.seq, self.hash, self.prev, self.values = seq, own, prev, values

    @property
    def run(self) -> str:
        """Which run it says it belongs to; '' if it is sealed."""
        return str(self.values[2]) if self.values else ""

    @property
    def kind(self) -> str:
        """Such as 'decided'."""
        return str(self.values[3]) if self.values else ""

    @property
    def body(self) -> dict[str, Any]:
        """Its content."""
        body = json.loads(self.values[8]) if self.values else {}
        return body if isinstance(body, dict) else {}


def _own_rows(crate: Crate) -> Iterator[Row]:
    """The line is the text that was hashed, so its digest is the row's hash."""
    for line in crate.lines(ROWS):
        values = json.loads(line)
        yield Row(int(values[0]), _sha(line), str(values[-1]), values)


def _sealed_rows(crate: Crate) -> Iterator[Row]:
    """Of a row of another run: the digest is finished from where its last part begins, which names the row before."""
    for line in crate.lines(SEALED):
        told = json.loads(line)
        tail = base64.b64decode(told["tail"], validate=True)
        own = finish(bytes.fromhex(told["state"]), int(told["length"]) - len(tail), tail)
        yield Row(int(told["seq"]), own, tail[-66:-2].decode("ascii"), None)


def _check_rows(crate: Crate, result: Result) -> None:
    """Each row follows the one before it; a run is whole; heads that were anchored are the same."""
    rows = sorted([*_own_rows(crate), *_sealed_rows(crate)], key=lambda row: row.seq)
    parts = list(_parts(rows, result))
    runs: dict[str, set[int]] = {}
    for number, part in enumerate(parts):
        for row in part:
            runs.setdefault(row.run, set()).add(number)
    for run, within in runs.items():
        if run not in ("", OF_ALL) and len(within) > 1:
            result.problems.append(f"rows between those of {run} are missing")
    _check_runs(rows, result)
    _check_anchors(crate, rows, parts, result)
    result.facts["rows"] = sum(1 for row in rows if row.values)
    result.facts["sealed"] = sum(1 for row in rows if not row.values)
    result.facts["runs"] = sorted(runs.keys() - {"", OF_ALL})


def _parts(rows: list[Row], result: Result) -> Iterator[list[Row]]:
    """Rows without a gap in their numbers; within one, each must name the hash of the row before it."""
    part: list[Row] = []
    for row in rows:
        if part and row.seq == part[-1].seq:
            result.problems.append(f"event {row.seq} is there twice")
        elif part and row.seq != part[-1].seq + 1:
            yield part
            part = []
        elif part and row.prev != part[-1].hash:
            result.problems.append(
                f"event {row.seq} does not follow event {part[-1].seq}: a row was edited or left out"
            )
        part.append(row)
    if part:
        yield part


def _check_runs(rows: list[Row], result: Result) -> None:
    first: dict[str, Row] = {}
    for row in rows:
        if row.values:
            first.setdefault(row.run, row)
    for run, row in first.items():
        if run != OF_ALL and row.kind != "requested":
            result.problems.append(
                f"the first row of {run} is no request (event {row.seq}, {row.kind}): earlier ones are missing"
            )
    if not first:
        result.problems.append("there are no rows")


def _check_anchors(crate: Crate, rows: list[Row], parts: list[list[Row]], result: Result) -> None:
    """Heads of the ledger that were written elsewhere, and in the frames' own descriptions."""
    by_number = {row.seq: row.hash for row in rows} | {part[0].seq - 1: part[0].prev for part in parts}
    proven = dict.fromkeys(range(len(parts)), 0)
    used = 0
    for where, seq, wanted in _anchors(crate):
        if seq not in by_number:
            result.problems.append(f"event {seq} was anchored in {where}, and is missing")
            continue
        used += 1
        if by_number[seq] != wanted:
            result.problems.append(
                f"event {seq} is not the one that was anchored in {where}: the ledger was rewritten"
            )
            continue
        for number, part in enumerate(parts):
            if part[0].seq <= seq <= part[-1].seq:
                proven[number] = max(proven[number], seq)
    result.facts["anchors"] = used
    result.facts["parts"] = [
        {"first": part[0].seq, "last": part[-1].seq, "head": part[-1].hash, "before": part[0].prev,
         "anchored_to": proven[number]}
        for number, part in enumerate(parts)
    ]  # fmt: skip
    for number, part in enumerate(parts):
        if proven[number] < part[-1].seq:
            result.notes.append(
                f"no anchor in this export covers the events after {max(proven[number], part[0].seq - 1)}: that rows "
                f"after event {part[-1].seq} were cut off can't be seen"
            )


def _anchors(crate: Crate) -> Iterator[tuple[str, int, str]]:
    for line in crate.lines(ANCHORS):
        told = json.loads(line)
        yield str(told["where"]), int(told["seq"]), str(told["hash"])
    for name in sorted(crate.names):
        if re.fullmatch(r"runs/[^/]+/frames/[^/]+\.json", name):
            told = json.loads(crate.read(name)).get("anchor")
            if told:
                yield name, int(told["seq"]), str(told["hash"])


# --- frames and cards -------------------------------------------------------------------------------------


def _check_frames(crate: Crate, result: Result) -> None:
    """The pixels in the crate are those whose digest the rows have."""
    checked, left_out = 0, 0
    for row in _own_rows(crate):
        for frame in row.body.get("frames", ()) if row.kind == "returned" else ():
            stem = f"runs/{row.run}/frames/{frame['id']}"
            found = [name for name in (f"{stem}.npy", f"{stem}.tiff") if name in crate.names]
            left_out += not found
            checked += bool(found)
            for name in found:
                if _pixels_sha(crate, name) != frame["sha256"]:
                    result.problems.append(f"{name}: its pixels are not those of event {row.seq}")
    result.facts["frames"] = checked
    if left_out:
        result.notes.append(f"{left_out} frames of the rows are not in this export")


def _pixels_sha(crate: Crate, name: str) -> str:
    data = crate.read(name)
    if name.endswith(".npy"):
        return _sha(data)
    folder, _, file = name.rpartition("/")
    headers = json.loads(crate.read(f"{folder}/npy-headers.json"))
    return _sha(base64.b64decode(headers[file]) + tiff_pixels(data))


def tiff_pixels(data: bytes) -> bytes:
    """The raw pixels of a plain little-endian TIFF: uncompressed, one channel."""
    if data[:4] != b"II*\0":
        raise ValueError("not a plain TIFF")
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    tags = dict(_tag(data, at + 2 + 12 * n) for n in range(count))
    if tags.get(259, [1]) != [1]:
        raise ValueError("a compressed TIFF")
    return b"".join(data[start : start + size] for start, size in zip(tags[273], tags[279], strict=True))


_SIZES = {3: ("H", 2), 4: ("I", 4)}


def _tag(data: bytes, at: int) -> tuple[int, list[int]]:
    """Number and whole values of one entry; of other types nothing is read."""
    tag, kind, count = struct.unpack_from("<HHI", data, at)
    if kind not in _SIZES:
        return tag, []
    letter, size = _SIZES[kind]
    where = at + 8 if count * size <= 4 else struct.unpack_from("<I", data, at + 8)[0]
    return tag, list(struct.unpack_from(f"<{count}{letter}", data, where))


def _check_cards(crate: Crate, result: Result) -> None:
    """The card of each gate has the digest that was asked and decided with; prompts and replies have theirs."""
    cards: set[tuple[str, str, str]] = set()
    for row in _own_rows(crate):
        body = row.body
        if row.kind == "asked":
            cards.add((row.run, str(body["gate"]), str(body["card_sha256"])))
            if _sha(str(body["card"]).encode("utf-8", "surrogatepass")) != body["card_sha256"]:
                result.problems.append(f"event {row.seq}: the card is not the one that its digest names")
        answered = (row.run, str(body.get("gate")), str(body.get("card_sha256")))
        if row.kind == "decided" and body.get("card_sha256") and answered not in cards:
            result.problems.append(f"event {row.seq}: what was decided is not the card that was asked")
        for name, sha in (
            (body.get("proposal") or {}).get("evidence", {}).items() if row.kind == "planned" else ()
        ):
            _check_prompt(crate, row, str(name), str(sha), result)
    result.facts["cards"] = len(cards)


def _check_prompt(crate: Crate, row: Row, name: str, sha: str, result: Result) -> None:
    for path in crate.names:
        if path.startswith(f"runs/{row.run}/prompts/") and path.endswith(f"-{sha[:12]}.txt"):
            result.facts["prompts"] = result.facts.get("prompts", 0) + 1
            if _sha(crate.read(path)) != sha:
                result.problems.append(f"{path} is not the {name} of event {row.seq}")


# --- signatures -------------------------------------------------------------------------------------------

_SIGNED_KINDS = ("decided", "consented", "granted", "revoked")
_ANCHOR_FIELDS = ("utc", "path", "ledger", "seq", "hash")


def _check_signatures(crate: Crate, result: Result) -> None:
    """Signatures of decisions and anchors are right; whose keys they are must be learnt elsewhere."""
    ledger = json.loads(crate.read(LEDGER))["ledger_id"] if LEDGER in crate.names else ""
    by: dict[str, int] = {}
    for row in _own_rows(crate):
        body = row.body if row.kind in _SIGNED_KINDS else {}
        signature = body.pop("signature", None)
        if signature is not None:
            payload = {"ledger": ledger, "run": row.run, "kind": row.kind, "body": body}
            _count_signature(f"event {row.seq}", signature, payload, by, result)
    for line in crate.lines(ANCHORS):
        told = json.loads(line)
        if told.get("signature") is not None:
            payload = {name: told.get(name) for name in _ANCHOR_FIELDS}
            _count_signature(f"the anchor of event {told.get('seq')}", told["signature"], payload, by, result)
    result.facts["signatures"] = by


def _count_signature(what: str, signature: Any, payload: Any, by: dict[str, int], result: Result) -> None:
    public, sig = bytes.fromhex(signature["public"]), bytes.fromhex(signature["sig"])
    named = hashlib.sha256(public).hexdigest()[:32] == signature["key"]
    if signature["alg"] != "ed25519" or not named or not signed(public, _canonical(payload), sig):
        result.problems.append(f"the signature of {what} is wrong")
        return
    who = f"{signature['by']}, key {signature['key']}"
    by[who] = by.get(who, 0) + 1


def _canonical(value: Any) -> bytes:
    """The one spelling of JSON that was signed."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text).encode()


# Ed25519 as in RFC 8032, 5.1.7, with points as (X, Y, Z, T): slow, but it needs nothing.
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Point = tuple[int, int, int, int]


def _added(a: _Point, b: _Point) -> _Point:
    one, two = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    three, four = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    e, f, g, h = two - one, four - three, four + three, two + one
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, point: _Point) -> _Point:
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = _added(total, point)
        point = _added(point, point)
        number >>= 1
    return total


def _point(data: bytes) -> _Point | None:
    """A point from its 32 bytes; None if they are none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


_BASE = _point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the key's signature of the message."""
    a, r = _point(public), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(public) != 32 or len(signature) != 64 or a is None or r is None or _BASE is None or s >= _L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    left, right = _times(s, _BASE), _added(r, _times(h, a))
    return not (
        (left[0] * right[2] - right[0] * left[2]) % _P or (left[1] * right[2] - right[1] * left[2]) % _P
    )


# --- SHA-256 from the middle ------------------------------------------------------------------------------
# hashlib can't go on from a state; FIPS 180-4 in plain Python can, and is only needed for sealed rows.

_K = struct.unpack(
    ">64I",
    bytes.fromhex(
        "428a2f9871374491b5c0fbcfe9b5dba53956c25b59f111f1923f82a4ab1c5ed5d807aa9812835b01243185be550c7dc3"
        "72be5d7480deb1fe9bdc06a7c19bf174e49b69c1efbe47860fc19dc6240ca1cc2de92c6f4a7484aa5cb0a9dc76f988da"
        "983e5152a831c66db00327c8bf597fc7c6e00bf3d5a7914706ca63511429296727b70a852e1b21384d2c6dfc53380d13"
        "650a7354766a0abb81c2c92e92722c85a2bfe8a1a81a664bc24b8b70c76c51a3d192e819d6990624f40e3585106aa070"
        "19a4c1161e376c082748774c34b0bcb5391c0cb34ed8aa4a5b9cca4f682e6ff3748f82ee78a5636f84c878148cc70208"
        "90befffaa4506cebbef9a3f7c67178f2"
    ),
)
FIRST = bytes.fromhex("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19")
_WORD = 0xFFFFFFFF


def _turned(word: int, by: int) -> int:
    return (word >> by | word << (32 - by)) & _WORD


def after_block(state: bytes, block: bytes) -> bytes:
    """The state after one block of 64 bytes."""
    w = list(struct.unpack(">16I", block))
    for n in range(16, 64):
        a, b = w[n - 15], w[n - 2]
        small = _turned(a, 7) ^ _turned(a, 18) ^ a >> 3
        large = _turned(b, 17) ^ _turned(b, 19) ^ b >> 10
        w.append((w[n - 16] + small + w[n - 7] + large) & _WORD)
    begin = struct.unpack(">8I", state)
    a, b, c, d, e, f, g, h = begin
    for n in range(64):
        big = _turned(e, 6) ^ _turned(e, 11) ^ _turned(e, 25)
        one = h + big + (e & f ^ ~e & _WORD & g) + _K[n] + w[n]
        two = (_turned(a, 2) ^ _turned(a, 13) ^ _turned(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (one + two) & _WORD, a, b, c, (d + one) & _WORD, e, f, g
    return struct.pack(
        ">8I", *((x + y) & _WORD for x, y in zip(begin, (a, b, c, d, e, f, g, h), strict=True))
    )


def after_blocks(state: bytes, data: bytes) -> bytes:
    """The state after whole blocks."""
    for at in range(0, len(data), 64):
        state = after_block(state, data[at : at + 64])
    return state


def finish(state: bytes, before: int, tail: bytes) -> str:
    """The digest of a text of which the first `before` bytes, whole blocks, led to `state`, and `tail` follows."""
    if before % 64:
        raise ValueError("a state that is not at the end of a block")
    padded = (
        tail
        + b"\x80"
        + b"\0" * (-(before + len(tail) + 9) % 64)
        + struct.pack(">Q", 8 * (before + len(tail)))
    )
    return after_blocks(state, padded).hex()


# --- for a person -----------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """No control character of a name reaches the terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def lines(result: Result) -> Iterator[str]:
    """What is printed."""
    for problem in result.problems[:_SHOWN]:
        yield f"PROBLEM  {_plain(problem)}"
    if len(result.problems) > _SHOWN:
        yield f"… and {len(result.problems) - _SHOWN} more"
    facts = result.facts
    yield (
        f"{facts.get('files', 0)} files, {facts.get('rows', 0)} rows, {facts.get('sealed', 0)} sealed rows of other "
        f"runs, {facts.get('frames', 0)} frames, {facts.get('cards', 0)} cards"
    )
    for part in facts.get("parts", ()):
        anchored = part["anchored_to"] or "none"
        whole = "none is missing; " if result.ok else ""
        yield f"events {part['first']} to {part['last']}: {whole}anchored to event {anchored}"
        yield f"  compare with a copy of your own: event {part['last']} is {part['head']}"
    for who, number in sorted(facts.get("signatures", {}).items()):
        yield f"{number} signed by {_plain(who)}: ask them whether that is their key"
    for note in result.notes:
        yield f"note: {_plain(note)}"
    yield f"fingerprint of this export {facts.get('fingerprint', 'none')}"
    yield "verified" if result.ok else "VERIFICATION FAILED"


def main(arguments: list[str]) -> int:
    """0 if it is what it says, 1 if not."""
    words = [word for word in arguments if word != "--json"]
    result = verify(Path(words[0]) if words else Path(__file__).resolve().parent)
    if "--json" in arguments:
        sys.stdout.write(json.dumps(result.as_dict()) + "\n")
    else:
        sys.stdout.write("\n".join(lines(result)) + "\n")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
