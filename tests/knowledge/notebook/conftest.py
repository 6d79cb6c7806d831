"""A short session at a simulated microscope, written down: fixtures."""

import sys
from pathlib import Path

import pytest

from eucentric.knowledge import crystal as cr

sys.path.insert(0, str(Path(__file__).parent))  # notebook_session is a plain module beside the tests

from notebook_session import CELLS, fill


@pytest.fixture(params=list(CELLS))
def crystal(request):
    """Cubic, hexagonal, trigonal and monoclinic."""
    numbers, group = CELLS[request.param]
    return cr.crystal_of(numbers, group, request.param)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.notebook"


@pytest.fixture
def filled(path, crystal):
    """(file, true orientation): see `fill`."""
    file, true = fill(path, crystal)
    yield file, true
    file.close()
