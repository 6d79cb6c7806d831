"""`eucentric audit export` and `verify-export`: a run as a crate for a stranger, and what it proves."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import folder_of

if TYPE_CHECKING:
    from eucentric.agent.auditing.crate.write import Export


@click.command()
@click.argument("runs", metavar="RUN", nargs=-1, required=True)
@click.option(
    "--out",
    required=True,
    metavar="DIR|FILE.zip",
    type=click.Path(path_type=Path),
    help="Where to; must not exist.",
)
@click.option(
    "--frames", type=click.Choice(["tiff", "npy", "none"]), default="tiff", show_default=True,
    help="How pixels are written.",
)  # fmt: skip
@click.option("--with-prompts", is_flag=True, help="Also what a language model was sent and replied.")
@click.option(
    "--licence", default="", metavar="SPDX|URL|TEXT", help="Such as CC-BY-4.0; default: none is stated."
)
@options.store_option
@options.json_option
def export(
    runs: tuple[str, ...],
    out: Path,
    frames: str,
    with_prompts: bool,
    licence: str,
    store: Path | None,
    as_json: bool,
) -> None:
    """Write each RUN as an RO-Crate: rows, anchors, frames, cards, report, and a page that tells it.

    A stranger checks it with the verify.py inside (plain Python) or with `eucentric audit verify-export`.
    """
    import os

    from eucentric.agent.auditing.crate.write import Options
    from eucentric.agent.auditing.crate.write import export as write

    key = os.environ.get("EUCENTRIC_API_KEY", "")
    chosen = Options.model_validate(
        {"frames": frames, "with_prompts": with_prompts, "licence": licence, "secrets": (key,) if key else ()}
    )
    made = write(folder_of(store), runs, out, chosen)
    if as_json:
        click.echo(made.model_dump_json())
        return
    for line in _told(made):
        click.echo(line)


def _told(made: "Export") -> list[str]:
    from eucentric.core.text import visible

    lines = [
        f"exported     {', '.join(made.runs)} to {visible(made.path, limit=300)}",
        f"files        {made.files}, {made.bytes / 1e6:.1f} MB",
        f"rows         {made.rows}" + (f", and {made.sealed} of other runs, sealed" if made.sealed else ""),
        f"frames       {made.frames}",
        f"fingerprint  {made.fingerprint}",
    ]
    lines += [f"MISSING      {visible(text, limit=300)}" for text in made.missing]
    lines += [f"note         {visible(text, limit=300)}" for text in made.notes]
    return [
        *lines,
        "Open ro-crate-preview.html in it; check it with: python3 verify.py, or eucentric audit verify-export",
    ]


@click.command(name="verify-export")
@click.argument("path", metavar="DIR|FILE.zip", type=click.Path(path_type=Path, exists=True))
@options.json_option
def verify_export(path: Path, as_json: bool) -> None:
    """Check an exported run: every file, row, frame and card. Runs this program's own checks, not the export's."""
    import json

    from eucentric.agent.auditing.crate.verify import lines, verify

    result = verify(path)
    if as_json:
        click.echo(json.dumps(result.as_dict(), ensure_ascii=True))
    else:
        for line in lines(result):
            click.echo(line)
    sys.exit(0 if result.ok else 1)
