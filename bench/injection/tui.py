"""The live view in the terminal, without a terminal: what stands in its panes for runs full of hostile words."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textual.widgets import DataTable, RichLog

from eucentric.bench.injection.glass import hidden
from eucentric.bench.injection.product import part

_EVENT = re.compile(r" {0,5}(\d{1,6}) \d\d:\d\d:\d\d [a-z_]+ ")


def wrong_on_watch(folder: Path, runs: list[str]) -> list[str]:
    """Lines that belong to no event, cells that act, and whatever breaks it."""
    return asyncio.run(_looked_at(folder, runs))


async def _looked_at(folder: Path, runs: list[str]) -> list[str]:
    app = part("tui.watch").WatchApp(folder)
    found: list[str] = []
    async with app.run_test(size=(110, 40)) as pilot:
        await pilot.pause(0.1)
        found += _wrong_cells(app)
        for run in runs:
            app.show(run)
            app.poll()
            await pilot.pause(0.05)
            lines = [str(line.text) for line in app.query_one("#events", RichLog).lines]
            found += _wrong_lines(lines, {event.seq for event in app.ledger.events(run=run)})
    return found


def _wrong_cells(app: Any) -> Iterator[str]:
    table = app.query_one("#runs", DataTable)
    cells = [str(cell) for n in range(table.row_count) for cell in table.get_row_at(n)]
    yield from (f"watch: a cell with {one}" for cell in cells for one in hidden(cell))
    yield from (f"watch: a cell of two lines: {cell[:40]!r}" for cell in cells if "\n" in cell)


def _wrong_lines(lines: list[str], known: set[int]) -> Iterator[str]:
    seen: list[int] = []
    for line in lines:
        yield from (f"watch: {one}" for one in hidden(line))
        mine = _EVENT.match(line)
        if mine:
            seen.append(int(mine[1]))
        elif line.strip() and not line.startswith("    ↳"):
            yield f"watch: at the margin: {line[:60]!r}"
    if sorted(seen) != sorted(known):
        yield f"watch: {len(seen)} lines for {len(known)} events"
