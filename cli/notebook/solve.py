"""`eucentric notebook solve` and `check`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli.notebook.opening import loading_of, login, notebook_option, opened, tell
from eucentric.cli.options import json_option

if TYPE_CHECKING:
    from eucentric.knowledge.notebook import Notebook, Remade, SolutionEntry


@click.command()
@click.option("--grain", default="", help="Id or name [the only one].")
@click.option("--loading", default="", help="Of which loading [the newest].")
@click.option("--by", default="", help="Who solves [your login].")
@notebook_option
@json_option
def solve(path: Path | None, grain: str, loading: str, by: str, as_json: bool) -> None:
    """Orientations that fit the readings of a grain; all of them are kept, with errors and the axis to look at next."""
    from eucentric.knowledge.notebook import solved
    from eucentric.knowledge.tilting.from_notebook import chosen_grain

    with opened(path) as file:
        book = file.read()
        solution = solved(book, chosen_grain(book, grain), loading_of(book, loading), by or login())
        (key,) = file.add(solution)
        book = file.read()
    tell(as_json, solution_lines(book, key, solution), id=key, solution=solution.model_dump(mode="json"))


@click.command()
@notebook_option
@json_option
def check(path: Path | None, as_json: bool) -> None:
    """Make every solution again from the raw readings it names, and compare. Exit code 1 if one comes out otherwise."""
    from eucentric.knowledge.notebook import SolutionEntry, remade

    with opened(path) as file:
        book = file.read()
    again = [remade(book, key) for key, _ in book.of(SolutionEntry)]
    lines = [_again(one) for one in again] or ["no solution yet"]
    tell(as_json, lines, solutions=[one.model_dump(mode="json") for one in again], digest=book.sha256)
    if any((one.turned_deg is None or one.turned_deg > 1e-6) for one in again):
        sys.exit(1)


def solution_lines(book: "Notebook", key: str, solution: "SolutionEntry") -> Iterator[str]:
    """A solution for a person: how many orientations, what the readings then are, what decides."""
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import GrainEntry, PhaseEntry
    from eucentric.knowledge.tilting import name_of
    from eucentric.knowledge.tilting.telling import tilt_text

    crystal = book.get(solution.phase, PhaseEntry).crystal
    grain = book.get(book.latest(solution.grain), GrainEntry).name if solution.grain else "-"
    count = len(solution.candidates)
    yield (
        f"{key}  grain {visible(grain, limit=40)}, {visible(crystal.name, limit=40)}: {count} "
        f"orientation{'s' if count > 1 else ''} from {', '.join(solution.readings)}"
    )
    for number, one in enumerate(solution.candidates, start=1):
        names = "  ".join(
            f"{reading} {name_of(crystal, i)}"
            for reading, i in zip(solution.readings, one.indices, strict=True)
        )
        yield f"  {number}   residual {one.misfit_deg:.2f}°, worst {one.worst_sigmas:.1f} sigma   {names}"
    look = solution.next_axis
    if look is not None:
        where = tilt_text(look.alpha_deg, look.beta_deg)
        yield f"  look at {name_of(crystal, look.uvw)}: {where}; that tells them apart"
    elif count > 1:
        yield "  no axis within reach tells them apart: add the azimuth of a g, or go farther"


def _again(one: "Remade") -> str:
    if one.problem:
        return f"{one.solution}  can't be made again: {one.problem}"
    if one.identical:
        return f"{one.solution}  comes out again, to the last bit"
    what = (
        "with another number of orientations"
        if one.turned_deg is None
        else f"{one.turned_deg:.2g}° from what is written"
    )
    inputs = "" if one.same_inputs else "; what goes in is not what it was"
    return f"{one.solution}  comes out {what}{inputs} ({one.software_then}; now {one.software_now})"
