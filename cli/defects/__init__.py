"""`eucentric defects`: what `detect` found, put together, compared, and corrected by a person."""

import click

from eucentric.cli.lazy_group import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "show": ("show", "One density over folders of `detect`, each a sample; clusters, distances."),
    "compare": ("compare", "Two conditions: difference, ratio, a test."),
    "series": ("series", "Density against dose at one place: what the beam made."),
    "correct": ("correct", "Write down what a person says about sites."),
}
"""Command: (module of this folder, one line for the list)."""


@click.group(cls=LazyGroup, package="eucentric.cli.defects", table=COMMANDS)
def defects() -> None:
    """Statistics and corrections of what `eucentric detect` wrote. No image is looked at again."""
