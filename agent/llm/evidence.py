"""What is kept of an exchange with a model: the bytes as they went, without secrets and without pixels."""

import dataclasses
import hashlib
import json
from base64 import b64decode
from typing import Any

from eucentric.agent.llm.wire import Parsed, ToolRequest
from eucentric.core.canonical import canonical
from eucentric.core.redaction import redact, redact_bytes, redacted

_DATA_URL = "data:image/png;base64,"


def encoded(body: dict[str, Any]) -> bytes:
    """The body of a request as it is sent: ASCII, no spaces."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def kept_request(body: dict[str, Any]) -> bytes:
    """The same with a picture's sha256 in its place: its pixels are in the store already, as a frame."""
    return redact_bytes(encoded(_without_pixels(body)))


def _without_pixels(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_DATA_URL):
        png = b64decode(value[len(_DATA_URL) :])
        return f"[PNG of {len(png)} bytes, sha256 {hashlib.sha256(png).hexdigest()}]"
    if isinstance(value, dict):
        return {key: _without_pixels(entry) for key, entry in value.items()}
    return [_without_pixels(entry) for entry in value] if isinstance(value, list) else value


def clean(parsed: Parsed) -> Parsed:
    """A reply whose texts and arguments hold no secret."""
    return dataclasses.replace(
        parsed, text=redact(parsed.text), reasoning=redact(parsed.reasoning), model=redact(parsed.model),
        fingerprint=redact(parsed.fingerprint), calls=tuple(map(_clean_call, parsed.calls)),
    )  # fmt: skip


def _clean_call(call: ToolRequest) -> ToolRequest:
    args = None if call.args is None else redacted(call.args)
    return ToolRequest(redact(call.id), redact(call.name), args, redact(call.error))


def kept_reply(raw: bytes, parsed: Parsed) -> bytes:
    """The reply as it came; if it held a secret in pieces, what it said without it.

    Parameters
    ----------
    raw
        The body, secrets that stood in one piece replaced already.
    parsed
        What was read from it.
    """
    cleaned = clean(parsed)
    if cleaned == parsed:
        return raw
    said = {"note": "the stream held a secret in pieces: this is what it said", **dataclasses.asdict(cleaned)}
    return canonical(said).encode("utf-8")
