"""`eucentric audit`: read the ledger back. One small module a command, imported when it is asked for."""

import click

from eucentric.cli.lazy_group import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "list": ("runs", "Runs of a store, newest first."),
    "show": ("runs", "RUN from request to plan, approval, calls and data, one row a line."),
    "why": ("why", "Why was this done? For a time or an event number."),
    "search": ("search", "Rows that hold all WORDS, newest first."),
    "verify": ("verify", "Check every row against the chain and against heads anchored outside."),
    "replay": (
        "replay",
        "Carry RUN out again on a fresh twin, without a planner, and compare frame by frame.",
    ),
    "diff": ("diff", "Line by line, what is different between two runs."),
    "reconcile": ("reconcile", "Compare with the instrument's count of commands, its own log, and the disk."),
    "export": ("export", "RUN as a folder or file that a stranger can read and check."),
    "verify-export": ("export", "Check an exported run: every file, row, frame and card."),
    "recompute": ("recompute", "Make the analysis behind a finding again from the raw frames, and compare."),
}
"""Command: (module of this folder, one line for the list)."""


@click.group(cls=LazyGroup, package="eucentric.cli.audit", table=COMMANDS, functions={"list": "list_runs"})
def audit() -> None:
    """The ledger: list runs, follow one from request to data, verify the chain."""
