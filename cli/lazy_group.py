"""A group of commands of which none is imported before it is asked for: `stop` and `verify` must start fast."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands by a table.

    Parameters
    ----------
    package
        Where the modules of the table are.
    table
        Command: (module, one line for the list).
    functions
        Command: its function, where that is not its name with underscores.
    """

    def __init__(
        self, *args: Any, package: str, table: Mapping[str, tuple[str, str]],
        functions: Mapping[str, str] | None = None, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(*args, **more)
        self.package, self.table, self.functions = package, table, functions or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.table:
            return None
        module = importlib.import_module(f"{self.package}.{self.table[cmd_name][0]}")
        command: click.Command = getattr(module, self.functions.get(cmd_name, cmd_name.replace("-", "_")))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])
