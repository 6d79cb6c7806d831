"""`eucentric pause`, `abort` and `finish`: requests to a run that goes on in another terminal."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options

if TYPE_CHECKING:
    from eucentric.agent.custody.control import Verb, When
    from eucentric.core.event import Event
    from eucentric.core.store import Store

_SEEN_S = 2.0
"""How long to look whether the run has done it already [s]."""
_DONE = {"pause": ("paused",), "abort": ("finished",), "finish": ("finished",), "resume": ("released",)}
_LATER = {
    "pause": "it pauses before its next act, beam blanked",
    "abort": "it ends before its next act and puts settings back",
    "finish": "it ends when its present step is over; what is done counts",
    "resume": "it goes on",
}
_WORDS = """\b
pause   waits between two acts, beam blanked, lease kept; `eucentric resume RUN` lets it go on
finish  ends in order when the present step is over (at once if paused); what is done counts
abort   ends in order before the next act; settings are put back; it is not taken up again
stop    no request: blanks the beam at once through the host, freezes and holds; nothing is put back
Bluesky calls finish stop, and stop (less its dark beam) halt; pause, resume and abort are its words.
RUN may be left out when exactly one run is alive."""

_run = click.argument("run_id", metavar="[RUN]", required=False)
_reason = click.option("--reason", default="", help="Why; it is kept with the run.")


@click.command(epilog=_WORDS)
@_run
@click.option("--after-step", "when", flag_value="after_step", help="When the present step is over.")
@click.option(
    "--after-frame", "when", flag_value="after_frame", help="When a frame is complete, or the step is over."
)
@_reason
@options.store_option
@options.json_option
def pause(run_id: str | None, when: "When | None", reason: str, store: Path | None, as_json: bool) -> None:
    """Pause RUN before its next act. Anybody may: it sends nothing.

    A paused run keeps the instrument until it is released, ended or stopped; when its approval expires it
    parks and gives the instrument back.
    """
    _request("pause", run_id, reason, store, as_json, when or "now")


@click.command(epilog=_WORDS)
@_run
@_reason
@options.store_option
@options.json_option
def abort(run_id: str | None, reason: str, store: Path | None, as_json: bool) -> None:
    """End RUN in order before its next act; its settings are put back. It can't be taken up again."""
    _request("abort", run_id, reason, store, as_json)


@click.command(epilog=_WORDS)
@_run
@_reason
@options.store_option
@options.json_option
def finish(run_id: str | None, reason: str, store: Path | None, as_json: bool) -> None:
    """End RUN in order when its present step is over, and count what is done."""
    _request("finish", run_id, reason, store, as_json)


def _request(
    do: "Verb", run_id: str | None, reason: str, store: Path | None, as_json: bool, when: "When" = "now"
) -> None:
    from eucentric.agent.custody.control import Control, ask, only_alive

    opened = options.open_store(store, existing=True)
    try:
        run = only_alive(opened, run_id)
        row = ask(opened, run, Control(do=do, when=when, by=options.who(), reason=reason))
        tell(opened, row, do, as_json)
    finally:
        opened.close()


def released(store: "Store", run_id: str, as_json: bool) -> bool:
    """Let a run that is alive and paused go on; False if it does not wait for that.

    Raises
    ------
    Parked
        There is no terminal: a person has to let it go on.
    Busy
        It is suspended by a rule, which lets it go on by itself.
    """
    from eucentric.agent.custody.control import release, waits_for_release
    from eucentric.cli.operator import require_terminal

    if not waits_for_release(store, run_id):
        return False
    require_terminal("release a paused run")
    row = release(store, run_id, options.who())
    if row is not None:
        tell(store, row, "resume", as_json)
    return row is not None


def tell(store: "Store", row: "Event", do: "Verb", as_json: bool) -> None:
    """Say what was written, and whether the run has done it within a moment."""
    from eucentric.core.text import visible

    end, done = time.monotonic() + _SEEN_S, False
    while not done and time.monotonic() < end:
        done = bool(store.ledger.events(run=row.run_id, kinds=_DONE[do], after=row.seq, limit=1))
        time.sleep(0.0 if done else 0.05)
    if as_json:
        click.echo(json.dumps({"ok": True, "run": row.run_id, "do": do, "event": row.seq, "done": done}))
        return
    ends = {"pause": "paused, beam blanked", "resume": "goes on"}.get(do, "ended")
    click.echo(f"{row.run_id}: {visible(row.summary)} (event {row.seq}); {ends if done else _LATER[do]}")
