"""Answer from the ledger: last acquisition, dose here, findings, places, runs, or a text search."""

from typing import Any, Literal

from pydantic import Field

from eucentric.core.base import Model
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.move_stage import places_now

What = Literal["last_acquisition", "dose_here", "events", "findings", "positions", "runs"]


class Args(Model):
    """What to look up."""

    what: What = "events"
    """last_acquisition, dose_here, events, findings, positions or runs."""
    text: str = Field("", max_length=200)
    """Words that an event must contain (what = events)."""
    limit: int = Field(20, ge=1, le=500, strict=True)
    """Most rows returned, newest first."""


class Result(Model):
    """Rows of the ledger that answer."""

    what: What
    rows: tuple[dict[str, Any], ...]
    text: str
    """The answer in one to a few lines."""


def run(args: Args, context: Context) -> Result:
    """Read only."""
    rows, text = _ANSWERS[args.what](args, context)
    return Result(what=args.what, rows=tuple(rows), text=text)


_Answer = tuple[list[dict[str, Any]], str]


def _last_acquisition(args: Args, context: Context) -> _Answer:
    frame = context.records.frame("last")
    here = context.records.dose_at(frame)
    fov = (frame.pixel_pm or 0) * frame.shape[1] / 1e3
    text = (
        f"frame {frame.id}: {frame.mean_dose_e_per_a2 or 0:.4g} e/Å² mean, at most {frame.dose_e_per_a2 or 0:.4g} "
        f"at any atom; from {frame.probe_current_pa:g} pA × {frame.dwell_us:g} µs per {frame.pixel_pm:g} pm pixel "
        f"({frame.shape[1]}×{frame.shape[0]}, {fov:g} nm). "
        f"This spot has had {here:.4g} e/Å² in all (upper bound, overviews and focus included)."
    )
    return [{**frame.model_dump(mode="json"), "cumulative_e_per_a2": here}], text


def _dose_here(args: Args, context: Context) -> _Answer:
    dose = context.records.dose_at(None)
    return [{"dose_e_per_a2": dose}], f"upper bound of the dose at the present place: {dose:.4g} e/Å²"


def _events(args: Args, context: Context) -> _Answer:
    rows = context.records.events(limit=args.limit if not args.text else 5000)
    words = args.text.lower().split()
    kept = [row for row in rows if all(word in str(row).lower() for word in words)][: args.limit]
    lines = [f"{row['ts'][11:19]} {row['kind']}: {row['summary']}" for row in kept]
    return kept, "\n".join(lines) or "no such event"


def _findings(args: Args, context: Context) -> _Answer:
    rows = context.records.events(kind="found", limit=args.limit)
    return rows, "\n".join(row["summary"] for row in rows) or "no finding yet"


def _positions(args: Args, context: Context) -> _Answer:
    places = places_now(context)
    lines = [f"{name}: x {at['x_um']:+.3f}, y {at['y_um']:+.3f} µm" for name, at in places.items()]
    return [{"name": name, **at} for name, at in places.items()], "\n".join(lines) or "no saved place"


def _runs(args: Args, context: Context) -> _Answer:
    rows = context.records.events(kind="finished", limit=args.limit)
    return rows, "\n".join(f"{row['run_id']}: {row['summary']}" for row in rows) or "no finished run"


_ANSWERS = {
    "last_acquisition": _last_acquisition,
    "dose_here": _dose_here,
    "events": _events,
    "findings": _findings,
    "positions": _positions,
    "runs": _runs,
}

TOOL: Tool[Args, Result] = Tool(
    "query_log",
    "Look up what was done: last acquisition and its dose, dose at this place, findings, saved places, runs, or "
    "events containing words. Changes nothing.",
    "read",
    Args,
    Result,
    run,
    free,
    lambda result: result.text,
)
