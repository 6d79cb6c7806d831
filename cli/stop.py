"""`eucentric stop` and `eucentric blank`: a dark beam from any terminal, no lease, no model."""

import json
import sys
from collections.abc import Callable

import click

from eucentric.core import stop as stopping
from eucentric.core.stop import StopReport
from eucentric.core.stop_early import who
from eucentric.core.text import named, visible

_INSTRUMENT = click.option(
    "--instrument", metavar="URI", help="Only this instrument; default: every running host."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@click.command(
    epilog="Nothing is put back and nothing goes on by itself: a person's next approval releases the hold. To wait or "
    "to end in order, see `eucentric pause`, `finish` and `abort`; Bluesky calls this one halt."
)
@_INSTRUMENT
@_JSON
def stop(instrument: str | None, as_json: bool) -> None:
    """Blank the beam first, then stop scan and motion, and hold both."""
    _halt(stopping.stop, "stop", instrument, as_json)


@click.command()
@_INSTRUMENT
@_JSON
def blank(instrument: str | None, as_json: bool) -> None:
    """Blank the beam and hold it blanked; motion goes on."""
    _halt(stopping.blank, "blank", instrument, as_json)


def _halt(
    act: Callable[[str | None, str], list[StopReport]], verb: str, instrument: str | None, as_json: bool
) -> None:
    reports = act(instrument, f"{verb} by {who()}")
    missed = instrument is not None and not reports
    others = missed and bool(stopping.list_hosts())
    good = not others and all(report["blanked"] for report in reports)
    if as_json:
        click.echo(json.dumps({"ok": good, "command": verb, "hosts": reports}))
    else:
        for line in [_line(report) for report in reports] or _nothing(instrument):
            click.echo(line)
    sys.exit(0 if good else 1)


def _line(report: StopReport) -> str:
    where = f"{named(report['uri'])} (pid {report['pid']}), {report['ms']:.0f} ms"
    if report["blanked"]:
        return f"blanked, read back   {where}   held: {visible(report.get('held') or 'no')}"
    why = visible(report.get("error") or "the read-back does not say blanked")
    return f"NOT VERIFIED         {where}   {why}\n  Blank by hand now; close the column valves if you can't."


def _nothing(instrument: str | None) -> list[str]:
    running = [info.uri for info in stopping.list_hosts()]
    if not running:
        return ["No instrument host is running: nothing to stop."]
    return [
        f"No host of {named(str(instrument))} is running; NOTHING was stopped. Running:",
        *(f"  {named(uri)}" for uri in running),
    ]
