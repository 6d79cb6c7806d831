"""A run made again from its record gives the same bytes, whatever happened in it; an altered record shows."""

import hashlib

import pytest

from eucentric.agent.auditing.replay import replay
from eucentric.agent.auditing.replay.earlier import waits
from eucentric.agent.auditing.replay.recording import Recording
from eucentric.agent.notebooks import notebook_path
from eucentric.bench.audited.desk import Desk, image, plan, series, step
from eucentric.bench.audited.runs import STORIES
from eucentric.bench.audited.tamper import FORGERIES, altered_copy
from eucentric.core.errors import BadInput
from eucentric.core.rows import open_rows
from eucentric.instruments import cards
from eucentric.knowledge import notebook as nb

BY_NAME = {story.name: story for story in STORIES}
TOLD = (
    "paused",
    "edited",
    "replanned",
    "stopped otherwise",
    "touched",
    "bad air, paused",
    "the host died",
    "meanwhile",
)
"""The others take their turn in the bench."""


@pytest.fixture
def desk(own_places):
    made = Desk(own_places / "store", "twin://mxene?seed=7&stage=worn")
    yield made
    made.close()


def runs_of(folder):
    ledger = open_rows(folder / "audit.db")
    names = [row.run_id for row in ledger.events(kinds=("requested",))]
    ledger.close()
    return names


def digest_of(folder):
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(f"{path.relative_to(folder)} {path.stat().st_mtime_ns}".encode() + path.read_bytes())
    return found.hexdigest()


@pytest.mark.parametrize("name", TOLD)
def test_each_run_of_a_story_comes_out_the_same(own_places, name):
    folder, story = own_places / "store", BY_NAME[name]
    story.made(folder, 7)
    before, runs = digest_of(folder), runs_of(folder)
    assert len(runs) == story.runs
    for run in runs:
        answer = replay(folder, run)
        wrong = [(one.event, one.what, one.differences) for one in answer.compared if not one.same]
        assert answer.verdict == "identical", (run, answer.why, wrong)
        assert not answer.left
        assert all(one.same for one in answer.sent_before)
    assert digest_of(folder) == before, "nothing was written into the audited store"


def test_what_was_compared_is_told(desk):
    desk.carry(plan(image("a"), series("s", 3)))
    desk.carry(plan(step("m", "move_stage", x_um=3.0), image("b")))
    first, second = (replay(desk.folder, run) for run in ("r-0001", "r-0002"))
    assert [len(first.of(part)) for part in ("call", "act", "frame")] == [4, 10, 5]
    assert not first.sent_before
    assert [one.run for one in second.sent_before] == ["r-0001"] * 4
    assert {one.id for one in second.of("call")} == {"r-0002/m", "r-0002/b"}


def test_what_people_wrote_into_a_notebook_is_there_when_it_was_read(desk):
    query, note = (
        step("q", "notebook_query", what="readings"),
        step("n", "notebook_add", index="[0001]", grain="A"),
    )
    path = notebook_path(desk.folder, cards.card_of_twin(desk.uri).name)
    who = {"at": "2026-11-28T00:00:00Z", "by": "kim"}

    def by_hand(alpha_deg):
        with nb.NotebookFile(path) as file:
            file.add(
                nb.ReadingEntry(
                    **who,
                    seen="axis",
                    written="[1 1 1]",
                    alpha_deg=alpha_deg,
                    grain="grain1",
                    loading="load1",
                )
            )

    desk.carry(plan(note))
    by_hand(9.4)
    desk.carry(plan(query, step("m", "notebook_add", index="[100]", grain="A"), step("r", "notebook_query")))
    desk.carry(plan(query))
    by_hand(3.0)
    desk.carry(plan(image("a"), query))
    path.unlink()
    for run in runs_of(desk.folder):
        answer = replay(desk.folder, run)
        assert answer.verdict == "identical", (
            run,
            answer.why,
            [one for one in answer.compared if not one.same],
        )


def test_a_forged_record_differs(desk):
    desk.when("acquire", 3, lambda: desk.guard.stop("somebody cried"))
    desk.carry(plan(image("a"), step("m", "move_stage", x_um=3.0), series("s", 3)))
    assert replay(desk.folder, "r-0001").verdict == "identical"
    for what, kind, change in FORGERIES:
        copy = desk.folder.parent / what
        assert altered_copy(desk.folder, copy, "r-0001", kind, change), what
        answer = replay(copy, "r-0001")
        assert answer.verdict == "differs", what
        assert any(not one.same for one in answer.compared), what


def test_a_forged_act_of_an_earlier_run_shows_before_the_run(desk):
    desk.carry(plan(image("a")))
    desk.carry(plan(image("b")))
    copy = desk.folder.parent / "copy"
    name, kind, change = FORGERIES[1]
    assert altered_copy(desk.folder, copy, "r-0001", kind, change), name
    answer = replay(copy, "r-0002")
    assert answer.verdict == "differs"
    assert answer.why.startswith("before the run, at event")
    assert [one.differences for one in answer.sent_before] == [("another frame",)]


def test_a_command_that_no_row_tells_of_is_found(desk):
    """A hand, or a run kept in another store: the instrument counted it."""
    desk.carry(plan(image("a")))
    desk.guard.lease("a stranger")
    desk.guard.move({"x": 1e-6})
    desk.guard.release()
    desk.carry(plan(image("b")))
    answer = replay(desk.folder, "r-0002")
    assert answer.verdict == "differs"
    assert "commands" in answer.compared[3].differences[0].where
    desk.carry(plan(image("c")))
    answer = replay(desk.folder, "r-0003")
    assert answer.verdict == "can't be replayed"
    assert "accounts for 3" in answer.why


@pytest.mark.parametrize(
    ("uri", "why"),
    [("twin://mxene?seed=7&clock=real&speed=1000", "clock"), ("py:examples.flat_driver:flat", "no twin")],
)
def test_what_never_does_the_same_twice_is_not_replayed(desk, uri, why):
    body = {"request": {"text": "t", "who": "t", "instrument": uri}, "specimen": None, "capabilities": {}}
    desk.store.ledger.append("r-0009", "requested", "t", "t", body)
    answer = replay(desk.folder, "r-0009")
    assert (answer.verdict, why in answer.why) == ("can't be replayed", True), answer.why


def test_another_world_under_the_same_name_is_told(own_places):
    world = own_places / "mine.toml"
    source = cards._WORLDS / "mxene.toml"
    world.write_text(source.read_text())
    (own_places / "mine.card.toml").write_text((source.parent / "mxene.card.toml").read_text())
    made = Desk(own_places / "store", f"twin:{world}?seed=7")
    made.carry(plan(image("a")))
    made.close()
    assert replay(own_places / "store", "r-0001").verdict == "identical"
    world.write_text(source.read_text() + "\n# another one\n")
    answer = replay(own_places / "store", "r-0001")
    assert answer.verdict == "can't be replayed"
    assert "world" in answer.why


def test_strangers_rows_and_runs_that_are_not_there(desk):
    desk.store.ledger.append("r-0009", "requested", "t", "t", {"x": 1})
    assert replay(desk.folder, "r-0009").verdict == "can't be replayed"
    with pytest.raises(BadInput, match="no run 'r-0042'"):
        replay(desk.folder, "r-0042")


def test_the_lives_of_a_run(desk):
    """What was settled before a process took the run up belongs to that process."""
    desk.guard.close()
    desk.uri += "&faults=lost_connection@2"
    desk.begin_instrument()
    desk.carry(plan(image("a"), series("s", 3)))
    desk.take_up(settle="repeat")
    ledger = open_rows(desk.folder / "audit.db")
    first, second = Recording(ledger, "r-0001").lives
    ledger.close()
    assert (first.first, first.finished.body["outcome"]) == (None, "parked")
    kinds = [row.kind for row in second.rows[:3]]
    assert (kinds[0], "resumed" in kinds) == ("resolved", True)
    assert replay(desk.folder, "r-0001").verdict == "identical"


@pytest.mark.parametrize(("seconds", "found"), [(0.0, []), (2.0, [1.0, 1.0]), (2.5, [1.0, 1.0, 0.5])])
def test_waits_for_a_signal_add_up(seconds, found):
    assert waits(seconds) == found
