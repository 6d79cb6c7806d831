"""One way to write JSON and to hash it, so that two processes agree on the bytes. Standard library only."""

import hashlib
import json
import re
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces, UTF-8 kept.

    Half a surrogate pair (a file name that is no UTF-8, a model's ``\\ud800``) is written as its JSON
    escape, so that every text can be stored as UTF-8 and reads back as it was.

    Raises
    ------
    ValueError, TypeError
        NaN, an infinity, or something that JSON does not have.
    """
    return _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", _encoded(value))


def sha256_text(text: str) -> str:
    """Hex sha256 of the UTF-8 bytes of `text`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest(value: Any) -> str:
    """Hex sha256 of the canonical JSON of `value`."""
    return sha256_text(canonical(value))
