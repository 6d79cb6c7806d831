"""Follow a store live: runs, the newest run's events, the beams. It reads; its keys stop, or ask the run shown."""

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, RichLog, Static

from eucentric.agent.custody.control import Control, ask, release, standing, waits_for_release
from eucentric.core import stop as stopping
from eucentric.core.errors import EucentricError
from eucentric.core.event import Event
from eucentric.core.store import Store
from eucentric.core.text import folded, named, visible

_POLL_S = 0.2
_HOSTS_S = 1.0


def event_line(event: Event) -> str:
    """One event in one line; everything in it is data, control characters are escaped."""
    tool = f"{visible(event.tool, limit=40)} " if event.tool else ""
    return (
        f"{event.seq:>6} {visible(event.ts[11:19])} {event.kind:<9} {tool}{visible(event.summary, limit=300)}"
    )


def host_line(host: dict[str, Any]) -> str:
    """One beam in one line."""
    beam = "beam blanked" if host.get("blanked") else "BEAM ON or not readable"
    return f"{named(str(host['uri']))}  {beam}  held: {visible(str(host.get('held') or 'no'))}"


class Line:
    """A line of the log, folded: what is left of it never stands at the margin like a line of its own."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """At the width that it is drawn in."""
        yield Text(folded(self.text, options.max_width), no_wrap=True)


def _who() -> str:
    """Who presses a key here, for the row."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return f"{name} (`eucentric watch`)"


def _wish(do: Literal["pause", "abort"]) -> Control:
    return Control(do=do, by=_who())


class AbortScreen(ModalScreen[bool]):
    """Asks before a run is aborted. Nothing is preselected: Enter does nothing, and only y means yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Abort it"),
        Binding("n,escape", "answer(False)", "Leave it"),
    ]

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id

    def compose(self) -> ComposeResult:
        """The question."""
        text = (
            f"Abort {named(self.run_id, limit=40)}?\n\nIt ends before its next act, its settings are put back, "
            "and it can't be taken up again. To keep that possible, stop it.\n\n[y] abort   [n] leave it running"
        )
        yield Static(text, id="question", markup=False)

    def action_answer(self, yes: bool) -> None:
        """Close with it."""
        self.dismiss(yes)


class WatchApp(App[None]):
    """Runs on the left, events of the chosen run on the right, beams at the bottom."""

    CSS_PATH = "watch.tcss"
    TITLE = "Eucentric"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+b", "stop_all", "STOP: blank every beam", priority=True),
        Binding("p", "pause", "Pause / go on"),
        Binding("x", "abort", "Abort …"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.store = Store.existing(folder)
        self.ledger = self.store.ledger
        self.run_id: str | None = None
        self.seen = 0
        self.known: set[str] = set()

    def compose(self) -> ComposeResult:
        """Three panes and the keys."""
        runs: DataTable[Text] = DataTable(id="runs", cursor_type="row")
        runs.add_columns("run", "state", "request")
        yield runs
        yield RichLog(id="events", markup=False, wrap=True, max_lines=5000)
        yield Static("", id="beams", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Start to follow."""
        self.poll()
        self.beams()
        self.set_interval(_POLL_S, self.poll)
        self.set_interval(_HOSTS_S, self.beams)

    def poll(self) -> None:
        """Read what is new; the newest run is shown until another is chosen."""
        ends = {row.run_id: str(row.body["outcome"]) for row in self.ledger.events(kinds=("finished",))}
        for table in self.query("#runs").results(DataTable):  # none while the screen is closing
            self._list(table, ends)
        if self.run_id:
            self._tail(self.run_id)

    def _list(self, table: DataTable[Text], ends: dict[str, str]) -> None:
        for row in self.ledger.events(kinds=("requested",)):
            if row.run_id not in self.known:
                self.known.add(row.run_id)
                table.add_row(
                    Text(named(row.run_id, limit=40)),
                    Text(""),
                    Text(visible(row.summary, limit=60)),
                    key=row.run_id,
                )
                self.show(row.run_id)
            state = ends.get(row.run_id) or self._open_state(row.run_id)
            table.update_cell(row.run_id, table.ordered_columns[1].key, Text(visible(state, limit=40)))

    def _open_state(self, run_id: str) -> str:
        waits = standing(self.ledger, run_id)
        return waits.kind if waits else "open"

    def _tail(self, run_id: str) -> None:
        for log in self.query("#events").results(RichLog):
            for event in self.ledger.events(run=run_id, after=self.seen):
                log.write(Line(event_line(event)))
                self.seen = event.seq

    def show(self, run_id: str) -> None:
        """Show another run's events from its first one."""
        if run_id == self.run_id:
            return
        self.run_id, self.seen = run_id, 0
        log = self.query_one("#events", RichLog)
        log.clear()
        log.border_title = Content(f"events of {named(run_id, limit=40)}")  # a text would be read as markup

    def on_data_table_row_selected(self, message: DataTable.RowSelected) -> None:
        """A run was chosen."""
        if message.row_key.value:
            self.show(message.row_key.value)

    def beams(self) -> None:
        """Ask every host what its beam does."""
        lines = [host_line(host) for host in stopping.status()]
        for line in self.query("#beams").results(Static):
            line.update("\n".join(lines) or "no instrument host is running")

    def action_stop_all(self) -> None:
        """Blank every beam through the stop sockets: no lock, no lease, no run in between."""
        reports = stopping.stop(None, "stop key of `eucentric watch`")
        good = bool(reports) and all(report["blanked"] for report in reports)
        text = "every beam is blanked (read back)" if good else "NOT VERIFIED: blank by hand"
        self.notify(
            text if reports else "no host is running",
            severity="information" if good else "error",
            markup=False,
        )
        self.beams()

    def action_pause(self) -> None:
        """Pause the run shown before its next act, or let it go on if it is paused."""
        run = self.run_id
        if run is None:
            return
        try:
            waits = waits_for_release(self.store, run)
            row = release(self.store, run, _who()) if waits else ask(self.store, run, _wish("pause"))
        except EucentricError as error:
            self._say(str(error), wrong=True)
            return
        self._say(f"{run}: {row.summary}" if row else f"{run} does not wait")

    def action_abort(self) -> None:
        """Ask whether to abort the run shown."""
        if self.run_id is not None:
            self.push_screen(AbortScreen(self.run_id), self._abort(self.run_id))

    def _abort(self, run_id: str) -> Callable[[bool | None], None]:
        """What follows the answer; the run is the one that was shown when it was asked."""

        def answered(yes: bool | None) -> None:
            if not yes:
                return
            try:
                self._say(f"{run_id}: {ask(self.store, run_id, _wish('abort')).summary}")
            except EucentricError as error:
                self._say(str(error), wrong=True)

        return answered

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.notify(visible(text, limit=400), severity="error" if wrong else "information", markup=False)

    def on_unmount(self) -> None:
        """Let the ledger go."""
        self.store.close()
