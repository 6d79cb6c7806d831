"""Secrets are replaced by ``[secret NAME]`` before anything is written or shown. Standard library only.

Two nets. Values that are known: of every environment variable whose name ends in _API_KEY, _TOKEN, _SECRET or
_PASSWORD, and what was typed at a prompt (`remember`), in each spelling in which they travel (JSON, URL, HTML,
base64, hexadecimal) and also where a text was cut in the middle of one. And shapes (`secret_shapes`): headers, keys
of known services, passwords in addresses, private keys.

The ledger, the blobs of text, sidecars and the screen all pass through here, so it is cheap: a row without a secret
costs a few searches for substrings.
"""

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from eucentric.core.secret_shapes import names_a_secret, suspect, without_shapes

SHORTEST = 8
"""Characters of a value that counts as a secret: shorter ones occur by chance."""
SUFFIXES = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_PIECE = 8
"""Characters of a secret that give it away at the end of a text that was cut."""
_WORD = re.compile("[a-z][a-z0-9_]*")
_SHY = re.compile("[0-9a-f]{1,15}|[0-9.]+|(.)\\1*")
"""Values that legitimate numbers and digests may hold by chance: replaced only where they stand alone."""
_typed: dict[str, str] = {}
"""What was typed in this process: value to name."""


class _Secret(NamedTuple):
    name: str
    value: str
    forms: tuple[str, ...]
    """Spellings, the longest first."""
    shy: bool

    @property
    def shown(self) -> str:
        return f"[secret {self.name}]"

    @property
    def pieces(self) -> tuple[str, ...]:
        """How it begins and how it ends, if a part of it can be told from chance."""
        long = not self.shy and len(self.value) >= _PIECE + 4
        return (self.value[:_PIECE], self.value[-_PIECE:]) if long else ()


class _Known(NamedTuple):
    secrets: tuple[_Secret, ...]
    needles: tuple[str, ...]
    """Without any of these in it, a text holds none of them."""


def remember(name: str, secret: str) -> None:
    """From now on `secret` is replaced in this process, under that name. Shorter than 8 characters it is not."""
    if len(secret) >= SHORTEST:
        _typed[secret] = name


def forget(secret: str) -> None:
    """It is no longer in memory."""
    _typed.pop(secret, None)


def take_from_environment(name: str) -> None:
    """Remember the value of a variable and remove it: what runs in this process has no use for it."""
    secret = os.environ.pop(name, "")
    remember(name, secret.strip())


def redact(text: str) -> str:
    """`text` with every secret replaced; the same object if there is none."""
    known = _known()
    if _holds_any(text, known.needles):
        for secret in known.secrets:
            text = _without(text, secret)
    return without_shapes(text) if suspect(text.lower()) else text


def redacted(value: Any) -> Any:
    """A JSON-like value with every secret in its texts and keys replaced; numbers stay as they are.

    Tuples become lists, as in JSON.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            (redact(key) if isinstance(key, str) else key): _field(key, entry) for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(entry) for entry in value]
    return value


def redact_bytes(raw: bytes) -> bytes:
    """The same for the bytes of a text (a prompt, a reply); bytes that are no UTF-8 stay as they are."""
    text = raw.decode("utf-8", "surrogateescape")
    clean = redact(text)
    return raw if clean == text else clean.encode("utf-8", "surrogateescape")


def may_hold_secret(text: str) -> bool:
    """Whether a JSON text may hold a secret: cheaper than to look at each of its values."""
    return _holds_any(text, _known().needles) or suspect(text.lower())


def _holds_any(text: str, needles: tuple[str, ...]) -> bool:
    return any(map(text.__contains__, needles))


def _field(key: object, value: Any) -> Any:
    if isinstance(value, str) and value and isinstance(key, str) and names_a_secret(key):
        return value if value.startswith("[secret ") else "[secret value]"
    return redacted(value)


# --- values that are known ----------------------------------------------------------------------------------


def _known() -> _Known:
    """The secrets of this moment; taken apart again only when the environment or what was typed has changed."""
    environment = os.environ
    found = [(name, environment[name].strip()) for name in environment if name.endswith(SUFFIXES)]
    return _taken_apart((*found, *((name, value) for value, name in _typed.items())))


@lru_cache(maxsize=8)
def _taken_apart(found: tuple[tuple[str, str], ...]) -> _Known:
    named = {value: name for name, value in found if len(value) >= SHORTEST and not _is_our_word(value)}
    ordered = sorted(named.items(), key=lambda entry: -len(entry[0]))  # one may be part of another
    secrets = tuple(
        _Secret(name, value, _spellings(value), _SHY.fullmatch(value) is not None) for value, name in ordered
    )
    return _Known(secrets, tuple(needle for one in secrets for needle in (*one.forms, *one.pieces)))


def _is_our_word(value: str) -> bool:
    """A password like 'finished' is a word that rows are made of: replaced, it would break them, and hide nothing."""
    return _WORD.fullmatch(value) is not None and value in _our_words()


@lru_cache(maxsize=1)
def _our_words() -> frozenset[str]:
    """Names and words of the program's own text; read only if some secret looks like one."""
    root = Path(__file__).resolve().parent.parent
    rooms = ("core", "knowledge", "instruments", "tools", "agent", "tui", "cli")
    texts = (path.read_text("utf-8", "replace") for room in rooms for path in (root / room).rglob("*.py"))
    return frozenset(word for text in texts for word in _WORD.findall(text))


def _spellings(value: str) -> tuple[str, ...]:
    """The value as it is, and as JSON, Python, URLs, HTML, base64 and hexadecimal write it."""
    import html

    raw = value.encode("utf-8", "surrogateescape")
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    found = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    found |= quoted | {re.sub("%[0-9A-F]{2}", lambda one: one[0].lower(), text) for text in quoted}
    found |= {
        html.escape(value),
        html.escape(value, quote=False),
        raw.hex(),
        raw.hex().upper(),
        *_base64(raw),
    }
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _base64(raw: bytes) -> Iterator[str]:
    """The digits that are sure, wherever in the encoded bytes it begins (`user:secret` of a header)."""
    import base64

    for before in range(3):
        first, end = -(-8 * before // 6), 8 * (before + len(raw)) // 6
        text = base64.b64encode(b"\0" * before + raw).decode()[first:end]
        yield from (text, text.replace("+", "-").replace("/", "_"))


def _without(text: str, secret: _Secret) -> str:
    for form in secret.forms:
        if form in text:
            text = _without_form(text, form, secret)
    return _without_cut(text, secret) if _holds_any(text, secret.pieces) else text


def _without_form(text: str, form: str, secret: _Secret) -> str:
    if not secret.shy:
        return text.replace(form, secret.shown)
    alone = rf"(?<![0-9A-Za-z])(?<![0-9]\.){re.escape(form)}(?![0-9A-Za-z])(?!\.[0-9])"
    return re.sub(alone, secret.shown, text)


def _without_cut(text: str, secret: _Secret) -> str:
    """A text may have been cut inside a secret: its beginning stands at the end, or its end at the beginning."""
    begins, ends = secret.pieces
    body = text.rstrip("….'\") ")
    at = body.rfind(begins, max(0, len(body) - len(secret.value)))
    if at >= 0 and secret.value.startswith(body[at:]):
        text = text[:at] + secret.shown + text[len(body) :]
    lead = len(text) - len(text.lstrip("….'\"( "))
    at = text.find(ends, lead, lead + len(secret.value))
    if at >= 0 and secret.value.endswith(text[lead : at + _PIECE]):
        text = text[:lead] + secret.shown + text[at + _PIECE :]
    return text
