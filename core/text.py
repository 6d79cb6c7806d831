"""Text from models, files and devices is data: what a person reads is escaped here first."""

import unicodedata

_KEEP = {"\n", "\t"}
_BAD_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def visible(text: str, *, one_line: bool = True, limit: int = 2000) -> str:
    """`text` with every control, format and bidirectional character written as an escape.

    A newline can forge a line of a gate card, an escape sequence can rewrite the screen and a
    right-to-left mark can reorder it; none of them survives. Longer texts end in an ellipsis.
    """
    out = []
    for char in text[:limit]:
        if char in _KEEP and not one_line:
            out.append(char)
        elif unicodedata.category(char) in _BAD_CATEGORIES:
            out.append(char.encode("unicode_escape").decode("ascii"))
        else:
            out.append(char)
    return "".join(out) + ("…" if len(text) > limit else "")
