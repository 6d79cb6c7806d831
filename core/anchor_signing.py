"""Anchors signed by this machine, if its settings say so. Standard library at import.

The key is the machine's, not a person's: it lies unlocked beside the settings, readable by its owner only, and is made
when it is first used. It shows that an anchor was written by whoever had that file; keep the public key elsewhere.
"""

import os
from pathlib import Path
from typing import Any

from eucentric.core.canonical import canonical
from eucentric.core.errors import LedgerError
from eucentric.core.operators_file import create_private, fingerprint, write_private
from eucentric.core.settings_file import read_toml, settings_path

MACHINE = "this machine"
FIELDS = ("utc", "path", "ledger", "seq", "hash")
"""What is signed of an anchor's line."""


def wanted() -> bool:
    """Whether the settings say `sign_anchors = true`."""
    path = settings_path()
    return path.exists() and read_toml(path, "settings file").get("sign_anchors") is True


def key_path() -> Path:
    """`anchor-key.pem` beside the settings file; the public half beside it ends in .pub."""
    return settings_path().with_name("anchor-key.pem")


def known_key() -> str:
    """The public key that this machine signs with, as hex; '' if it has none."""
    try:
        return key_path().with_suffix(".pub").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def make_key() -> str:
    """The public key as hex, made if there is none.

    Raises
    ------
    NotAvailable
        The library is not installed.
    BadInput
        The key can't be written.
    """
    from eucentric.core.signing import locked, new_private, public_of, unlocked

    if not key_path().exists():
        create_private(key_path(), locked(new_private()))
    public = public_of(unlocked(key_path().read_bytes()))
    if public != known_key():
        write_private(key_path().with_suffix(".pub"), public.encode())
    return public


def signature_of(line: dict[str, Any]) -> dict[str, Any] | None:
    """The machine's signature of an anchor's line; None if it is not to sign, or can't.

    An anchor that is not signed is still an anchor: `audit verify` says how many are not.
    """
    from eucentric.core.signing import available, signed_with

    if not wanted() or not available():
        return None
    path = key_path()
    try:
        make_key()
        if os.stat(path).st_mode & 0o077:
            raise ValueError("others can read it")
        return signed_with(path.read_bytes(), MACHINE, payload_of(line)).as_body()
    except (OSError, ValueError) as error:
        raise LedgerError(
            f"the anchor can't be signed with {path}: {error}",
            "the ledger itself is complete",
            "chmod 600, or restore it; or take `sign_anchors` out of the settings",
        ) from error


def payload_of(line: dict[str, Any]) -> bytes:
    """The bytes of an anchor's line that are signed."""
    return canonical({name: line[name] for name in FIELDS}).encode()


def check_lines(lines: list[dict[str, Any]]) -> tuple[int, list[str], list[str]]:
    """Check the signatures of a ledger's anchors.

    Returns
    -------
    tuple
        (signed and right, problems, notes).
    """
    from eucentric.core.signing import check

    key, right, problems, notes = known_key(), 0, list[str](), list[str]()
    unsigned = unchecked = others = 0
    for line in lines:
        if "signature" not in line:
            unsigned += 1
            continue
        verdict = check(line["signature"], payload_of(line), {fingerprint(key): MACHINE} if key else {})
        right += verdict.state in ("valid", "unknown key")
        others += verdict.state == "unknown key"
        unchecked += verdict.state == "unchecked"
        if verdict.state == "invalid":
            problems.append(f"the anchor of event {line.get('seq')} has a wrong signature: {verdict.why}")
    if unsigned and unsigned < len(lines):
        notes.append(f"{unsigned} of {len(lines)} anchors are not signed, the others are")
    if unchecked:
        notes.append(f"{unchecked} signed anchors were not checked: pip install 'eucentric[sign]'")
    if others:
        notes.append(f"{others} anchors are signed with a key that is not this machine's")
    return right, problems, notes
