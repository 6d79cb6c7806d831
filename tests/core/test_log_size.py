"""The write-ahead log stays small beside readers, and a reader that can't be waited for delays nobody for long."""

import math
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eucentric.core import log_size
from eucentric.core.chain import log_of, stored_rows, verify
from eucentric.core.ledger import Ledger

BODY = {"x": "y" * 20_000}
ROWS = 1500
"""Of 20 kB: the log would be 30 MB without a checkpoint."""
BOUND = log_size.LIMIT + 6 * 2**20
"""With the rows between two looks, 25 kB each."""


def size(ledger: Ledger) -> int:
    return os.stat(log_of(ledger.path)).st_size


class Relay:
    """Two readers that take over from each other: at any moment one of them holds a snapshot."""

    def __init__(self, path: Path) -> None:
        self.path, self.leave, self.seen = path, threading.Event(), 0
        self.turn = [threading.Event(), threading.Event()]
        self.threads = [threading.Thread(target=self._read, args=(i,)) for i in (0, 1)]

    def __enter__(self) -> "Relay":
        self.turn[0].set()
        for thread in self.threads:
            thread.start()
        while not self.seen:
            time.sleep(0.001)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        for thread in self.threads:
            thread.join()

    def _read(self, me: int) -> None:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)
        while not self.leave.is_set():
            if not self.turn[me].wait(0.05):
                continue
            connection.execute("BEGIN")
            connection.execute("SELECT max(seq) FROM event").fetchone()
            self.seen += 1
            mine = self.seen
            self.turn[me].clear()
            self.turn[1 - me].set()  # the other begins before this one ends
            while self.seen == mine and not self.leave.is_set():
                time.sleep(0.001)
            connection.execute("COMMIT")
        connection.close()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "audit.db")
    ledger._connection.execute("PRAGMA synchronous=OFF")  # it is the size that is looked at
    yield ledger
    ledger.close()


def write(ledger: Ledger, rows: int = ROWS, enough: float = math.inf) -> int:
    """Append rows, until the log is large enough; the largest size that it had [bytes]."""
    largest = 0
    for i in range(rows):
        ledger.append("r", "found", "me", "s", BODY)
        largest = max(largest, size(ledger)) if i % 10 == 0 else largest
        if largest > enough:
            break
    return largest


def test_the_log_is_bounded_beside_readers_that_relieve_each_other(writer: Ledger, monkeypatch) -> None:
    monkeypatch.setattr(log_size, "TRIES", 100)  # a slow machine is not what is looked at
    with Relay(writer.path) as relay:
        assert write(writer) < BOUND
        assert relay.seen > 20
    assert verify(writer.path, []).ok


def test_without_a_policy_it_would_not_be(writer: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_size, "LOOK_EVERY", 10**9)
    with Relay(writer.path):
        assert write(writer, enough=BOUND) > BOUND


def test_a_reader_that_never_lets_go_delays_little(writer: Ledger, monkeypatch) -> None:
    tries = []
    checkpoint = log_size.LogSize._checkpoint

    def counted(self: log_size.LogSize, mode: str, times: int) -> bool:
        tries.append(mode)
        return checkpoint(self, mode, times)

    monkeypatch.setattr(log_size.LogSize, "_checkpoint", counted)
    monkeypatch.setattr(log_size, "PATIENCE_S", 0.001)
    reader = sqlite3.connect(writer.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT max(seq) FROM event").fetchone()
    grown = write(writer)
    assert grown > 3 * log_size.LIMIT  # nothing can be done about that
    assert len(tries) <= 1 + (grown - log_size.LIMIT) // (log_size.LIMIT // 2)
    reader.execute("COMMIT")
    write(writer, 600)
    assert size(writer) <= BOUND
    reader.close()


def test_the_end_of_a_run_cuts_it_to_nothing_and_waits_no_ten_seconds(writer: Ledger, monkeypatch) -> None:
    monkeypatch.setattr(log_size, "LAST_TRIES", 2)
    write(writer, 20)
    reader = sqlite3.connect(writer.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT max(seq) FROM event").fetchone()
    writer.fold()
    assert size(writer) > 0
    reader.close()
    writer.fold()
    assert size(writer) == 0
    assert writer.append("r", "found", "me", "after").seq == 22


def test_a_checkpoint_that_fails_does_not_unsay_a_row(
    writer: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = sqlite3.connect(":memory:")
    broken.close()
    monkeypatch.setattr(log_size, "LOOK_EVERY", 1)
    writer._log._next, writer._log._connection = 0, broken
    assert writer.append("r", "found", "me", "s").seq == 2
    assert not writer._log._checkpoint("RESTART", 1)
    writer._log._connection = writer._connection
    assert writer._log._checkpoint("RESTART", 1)


def test_a_walk_over_the_chain_holds_no_snapshot_for_long(writer: Ledger, monkeypatch) -> None:
    monkeypatch.setattr("eucentric.core.chain.CHUNK", 10)
    for _ in range(30):
        writer.append("r", "found", "me", "s")
    reader = sqlite3.connect(f"file:{writer.path}?mode=ro", uri=True)
    said: list[str] = []
    reader.set_trace_callback(said.append)
    walk = stored_rows(reader)
    for _ in range(11):  # into the second piece
        next(walk)
    writer.append("r", "found", "me", "the newest")
    assert list(walk)[-1][7] == "the newest"
    assert not reader.in_transaction
    assert said.count("BEGIN") >= 4  # a snapshot of its own for each ten
    reader.close()
