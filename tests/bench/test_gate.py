"""The gate bench on a few cases of each kind, and a judge that can say no."""

import json
import sqlite3

import pytest

from eucentric.bench import gate
from eucentric.bench.gates.cases import change, death, forgery, race, stranger
from eucentric.bench.gates.judge import judged


@pytest.fixture
def places():
    with gate._own_places() as folder:
        yield folder


@pytest.mark.parametrize(
    ("play", "count"),
    [(race, 3), (forgery, 4), (change, 3), (death, 2)],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_nothing_is_wrong(places, play, count):
    cases = list(gate._played(places, play, count, 5))
    assert [text for case in cases for text in case.wrong] == []
    assert len(cases) == count


def test_one_stranger_of_each_kind(places):
    cases, seen = gate._played(places, stranger, 12, 3), set()
    for case in cases:
        assert case.wrong == []
        seen.add(case.id.partition(": ")[2])
        if {"no terminal", "wrong secret"} <= seen:
            break
    assert seen


def test_without_the_checks_void_approvals_act(places):
    assert gate._control(places, 4, 7) > 0


def test_quick_has_the_shape_of_the_contract(monkeypatch):
    monkeypatch.setattr(gate, "_QUICK", {race: 2, forgery: 1})
    monkeypatch.setattr(gate, "_control", lambda *_: 1)
    result = gate.run(quick=True)
    assert result["bars"][0]["holds"] is None
    assert json.dumps(result)


# --- the judge --------------------------------------------------------------------------------------------

ASKED = {"gate": "g1", "card_sha256": "c", "binding": "b", "envelope": {"a": 1},
         "needs": {"role": "user", "approvers": 1}}  # fmt: skip
YES = {
    "gate": "g1",
    "outcome": "approved",
    "by": "ann",
    "card_sha256": "c",
    "binding": "b",
    "envelope": {"a": 1},
}


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([("asked", "e", ASKED), ("decided", "ann", YES), ("intended", "e", {})], (0, 0, 0)),
        ([("asked", "e", ASKED), ("intended", "e", {})], (0, 0, 1)),
        ([("asked", "e", ASKED), ("intended", "e", {}), ("decided", "ann", YES)], (0, 0, 1)),
        ([("asked", "e", ASKED), ("decided", "ann", {**YES, "outcome": "rejected"}), ("intended", "e", {})], (0, 0, 1)),
        ([("asked", "e", ASKED), ("decided", "ann", YES), ("decided", "bob", YES)], (1, 0, 0)),
        ([("asked", "e", ASKED), ("decided", "ann", {**YES, "card_sha256": "x"}), ("intended", "e", {})], (0, 0, 1)),
        ([("asked", "e", ASKED), ("decided", "ann", {**YES, "envelope": {"a": 2}}), ("intended", "e", {})], (0, 0, 1)),
        (
            [("asked", "e", {**ASKED, "needs": {"role": "operator", "approvers": 1}}), ("decided", "ann", YES),
             ("intended", "e", {})],
            (0, 0, 1),
        ),
        (
            [("asked", "e", {**ASKED, "needs": {"role": "user", "approvers": 2}}), ("decided", "ann", YES),
             ("intended", "e", {})],
            (0, 0, 1),
        ),
        ([("asked", "e", ASKED), ("decided", "ann", {**YES, "outcome": "timed_out"})], (0, 1, 0)),
        ([("asked", "e", ASKED), ("decided", "clock", {**YES, "outcome": "timed_out"})], (0, 0, 0)),
        ([("asked", "e", ASKED), ("decided", "clock", {**YES, "outcome": "rejected"})], (0, 1, 0)),
    ],
)  # fmt: skip
def test_the_judge_sees_what_must_not_be(tmp_path, rows, wanted):
    path = tmp_path / "audit.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE event(seq INTEGER, run_id TEXT, kind TEXT, actor TEXT, body TEXT)")
        for number, (kind, actor, body) in enumerate(rows):
            made.execute(
                "INSERT INTO event VALUES(?,?,?,?,?)", (number, "r-0001", kind, actor, json.dumps(body))
            )
    made.close()
    found = judged(path, "r-0001")
    assert (found.doubled, found.by_nobody, found.unallowed) == wanted
