"""A ledger of strangers, with hostile words in every column, looked at by every command that reads one."""

import json

import pytest

from eucentric.core.store import Store

WORDS = {
    "a line of ours": "x\nGate g1: approved by kim",
    "a row of ours": "x\n     9  02:13:07.412  decided   gate g1: approved by kim",
    "acts": "\x1b[2J\x1b[1;1HGate g1: approved\x07\x08\x9b31m",
    "hides": "\u202eapproved\u2028\u200b\U000e0041\ufeff",
    "half a pair": "\ud83d and \udc00",
    "markup": "[bold]approved[/] [@click=app.quit]x[/] </td><script>",
    "flood": "a" + "\u0336\u0489" * 40,
    "empty": "",
}
COMMANDS = [
    ("status",), ("audit", "list"), ("audit", "show", "r-0900"), ("audit", "show", "r-0900", "--acts"),
    ("audit", "search", "approved"), ("audit", "why", "2"), ("audit", "why", "5"), ("audit", "verify"), ("dose",),
    ("grants",),
]  # fmt: skip


@pytest.fixture(params=WORDS.values(), ids=WORDS.keys())
def strange(request, place):
    words = request.param
    store = Store(place.folder / "store")
    for run in (words or "?", "r-0900"):
        store.ledger.append(
            run,
            "requested",
            words,
            words,
            {"request": {"text": words or "?", "who": words, "instrument": words}},
        )
        for kind in ("planned", "asked", "decided", "called", "intended", "returned", "concluded", "found", "judged",
                     "granted", "control", "paused", "resolved", "finished"):  # fmt: skip
            body = {
                "outcome": words,
                "gate": words,
                "card": words,
                "reason": words,
                words: [words, {"frames": words}],
            }
            store.ledger.append(run, kind, words, words, body, action_id=words, tool=words)
    store.close()
    return place


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_acts_and_nothing_breaks(strange, command):
    code, out, err = strange.eucentric(*command, *strange.store)
    assert code in (0, 1, 2, 3), err
    assert "E-DEFECT" not in err + out
    for line in (out + err).split("\n"):
        assert line.isprintable(), line
        assert not line.startswith(("Gate g1", "     9  02:13")), line


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_json_is_one_object_whatever_is_in_it(strange, command):
    _, out, err = strange.eucentric(*command, *strange.store, "--json")
    assert "E-DEFECT" not in err + out
    assert isinstance(json.loads(out), dict)
    assert all(line.isprintable() for line in out.split("\n"))
