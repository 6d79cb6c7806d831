"""`eucentric defects`: what `detect` found, put together, compared, and corrected by a person."""

import importlib

import click

COMMANDS: dict[str, tuple[str, str, str]] = {
    "show": ("show", "show", "One density over folders of `detect`, each a sample; clusters, distances."),
    "compare": ("compare", "compare", "Two conditions: difference, ratio, a test."),
    "series": ("series", "series", "Density against dose at one place: what the beam made."),
    "correct": ("correct", "correct", "Write down what a person says about sites."),
}
"""Command: (module of this folder, its function, one line for the list)."""


class Defects(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"eucentric.cli.defects.{module}"), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=Defects)
def defects() -> None:
    """Statistics and corrections of what `eucentric detect` wrote. No image is looked at again."""
