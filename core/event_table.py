"""The ledger's table and the triggers that keep it append-only. Standard library only.

`Ledger` creates them and `chain.verify` looks whether they are still there, by the same words.

Schema 1 had no column `clocks` and indexed each row's words at once; schema 2 adds the column at the end of the
table and indexes the words of sixteen rows together (`searching.py` reads the few that are not in the index yet).
"""

import re
import sqlite3

SCHEMA = 2
GENESIS = "0" * 64
COLUMNS = (
    "seq", "ts", "run_id", "kind", "actor", "action_id", "tool", "summary", "body", "clocks", "prev",
)  # fmt: skip
"""What a row's hash covers, in this order; `clocks` is left out of it where it is NULL, as in rows of schema 1."""
TOKENS = "porter unicode61"
"""How words are told apart and stemmed, in the index and in what is not in it yet."""
_BATCH = 16
_TABLE_1 = """CREATE TABLE event(
  seq INTEGER PRIMARY KEY, ts TEXT NOT NULL, run_id TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL,
  action_id TEXT, tool TEXT, summary TEXT NOT NULL, body TEXT NOT NULL CHECK(json_valid(body)),
  prev TEXT NOT NULL, hash TEXT NOT NULL UNIQUE) STRICT"""
_ADDED_2 = "clocks TEXT"
TABLE = _TABLE_1.replace("UNIQUE)", f"UNIQUE, {_ADDED_2})")
_KEPT = {
    "event_no_update": "CREATE TRIGGER event_no_update BEFORE UPDATE ON event "
    "BEGIN SELECT RAISE(ABORT,'the ledger is append-only'); END",
    "event_no_delete": "CREATE TRIGGER event_no_delete BEFORE DELETE ON event "
    "BEGIN SELECT RAISE(ABORT,'the ledger is append-only'); END",
    # The last condition: OR REPLACE with a hash that exists would remove that row, and no DELETE trigger
    # fires for it on a connection without recursive_triggers.
    "event_chain": "CREATE TRIGGER event_chain BEFORE INSERT ON event "
    "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq),0)+1 FROM event) "
    f"OR NEW.prev IS NOT coalesce((SELECT hash FROM event ORDER BY seq DESC LIMIT 1),'{GENESIS}') "
    "OR EXISTS (SELECT 1 FROM event WHERE hash = NEW.hash) "
    "BEGIN SELECT RAISE(ABORT,'broken chain'); END",
}
_TRIGGERS_1 = _KEPT | {
    "event_search": "CREATE TRIGGER event_search AFTER INSERT ON event BEGIN "
    "INSERT INTO event_fts(rowid, summary, body) VALUES (NEW.seq, NEW.summary, NEW.body); END",
}
TRIGGERS = _KEPT | {
    "event_search": f"CREATE TRIGGER event_search AFTER INSERT ON event WHEN NEW.seq % {_BATCH} = 0 BEGIN "
    "INSERT INTO event_fts(rowid, summary, body) SELECT seq, summary, body FROM event "
    "WHERE seq > (SELECT coalesce(max(id),0) FROM event_fts_docsize); END",
}
CREATE_1 = (
    _TABLE_1,
    "CREATE INDEX event_run ON event(run_id, seq)",
    "CREATE INDEX event_action ON event(action_id) WHERE action_id IS NOT NULL",
    "CREATE VIRTUAL TABLE event_fts USING fts5(summary, body, content='event', content_rowid='seq', "
    f"tokenize='{TOKENS}')",
    *_TRIGGERS_1.values(),
)
CHANGE_2 = (
    f"ALTER TABLE event ADD COLUMN {_ADDED_2}",
    "DROP TRIGGER event_search",
    TRIGGERS["event_search"],
)
_SCHEMAS = {1: (_TABLE_1, _TRIGGERS_1), 2: (TABLE, TRIGGERS)}


def has_clocks(connection: sqlite3.Connection) -> bool:
    """Whether the table has the column of schema 2."""
    return any(row[1] == "clocks" for row in connection.execute("PRAGMA table_info(event)"))


def selected(clocks: bool, table: str = "") -> str:
    """The columns and the hash as a query names them; a ledger of schema 1 answers NULL for its clocks."""
    names = {name: f"{table}{name}" for name in (*COLUMNS, "hash")}
    return ",".join((names if clocks else names | {"clocks": "NULL AS clocks"}).values())


def schema_problems(connection: sqlite3.Connection, schema: int | None = None) -> list[str]:
    """What is missing, changed or added among the table and its triggers, one line each.

    Parameters
    ----------
    schema
        1 or 2; None: whichever the table is of. It does not matter whether a table was made in that shape or changed
        into it: SQLite rewrites the stored text, and blanks don't count.
    """
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    stored = {(str(kind), str(name)): _squeeze(str(sql)) for kind, name, sql in rows}
    if schema is None:
        schema = 1 if stored.get(("table", "event")) == _squeeze(_TABLE_1) else SCHEMA
    table, triggers = _SCHEMAS[schema]
    wanted = {("table", "event"): table} | {("trigger", name): sql for name, sql in triggers.items()}
    problems = [
        f"{kind} {name} is missing or changed: rows could be edited or removed"
        for (kind, name), sql in wanted.items()
        if stored.get((kind, name)) != _squeeze(sql)
    ]
    added = [str(name) for kind, name, _ in rows if kind == "trigger" and name not in triggers]
    return problems + [f"trigger {name!r} does not belong here: it could swallow rows" for name in added]


def _squeeze(sql: str) -> str:
    return re.sub(r"\s+", "", sql).lower()
