"""A state directory and settings of the test's own: nothing of this user's is read or written."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eucentric.core.ledger import Ledger


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "config" / "settings.toml"))
    return tmp_path / "state"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "store" / "audit.db")
    yield made
    made.close()


@pytest.fixture
def tampering() -> Callable[[Path], contextlib.AbstractContextManager[sqlite3.Connection]]:
    """A connection whose triggers are gone, and back when it closes: what an administrator could do."""

    @contextlib.contextmanager
    def opened(path: Path) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(path, isolation_level=None)
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)
        connection.close()

    return opened


@pytest.fixture
def spawn() -> Callable[..., "subprocess.Popen[str]"]:
    """Start Python on a script, as another process would run."""

    def start(script: str, *args: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", script, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    return start
