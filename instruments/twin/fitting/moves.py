"""A log of moves: where a stage was told to go, what it said, and where images found it."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.core.text import visible

Floats = NDArray[np.float64]

COLUMNS = (
    "move", "time_s", "since_s", "took_s", "commanded_x_um", "commanded_y_um", "reported_x_um", "reported_y_um",
    "measured_x_um", "measured_y_um",
)  # fmt: skip
"""Of a log's table: one row a measurement. Rows with the same `move` were measured after the same move, `since_s` after
it ended; the move itself lasted `took_s`. Measured places count from any origin, the same for all rows."""
_FEWEST_MOVES, _FEWEST_LOOKS = 30, 4


@dataclass(frozen=True)
class Looks:
    """What was measured after one move."""

    time_s: Floats
    """(n,) on one clock for the whole log [s]."""
    since_s: Floats
    """(n,) after the move's end, rising [s]."""
    took_s: float
    commanded: Floats
    """(2,) x, y [m]."""
    reported: Floats
    """(2,) [m]."""
    measured: Floats
    """(n, 2) [m]."""

    @property
    def arrived_s(self) -> float:
        """When the move ended [s]."""
        return float(self.time_s[0] - self.since_s[0])


def read_moves(path: Path) -> tuple[Looks, ...]:
    """The log in a CSV file with the header of `COLUMNS`, in order of the moves.

    Raises
    ------
    BadInput
        It can't be read, lacks a column, holds something else than finite numbers, or is too short.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return moves_of(list(csv.DictReader(file)), str(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"can't read {visible(str(path), limit=200)}", visible(str(error), limit=200)
        ) from error


def moves_of(rows: Sequence[dict[str, str]], name: str = "the log") -> tuple[Looks, ...]:
    """The same from rows by column name; BadInput as `read_moves`."""
    where = visible(name, limit=200)
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise BadInput(f"{where} lacks {', '.join(missing)}", remedy=f"columns: {', '.join(COLUMNS)}")
    try:
        table = np.array([[float(row[column]) for column in COLUMNS] for row in rows])
    except (TypeError, ValueError) as error:
        raise BadInput(f"{where} holds what is no number", visible(str(error), limit=120)) from error
    if not np.isfinite(table).all():
        raise BadInput(f"{where} holds numbers that are not finite")
    starts = np.flatnonzero(np.diff(table[:, 0], prepend=np.nan) != 0)
    groups = tuple(_looks(part) for part in np.split(table, starts[1:]))
    _check(groups, where)
    return groups


def _looks(part: Floats) -> Looks:
    part = part[np.argsort(part[:, 2], kind="stable")]
    return Looks(
        time_s=part[:, 1],
        since_s=part[:, 2],
        took_s=float(part[0, 3]),
        commanded=part[0, 4:6] * 1e-6,
        reported=part[0, 6:8] * 1e-6,
        measured=part[:, 8:10] * 1e-6,
    )


def _check(groups: tuple[Looks, ...], where: str) -> None:
    if len(groups) < _FEWEST_MOVES:
        raise BadInput(f"{where} has {len(groups)} moves", f"at least {_FEWEST_MOVES} are needed")
    short = sum(len(one.since_s) < _FEWEST_LOOKS for one in groups)
    if short:
        raise BadInput(
            f"{where}: {short} moves were measured fewer than {_FEWEST_LOOKS} times",
            "settling and drift can't be told apart",
            "measure after each move at once, and over a few settling times",
        )


def write_moves(path: Path, groups: Iterable[Looks]) -> None:
    """The log as `read_moves` reads it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, one in enumerate(groups):
            for time_s, since_s, place in zip(one.time_s, one.since_s, one.measured, strict=True):
                told = [f"{value * 1e6:.7g}" for value in (*one.commanded, *one.reported)]
                seen = [f"{value * 1e6:.9g}" for value in place]
                writer.writerow(
                    [number, f"{time_s:.4f}", f"{since_s:.4f}", f"{one.took_s:.4f}", *told, *seen]
                )
