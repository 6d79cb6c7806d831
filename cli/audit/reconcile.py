"""`eucentric audit reconcile`: the ledger against the instrument and the disk."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import OfStores, folders_of, stores_option

if TYPE_CHECKING:
    from eucentric.agent.auditing.reconciling import Reconciliation
    from eucentric.agent.auditing.reconciling.model import Account, Disk, Life, Mark, Unexplained

_SHOWN = 40
"""Lines of one kind; --json has all."""


@click.command(cls=OfStores)
@click.option("--instrument", metavar="URI", help="Only this one; default: all that the stores name.")
@stores_option
@options.json_option
def reconcile(instrument: str | None, stores: tuple[Path, ...], as_json: bool) -> None:
    """Compare the ledger with the instrument's count of commands, its own log, and the files on disk.

    Lists what has no row, and rows that have no counterpart. Name every store that shares the instrument: what one
    explains has a row. Nothing is sent, written or deleted. Exit 1 if anything has no row.
    """
    from eucentric.agent.auditing.reconciling import reconciled

    found = reconciled(folders_of(stores), instrument)
    if as_json:
        body = found.model_dump_json()
        click.echo(f'{{"ok":{"true" if found.ok else "false"},{body[1:]}')
    else:
        for line in _lines(found):
            click.echo(line)
    sys.exit(0 if found.ok else 1)


def _lines(found: "Reconciliation") -> Iterator[str]:
    for account in found.instruments:
        yield from _account(account)
    if not found.instruments:
        yield "no run of this store sent anything to an instrument"
    for disk in found.disks:
        yield from _disk(disk)
    yield "everything has a row" if found.ok else "NOT EVERYTHING HAS A ROW"


def _account(account: "Account") -> Iterator[str]:
    from eucentric.core.text import visible

    yield f"instrument   {visible(account.uri, limit=200)}"
    yield f"now          {visible(account.now, limit=300)}"
    for life in account.lives:
        yield from _life(life)


def _life(life: "Life") -> Iterator[str]:
    from eucentric.core.text import visible

    span = f", counts {life.first.commands} to {life.last.commands}" if life.first and life.last else ""
    runs = ", ".join(visible(run, limit=60) for run in life.runs[:6]) + (" …" if len(life.runs) > 6 else "")
    acts = f"{life.acts} act{'' if life.acts == 1 else 's'} of {runs or 'no run'}"
    yield f"process      {visible(life.incarnation, limit=40)}: {acts}{span}"
    yield f"log          {visible(life.log, limit=200)}"
    for note in life.notes:
        yield f"note         {visible(note, limit=300)}"
    for halt in life.halts[-_SHOWN:]:
        sent = f": {_commands(halt.commands)}" if halt.commands else ""
        yield f"{halt.what:<13}{_time(halt.utc)}  {visible(halt.text, limit=200)}{sent}"
    for one in life.unexplained[:_SHOWN]:
        yield from _unexplained(one)
    for row in life.absent[:_SHOWN]:
        yield f"NOT THERE    {visible(row.what, limit=120)} ({_time(row.utc)}): {visible(row.why, limit=200)}"
    left = sum(max(0, len(rows) - _SHOWN) for rows in (life.unexplained, life.absent))
    if left:
        yield f"… and {left} more; --json has all"


def _unexplained(one: "Unexplained") -> Iterator[str]:
    from eucentric.core.text import visible

    verb = "has" if one.commands == 1 else "have"
    where = f"during {visible(one.during, limit=120)}" if one.during else _between(one.after, one.before)
    yield f"NO ROW       {_commands(one.commands)} {where} {verb} no row: {visible(one.hint, limit=300)}"
    for entry in one.log[:_SHOWN]:
        yield f"             the instrument's log: {visible(entry, limit=300)}"


def _between(after: "Mark | None", before: "Mark | None") -> str:
    if after is None or before is None:
        return f"beside {_mark(after or before)}"
    return f"between {_mark(after)} and {_mark(before)}"


def _mark(mark: "Mark | None") -> str:
    from eucentric.core.text import visible

    return f"{visible(mark.what, limit=120)} ({_time(mark.utc)})" if mark else "nothing that is known"


def _commands(number: int) -> str:
    return f"{number} command{'' if number == 1 else 's'}"


def _time(utc: str) -> str:
    from eucentric.core.text import visible

    return visible(f"{utc[:10]} {utc[11:19]}", limit=30)


def _disk(disk: "Disk") -> Iterator[str]:
    from eucentric.core.text import visible

    read = f"{disk.frames} frames read, {disk.files} files, {_size(disk.bytes)}"
    yield f"disk         {visible(disk.store, limit=200)}: {read}"
    for problem in disk.problems[:_SHOWN]:
        yield f"PROBLEM      {visible(problem, limit=300)}"
    for one in disk.explained[:_SHOWN]:
        act = f", of event {one.event}, which has no result" if one.event else ""
        yield f"left over    {visible(one.path, limit=200)}  {_size(one.bytes)}  {visible(one.what, limit=80)}{act}"
    for one in disk.without_row[:_SHOWN]:
        yield f"NO ROW       {visible(one.path, limit=200)}  {_size(one.bytes)}  {visible(one.what, limit=80)}"
    left = sum(max(0, len(rows) - _SHOWN) for rows in (disk.problems, disk.explained, disk.without_row))
    if left:
        yield f"… and {left} more; --json has all"


def _size(count: int) -> str:
    value, units = float(count), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while value >= 1000 and (larger := next(units, None)):
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
