"""`eucentric audit`: read the ledger back. One small module a command, imported when it is asked for."""

import importlib

import click

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


class Audits(click.Group):
    """A group whose commands are imported when they are called: `verify` must start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; its function is named like it, but 'list' is `list_runs`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"eucentric.cli.audit.{COMMANDS[cmd_name][0]}")
        name = {"list": "list_runs"}.get(cmd_name, cmd_name.replace("-", "_"))
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Audits)
def audit() -> None:
    """The ledger: list runs, follow one from request to data, verify the chain."""
