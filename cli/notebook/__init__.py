"""`eucentric notebook`: what was read, by hand or by a run; one small module for each few commands."""

import click

from eucentric.cli.lazy_group import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "new": ("begin", "Begin a notebook for a specimen."),
    "phase": ("begin", "Add a crystal, from a CIF or one that ships."),
    "add-reading": ("reading", "Write down what was seen at which tilt; say whether it fits."),
    "add-calibration": ("calibration", "Signs, limits, the screen's azimuth in a mode."),
    "grain": ("grain", "Add a grain, or say where it is."),
    "picture": ("grain", "Keep a file by its path and digest."),
    "solve": ("solve", "Orientations of a grain from its readings; all candidates are kept."),
    "check": ("solve", "Make every solution again from the raw readings, and compare."),
    "reload": ("reload", "The specimen was taken out and put back; what carries over."),
    "transfer": ("reload", "It went to another holder or microscope; what carries over."),
    "show": ("show", "What is in a notebook."),
    "export": ("exchange", "Write all of it to FILE.jsonld or FILE.h5."),
    "import": ("exchange", "Take in what somebody exported."),
}
"""Command: (module of this folder, one line for the list)."""


@click.group(
    cls=LazyGroup,
    package="eucentric.cli.notebook",
    table=COMMANDS,
    functions={"import": "import_notebook"},
    epilog="\b\nWhich notebook: --notebook FILE, else $EUCENTRIC_NOTEBOOK, else the only *.notebook in this folder,\n"
    "else the only one that runs have filled in the store.\n"
    "Nothing is ever changed in it: a correction is a new entry with --replaces.",
)
def notebook() -> None:
    """A notebook of one specimen: readings as they were made, calibrations, loadings, grains, orientations."""
