"""Full-text search: the index, and the newest rows that are not in it yet.

An index that is written with every row costs a commit more than the row itself, so the words of sixteen rows enter it
together (`event_table`). The rest are looked through here, in memory, with the same rules.
"""

import re
import sqlite3
from collections.abc import Iterable
from typing import Any

from eucentric.core.event_table import TOKENS

_MANY = 1000
"""More than that are never outside the index; somebody who emptied it must not fill the memory."""
INDEXED = (
    "SELECT {columns} FROM event_fts JOIN event ON event.seq = event_fts.rowid "
    "WHERE event_fts MATCH ? ORDER BY event_fts.rowid DESC LIMIT ?"
)
OUTSIDE = (
    "SELECT {columns} FROM event WHERE seq > (SELECT coalesce(max(id),0) FROM event_fts_docsize) "
    f"ORDER BY seq DESC LIMIT {_MANY}"
)


def query_of(text: str) -> str:
    """The words of `text` as a query in which every one must occur; nothing in it is query syntax. '' if none."""
    return " ".join(f'"{word}"' for word in re.sub(r'["\0]', " ", text).split())


def matching(rows: Iterable[tuple[int, str, str]], query: str) -> set[int]:
    """Numbers of those of `rows` (seq, summary, body) that the query finds."""
    memory: Any = sqlite3.connect(":memory:", isolation_level=None)
    try:
        memory.execute(f"CREATE VIRTUAL TABLE tail USING fts5(summary, body, tokenize='{TOKENS}')")
        memory.executemany("INSERT INTO tail(rowid, summary, body) VALUES(?,?,?)", rows)
        return {int(row[0]) for row in memory.execute("SELECT rowid FROM tail WHERE tail MATCH ?", (query,))}
    finally:
        memory.close()
