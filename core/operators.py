"""Operators of this machine, their roles and secrets, kept outside every store. Standard library only.

A secret is never stored: only its scrypt digest, in a file that its owner alone may read. An agent
with a shell under the *same* account can't answer with a digest, but it could register a name of its
own, edit a role or point to another file; the decision therefore records the file and its owner, the roles are
recorded in the ledger (`role_record`), and on a shared instrument the operator uses an account of their own.

Who may change what: while nobody is staff, anybody at the terminal may, and so the first staff member registers
themselves. From then on only staff make staff, change a role, or remove somebody; a new operator or user may still
be added by anybody, and everybody may replace their own secret.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from eucentric.core.canonical import digest
from eucentric.core.errors import ApprovalRefused, BadInput
from eucentric.core.operators_file import Entry, changing, forget, load
from eucentric.core.operators_file import operators_path as operators_path
from eucentric.core.redaction import remember
from eucentric.core.roles import ROLES, Role, at_least
from eucentric.core.text import visible

_COST = {"n": 2**14, "r": 8, "p": 1}
MIN_LENGTH = 8
MAX_NAME = 80


@dataclass(frozen=True)
class Operator:
    """Somebody who proved a secret."""

    name: str
    role: Role


def scrypt(secret: str, salt: bytes) -> bytes:
    """64 bytes that are slow to compute from a secret (RFC 7914)."""
    return hashlib.scrypt(secret.encode("utf-8", "surrogatepass"), salt=salt, **_COST)


def register(name: str, secret: str, role: Role | None = None, *, by: Operator | None = None) -> Operator:
    """Add an operator, or give one a new secret.

    Parameters
    ----------
    role
        None: the one they have; for a new name 'operator'.
    by
        Who does it, proved; needed as the module says.

    Raises
    ------
    BadInput
        The name is empty, too long or not printable, the secret is shorter than 8 characters, the role is none, or
        the file can't be written.
    ApprovalRefused
        It takes staff, or the person themselves.
    """
    remember("operator secret", secret)
    _check_name(name, secret)
    salt = secrets.token_bytes(16)
    made = scrypt(secret, salt)
    with changing() as entries:
        known = entries.get(name)
        kept: Role = _role(role or (known.role if known else "operator"))
        if not _own(known, name, kept, by):
            _take_staff(entries, by, name, kept)
        if known and known.role != kept:
            _keep_one_staff(entries, name, kept)
        # What locked their private key was the old secret; the public key stays: rows are signed with it.
        keys = tuple(replace(key, salt="") for key in known.keys) if known else ()
        entries[name] = Entry(salt, made, kept, keys)
    for key in keys:
        forget(key)
    return Operator(name, kept)


def set_role(name: str, role: Role, *, by: Operator | None = None) -> Operator:
    """Give an operator another role.

    Raises
    ------
    BadInput
        There is nobody of that name, no such role, or they are the only staff.
    ApprovalRefused
        It takes staff.
    """
    with changing() as entries:
        known = _known(entries, name)
        wanted = _role(role)
        if has_staff(entries) and not _is_staff(by):
            raise _takes_staff(f"'{visible(name, limit=MAX_NAME)}' stays {known.role}")
        _keep_one_staff(entries, name, wanted)
        entries[name] = replace(known, role=wanted)
    return Operator(name, wanted)


def remove(name: str, *, by: Operator | None = None) -> None:
    """Forget an operator.

    Raises
    ------
    BadInput
        There is nobody of that name, or they are the only staff.
    ApprovalRefused
        It takes staff.
    """
    with changing() as entries:
        known = _known(entries, name)
        if has_staff(entries) and not _is_staff(by):
            raise _takes_staff(f"'{visible(name, limit=MAX_NAME)}' stays registered")
        _keep_one_staff(entries, name, "user")
        del entries[name]
    for key in known.keys:
        forget(key)


def prove(name: str, secret: str) -> Operator:
    """Check a secret.

    Raises
    ------
    ApprovalRefused
        Unknown operator, or the wrong secret: the same words for both.
    """
    remember("operator secret", secret)
    entry = load().get(name)
    wanted, salt = (entry.digest, entry.salt) if entry else (b"", b"\0" * 16)
    if not hmac.compare_digest(scrypt(secret, salt), wanted) or entry is None:  # as slow for an unknown name
        raise ApprovalRefused(
            f"'{visible(name, limit=MAX_NAME)}' could not be proven",
            "unknown operator or wrong secret",
            "see `eucentric operator add`",
        )
    return Operator(name, entry.role)


def names() -> list[str]:
    """Registered operators."""
    return sorted(load())


def roles() -> dict[str, Role]:
    """Role by name: what a ledger records of the operators."""
    return {name: entry.role for name, entry in sorted(load().items())}


def roles_sha256() -> str:
    """Digest of `roles()`, to see whether they differ from what a ledger last saw."""
    return digest(roles())


def public_keys() -> dict[str, tuple[str, ...]]:
    """Public keys by name, each 64 hex digits, the newest last; only of those who have one."""
    return {name: tuple(key.public for key in one.keys) for name, one in sorted(load().items()) if one.keys}


def has_staff(entries: Mapping[str, Entry] | None = None) -> bool:
    """Whether there is a staff member, who then decides about roles."""
    return any(one.role == "staff" for one in (load() if entries is None else entries).values())


def _check_name(name: str, secret: str) -> None:
    if not name.strip() or len(secret) < MIN_LENGTH:
        raise BadInput(f"an operator needs a name and a secret of at least {MIN_LENGTH} characters")
    if name != visible(name.strip(), limit=MAX_NAME):
        raise BadInput(
            f"not a name for an operator: '{visible(name, limit=MAX_NAME)}'",
            f"no spaces around it, no control characters, at most {MAX_NAME} characters",
        )


def _role(role: str) -> Role:
    if role not in ROLES:
        raise BadInput(f"there is no role '{visible(role, limit=40)}'", remedy=f"one of {', '.join(ROLES)}")
    return cast(Role, role)


def _own(known: Entry | None, name: str, role: Role, by: Operator | None) -> bool:
    """Whether somebody only gives themselves a new secret."""
    return known is not None and by is not None and by.name == name and role == known.role


def _take_staff(entries: Mapping[str, Entry], by: Operator | None, name: str, role: Role) -> None:
    harmless = name not in entries and not at_least(role, "staff")
    if has_staff(entries) and not harmless and not _is_staff(by):
        what = "a new secret for" if name in entries else f"{role} as role of"
        raise _takes_staff(f"{what} '{visible(name, limit=MAX_NAME)}' was not registered")


def _is_staff(by: Operator | None) -> bool:
    return by is not None and at_least(by.role, "staff")


def _takes_staff(what: str) -> ApprovalRefused:
    return ApprovalRefused(
        what, "there are staff members, and this takes the secret of one", "let one of them add `--as NAME`"
    )


def _keep_one_staff(entries: Mapping[str, Entry], name: str, role: Role) -> None:
    staff = [one for one, entry in entries.items() if entry.role == "staff"]
    if staff == [name] and role != "staff":
        raise BadInput(
            f"'{visible(name, limit=MAX_NAME)}' is the only staff member",
            "without one, anybody at this account could make themselves staff",
            "make somebody else staff first",
        )


def _known(entries: Mapping[str, Entry], name: str) -> Entry:
    if name not in entries:
        raise BadInput(
            f"there is no operator '{visible(name, limit=MAX_NAME)}'", remedy="see `eucentric operator list`"
        )
    return entries[name]
