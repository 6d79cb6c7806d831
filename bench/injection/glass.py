"""What a person would see: a terminal of so many columns, as far as a forger makes use of one.

Line feeds, carriage returns, backspaces, cursor movement, erasing, and the wrap at the right margin are obeyed;
what has no ink takes no room. Nothing is shared with the code that escapes.
"""

import re
import unicodedata

_PIECE = re.compile(
    r"(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])"  # control sequences
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # strings: titles, links
    r"|\x1b."
    r"|.",
    re.DOTALL,
)
_NEW_LINE = {"\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"}
_MOST_ROWS = 5000


class Glass:
    """A screen.

    Parameters
    ----------
    columns
        Of the terminal.
    """

    def __init__(self, columns: int = 80) -> None:
        self.columns = columns
        self._rows: dict[int, dict[int, str]] = {}
        self._row = self._column = 0

    def feed(self, text: str) -> "Glass":
        """Show `text`."""
        for piece in _PIECE.finditer(text):
            if piece[2]:
                self._control(piece[1], piece[2])
            elif len(piece[0]) == 1:
                self._char(piece[0])
        return self

    @property
    def rows(self) -> list[str]:
        """What stands on it, row by row."""
        return [
            "".join(cells.get(n, " ") for n in range(max(cells, default=-1) + 1)).rstrip()
            for _, cells in sorted(self._rows.items())
        ]

    def _char(self, char: str) -> None:
        if char in _NEW_LINE:
            self._row, self._column = min(self._row + 1, _MOST_ROWS), 0
            self._rows.setdefault(self._row, {})
        elif char == "\r":
            self._column = 0
        elif char == "\b":
            self._column = max(0, self._column - 1)
        elif char == "\t":
            self._column = (self._column // 8 + 1) * 8
        elif unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Mn", "Me"):
            self._ink(char)

    def _ink(self, char: str) -> None:
        wide = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if self._column + wide > self.columns:
            self._row, self._column = min(self._row + 1, _MOST_ROWS), 0
        cells = self._rows.setdefault(self._row, {})
        cells[self._column] = char
        if wide == 2:
            cells[self._column + 1] = ""
        self._column += wide

    def _control(self, numbers: str, letter: str) -> None:
        given = [int(one) if one.isdigit() else 0 for one in numbers.split(";")]
        first = max(1, given[0])
        if letter in "Hf":
            self._row, self._column = first - 1, max(1, given[1] if len(given) > 1 else 1) - 1
        elif letter in "AB":
            self._row = max(0, self._row + (first if letter == "B" else -first))
        elif letter in "CD":
            self._column = max(0, self._column + (first if letter == "C" else -first))
        elif letter == "G":
            self._column = first - 1
        elif letter == "J":
            self._rows.clear()
        elif letter == "K":
            self._rows.pop(self._row, None)


def hidden(text: str) -> list[str]:
    """Characters that act or hide, as code points; bold and its end, and a line that erases itself, are ours."""
    bare = re.sub(r"\x1b\[[01]m|^\r\x1b\[K", "", text, flags=re.MULTILINE)
    found = {
        f"U+{ord(char):04X}"
        for char in bare
        if char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    }
    if re.search(r"[\ufe00-\ufe0f\u3164\u2800\u115f\u034f]", bare):
        found.add("no ink")
    marks = "".join("m" if unicodedata.category(char) in ("Mn", "Me") else "-" for char in bare)
    return sorted(found | ({"a flood of marks"} if "mmmmm" in marks else set()))
