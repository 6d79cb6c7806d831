"""The live view reads the ledger, shows hostile text as text, and its stop key works while anything runs."""

import asyncio

import pytest
from textual.widgets import DataTable, RichLog, Static

from eucentric.core.store import Store
from eucentric.tui import watch
from eucentric.tui.watch import WatchApp, event_line


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
