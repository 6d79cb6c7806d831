"""Operators of this machine and their secrets, kept outside every store. Standard library only.

A secret is never stored: only its scrypt digest, in a file that its owner alone may read. An agent
with a shell under the *same* account can't answer with a digest, but it could register a name of its
own or point to another file; the decision therefore records the file and its owner, and on a shared
instrument the operator uses an account of their own.
"""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from eucentric.core.errors import ApprovalRefused, BadInput
from eucentric.core.settings_file import settings_path
from eucentric.core.text import visible

_COST = {"n": 2**14, "r": 8, "p": 1}
MIN_LENGTH = 8
MAX_NAME = 80


def operators_path() -> Path:
    """`operators.json` beside the settings file."""
    return settings_path().with_name("operators.json")


def _load() -> dict[str, tuple[bytes, bytes]]:
    """Salt and digest by name."""
    path = operators_path()
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise ApprovalRefused(
            f"{path} can be read by others", "an approval must not be forgeable", f"chmod 600 {path}"
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): (bytes.fromhex(one["salt"]), bytes.fromhex(one["scrypt"]))
            for name, one in data.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ApprovalRefused(
            f"{path} can't be read as a list of operators",
            f"{type(error).__name__}: {error}",
            "restore it, or remove it and register again",
        ) from error


def _digest(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode("utf-8", "surrogatepass"), salt=salt, **_COST)


def register(name: str, secret: str) -> None:
    """Add or replace an operator.

    Raises
    ------
    BadInput
        The name is empty, too long or not printable, the secret is shorter than 8 characters, or the
        file can't be written.
    """
    if not name.strip() or len(secret) < MIN_LENGTH:
        raise BadInput(f"an operator needs a name and a secret of at least {MIN_LENGTH} characters")
    if name != visible(name.strip(), limit=MAX_NAME):
        raise BadInput(
            f"not a name for an operator: '{visible(name, limit=MAX_NAME)}'",
            f"no spaces around it, no control characters, at most {MAX_NAME} characters",
        )
    salt = secrets.token_bytes(16)
    _save(_load() | {name: (salt, _digest(secret, salt))})


def _save(entries: dict[str, tuple[bytes, bytes]]) -> None:
    """Whole or not at all: a full disk must not lose the operators there are."""
    path = operators_path()
    data = {name: {"salt": salt.hex(), "scrypt": digest.hex()} for name, (salt, digest) in entries.items()}
    part = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadInput(
            f"can't write {path}: {error.strerror or error}", "nobody was registered", "check the folder"
        ) from error


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
    salt, wanted = _load().get(name, (b"\0" * 16, b""))
    if not hmac.compare_digest(_digest(secret, salt), wanted):  # as slow for an unknown name
        raise ApprovalRefused(
            f"'{visible(name, limit=MAX_NAME)}' could not be proven",
            "unknown operator or wrong secret",
            "see `eucentric operator add`",
        )
