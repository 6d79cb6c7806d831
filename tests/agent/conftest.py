"""Every test of this room has its own state, settings and store."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from workbench import Bench


@pytest.fixture(autouse=True)
def own_places(monkeypatch):
    """Nothing of this user is read or written; the path is short, for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="eu", dir="/tmp"))
    monkeypatch.setenv("EUCENTRIC_STATE", str(folder / "s"))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(folder / "none.toml"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bench(own_places):
    """A store, a spied twin, and a way to carry plans through."""
    made = Bench(own_places)
    yield made
    made.store.close()
