"""What holds for every test."""

import pytest
from hypothesis import HealthCheck, settings

from eucentric.core import redaction

settings.register_profile(
    "the same on any machine", database=None, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("the same on any machine")


@pytest.fixture(autouse=True)
def nothing_typed_before(monkeypatch):
    """A secret that another test typed would be hidden in this one's texts."""
    monkeypatch.setattr(redaction, "_typed", {})
