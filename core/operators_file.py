"""`operators.json`: read with suspicion, written whole or not at all. Standard library only."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eucentric.core.errors import ApprovalRefused, BadInput
from eucentric.core.roles import ROLES, Role
from eucentric.core.settings_file import settings_path

_OLD_ROLE: Role = "operator"
"""Of entries from before there were roles."""


@dataclass(frozen=True)
class Key:
    """One key pair of an operator; an old one is kept, since rows are signed with it."""

    public: str
    """32 bytes as hex."""
    since: str
    """UTC."""
    salt: str
    """Of the words that lock the private key, as hex; '' once nobody can unlock it: the secret was replaced."""


@dataclass(frozen=True)
class Entry:
    """What is kept of an operator. The secret is not."""

    salt: bytes
    digest: bytes
    role: Role
    keys: tuple[Key, ...] = ()


def fingerprint(public: str) -> str:
    """32 hex digits that name a public key (given as hex)."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:32]


def key_path(public: str) -> Path:
    """Where the locked private key to a public key lies."""
    return operators_path().with_name("operator-keys") / f"{fingerprint(public)}.pem"


def forget(key: Key) -> None:
    """Remove a private key that is not to be used any more."""
    with contextlib.suppress(OSError):
        key_path(key.public).unlink()


def operators_path() -> Path:
    """`operators.json` beside the settings file."""
    return settings_path().with_name("operators.json")


def load() -> dict[str, Entry]:
    """Entries by name.

    Raises
    ------
    ApprovalRefused
        Others can read the file, or it is damaged: it then proves nobody.
    """
    path = operators_path()
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise ApprovalRefused(
            f"{path} can be read by others", "an approval must not be forgeable", f"chmod 600 {path}"
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): _entry(one) for name, one in data.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ApprovalRefused(
            f"{path} can't be read as a list of operators",
            f"{type(error).__name__}: {error}",
            "restore it, or remove it and register again",
        ) from error


def _entry(one: dict[str, Any]) -> Entry:
    role = one.get("role", _OLD_ROLE)
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}")
    keys = tuple(_key(key) for key in one.get("keys", ()))
    return Entry(bytes.fromhex(one["salt"]), bytes.fromhex(one["scrypt"]), role, keys)


def _key(one: dict[str, Any]) -> Key:
    if not re.fullmatch("[0-9a-f]{64}", one["public"]):
        raise ValueError("a public key is 64 hex digits")
    return Key(one["public"], str(one["since"]), bytes.fromhex(one["salt"]).hex())


@contextlib.contextmanager
def changing() -> Iterator[dict[str, Entry]]:
    """The entries, to be changed in place: written when the block ends well. Two processes take turns.

    Raises
    ------
    BadInput
        The file can't be written; it is as it was.
    """
    folder = operators_path().parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _unwritten(operators_path(), error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        entries = load()
        yield entries
        data = {name: _as_json(one) for name, one in entries.items()}
        write_private(operators_path(), json.dumps(data, indent=1).encode())
    finally:
        os.close(handle)


def _as_json(one: Entry) -> dict[str, Any]:
    told: dict[str, Any] = {"salt": one.salt.hex(), "scrypt": one.digest.hex(), "role": one.role}
    if one.keys:
        told["keys"] = [vars(key) for key in one.keys]
    return told


def write_private(path: Path, data: bytes) -> None:
    """Write whole or not at all, readable by its owner only: a full disk must not lose what there is.

    Raises
    ------
    BadInput
        It can't be written.
    """
    with _part_of(path, data) as part:
        os.replace(part, path)


def create_private(path: Path, data: bytes) -> None:
    """As `write_private`, but what is there already stays: the first of two processes counts."""
    with _part_of(path, data) as part, contextlib.suppress(FileExistsError):
        os.link(part, path)


@contextlib.contextmanager
def _part_of(path: Path, data: bytes) -> Iterator[Path]:
    part = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield part
    except OSError as error:
        raise _unwritten(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _unwritten(path: Path, error: OSError) -> BadInput:
    return BadInput(
        f"can't write {path}: {error.strerror or error}", "nothing was changed", "check the folder"
    )
