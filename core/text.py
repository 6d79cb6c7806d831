"""Text from models, files and devices is data: what a person reads is escaped, quoted and folded here first.

`visible` takes the power out of characters, `quoted` shows where a stranger's words begin and end, `named` keeps an
id an id, and `folded` keeps a long line from beginning anew at the left margin, where only our own lines begin.
"""

import re
import unicodedata

from eucentric.core.redaction import redact

_KEEP = {"\n", "\t"}
_BAD_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_NOTHING_TO_SEE = {
    0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0,
    *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0),
}  # fmt: skip
"""Fillers, joiners and variation selectors: letters and marks by category, but with no ink."""
MOST_MARKS = 3
"""Combining marks on one letter that are kept: no script that people write needs more, a flood covers other lines."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/#~@+?=&,%-]{0,199}")
_OURS = re.compile("\x1b\\[[01]m")
"""Bold and its end, which take no room."""
_CELL = re.compile(f"{_OURS.pattern}|.", re.DOTALL)
_LONG_WORD = 24
"""A word longer than that is cut at the end of a row."""
_QUOTES = str.maketrans({"“": "\\u201c", "”": "\\u201d"})
HANGING = "    ↳ "
"""What the further rows of a folded line begin with; no line of ours does."""


def visible(text: str, *, one_line: bool = True, limit: int = 2000) -> str:
    """`text` with secrets replaced and every control, format, bidirectional and inkless character as an escape.

    A newline can forge a line of a gate card, an escape sequence can rewrite the screen and a
    right-to-left mark can reorder it; none of them survives. Longer texts end in an ellipsis.
    """
    text = redact(text)
    end = "…" if len(text) > limit else ""
    text = text[:limit]
    if text.isascii() and text.isprintable():
        return text + end
    return "".join(_shown(text, one_line)) + end


def _shown(text: str, one_line: bool) -> list[str]:
    out, marks = [], 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if char in _KEEP and not one_line:
            out.append(char)
        elif category in _BAD_CATEGORIES or ord(char) in _NOTHING_TO_SEE or marks > MOST_MARKS:
            out.append(char.encode("unicode_escape").decode("ascii"))
        else:
            out.append(char)
    return out


def plain(text: str) -> str:
    """A text as it may be recorded and sent on: without secrets, half a surrogate pair as its escape."""
    return redact(text).encode("utf-8", "backslashreplace").decode("utf-8")


def quoted(text: str, *, limit: int = 2000) -> str:
    """A stranger's words inside a line of ours: “as they are”, with no such quotation mark in them."""
    return f"“{visible(text.translate(_QUOTES), limit=limit)}”"


def named(text: str, *, limit: int = 200) -> str:
    """An id as it is; whatever is no id is quoted, so that it can't read as a line of ours."""
    return visible(text, limit=limit) if _ID.fullmatch(text) else quoted(text, limit=limit)


def folded(text: str, width: int) -> str:
    """Lines broken to `width` columns, their further rows set in and marked.

    A terminal would go on at the left margin: padded well, the end of a stranger's sentence would stand there
    like a line of ours.
    """
    return "\n".join(row for line in text.split("\n") for row in _rows(line, width))


def _rows(line: str, width: int) -> list[str]:
    rows: list[str] = []
    row, used = "", 0
    room = max(width, 2 * len(HANGING))
    for char in _CELL.findall(line.expandtabs(8)):
        wide = 0 if len(char) > 1 else columns(char)
        if used + wide > room:
            done, row = _broken(row)
            rows += [done] if len(done) >= len(HANGING) else [done] * (not rows)
            used = columns(_OURS.sub("", row))
            if char == " " and row == HANGING:
                continue
        row, used = row + char, used + wide
    return [*rows, row]


def _broken(row: str) -> tuple[str, str]:
    """A full row up to its last space, and what the next one begins with; a long word is cut."""
    at = row.rfind(" ", max(len(HANGING), len(row) - _LONG_WORD))
    return (row[:at].rstrip(" "), HANGING + row[at + 1 :]) if at > 0 else (row.rstrip(" "), HANGING)


def columns(text: str) -> int:
    """Columns of a terminal that a text takes: two for a wide letter, none for a combining mark."""
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(char) in "WF" else 0 if unicodedata.combining(char) else 1
        for char in text
    )
