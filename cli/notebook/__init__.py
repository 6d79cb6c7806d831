"""`eucentric notebook`: what was read, by hand or by a run; one small module for each few commands."""

import importlib

import click

COMMANDS: dict[str, tuple[str, str, str]] = {
    "new": ("begin", "new", "Begin a notebook for a specimen."),
    "phase": ("begin", "phase", "Add a crystal, from a CIF or one that ships."),
    "add-reading": ("reading", "add_reading", "Write down what was seen at which tilt; say whether it fits."),
    "add-calibration": ("calibration", "add_calibration", "Signs, limits, the screen's azimuth in a mode."),
    "grain": ("grain", "grain", "Add a grain, or say where it is."),
    "picture": ("grain", "picture", "Keep a file by its path and digest."),
    "solve": ("solve", "solve", "Orientations of a grain from its readings; all candidates are kept."),
    "check": ("solve", "check", "Make every solution again from the raw readings, and compare."),
    "reload": ("reload", "reload", "The specimen was taken out and put back; what carries over."),
    "transfer": ("reload", "transfer", "It went to another holder or microscope; what carries over."),
    "show": ("show", "show", "What is in a notebook."),
    "export": ("exchange", "export", "Write all of it to FILE.jsonld or FILE.h5."),
    "import": ("exchange", "import_notebook", "Take in what somebody exported."),
}
"""Command: (module of this folder, its function, one line for the list)."""


class Notebooks(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(
            importlib.import_module(f"eucentric.cli.notebook.{module}"), function
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(
    cls=Notebooks,
    epilog="\b\nWhich notebook: --notebook FILE, else $EUCENTRIC_NOTEBOOK, else the only *.notebook in this folder,\n"
    "else the only one that runs have filled in the store.\n"
    "Nothing is ever changed in it: a correction is a new entry with --replaces.",
)
def notebook() -> None:
    """A notebook of one specimen: readings as they were made, calibrations, loadings, grains, orientations."""
