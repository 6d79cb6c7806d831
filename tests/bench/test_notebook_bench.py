"""The notebook's benchmark: its sessions are what they claim, and it sees a loader that believes everything."""

import json
import math

import numpy as np
import pytest

from eucentric.bench import notebook
from eucentric.bench.crystals.sessions import SIGMA_DEG, session
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import notebook as nb
from eucentric.knowledge.notebook.book import row_of
from eucentric.knowledge.notebook.jsonld import _parsed, _taken


@pytest.fixture
def made(tmp_path):
    return session(np.random.default_rng(3), tmp_path / "x.notebook")


def test_readings_are_of_the_true_crystal_with_the_stated_error(made):
    found = made.book.calibration_of("load1")
    stage = nb.stage_of(found[1])
    offs = []
    for _, one in made.book.of(nb.ReadingEntry):
        axis = made.true.array @ made.crystal.direction(cr.parse_indices(one.written)[0])
        beam = cr.beam(stage, cr.Reading(alpha_deg=one.alpha_deg, beta_deg=one.beta_deg))
        offs.append(math.degrees(math.acos(min(1.0, float(beam @ axis)))))
    assert 0.0 < max(offs) < 5 * SIGMA_DEG
    assert np.linalg.norm(made.after.array - made.true.array) > 0.01


def test_a_case_holds_what_it_says(made, tmp_path):
    case = notebook._case(np.random.default_rng(4), tmp_path, 1, 6)
    assert (case["same"], case["tilts_same"], case["remade"], case["refused"]) == (True, True, True, 6)
    assert len(case["arrivals"]) == 3
    json.dumps(case)


def test_a_loader_that_checks_nothing_is_seen(made, tmp_path, monkeypatch):
    def believing(text, where):
        from eucentric.knowledge.notebook.book import entry_of

        taken = [_taken(node, where) for node in _parsed(text, where)["entries"]]
        return nb.Notebook(
            id=made.book.id, rows=tuple(row_of(key, entry_of(body, where)) for key, body, _ in taken)
        )

    monkeypatch.setattr(notebook, "from_jsonld", believing)
    monkeypatch.setattr(notebook, "_flipped", lambda rng, data: data)
    text, data = notebook.to_jsonld(made.book), notebook.to_hdf5(made.book)
    held = notebook._refused(np.random.default_rng(5), made.book, text, data, tmp_path / "y.h5", 60)
    assert held < 60
