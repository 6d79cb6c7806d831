"""What holds for every test."""

import pytest

from eucentric.core import redaction


@pytest.fixture(autouse=True)
def nothing_typed_before(monkeypatch):
    """A secret that another test typed would be hidden in this one's texts."""
    monkeypatch.setattr(redaction, "_typed", {})
