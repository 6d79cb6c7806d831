"""The benchmark of the dose ledger: it holds, and it fails where the ledger is broken."""

import dataclasses

import numpy as np
import pytest

from eucentric.agent.acting import exposure
from eucentric.agent.dose.book import DoseBook
from eucentric.agent.dose.stage_errors import Errors
from eucentric.bench import dose
from eucentric.bench.doses.plans import Plans
from eucentric.knowledge import dose as arithmetic


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Some plans that are known to show what is broken below."""
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    monkeypatch.setattr(dose, "_QUICK", 6)
    monkeypatch.setattr(dose, "_NEEDED", 6)
    return lambda: dose.run(quick=True, seed=6)


def test_plans_are_drawn_by_the_seed():
    one, same, other = (Plans(np.random.default_rng(n)).draw() for n in (1, 1, 2))
    assert one == same != other
    assert {"move_stage", "acquire_image"} <= {act.tool for act in one}


def test_it_holds(few):
    answer = few()
    assert [bar["holds"] for bar in answer["bars"][:3]] == [True] * 3
    assert answer["figures"]["tiles_checked"] > 5_000
    assert answer["figures"]["largest_truth_over_bound"] > 0.8  # the bound is put to the test


def no_flyback(monkeypatch):
    real = arithmetic.scan_dose
    monkeypatch.setattr(exposure, "scan_dose", lambda **scan: real(**{**scan, "flyback_us": 0.0}))


def no_stage_error(monkeypatch):
    real = Errors.declared.__func__
    exact = {"move": 0.0, "fixed": np.zeros(2)}
    monkeypatch.setattr(
        Errors, "declared", classmethod(lambda cls, caps: dataclasses.replace(real(cls, caps), **exact))
    )


def no_memory_of_moves(monkeypatch):
    monkeypatch.setattr(DoseBook, "moved", lambda self, *step: None)


@pytest.mark.parametrize("broken", [no_flyback, no_stage_error, no_memory_of_moves])
def test_it_fails_where_the_ledger_is_broken(few, broken, monkeypatch):
    broken(monkeypatch)
    assert any(bar["holds"] is False for bar in few()["bars"][:3])
