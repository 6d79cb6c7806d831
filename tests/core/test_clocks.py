"""Each row has three clocks; what they say together is told, and no clock can be changed unseen."""

import sys
from pathlib import Path

import pytest

from eucentric.core import clock
from eucentric.core.canonical import canonical, digest
from eucentric.core.chain import row_hash, verify
from eucentric.core.clock_check import set_back
from eucentric.core.errors import ChainBroken
from eucentric.core.event_table import COLUMNS
from eucentric.core.ledger import Ledger

sys.path.insert(0, str(Path(__file__).parent))

from old_ledger import old_ledger


@pytest.mark.parametrize("instrument_s", [None, 0.0, 12.3456789, -5.0, 1e-9, 1e12, 7])
def test_the_clocks_of_a_row(ledger: Ledger, instrument_s: float | None) -> None:
    rows = [ledger.append("r", "found", "me", "s", instrument_s=instrument_s) for _ in range(3)]
    assert {row.clocks.boot for row in rows} == {clock.BOOT}
    assert sorted(row.clocks.mono_s for row in rows) == [row.clocks.mono_s for row in rows]
    told = rows[0].clocks.instrument_s
    assert told is None if instrument_s is None else told == pytest.approx(instrument_s, abs=1e-6)
    stored = ledger._connection.execute("SELECT clocks FROM event WHERE seq=2").fetchone()[0]
    assert stored == canonical(rows[0].clocks.model_dump(exclude_none=True))


@pytest.mark.parametrize("instrument_s", [float("nan"), float("inf"), float("-inf")])
def test_a_clock_that_is_no_number_is_left_out(ledger: Ledger, instrument_s: float) -> None:
    assert ledger.append("r", "found", "me", "s", instrument_s=instrument_s).clocks.instrument_s is None


def test_two_processes_of_one_boot_name_it_alike(spawn) -> None:
    if not Path("/proc/sys/kernel/random/boot_id").exists():
        pytest.skip("this system gives no name to a boot")
    other = spawn("from eucentric.core.clock import BOOT\nprint(BOOT)")
    assert other.communicate(timeout=60)[0].strip() == clock.BOOT


@pytest.mark.parametrize("text", ["", "no hex at all", "zzzzzzzz-1"])
def test_without_a_name_of_the_boot_a_process_has_its_own(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: text)
    names = {clock._boot() for _ in range(5)}
    assert len(names) == 5
    assert all(len(name) == 8 and int(name, 16) >= 0 for name in names)


def test_rows_with_and_without_clocks_have_hashes_of_different_lists() -> None:
    values = (1, "ts", "r", "found", "me", None, None, "s", "{}")
    assert row_hash((*values, None, "p")) != row_hash((*values, "", "p"))
    assert row_hash((*values, "p", "x")) != row_hash((*values, None, "p"))


@pytest.mark.parametrize("actor", ["me", "half \ud800", "\x1b"])
@pytest.mark.parametrize("clocks", [None, "", "{}"])
def test_a_hash_is_that_of_a_list_of_json_whatever_the_text(actor: str, clocks: str | None) -> None:
    before, after = (1, "ts", "r", "found", actor, None, None, "s", "{}"), ("p",)
    listed = [*before, *((clocks,) if clocks is not None else ()), *after]
    assert row_hash((*before, clocks, *after)) == digest(listed)


_CHANGES = {
    "taken away": "UPDATE event SET clocks=NULL WHERE seq=25",
    "emptied": "UPDATE event SET clocks='' WHERE seq=25",
    "changed": """UPDATE event SET clocks=replace(clocks,'"mono_s":','"mono_s":1') WHERE seq=25""",
    "written otherwise": """UPDATE event SET clocks=replace(clocks,'":','": ') WHERE seq=25""",
    "of another row": "UPDATE event SET clocks=(SELECT clocks FROM event WHERE seq=24) WHERE seq=25",
    "given to an old row": "UPDATE event SET clocks=(SELECT clocks FROM event WHERE seq=25) WHERE seq=5",
    "given to the first row": """UPDATE event SET clocks='{"boot":"00000000","mono_s":1.0}' WHERE seq=1""",
}  # fmt: skip


@pytest.mark.parametrize("statement", _CHANGES.values(), ids=_CHANGES.keys())
def test_no_clock_can_be_changed_unseen(tmp_path: Path, tampering, statement: str) -> None:
    path = old_ledger(tmp_path / "audit.db", 20)
    ledger = Ledger(path)
    for _ in range(10):
        ledger.append("r", "found", "me", "s", instrument_s=5.0)
    ledger.close()
    assert verify(path, []).ok
    with tampering(path) as connection:
        assert connection.execute(statement).rowcount == 1
    seq = statement.split("seq=")[-1]
    assert any(f"event {seq} was edited" in problem for problem in verify(path, []).problems)


def test_clocks_of_another_make_are_named(ledger: Ledger, tampering) -> None:
    ledger.append("r", "found", "me", "s")
    for text in ("{", "5", '{"boot":"x"}', '{"boot":"x","mono_s":1.0,"more":2}', '{"boot":"x","mono_s":NaN}'):
        with tampering(ledger.path) as connection:
            connection.execute("UPDATE event SET clocks=? WHERE seq=2", (text,))
        with pytest.raises(ChainBroken, match="event 2"):
            ledger.events()


def at(monkeypatch: pytest.MonkeyPatch, ts: str) -> None:
    monkeypatch.setattr("eucentric.core.ledger.utc_now", lambda: f"2026-11-01T{ts}Z")


def test_a_wall_clock_that_was_set_back_is_noted_and_no_problem(ledger: Ledger, monkeypatch) -> None:
    for ts in ("23:00:00.000", "23:00:01.000", "22:00:01.000", "22:00:02.000", "22:00:02.000"):
        at(monkeypatch, ts)
        ledger.append("r", "found", "me", "s")
    result = verify(ledger.path, [])
    assert result.ok
    notes = [note for note in result.clock_notes if "event 4" in note]
    assert len(notes) == 1
    assert "3600.000 s" in notes[0]
    assert "set back" in notes[0]
    assert not [note for note in result.clock_notes if "event 5" in note or "event 6" in note]


BOOT_1, BOOT_1_EARLIER, BOOT_2 = (
    '{"boot":"aaaaaaaa","mono_s":10.0}', '{"boot":"aaaaaaaa","mono_s":9.0}', '{"boot":"bbbbbbbb","mono_s":1.0}',
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (BOOT_1, BOOT_1, "went on by 0.000 s"), (BOOT_1_EARLIER, BOOT_1, "went on by 1.000 s"),
        (BOOT_1, BOOT_1_EARLIER, "not written in this order"), (BOOT_1, BOOT_2, "booted in between"),
        (None, BOOT_1, "no other clock"), (BOOT_1, None, "no other clock"), (BOOT_1, "[", "no other clock"),
        (BOOT_1, "[" * 100_000, "no other clock"), (BOOT_1, "5", "no other clock"),
    ],
)  # fmt: skip
def test_what_two_rows_say_about_the_wall_clock(before: str | None, after: str | None, words: str) -> None:
    text = set_back(7, ("2026-11-01T10:00:01.500Z", before), ("2026-11-01T10:00:00.000Z", after))
    assert words in text
    assert "1.500 s at event 7" in text


def test_times_that_are_none_are_no_crash() -> None:
    assert "event 7" in set_back(7, ("zzz", None), ("aaa", None))


def test_the_columns_are_hashed_in_a_fixed_order() -> None:
    """What a stranger needs to compute a hash by hand."""
    assert COLUMNS[-3:] == ("body", "clocks", "prev")
