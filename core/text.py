"""Text from models, files and devices is data: what a person reads is escaped here first."""

import unicodedata

_KEEP = {"\n", "\t"}
_BAD_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_NOTHING_TO_SEE = {
    0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0,
    *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0),
}  # fmt: skip
"""Fillers, joiners and variation selectors: letters and marks by category, but with no ink."""


def visible(text: str, *, one_line: bool = True, limit: int = 2000) -> str:
    """`text` with every control, format, bidirectional and inkless character written as an escape.

    A newline can forge a line of a gate card, an escape sequence can rewrite the screen and a
    right-to-left mark can reorder it; none of them survives. Longer texts end in an ellipsis.
    """
    out = []
    for char in text[:limit]:
        if char in _KEEP and not one_line:
            out.append(char)
        elif unicodedata.category(char) in _BAD_CATEGORIES or ord(char) in _NOTHING_TO_SEE:
            out.append(char.encode("unicode_escape").decode("ascii"))
        else:
            out.append(char)
    return "".join(out) + ("…" if len(text) > limit else "")
