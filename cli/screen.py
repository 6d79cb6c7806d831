"""What is printed passes here, whoever prints it: a command, a log, a trace, a driver's own `print`.

Secrets are taken out, what could act on a terminal is written as an escape that JSON has, too, and lines longer than
the terminal are folded. Commands escape what they quote all the same: this is the second net.
"""

import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any

from eucentric.core.redaction import redact, redact_bytes
from eucentric.core.text import MOST_MARKS, folded

_ACTS = re.compile(
    "(\x1b\\[[01]m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
"""Whatever is no ink and no space; bold, which is ours, and its end are the exception."""
_ERASE = "\r\x1b[K"
"""How a line of progress begins: at the beginning of a write only."""
_NARROW, _USUAL = 40, 80
"""A terminal that says it is narrower is not believed; one that says nothing has as many as most."""


class Screen:
    """A text stream that passes everything on, harmless.

    Parameters
    ----------
    fold
        Whether lines are fitted to the terminal, if it is one.
    columns
        Its width, if it can't be asked.
    """

    def __init__(self, stream: Any, *, fold: bool = True, columns: int = 0) -> None:
        self._stream, self._fold, self._columns = stream, fold, columns

    def write(self, text: str) -> int:
        """Write `text`; TypeError if it is no text."""
        if not isinstance(text, str):
            raise TypeError(f"a text is written here, not {type(text).__name__}")
        lead = _ERASE if text.startswith(_ERASE) else ""
        shown = harmless(redact(text[len(lead) :]))
        width = self._width()
        self._stream.write(lead + (folded(shown, width) if width else shown))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> "_Bytes":
        """The stream of bytes behind it, without secrets."""
        return _Bytes(self._stream.buffer)

    def _width(self) -> int:
        """Columns of the terminal; 0 where there is none."""
        if self._columns:
            return self._columns
        try:
            if not (self._fold and self._stream.isatty()):
                return 0
            return max(_NARROW, os.get_terminal_size(self._stream.fileno()).columns or _USUAL)
        except (OSError, ValueError):
            return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bytes:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        raw = bytes(data)
        self._stream.write(redact_bytes(raw))
        return len(raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def harmless(text: str) -> str:
    """`text` with everything that acts on a terminal, hides or covers, as an escape that is valid inside JSON."""
    if text.isascii() and text.isprintable():
        return text
    return _without_floods(_ACTS.sub(lambda found: found[1] or _escape(found[0]), text))


def _without_floods(text: str) -> str:
    """Of the combining marks on one letter a few are kept."""
    if text.isascii():
        return text
    out, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        out.append(_escape(char) if marks > MOST_MARKS else char)
    return "".join(out)


def _escape(char: str) -> str:
    raw = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[n] << 8 | raw[n + 1]:04x}" for n in range(0, len(raw), 2))


def guard_streams(*, fold: bool) -> None:
    """Put a screen before this process's standard streams, once."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Screen):
            setattr(sys, name, Screen(stream, fold=fold))
