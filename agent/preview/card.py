"""What a person sees before deciding: the plan with prices, and the envelope that would be granted."""

import textwrap
from collections.abc import Iterable

from eucentric.agent.preview.preview import Preview, Row
from eucentric.core.calls import Envelope
from eucentric.core.instrument import MicroscopeState
from eucentric.core.plan import Plan
from eucentric.core.request import SpecimenCard
from eucentric.core.text import quoted, visible


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min {seconds - 60 * minutes:02.0f}" if minutes < 90 else f"{seconds / 3600:.1f} h"


def _dose(row: Row) -> str:
    cost = row.each
    if not cost.frames:
        return "–"
    if cost.dose_e_per_a2 == 0.0:
        return f"≤ {cost.elsewhere_e_per_a2:.3g} beside the target"
    undersampled = cost.dose_e_per_a2 > 2 * cost.mean_dose_e_per_a2
    mean = f"{cost.mean_dose_e_per_a2:.2g} mean, ≤ {cost.dose_e_per_a2:.3g} at the probe"
    here = mean if undersampled else f"≤ {cost.dose_e_per_a2:.3g}"
    if cost.stops_at_e_per_a2 is not None:
        here += f", stops at {cost.stops_at_e_per_a2:.3g} in all"
    return f"{here}, ≤ {cost.elsewhere_e_per_a2:.3g} beside" if cost.elsewhere_e_per_a2 else here


def _frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"


_WIDE = 60
"""Columns of the table that say what a step does."""


def _lines(number: int, row: Row) -> list[str]:
    """A step: all of its arguments, on as many lines as they need."""
    times = f"{row.times} × " if row.times > 1 else ""
    asks = {"expose": "beam", "control": "moves"}.get(row.risk, "–")
    time = f"{times}{duration(row.each.seconds)}" if row.each.seconds else "–"
    first, *rest = _folded(visible(row.what, limit=400))
    return [
        f"{number:>2}  {first:<{_WIDE}}  {time:<14} {_dose(row):<42} {asks}",
        *(f"      {line}" for line in rest),
    ]


def _folded(text: str) -> list[str]:
    """Lines broken between arguments, never between a number and its unit."""
    name, _, arguments = text.partition("  ")
    glued = ", ".join(one.replace(" ", "\u00a0") for one in arguments.split(", "))
    lines = textwrap.wrap(f"{name} {glued}", _WIDE, break_on_hyphens=False) or [""]
    return [line.replace("\u00a0", " ") for line in lines]


def _box(bounds: Preview | Envelope) -> str:
    """Ranges of the stage; height and tilts only where they change."""
    parts = []
    for name, low, high in (
        ("x", *bounds.x_um),
        ("y", *bounds.y_um),
        ("z", *bounds.z_um),
        ("alpha", *bounds.alpha_deg),
        ("beta", *bounds.beta_deg),
    ):
        unit, always = ("µm", name != "z") if len(name) == 1 else ("°", False)
        if always or high - low > 0.5:
            parts.append(f"{name} {low:+.1f} … {high:+.1f} {unit}")
    return ", ".join(parts)


def plan_lines(plan: Plan, shown: Preview) -> list[str]:
    """The plan as a table of steps with time and dose."""
    lines = [
        f"{'Plan r' + str(plan.revision):<{_WIDE + 4}}  {'time':<14} {'dose e/Å² (each place)':<42} does"
    ]
    for number, row in enumerate(shown.rows, start=1):
        lines += _lines(number, row)
    lines.append(
        f"Worst case   {duration(shown.seconds)}, {_frames(shown.frames)}, {shown.megabytes:.0f} MB; "
        f"≤ {shown.dose_e_per_a2:.3g} of {shown.budget_e_per_a2:.3g} e/Å² at any atom of a target"
    )
    if shown.elsewhere_e_per_a2:
        lines.append(
            f"             ≤ {shown.elsewhere_e_per_a2:.3g} e/Å² on areas beside the targets (focus)"
        )
    lines.append(f"Stage        {_box(shown)}")
    for index, text in enumerate(plan.assumed):
        lines.append(f"{'Assumed' if index == 0 else '':<12} {visible(text, limit=300)}")
    for text in plan.not_understood:
        lines.append(f"Not understood  {visible(text, limit=200)}")
    for text in shown.notes:
        lines.append(f"Note         {visible(text, limit=300)}")
    for text in shown.problems:
        lines.append(f"PROBLEM      {visible(text, limit=400)}")
    return lines


def _electrons(envelope: Envelope) -> str:
    return "" if envelope.max_electrons is None else f"≤ {envelope.max_electrons:.3g} electrons in all, "


def _budget(specimen: SpecimenCard | None) -> list[str]:
    """Disclosed where no person stated it."""
    if specimen is None or not specimen.dose_budget_source:
        return []
    source = visible(specimen.dose_budget_source, limit=600)
    return [
        f"Budget       {specimen.dose_budget_e_per_a2:.3g} e/Å² at any place, not stated on the card: {source}"
    ]


def gate_card(
    plan: Plan,
    shown: Preview,
    envelope: Envelope,
    specimen: SpecimenCard | None,
    state: MicroscopeState,
    gate: str,
    *,
    notes: Iterable[tuple[str, str]] = (),
) -> str:
    """The full text of a gate: its digest is kept with the decision.

    Parameters
    ----------
    notes
        Further lines, each with its word in the margin; empty ones are left out.
    """
    name = quoted(specimen.name, limit=80) if specimen else "NO SPECIMEN CARD"
    voltage, current = (state.optics.get(key, float("nan")) for key in ("voltage_kv", "probe_current_pa"))
    beam = "beam blanked" if state.blanked else "BEAM ON"
    lines = [
        f"GATE {gate}  {quoted(plan.title, limit=100)}",
        f"Sample       {name}      Instrument  {quoted(state.instrument, limit=60)}, "
        f"{voltage:g} kV, {current:.3g} pA, {beam}",
        *_budget(specimen),
        *plan_lines(plan, shown),
        f"From         {quoted(plan.planner, limit=60)}",
        *(f"{word:<12} {visible(text, limit=400)}" for word, text in notes if text),
    ]
    if state.held:
        lines.append(f"Beam held    {quoted(state.held, limit=200)}; approving allows the beam again")
    lines.append(
        f"Approving    ≤ {_frames(envelope.max_frames)}, ≤ {envelope.max_dose_e_per_a2:.3g} e/Å² anywhere, "
        f"{_electrons(envelope)}≤ {envelope.max_probe_current_pa:.3g} pA, "
        f"≤ {duration(envelope.max_seconds)} of instrument time, stage in {_box(envelope)}"
    )
    return "\n".join(lines)
