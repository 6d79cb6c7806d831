"""Are the signatures of a ledger's decisions right, and whose are they? Standard library at import."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eucentric.core.anchors import id_of
from eucentric.core.chain import read_only
from eucentric.core.errors import BadInput
from eucentric.core.signing import check, decision_payload, owners_of


@dataclass
class SignedDecisions:
    """What the signatures say. An unsigned decision is no problem: a signature is optional."""

    decisions: int = 0
    """Rows of the kinds that may be signed."""
    signed: int = 0
    valid: dict[str, int] = field(default_factory=dict)
    """Right and of a key that is known as this person's: by name, how many."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Right, of a key that nobody here knows: by claimed name and key, how many."""
    unchecked: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def keys_from(path: Path) -> dict[str, tuple[str, ...]]:
    """Public keys by name from a file that `eucentric operator list --json` wrote.

    Raises
    ------
    BadInput
        It can't be read, or is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["operators"]
        keys = {str(one["name"]): tuple(str(key) for key in one["keys"]) for one in found}
        owners_of(keys)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(
            f"no list of public keys in {path}",
            f"{type(error).__name__}: {error}",
            "`eucentric operator list --json` writes one",
        ) from error
    return keys


def check_decisions(
    path: Path, seqs: Iterable[int], keys: Mapping[str, tuple[str, ...]], *, complete: bool = False
) -> SignedDecisions:
    """Check the signatures of the rows with these numbers.

    Parameters
    ----------
    seqs
        As `chain.verify` marks them for `SIGNED_KINDS`.
    keys
        Public keys by name.
    complete
        The list holds every key there is: one that is not in it is a problem, not a note.
    """
    result = SignedDecisions()
    owners, valid, unknown = owners_of(keys), Counter[str](), Counter[str]()
    try:
        connection = read_only(path)
        try:
            ledger = _name(connection)
            for seq in seqs:
                _look(connection, seq, ledger, owners, result, valid, unknown)
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        result.problems.append(f"signatures can't be read: {error}")
    result.valid, result.unknown = dict(valid), dict(unknown)
    _conclude(result, complete)
    return result


def _name(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT body FROM event WHERE seq = 1").fetchone()
    return id_of(row[0]) if row else ""


def _look(
    connection: sqlite3.Connection,
    seq: int,
    ledger: str,
    owners: Mapping[str, str],
    result: SignedDecisions,
    valid: Counter[str],
    unknown: Counter[str],
) -> None:
    run, kind, text = connection.execute(
        "SELECT run_id, kind, body FROM event WHERE seq = ?", (seq,)
    ).fetchone()
    result.decisions += 1
    try:
        body = json.loads(text)
        if "signature" not in body:
            return
        signature, payload = body["signature"], decision_payload(ledger, run, kind, body)
    except (ValueError, TypeError, RecursionError):
        result.problems.append(f"event {seq}: its body is none that could be signed")
        return
    result.signed += 1
    verdict = check(signature, payload, owners)
    if verdict.state == "invalid":
        result.problems.append(f"the signature of event {seq} is wrong: {verdict.why}")
    elif verdict.state == "unchecked":
        result.unchecked += 1
    elif verdict.state == "unknown key":
        unknown[f"{signature['by']}, key {signature['key'][:12]}…"] += 1
    else:
        valid[signature["by"]] += 1


def _conclude(result: SignedDecisions, complete: bool) -> None:
    if result.unchecked:
        result.notes.append(
            f"{result.unchecked} signatures were not checked: the library is missing "
            "(pip install 'eucentric[sign]')"
        )
    told = result.problems if complete else result.notes
    for who, many in sorted(result.unknown.items()):
        told.append(f"{many} decisions are signed as {who}, which nobody here is known by")
