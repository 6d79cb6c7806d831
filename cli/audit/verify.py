"""`eucentric audit verify`: the chain and its anchors. Standard library only, so that it starts fast."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import folder_of

if TYPE_CHECKING:
    from eucentric.core.chain import Verification


@click.command()
@options.store_option
@click.option(
    "--data", is_flag=True, help="Also read every frame's pixels and sidecar and compare their digests."
)
@options.json_option
def verify(store: Path | None, data: bool, as_json: bool) -> None:
    """Check every row against the chain and against heads anchored outside the database.

    Finds edited, inserted and removed rows, and a cut-off end up to the last anchor; says what is not anchored.
    """
    from eucentric.core.anchors import frame_anchors, other_ledgers, state_anchors
    from eucentric.core.chain import verify as walk
    from eucentric.core.data_check import check_data

    folder = folder_of(store)
    path = folder / "audit.db"
    result = walk(path, [*state_anchors(path), *frame_anchors(folder)])
    notes = other_ledgers(path)
    frames: int | None = None
    if data and result.ok:
        frames, wrong = check_data(folder)
        result.problems += wrong
    if as_json:
        body = {
            "ok": result.ok, "events": result.events, "head": result.head, "proven_to": result.proven_to,
            "unanchored": result.unanchored, "anchors": result.anchors, "problems": result.problems,
            "notes": notes, "frames_checked": frames,
        }  # fmt: skip
        click.echo(json.dumps(body))
    else:
        _print_verdict(result, notes)
        said = (
            "pixels and sidecars not read (--data reads them)" if frames is None else f"{frames} frames read"
        )
        click.echo(f"data: {said}")
    sys.exit(0 if result.ok else 1)


def _print_verdict(result: "Verification", notes: list[str]) -> None:
    from eucentric.core.text import visible

    for problem in result.problems[:20]:
        click.echo(f"PROBLEM  {visible(problem)}")
    if len(result.problems) > 20:
        click.echo(f"… and {len(result.problems) - 20} more")
    for note in notes:
        click.echo(f"note: {visible(note)}; if you did not remove it, ask who did")
    verdict = "verified" if result.ok else "VERIFICATION FAILED"
    head = visible(result.head[:12])
    click.echo(f"{verdict}: {result.events} events, head {head}…, proven to event {result.proven_to}")
    if result.ok and result.unanchored > 0:
        click.echo(
            f"unanchored: the last {result.unanchored} events are chained, but nothing outside vouches for them"
        )
