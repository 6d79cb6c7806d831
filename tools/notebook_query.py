"""Look into the specimen's notebook: what was read, which orientations fit, where a target is."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.crystal import Reading
from eucentric.knowledge.notebook import CalibrationEntry, LoadingEntry, Notebook, ReadingEntry, solved
from eucentric.knowledge.notebook.book import stored_form
from eucentric.knowledge.tilting import answered, neighbours, target_of
from eucentric.knowledge.tilting.from_notebook import Told, chosen_grain, situation_in
from eucentric.knowledge.tilting.telling import answer_lines, nearest_lines, situation_lines, tilt_text
from eucentric.tools.base import Context, Tool, free

What = Literal["readings", "grains", "orientation", "tilt"]
_PLAIN = r"^[^\x00-\x1f\x7f]*$"


class Args(Model):
    """What to look up."""

    what: What = "readings"
    """readings, grains, orientation (all that fit the readings) or tilt (where a target is)."""
    grain: str = Field("", max_length=40, pattern=_PLAIN)
    """Which grain; may be left out if there is one."""
    target: str = Field("", max_length=40, pattern=_PLAIN)
    """For tilt: [uvw], <uvw>, (hkl) or {hkl} edge-on; left out: the nearest zone axes."""
    limit: int = Field(20, ge=1, le=500, strict=True)
    """Most rows returned."""


class Result(Model):
    """What the notebook says."""

    what: What
    rows: tuple[dict[str, Any], ...]
    text: str
    """The answer in a few lines."""
    convention: str = "C1"
    calibration: str = ""
    """Id in the notebook; empty if nobody calibrated."""
    candidates: int = 0
    """Orientations that fit; more than one: nothing should be tilted on the first alone."""
    digest: str
    """Of the notebook as it was asked."""


def run(args: Args, context: Context) -> Result:
    """Read only."""
    book = context.records.notebook(context.specimen.name)
    if book is None:
        raise BadInput(
            "this specimen has no notebook yet",
            "nothing was read so far",
            "note a reading with notebook_add first",
        )
    return _ANSWERS[args.what](args, book, context)


def _readings(args: Args, book: Notebook, context: Context) -> Result:
    grain = chosen_grain(book, args.grain) if args.grain else ""
    found = [(key, one) for key, one in book.of(ReadingEntry) if not args.grain or one.grain == grain]
    kept = found[::-1][: args.limit][::-1]
    rows = tuple({"id": key, **stored_form(one)} for key, one in kept)
    return Result(
        what="readings",
        rows=rows,
        text="\n".join(_line(key, one) for key, one in kept) or "no reading",
        calibration=_calibration(book),
        digest=book.sha256,
    )


def _grains(args: Args, book: Notebook, context: Context) -> Result:
    rows, lines = [], []
    for key, grain in book.grains()[: args.limit]:
        count = sum(one.grain == key for _, one in book.of(ReadingEntry))
        rows.append(
            {"id": key, "name": grain.name, "readings": count, "x_um": grain.x_um, "y_um": grain.y_um}
        )
        lines.append(f"{key}  {visible(grain.name, limit=40)}: {count} readings")
    return Result(
        what="grains", rows=tuple(rows), text="\n".join(lines) or "no grain", calibration=_calibration(book),
        digest=book.sha256,
    )  # fmt: skip


def _orientation(args: Args, book: Notebook, context: Context) -> Result:
    newest = book.newest(LoadingEntry)
    loading = newest[0] if newest else ""
    solution = solved(book, chosen_grain(book, args.grain), loading, "eucentric")
    lines = [f"{len(solution.candidates)} orientations fit {', '.join(solution.readings)}"]
    for number, one in enumerate(solution.candidates[: args.limit], start=1):
        lines.append(f"  {number}: residual {one.misfit_deg:.2f} deg, worst {one.worst_sigmas:.1f} sigma")
    look = solution.next_axis
    if look is not None:
        axis = " ".join(str(x) for x in look.uvw)
        lines.append(f"  look at [{axis}]: {tilt_text(look.alpha_deg, look.beta_deg)}; that tells them apart")
    rows = tuple(one.model_dump(mode="json") for one in solution.candidates[: args.limit])
    return Result(
        what="orientation", rows=rows, text="\n".join(lines), calibration=solution.calibration,
        candidates=len(solution.candidates), digest=book.sha256,
    )  # fmt: skip


def _tilt(args: Args, book: Notebook, context: Context) -> Result:
    stage = context.microscope.state().stage
    now = Reading(alpha_deg=stage["alpha_deg"].reported, beta_deg=stage["beta_deg"].reported)
    told: Told = situation_in(book, args.grain, now=now)
    situation = told.situation
    lines = list(situation_lines(situation))
    if args.target:
        answer = answered(situation, target_of(args.target))
        rows: tuple[dict[str, Any], ...] = (answer.model_dump(mode="json"),)
        lines += answer_lines(situation, answer)
    else:
        near = neighbours(situation, now, 3, args.limit)
        rows = tuple(one.model_dump(mode="json") for one in near)
        lines += nearest_lines(situation, near)
    return Result(
        what="tilt", rows=rows, text="\n".join(lines), calibration=situation.stage.calibration,
        candidates=len(situation.candidates), digest=book.sha256,
    )  # fmt: skip


def _calibration(book: Notebook) -> str:
    newest = book.newest(CalibrationEntry)
    return newest[0] if newest else ""


def _line(key: str, one: ReadingEntry) -> str:
    azimuth = f" at {one.azimuths[0].azimuth_deg:g} deg" if one.azimuths else ""
    frame = f", frame {visible(one.frame, limit=40)}" if one.frame else ""
    seen = visible(one.written, limit=40) or "not indexed"
    return f"{key}  {tilt_text(one.alpha_deg, one.beta_deg)}  {seen}{azimuth}{frame}"


_ANSWERS: dict[What, Callable[[Args, Notebook, Context], Result]] = {
    "readings": _readings,
    "grains": _grains,
    "orientation": _orientation,
    "tilt": _tilt,
}

TOOL: Tool[Args, Result] = Tool(
    "notebook_query",
    "Look into the specimen's notebook: readings, grains, all orientations that fit, or the tilts for a target with "
    "error, reach and what is near. Changes nothing, moves nothing.",
    "read",
    Args,
    Result,
    run,
    free,
    lambda result: result.text,
)
