"""The ledger's table and the triggers that keep it append-only. Standard library only.

`Ledger` creates them and `chain.verify` looks whether they are still there, by the same words.
"""

import re
import sqlite3

GENESIS = "0" * 64
COLUMNS = ("seq", "ts", "run_id", "kind", "actor", "action_id", "tool", "summary", "body", "prev")
TABLE = """CREATE TABLE event(
  seq INTEGER PRIMARY KEY, ts TEXT NOT NULL, run_id TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL,
  action_id TEXT, tool TEXT, summary TEXT NOT NULL, body TEXT NOT NULL CHECK(json_valid(body)),
  prev TEXT NOT NULL, hash TEXT NOT NULL UNIQUE) STRICT"""
TRIGGERS = {
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
    "event_search": "CREATE TRIGGER event_search AFTER INSERT ON event BEGIN "
    "INSERT INTO event_fts(rowid, summary, body) VALUES (NEW.seq, NEW.summary, NEW.body); END",
}


def schema_problems(connection: sqlite3.Connection) -> list[str]:
    """What is missing, changed or added among the table and its triggers, one line each."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    stored = {(str(kind), str(name)): str(sql) for kind, name, sql in rows}
    wanted = {("table", "event"): TABLE} | {("trigger", name): sql for name, sql in TRIGGERS.items()}
    problems = [
        f"{kind} {name} is missing or changed: rows could be edited or removed"
        for (kind, name), sql in wanted.items()
        if _squeeze(stored.get((kind, name), "")) != _squeeze(sql)
    ]
    added = [str(name) for kind, name, _ in rows if kind == "trigger" and name not in TRIGGERS]
    return problems + [f"trigger {name!r} does not belong here: it could swallow rows" for name in added]


def _squeeze(sql: str) -> str:
    return re.sub(r"\s+", "", sql).lower()
