"""Ed25519 signatures of decisions (RFC 8032): who decided can be shown to a stranger. Standard library at import.

The library is optional (`pip install 'eucentric[sign]'`); it is imported where a key is used or a signature checked.
A private key lies beside the operators file, locked with words that only the operator's secret gives (scrypt, then
PKCS8). The public key travels in each signature, so that a stranger can check what they are given: that the bytes
are those that were signed, and that all of a name's signatures are of one key. *Whose* key it is they must learn
elsewhere: from the operators file, or from a list that somebody hands them (`audit verify --keys`).
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from eucentric.core.canonical import canonical
from eucentric.core.clock import utc_now
from eucentric.core.errors import ApprovalRefused, NotAvailable
from eucentric.core.operators import prove, scrypt
from eucentric.core.operators_file import Key, changing, fingerprint, forget, key_path, load, write_private
from eucentric.core.redaction import redacted
from eucentric.core.text import visible

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALG = "ed25519"
SIGNED_KINDS = frozenset({"decided", "consented", "granted", "revoked"})
"""Kinds of rows that a person's key may sign."""


@dataclass(frozen=True)
class Signature:
    """What a signed row or anchor carries."""

    alg: str
    key: str
    """Fingerprint of the public key."""
    by: str
    """Name of the operator."""
    public: str
    """The public key, 32 bytes as hex."""
    sig: str
    """64 bytes as hex."""

    def as_body(self) -> dict[str, Any]:
        """As it is stored under 'signature'."""
        return asdict(self)


class Verdict(NamedTuple):
    """What came of a check."""

    state: Literal["valid", "unknown key", "unchecked", "invalid"]
    """valid: right, and the key is the person's. unknown key: right, but nobody here knows whose key it is.
    unchecked: the library is missing. invalid: wrong, or somebody else's key."""
    why: str = ""


def decision_payload(ledger_name: str, run_id: str, kind: str, body: dict[str, Any]) -> bytes:
    """The bytes that are signed: which ledger, which run, what was decided; the signature itself left out."""
    kept = json.loads(canonical({key: value for key, value in body.items() if key != "signature"}))
    return canonical({"ledger": ledger_name, "run": run_id, "kind": kind, "body": kept}).encode()


def signed_body(
    signer: Callable[[bytes], dict[str, Any] | None],
    ledger_name: str,
    run_id: str,
    kind: str,
    body: dict[str, Any],
) -> dict[str, Any]:
    """A row's body with its signature.

    Secrets are taken out first, as the ledger takes them out when it writes: what is signed is what is stored.
    """
    kept: dict[str, Any] = redacted(body)
    signature = signer(decision_payload(ledger_name, run_id, kind, kept))
    return {**kept, "signature": signature} if signature else kept


def available() -> bool:
    """Whether the library is installed."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError:
        return False
    return True


def make_key(name: str, secret: str) -> str:
    """Make a key pair for a registered operator; earlier keys stay known, and are no longer used.

    Returns
    -------
    str
        The public key as hex.

    Raises
    ------
    ApprovalRefused
        The secret does not fit.
    NotAvailable
        The library is not installed.
    BadInput
        A file can't be written.
    """
    prove(name, secret)
    private = new_private()
    salt = secrets.token_bytes(16)
    public = public_of(private)
    with changing() as entries:
        entry = entries[name]
        write_private(key_path(public), locked(private, scrypt(secret, salt).hex()))
        retired = tuple(replace(key, salt="") for key in entry.keys)
        entries[name] = replace(entry, keys=(*retired, Key(public, utc_now(), salt.hex())))
    for key in entry.keys:
        forget(key)
    return public


def has_key(name: str) -> bool:
    """Whether that operator has a key that their secret unlocks."""
    entry = load().get(name)
    return bool(entry and entry.keys and entry.keys[-1].salt)


def sign(name: str, secret: str, payload: bytes) -> Signature | None:
    """Sign `payload` as that operator; None without a key, or without the library.

    Raises
    ------
    ApprovalRefused
        There is a key, and it can't be used.
    """
    private = _private_of(name, secret)
    return None if private is None else _signed(private, name, payload)


def signer_for(name: str, secret: str) -> Callable[[bytes], dict[str, Any] | None] | None:
    """What signs in somebody's name, unlocked once; None without a key, or without the library.

    Raises
    ------
    ApprovalRefused
        There is a key, and it can't be used.
    """
    private = _private_of(name, secret)
    if private is None:
        return None
    return lambda payload: _signed(private, name, payload).as_body()


def check(signature: object, payload: bytes, owners: Mapping[str, str]) -> Verdict:
    """Is this somebody's signature of `payload`?

    Parameters
    ----------
    signature
        What the row carries, as it was read.
    owners
        Names by fingerprint, of the keys that are known here.
    """
    known = _well_formed(signature)
    if known is None:
        return Verdict("invalid", "it is not formed like a signature")
    if not available():
        return Verdict("unchecked", "the library is missing: pip install 'eucentric[sign]'")
    if not _fits(known, payload):
        return Verdict("invalid", "it is not a signature of this row by this key")
    owner = owners.get(known.key)
    if owner is None:
        return Verdict("unknown key", f"key {known.key[:12]}… is nobody's that is known here")
    if owner != known.by:
        return Verdict("invalid", f"the key is that of '{owner}'")
    return Verdict("valid")


def owners_of(keys: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Names by fingerprint, from public keys by name."""
    return {fingerprint(public): name for name, publics in keys.items() for public in publics}


def _well_formed(signature: object) -> Signature | None:
    if not isinstance(signature, dict) or set(signature) != set(Signature.__dataclass_fields__):
        return None
    if not all(isinstance(value, str) for value in signature.values()):
        return None
    made = Signature(**signature)
    formed = re.fullmatch("[0-9a-f]{64}", made.public) and re.fullmatch("[0-9a-f]{128}", made.sig)
    return made if made.alg == ALG and formed and fingerprint(made.public) == made.key else None


def _fits(signature: Signature, payload: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public))
        key.verify(bytes.fromhex(signature.sig), payload)
    except (InvalidSignature, ValueError):
        return False
    return True


def new_private() -> "Ed25519PrivateKey":
    """A new key; NotAvailable without the library."""
    if not available():
        raise NotAvailable(
            "a signing key needs a library that is not installed",
            "no key was made",
            "pip install 'eucentric[sign]'",
        )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate()


def public_of(private: "Ed25519PrivateKey") -> str:
    """The public key as hex."""
    return private.public_key().public_bytes_raw().hex()


def locked(private: "Ed25519PrivateKey", words: str = "") -> bytes:
    """A private key as PEM (PKCS8), encrypted if there are words to unlock it with."""
    from cryptography.hazmat.primitives import serialization as form

    lock = form.BestAvailableEncryption(words.encode()) if words else form.NoEncryption()
    return private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, lock)


def unlocked(pem: bytes, words: str = "") -> "Ed25519PrivateKey":
    """The private key in a PEM file; ValueError if the words don't fit or it is another kind of key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, words.encode() or None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("it is no Ed25519 key")
    return key


def _private_of(name: str, secret: str) -> "Ed25519PrivateKey | None":
    entry = load().get(name)
    if entry is None or not entry.keys or not entry.keys[-1].salt or not available():
        return None
    key = entry.keys[-1]
    path = key_path(key.public)
    try:
        private = unlocked(path.read_bytes(), scrypt(secret, bytes.fromhex(key.salt)).hex())
        if public_of(private) != key.public:
            raise ValueError("it is another key")
    except (OSError, ValueError) as error:
        raise ApprovalRefused(
            f"the key of '{visible(name, limit=80)}' can't be used: {error}",
            f"{path}; nothing was signed",
            "`eucentric operator key NAME` makes a new one",
        ) from error
    return private


def _signed(private: "Ed25519PrivateKey", name: str, payload: bytes) -> Signature:
    public = public_of(private)
    return Signature(ALG, fingerprint(public), name, public, private.sign(payload).hex())


def signed_with(pem: bytes, name: str, payload: bytes) -> Signature:
    """Sign with a key that is not locked: the machine's own."""
    return _signed(unlocked(pem), name, payload)
