"""What a person says of a holder and its specimen, as options and as values: limits, signs, phase."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from eucentric.knowledge.crystal import Crystal, Limits
    from eucentric.knowledge.crystal.stage import Holder, Sign

F = TypeVar("F", bound=Callable[..., Any])
HOLDERS: "dict[str, Holder]" = {"double": "double_tilt", "rotate": "tilt_rotate", "single": "single_tilt"}


def holder_options(command: F) -> F:
    """Which holder, what it can reach, and how it was calibrated."""
    for option in (
        click.option("--mirrored", is_flag=True, help="The screen shows the specimen mirrored."),
        click.option(
            "--screen", type=float, metavar="DEG", help="Azimuth of the alpha axis on the screen, for g and bands."
        ),
        click.option("--signs", default="++", show_default=True, metavar="++|+-|-+|--",
                     help="Of alpha and beta: + turns counter-clockwise seen from the rod tip."),
        click.option("--limits", metavar="LIMITS", help="35,30 or -35:35,-25:30 or ellipse:A,B,R or outline:A,B;A,B;… "
                                                        "or a limits file (TOML); 60 alone with --holder rotate or "
                                                        "single."),
        click.option("--holder", type=click.Choice(list(HOLDERS)), help="[double]"),
    ):  # fmt: skip
        command = option(command)
    return command


def phase_named(name: str) -> "Crystal":
    """The crystal of a CIF, or one that ships."""
    from eucentric.knowledge.crystal import read_crystal
    from eucentric.knowledge.diffraction.structure import structure_named

    if name.lower().endswith(".cif") or Path(name).is_file():
        return read_crystal(name)
    return structure_named(name).crystal


def limits_named(text: str, holder: "Holder") -> "Limits":
    """Limits as they are typed for a holder, or the box of alpha and beta in a limits file."""
    from eucentric.core.errors import BadInput
    from eucentric.knowledge.crystal import Box
    from eucentric.knowledge.tilting.written import limits_in

    if not text.endswith(".toml"):
        return limits_in(text, holder)
    from eucentric.instruments.limits_file import load_limits

    axes = load_limits(Path(text)).axes
    if "alpha_deg" not in axes:
        raise BadInput(f"{text} has no limits of alpha_deg", remedy="measure them, or give --limits 35,30")
    rows = [axes.get(name) for name in ("alpha_deg", "beta_deg")]
    alpha, beta = ((row.lower, row.upper) if row else (0.0, 0.0) for row in rows)
    return Box(alpha=alpha, beta=beta)


def signs_of(text: str) -> "tuple[Sign, Sign]":
    """'+-' as (1, -1)."""
    if len(text) != 2 or set(text) - {"+", "-"}:
        raise click.BadParameter("two signs, of alpha and beta: ++ +- -+ or --", param_hint="--signs")
    return 1 if text[0] == "+" else -1, 1 if text[1] == "+" else -1
