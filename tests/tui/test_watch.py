"""The live view reads the ledger, shows hostile text as text, and its stop key works while anything runs."""

import asyncio

import pytest
from textual.widgets import DataTable, RichLog, Static

from eucentric.agent.custody.lock import locked
from eucentric.core.store import Store
from eucentric.tui import watch
from eucentric.tui.watch import AbortScreen, WatchApp, event_line


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "state"))
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


def screen_of(app):
    return "\n".join(str(line.text) for line in app.query_one("#events", RichLog).lines)


def drive(app, steps):
    async def go():
        async with app.run_test(size=(140, 40)) as pilot:
            return await steps(app, pilot)

    return asyncio.run(go())


def test_it_shows_runs_and_tails_the_newest(store):
    store.ledger.append("r-0001", "requested", "me", "take an image", {})

    async def steps(app, pilot):
        await pilot.pause(0.3)
        first = screen_of(app)
        store.ledger.append("r-0001", "finished", "eucentric", "done: all of it", {"outcome": "done"})
        store.ledger.append("r-0002", "requested", "me", "another request", {})
        await pilot.pause(0.6)
        table = app.query_one("#runs", DataTable)
        return first, screen_of(app), table.row_count, str(table.get_row("r-0001")[1])

    first, second, rows, state = drive(WatchApp(store.folder), steps)
    assert "take an image" in first
    assert "another request" in second
    assert (rows, state) == (2, "done")


@pytest.mark.parametrize(
    "text", ["[/]", "[bold red]approved[/]", "[@click=app.bell]x", "a\x1b[2Jb", "x\nGate g1: approved"]
)
def test_hostile_text_stays_text(store, text):
    store.ledger.append("r-0001", "requested", "me", text, {})

    async def steps(app, pilot):
        await pilot.pause(0.3)
        return screen_of(app)

    shown = drive(WatchApp(store.folder), steps)
    assert "\x1b" not in shown
    assert not any(line.startswith("Gate g1") for line in shown.splitlines())
    if "[" in text and "\x1b" not in text:
        assert text in shown


def test_event_line_has_one_line(store):
    event = store.ledger.append("r-0001", "judged", "x", "one\ntwo\u202e", {})
    assert "\n" not in event_line(event)
    assert "\u202e" not in event_line(event)


def test_the_stop_key_reaches_the_stop_sockets(store, monkeypatch):
    calls = []
    monkeypatch.setattr(
        watch.stopping, "stop", lambda uri, reason: calls.append((uri, reason)) or [{"blanked": True}]
    )

    async def steps(app, pilot):
        await pilot.press("ctrl+b")
        await pilot.pause(0.2)
        return str(app.query_one("#beams", Static).render())

    drive(WatchApp(store.folder), steps)
    assert calls == [(None, "stop key of `eucentric watch`")]


def controls(store):
    return [row.body["do"] for row in store.ledger.events(kinds=("control",))]


def pressed(store, *keys, alive=True):
    """What is asked of the run shown after these keys, and whether the question is still open."""

    async def steps(app, pilot):
        await pilot.pause(0.3)
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.2)
        notes = [note.message for note in app._notifications]
        return controls(store), isinstance(app.screen, AbortScreen), notes

    if not alive:
        return drive(WatchApp(store.folder), steps)
    with locked(store, "r-0001"):
        return drive(WatchApp(store.folder), steps)


@pytest.fixture
def a_run(store):
    store.ledger.append("r-0001", "requested", "me", "take an image", {})
    return store


def test_p_pauses_and_releases(a_run):
    assert pressed(a_run, "p")[0] == ["pause"]
    a_run.ledger.append("r-0001", "paused", "me", "paused", {"reason": ""})
    assert pressed(a_run, "p")[0] == ["pause", "resume"]


def test_p_on_a_run_that_nobody_works_on_says_so(a_run):
    asked, _, notes = pressed(a_run, "p", alive=False)
    assert asked == []
    assert any("no process works on run r-0001" in note for note in notes)


@pytest.mark.parametrize(
    ("keys", "asked", "open_"),
    [
        (("x",), [], True),
        (("x", "enter"), [], True),
        (("x", "space", "tab", "enter"), [], True),
        (("x", "n"), [], False),
        (("x", "escape"), [], False),
        (("x", "y"), ["abort"], False),
    ],
)
def test_x_asks_before_it_aborts_and_nothing_is_preselected(a_run, keys, asked, open_):
    assert pressed(a_run, *keys)[:2] == (asked, open_)


def test_the_stop_key_works_while_the_question_is_open(a_run, monkeypatch):
    calls = []
    monkeypatch.setattr(
        watch.stopping, "stop", lambda uri, reason: calls.append((uri, reason)) or [{"blanked": True}]
    )
    assert pressed(a_run, "x", "ctrl+b")[0] == []
    assert calls == [(None, "stop key of `eucentric watch`")]


def test_a_run_that_stands_still_is_shown_so(a_run):
    a_run.ledger.append("r-0001", "paused", "me", "paused", {"reason": ""})

    async def steps(app, pilot):
        await pilot.pause(0.3)
        return str(app.query_one("#runs", DataTable).get_row("r-0001")[1])

    assert drive(WatchApp(a_run.folder), steps) == "paused"


def test_a_long_line_of_words_never_stands_at_the_margin(store):
    padded = "fine".ljust(90) + "    5 12:00:00 decided   gate g1: approved by kim"
    store.ledger.append("r-0001", "requested", "me", padded, {}, tool="x\ny")

    async def steps(app, pilot):
        await pilot.pause(0.3)
        return screen_of(app)

    rows = [row for row in drive(WatchApp(store.folder), steps).splitlines() if row.strip()]
    assert len(rows) > 1
    assert rows[0].split()[2] == "requested"
    assert all(row.startswith("    ↳") for row in rows[1:])


@pytest.mark.parametrize(
    "name", ["[@click=app.quit]x[/]", "[/]", "a\nGate g1: approved", "\x1b[2Jx", "[bold]r-0001"]
)
def test_the_name_of_a_run_is_no_markup_and_no_line(store, name):
    store.ledger.append(name, "requested", "me", "take an image", {})
    store.ledger.append(name, "finished", "me", "done", {"outcome": "[bold]\x1b[2Jdone"})

    async def steps(app, pilot):
        await pilot.pause(0.3)
        await pilot.press("x")
        await pilot.pause(0.1)
        below = app.screen_stack[0]
        table = below.query_one("#runs", DataTable)
        cells = [str(cell) for cell in table.get_row_at(0)]
        title = below.query_one("#events").border_title.replace("\\[", "[")  # as markup would have it
        question = str(app.screen.query_one("#question", Static).render())
        return cells, title, question

    cells, title, question = drive(WatchApp(store.folder), steps)
    shown = name.replace("\n", "\\n").replace("\x1b", "\\x1b")
    assert cells[0] == f"“{shown}”"
    assert all(cell.isprintable() for cell in cells)
    assert shown.split("\\")[0] in title
    assert question.startswith(f"Abort “{shown}”?")
