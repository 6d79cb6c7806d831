"""`eucentric audit diff`: two runs, line by line."""

import sys
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import rows_of

_EPILOG = """\b
A run is named as RUN, or as STORE:RUN; or give --store twice, for the first and the second.
\b
Examples
  eucentric audit diff r-0004 r-0007
  eucentric audit diff monday/store:r-0004 tuesday/store:r-0001
\b
Exit codes, as `diff`: 0 the same, 1 different, 2 it can't be told."""


@click.command(epilog=_EPILOG)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--store", "stores", type=click.Path(path_type=Path), multiple=True, help="Store folder, once or twice."
)
@click.option(
    "--most", default=8, show_default=True, type=click.IntRange(1, 10_000), help="Values told of one thing."
)
@options.json_option
def diff(first: str, second: str, stores: tuple[Path, ...], most: int, as_json: bool) -> None:
    """What is different between run A and run B: request, plan, approval, calls, frames, findings, ending."""
    from eucentric.agent.auditing.diff import diff as compared
    from eucentric.agent.auditing.diff import lines

    if len(stores) > 2:
        raise click.UsageError("--store is given more than twice")
    a, b = _run(first, stores[:1]), _run(second, stores[-1:])
    one, other = rows_of(a[0]), rows_of(b[0])
    try:
        found = compared(one, a[1], other, b[1])
    finally:
        one.close()
        other.close()
    if as_json:
        click.echo(found.model_dump_json())
    else:
        for line in lines(found, most=most):
            click.echo(line)
    sys.exit(0 if found.same else 1)


def _run(name: str, stores: tuple[Path, ...]) -> tuple[Path | None, str]:
    """The store and the run that are meant."""
    folder, colon, run = name.rpartition(":")
    if colon and stores:
        raise click.UsageError(f"{name} names a store, and --store another")
    return (Path(folder), run) if colon else (stores[0] if stores else None, name)
