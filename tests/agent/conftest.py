"""Every test of this room has its own state, settings and store."""

import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from workbench import Bench

from eucentric.bench.own_state import end_hosts


@pytest.fixture(autouse=True)
def own_places(monkeypatch):
    """Nothing of this user is read or written; the path is short, for sockets."""
    with tempfile.TemporaryDirectory(prefix="eu") as name:
        folder = Path(name)
        monkeypatch.setenv("EUCENTRIC_STATE", str(folder / "s"))
        monkeypatch.setenv("EUCENTRIC_CONFIG", str(folder / "none.toml"))
        yield folder
        end_hosts(folder / "s")


@pytest.fixture
def bench(own_places):
    """A store, a spied twin, and a way to carry plans through."""
    made = Bench(own_places)
    yield made
    made.store.close()
