"""`eucentric host`: serve one instrument in the foreground, or list the hosts that run."""

import json
import logging
import signal
import time
from typing import Any

import click

from eucentric.core import stop as stopping
from eucentric.core.text import named, quoted


@click.command()
@click.argument("uri", required=False)
@click.option(
    "--idle-minutes", type=click.FloatRange(min=0.01), default=10.0, show_default=True,
    help="Leave after this long without a client.",
)  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="List the running hosts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def host(uri: str | None, idle_minutes: float, listing: bool, as_json: bool) -> None:
    """Own the instrument at URI and serve it to this user's processes until idle or interrupted."""
    if listing:
        _list(as_json)
    elif uri is None:
        raise click.UsageError("give an instrument URI, such as twin://mxene?seed=7, or --list")
    else:
        _serve(uri, idle_minutes * 60, as_json)


class _Indented(logging.Formatter):
    """Further lines are set in: what a driver says can't pass for an entry of the log."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return super().format(record).replace("\n", "\n    ")


def _serve(uri: str, idle_s: float, as_json: bool) -> None:
    from eucentric.core.redaction import take_from_environment
    from eucentric.instruments.host import HostServer  # numpy and pydantic: only this command pays for them
    from eucentric.instruments.uri import load_driver

    take_from_environment("EUCENTRIC_API_KEY")  # of no use to a driver: only to be recognised, if it turns up
    handler = logging.StreamHandler()
    handler.setFormatter(_Indented("%(asctime)s %(levelname)s %(message)s", datefmt="%FT%TZ"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    server = HostServer(uri, lambda: load_driver(uri), idle_s=idle_s)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: server.leave())
    info = server.start()
    if as_json:
        click.echo(json.dumps(info._asdict()))
    else:
        click.echo(f"serving {named(info.uri)} (pid {info.pid}); Ctrl-C blanks and leaves")
    server.serve()


def _list(as_json: bool) -> None:
    rows = stopping.status()
    if as_json:
        click.echo(json.dumps({"hosts": rows}))
        return
    for row in rows:
        click.echo(_line(row))
    if not rows:
        click.echo("No instrument host is running.")


def _line(row: dict[str, Any]) -> str:
    beam = "blanked" if row["blanked"] else "BEAM ON or not readable"
    held, lease = (
        quoted(str(row[key])) if row.get(key) else none for key, none in (("held", "no"), ("lease", "free"))
    )
    return f"{named(str(row['uri']))}   pid {row['pid']}   {beam}   held: {held}   lease: {lease}"
