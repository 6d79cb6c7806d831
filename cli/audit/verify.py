"""`eucentric audit verify`: chain, anchors and signatures. Standard library only, so that it starts fast."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.cli.audit.opening import folder_of

if TYPE_CHECKING:
    from eucentric.core.chain import Verification
    from eucentric.core.signature_check import SignedDecisions

_SHOWN = 20
"""Problems, and notes on clocks, that are printed; with --json all are there."""
_BIG_LOG = 64 * 2**20


@click.command()
@options.store_option
@click.option(
    "--data", is_flag=True, help="Also read every frame's pixels and sidecar and compare their digests."
)
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="All public keys there are, as `eucentric operator list --json` prints them; any other is a problem.",
)
@options.json_option
def verify(store: Path | None, data: bool, keys: Path | None, as_json: bool) -> None:
    """Check every row against the chain and against heads anchored outside the database.

    Finds edited, inserted and removed rows, a cut-off end up to the last anchor, and wrong signatures; says what is
    not anchored, who signed, and where the clock was set back.
    """
    from eucentric.core.anchors import frame_anchors, other_ledgers, state_anchors
    from eucentric.core.chain import verify as walk
    from eucentric.core.data_check import check_data
    from eucentric.core.signing import SIGNED_KINDS

    folder = folder_of(store)
    path = folder / "audit.db"
    result = walk(path, [*state_anchors(path), *frame_anchors(folder)], SIGNED_KINDS)
    anchors_signed, notes = _signed_anchors(path, result)
    signed = _signatures(path, result, keys)
    notes += [*signed.notes, *_log_note(path)]
    others = other_ledgers(path)
    frames: int | None = None
    if data and result.ok:
        frames, wrong = check_data(folder)
        result.problems += wrong
    if as_json:
        body = {
            "ok": result.ok, "events": result.events, "head": result.head, "proven_to": result.proven_to,
            "unanchored": result.unanchored, "anchors": result.anchors, "anchors_signed": anchors_signed,
            "problems": result.problems, "notes": [*others, *notes, *result.clock_notes], "frames_checked": frames,
            "signatures": {
                "decisions": signed.decisions, "signed": signed.signed, "valid": signed.valid,
                "unknown": signed.unknown, "unchecked": signed.unchecked,
            },
        }  # fmt: skip
        click.echo(json.dumps(body))
    else:
        asked = [f"{other}; if you did not remove it, ask who did" for other in others]
        _print_verdict(result, [*asked, *notes, *_few(result.clock_notes)])
        _print_signatures(signed, anchors_signed)
        said = (
            "pixels and sidecars not read (--data reads them)" if frames is None else f"{frames} frames read"
        )
        click.echo(f"data: {said}")
    sys.exit(0 if result.ok else 1)


def _signed_anchors(path: Path, result: "Verification") -> tuple[int, list[str]]:
    from eucentric.core.anchors import signed_lines

    lines = signed_lines(path)
    if not lines:
        return 0, []
    from eucentric.core.anchor_signing import check_lines

    right, problems, notes = check_lines(lines)
    result.problems += problems
    return right, notes


def _signatures(path: Path, result: "Verification", keys: Path | None) -> "SignedDecisions":
    from eucentric.core.errors import EucentricError
    from eucentric.core.operators import public_keys
    from eucentric.core.signature_check import check_decisions, keys_from

    note = ""
    try:
        known = keys_from(keys) if keys else public_keys()
    except EucentricError as error:
        if keys:
            raise
        known, note = {}, f"whose keys they are is not known here: {error.what}"
    found = check_decisions(path, result.marked, known, complete=keys is not None)
    if note and found.signed:
        found.notes.append(note)
    result.problems += found.problems
    return found


def _log_note(path: Path) -> list[str]:
    from eucentric.core.chain import log_of

    try:
        size = log_of(path).stat().st_size
    except OSError:
        return []
    text = f"the write-ahead log has {size / 2**20:.0f} MB: a reader holds on to an old state of the ledger"
    return [text] if size > _BIG_LOG else []


def _few(notes: list[str]) -> list[str]:
    more = [f"… and {len(notes) - _SHOWN} more times"] if len(notes) > _SHOWN else []
    return notes[:_SHOWN] + more


def _print_verdict(result: "Verification", notes: list[str]) -> None:
    from eucentric.core.text import visible

    for problem in result.problems[:_SHOWN]:
        click.echo(f"PROBLEM  {visible(problem)}")
    if len(result.problems) > _SHOWN:
        click.echo(f"… and {len(result.problems) - _SHOWN} more")
    for note in notes:
        click.echo(f"note: {visible(note)}")
    verdict = "verified" if result.ok else "VERIFICATION FAILED"
    head = visible(result.head[:12])
    click.echo(f"{verdict}: {result.events} events, head {head}…, proven to event {result.proven_to}")
    if result.ok and result.unanchored > 0:
        click.echo(
            f"unanchored: the last {result.unanchored} events are chained, but nothing outside vouches for them"
        )


def _print_signatures(signed: "SignedDecisions", anchors_signed: int) -> None:
    from eucentric.core.text import visible

    if signed.signed:
        by = ", ".join(f"{visible(name)} {many}" for name, many in sorted(signed.valid.items()))
        click.echo(
            f"signatures: {signed.signed} of {signed.decisions} decisions are signed, "
            f"{sum(signed.valid.values())} by known keys{f' ({by})' if by else ''}"
        )
    if anchors_signed:
        click.echo(f"anchors: {anchors_signed} in the state directory are rightly signed")
