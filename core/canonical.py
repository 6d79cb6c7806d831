"""One way to write JSON and to hash it, so that two processes agree on the bytes. Standard library only."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces, UTF-8 kept, NaN refused (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    """Hex sha256 of the UTF-8 bytes of `text`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest(value: Any) -> str:
    """Hex sha256 of the canonical JSON of `value`."""
    return sha256_text(canonical(value))
