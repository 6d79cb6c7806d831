"""What holds for every test."""

import os
import shutil
import tempfile
from pathlib import Path

# Before numpy: two workers on two cores, each with threads for both, would stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Else each command that a test starts would compile every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_MEMORY, _ENOUGH = Path("/dev/shm"), 2e9


def _in_memory() -> str | None:
    """A folder for all temporary files in which a synced row waits for no disk; None: where they always are.

    Nothing is lost by it: processes are killed here, but never the machine. Workers inherit it.
    """
    usable = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH
    if "TMPDIR" in os.environ or not usable:
        return None
    folder = tempfile.mkdtemp(prefix="eu", dir=_MEMORY)
    os.chmod(folder, 0o711)  # some tests become somebody else
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    return folder


_OURS = _in_memory()

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from eucentric.agent.reporting import png  # noqa: E402
from eucentric.core import redaction  # noqa: E402

settings.register_profile(
    "the same on any machine", database=None, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("the same on any machine")


def pytest_unconfigure() -> None:
    """Memory is given back."""
    if _OURS is not None:
        shutil.rmtree(_OURS, ignore_errors=True)


@pytest.fixture(autouse=True)
def small_pictures(request, monkeypatch):
    """Every run draws pictures for its report: small and without axes, but where a test is about them."""
    if request.node.get_closest_marker("full_pictures") is None:
        monkeypatch.setattr(png, "_DPI", 20)
        monkeypatch.setattr(png, "_lay_out", _without_axes)


def _without_axes(figure, pads):
    for axes in figure.axes:
        axes.set_axis_off()


@pytest.fixture(autouse=True)
def nothing_typed_before(monkeypatch):
    """A secret that another test typed would be hidden in this one's texts."""
    monkeypatch.setattr(redaction, "_typed", {})
