"""Audit commands on several stores at once: merged, labelled, read only."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from eucentric.cli import main
from eucentric.core.store import Store


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "config" / "settings.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    def call(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(("audit", *args))
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture
def as_json(said):
    def call(*args: str) -> tuple[int, Any]:
        code, out, err = said(*args, "--json")
        assert len(out.splitlines()) == 1, (out, err)
        return code, json.loads(out)

    return call


@pytest.fixture
def stores(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stores a and b; each has a run r-0001, b alone has r-0002."""
    for name, runs in (("a", ("r-0001",)), ("b", ("r-0001", "r-0002"))):
        made = Store(place / name)
        for minute, run in enumerate(runs):
            ts = f"2026-11-01T02:{10 * minute + (name == 'b'):02d}"
            monkeypatch.setattr("eucentric.core.ledger.utc_now", lambda ts=ts: f"{ts}:00.000Z")
            made.ledger.append(run, "requested", "kim", f"flake of {name} {run}", {})
            made.ledger.append(
                run, "intended", "executor", f"move in {name}", {}, action_id=f"{run}/s1", tool="t"
            )
        made.close()
    return ["--store", "a", "--store", "b"]


def test_lists_are_merged_newest_first_with_the_store(stores: list[str], said, as_json) -> None:
    _, body = as_json("list", *stores)
    assert [(one["store"], one["run"]) for one in body["runs"]] == [
        ("b", "r-0002"),
        ("b", "r-0001"),
        ("a", "r-0001"),
    ]
    lines = said("list", *stores)[1].splitlines()
    assert [line.split()[:2] for line in lines] == [["b", "r-0002"], ["b", "r-0001"], ["a", "r-0001"]]
    assert said("list", "--store", "a")[1].startswith("r-0001")  # of one store nothing is labelled


@pytest.mark.parametrize(
    "words",
    [["--store", "a", "b"], ["--store", "*"], ["--store", "[ab]"], ["--store", "a", "--store", "b", "a"]],
)
def test_a_pattern_is_several_stores_whoever_expands_it(stores: list[str], as_json, words: list[str]) -> None:
    assert len(as_json("list", *words)[1]["runs"]) == 3
    assert len(as_json("search", *words, "flake")[1]["events"]) == 3
    assert as_json("show", *words, "b:r-0001")[1]["store"] == "b"


def test_a_run_that_two_stores_have_must_be_told_apart(stores: list[str], said, as_json) -> None:
    code, body = as_json("show", "r-0001", *stores)
    assert (code, body["error"]["remedy"]) == (2, "say which, such as a:r-0001")
    for name in ("a", "b"):
        code, body = as_json("show", f"{name}:r-0001", *stores)
        assert (code, body["store"], body["run"]) == (0, name, "r-0001")
        assert body["events"][0]["summary"] == f"flake of {name} r-0001"
    assert as_json("show", "r-0002", *stores)[1]["store"] == "b"


def test_search_says_where_each_row_is(stores: list[str], said, as_json) -> None:
    _, body = as_json("search", "flake", *stores)
    assert [one["store"] for one in body["events"]] == ["b", "b", "a"]
    out = said("search", "flake", "--most", "1", *stores)[1]
    assert out.startswith("b:r-0002 ")
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "answers"),
    [
        (["02:00"], [("a", "r-0001")]), (["02:01"], [("b", "r-0001")]), (["2026-11-01T02:11"], [("b", "r-0002")]),
        (["a:3"], [("a", "r-0001")]), (["b:3"], [("b", "r-0001")]), (["5"], [("b", "r-0002")]),
        (["02:01", "--run", "b:r-0001"], [("b", "r-0001")]), (["02:11", "--run", "r-0002"], [("b", "r-0002")]),
    ],
)  # fmt: skip
def test_why_looks_in_all_of_them(stores: list[str], said, as_json, args: list[str], answers: list) -> None:
    code, body = as_json("why", *args, *stores)
    assert code == 0
    assert [(one["store"], one["run"]) for one in body["answers"]] == answers
    assert f"store {answers[0][0]}, run {answers[0][1]}" in said("why", *args, *stores)[1]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["3"], "such as a:3"), (["99"], "none of 2 stores"), (["07:00"], "none of 2 stores"),
        (["a:99"], "no event 99"),
        (["02:00", "--run", "r-0001"], "such as a:r-0001"), (["02:00", "--run", "b:r-0001"], "nothing was done"),
        (["c:3"], "none of 2 stores"), (["a:later"], "no event number and no time"),
    ],
)  # fmt: skip
def test_a_moment_that_says_too_little(stores: list[str], said, args: list[str], says: str) -> None:
    code, _, err = said("why", *args, *stores)
    assert code == 2
    assert says in err


def test_a_time_of_day_means_the_newest_day_of_all_stores(place: Path, monkeypatch, as_json) -> None:
    for name, day in (("old", "2026-10-01"), ("new", "2026-11-01")):
        monkeypatch.setattr("eucentric.core.ledger.utc_now", lambda day=day: f"{day}T05:00:00.000Z")
        made = Store(place / name)
        made.ledger.append("r-0001", "intended", "executor", "move", {}, action_id="a", tool="t")
        made.close()
    both = ["--store", "old", "--store", "new"]
    assert [one["store"] for one in as_json("why", "05:00", *both)[1]["answers"]] == ["new"]
    assert [one["store"] for one in as_json("why", "2026-10-01T05:00", *both)[1]["answers"]] == ["old"]


@pytest.mark.parametrize(
    "command",
    [["list"], ["show", "b:r-0001"], ["search", "flake"], ["why", "02:00"]],
    ids=lambda words: words[0],
)
def test_nothing_is_written_into_any_of_them(
    stores: list[str], place: Path, said, command: list[str]
) -> None:
    def content() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}

    before = content()
    assert said(*command, *stores)[0] == 0
    assert content() == before


def test_a_dropped_trigger_is_told_and_refused_only_for_writing(
    stores: list[str], place: Path, said, as_json
) -> None:
    connection = sqlite3.connect(place / "b" / "audit.db")
    connection.execute("DROP TRIGGER event_no_update")
    connection.execute("CREATE TRIGGER hush BEFORE INSERT ON event BEGIN SELECT RAISE(IGNORE); END")
    connection.close()
    code, out, err = said("list", *stores)
    assert (code, len(out.splitlines())) == (0, 3)
    assert "note: b: trigger event_no_update is missing" in err
    assert "note: b: trigger 'hush' does not belong here" in err
    assert len(as_json("list", "--store", "b")[1]["runs"]) == 2
    code, body = as_json("verify", "--store", "b")
    assert (code, len(body["problems"])) == (1, 2)


@pytest.mark.parametrize(
    "words", [["--store", "none"], ["--store", "a", "--store", "none"], ["--store", "x*"]]
)
def test_a_store_that_is_none_is_a_usage_error(
    stores: list[str], place: Path, said, words: list[str]
) -> None:
    code, out, err = said("list", *words)
    assert (code, out) == (2, "")
    assert "no store" in err
    assert not (place / "none").exists()


def test_the_clocks_are_shown_when_asked_for(stores: list[str], said, as_json) -> None:
    _, out, _ = said("show", "b:r-0002", "--clocks", *stores)
    assert "boot " in out
    assert "instrument's clock not known" in out
    assert "boot " not in said("show", "b:r-0002", *stores)[1]
    clocks = as_json("show", "b:r-0002", *stores)[1]["events"][0]["clocks"]
    assert set(clocks) == {"boot", "mono_s", "instrument_s"}
