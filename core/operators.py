"""Operators of this machine and their secrets, kept outside every store. Standard library only.

A secret is never stored: only its scrypt digest, in a file that its owner alone may read. An agent
with a shell under the same account can read the digest but can't answer with it; on a shared
instrument the operator uses an account of their own.
"""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from eucentric.core.errors import ApprovalRefused, BadInput
from eucentric.core.settings import settings_path

_COST = {"n": 2**14, "r": 8, "p": 1}
MIN_LENGTH = 8


def operators_path() -> Path:
    """`operators.json` beside the settings file."""
    return settings_path().with_name("operators.json")


def _load() -> dict[str, dict[str, str]]:
    path = operators_path()
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise ApprovalRefused(
            f"{path} can be read by others", "an approval must not be forgeable", f"chmod 600 {path}"
        )
    data: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return data


def _digest(secret: str, salt: bytes) -> str:
    return hashlib.scrypt(secret.encode(), salt=salt, **_COST).hex()


def register(name: str, secret: str) -> None:
    """Add or replace an operator.

    Raises
    ------
    BadInput
        The name is empty or the secret is shorter than 8 characters.
    """
    if not name.strip() or len(secret) < MIN_LENGTH:
        raise BadInput(f"an operator needs a name and a secret of at least {MIN_LENGTH} characters")
    entries = _load()
    salt = secrets.token_bytes(16)
    entries[name] = {"salt": salt.hex(), "scrypt": _digest(secret, salt)}
    path = operators_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)


def names() -> list[str]:
    """Registered operators."""
    return sorted(_load())


def prove(name: str, secret: str) -> None:
    """Check a secret.

    Raises
    ------
    ApprovalRefused
        Unknown operator, or the wrong secret: the same words for both.
    """
    entry = _load().get(name)
    salt = bytes.fromhex(entry["salt"]) if entry else b"\0" * 16
    given = _digest(secret, salt)
    if entry is None or not hmac.compare_digest(given, entry["scrypt"]):
        raise ApprovalRefused(
            f"{name!r} could not be proven",
            "unknown operator or wrong secret",
            "see `eucentric operator add`",
        )
