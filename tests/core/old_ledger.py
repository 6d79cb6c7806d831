"""A ledger as the first version wrote it, by its own words: nothing here is imported from the product."""

import hashlib
import json
import sqlite3
from pathlib import Path

COLUMNS = ("seq", "ts", "run_id", "kind", "actor", "action_id", "tool", "summary", "body", "prev")
_CHAIN = (
    "CREATE TRIGGER event_chain BEFORE INSERT ON event "
    "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq),0)+1 FROM event) "
    f"OR NEW.prev IS NOT coalesce((SELECT hash FROM event ORDER BY seq DESC LIMIT 1),'{'0' * 64}') "
    "OR EXISTS (SELECT 1 FROM event WHERE hash = NEW.hash) "
    "BEGIN SELECT RAISE(ABORT,'broken chain'); END"
)
_DDL = (
    """CREATE TABLE event(
  seq INTEGER PRIMARY KEY, ts TEXT NOT NULL, run_id TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL,
  action_id TEXT, tool TEXT, summary TEXT NOT NULL, body TEXT NOT NULL CHECK(json_valid(body)),
  prev TEXT NOT NULL, hash TEXT NOT NULL UNIQUE) STRICT""",
    "CREATE INDEX event_run ON event(run_id, seq)",
    "CREATE INDEX event_action ON event(action_id) WHERE action_id IS NOT NULL",
    "CREATE VIRTUAL TABLE event_fts USING fts5(summary, body, content='event', content_rowid='seq', "
    "tokenize='porter unicode61')",
    "CREATE TRIGGER event_no_update BEFORE UPDATE ON event "
    "BEGIN SELECT RAISE(ABORT,'the ledger is append-only'); END",
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event "
    "BEGIN SELECT RAISE(ABORT,'the ledger is append-only'); END",
    _CHAIN,
    "CREATE TRIGGER event_search AFTER INSERT ON event BEGIN "
    "INSERT INTO event_fts(rowid, summary, body) VALUES (NEW.seq, NEW.summary, NEW.body); END",
    'CREATE TABLE "_sqlite_migrations" ("id" INTEGER PRIMARY KEY, "migration_set" TEXT, "name" TEXT, '
    '"applied_at" TEXT)',
    "INSERT INTO _sqlite_migrations VALUES (1, 'eucentric-ledger', 'm001_event', '2026-10-01 12:00:00+00:00')",
)


def old_ledger(path: Path, rows: int = 20) -> Path:
    """Write one of `rows` rows: the first opens it, the others are findings of r-0001 with words of their own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    for sql in _DDL:
        connection.execute(sql)
    for seq in range(1, rows + 1):
        old_row(connection, seq)
    connection.close()
    return path


def old_row(connection: sqlite3.Connection, seq: int) -> None:
    """Append one row as the first version does, naming its columns."""
    prev = connection.execute("SELECT hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    if seq == 1:
        names = ("-", "opened", "ledger", None, None, "ledger opened")
        body = {"ledger_id": "0123456789abcdef" * 2, "schema": 1}
    else:
        names = ("r-0001", "found", "me", f"a#{seq}", "t", f"finding number{seq}")
        body = {"n": seq, "words": 'Å "quoted"\n'}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    values = (seq, f"2026-10-01T12:00:{seq % 60:02d}.000Z", *names, text, prev[0] if prev else "0" * 64)
    listed = json.dumps(list(values), separators=(",", ":"), ensure_ascii=False)
    row = (*values, hashlib.sha256(listed.encode()).hexdigest())
    connection.execute(f"INSERT INTO event({','.join(COLUMNS)},hash) VALUES({','.join('?' * 11)})", row)
