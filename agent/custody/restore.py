"""What becomes of the settings at the end of a run: orderly exits put them back, disorderly ones leave them.

- Done, or finished early: controls that composite tools changed in passing go back. What a step asked for
  stays: the values of `set_optics`, the focus that `autofocus` found, the beam shift onto a target that the plan
  itself goes to (not in a loop over several).
- Aborted, or refused on the way: every control that the run has set goes back.
- Stopped, parked or failed: nothing. The run can be taken up again, and then must find what it left.

The stage is never driven back. Putting back is one act through the one door, with its rows, inside the
approval; where that does not cover it, a row says so.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

from pydantic import Field

from eucentric.agent.acting.acts import GatedMicroscope
from eucentric.agent.consent.permit import Permit
from eucentric.agent.outcome import Ending
from eucentric.agent.run import Run
from eucentric.core.base import Model
from eucentric.core.calls import ToolCall
from eucentric.core.errors import EucentricError, LedgerError
from eucentric.core.event import Event
from eucentric.core.instrument import MicroscopeState, OpticsChange
from eucentric.core.plan import Plan, Step

GOOD_ENDS: tuple[Ending, ...] = ("done", "partial", "answered")
"""What was asked for stays."""
CUT_ENDS: tuple[Ending, ...] = ("aborted", "refused")
"""Everything goes back."""
_SAME = 1e-6
"""Relative difference of two readings of the same setting."""
_MOVED = {"um": 0.05, "deg": 0.02}
"""By unit: how far the stage must stand from its start for that to be told."""
_SHIFTS = ("beam_shift_x_nm", "beam_shift_y_nm")
_SETS = {
    "set_optics": tuple(OpticsChange.model_fields),
    "autofocus": ("defocus_nm", *_SHIFTS),
    "go_to_target": _SHIFTS,
}
"""Controls that a verb may change."""


class Snapshot(Model):
    """The settings and the stage at one moment, with units in the names."""

    optics: dict[str, float]
    stage: dict[str, float]
    """As reported."""
    time_s: float

    @classmethod
    def of(cls, state: MicroscopeState) -> "Snapshot":
        """From a read-back."""
        stage = {name: reading.reported for name, reading in state.stage.items()}
        return cls(optics=dict(state.optics), stage=stage, time_s=state.time_s)

    @classmethod
    def of_row(cls, row: Event) -> "Snapshot":
        """From a 'leased' row, which tells more."""
        return cls.model_validate({name: row.body[name] for name in cls.model_fields if name in row.body})

    @property
    def words(self) -> str:
        """Controls that may be set, then the stage."""
        settings = {name: self.optics[name] for name in OpticsChange.model_fields if name in self.optics}
        return f"{said(settings)}; stage {said(self.stage)}"


class Restored(Model):
    """How it ended."""

    put_back: dict[str, float] = Field(default_factory=dict)
    """Controls that were set back, and to what."""
    stays: dict[str, float] = Field(default_factory=dict)
    """Controls that stand where a step asked them to."""
    left: dict[str, float] = Field(default_factory=dict)
    """Controls that should have gone back, and where they stand."""
    why_left: str = ""
    stage: str = ""
    """Where the stage stands, where it began, and how to get back; empty if it did not move."""

    @property
    def words(self) -> str:
        """One line for a person; empty if there is nothing to tell."""
        parts = [f"put back: {said(self.put_back)}"] if self.put_back else []
        if self.left or self.why_left:
            parts.append(f"not put back ({self.why_left}): {said(self.left) or 'nobody knows how it stands'}")
        if self.stays:
            parts.append(f"stays as asked for: {said(self.stays)}")
        return "; ".join([*parts, *([self.stage] if self.stage else [])])


def put_back(run: Run, permit: Permit | None, before: Snapshot, plan: Plan, ending: Ending) -> Restored:
    """Set back what is to be set back, and write the row 'restored'.

    Raises
    ------
    LedgerError
        Nothing can be recorded, so nothing was sent.
    """
    wanted = _wanted(run, before, plan, ending)
    try:
        result = _put_back(run, permit, before, wanted, ending)
    except LedgerError:
        raise
    except EucentricError as error:  # it does not answer: the run may have ended for that very reason
        result = Restored(why_left=f"the instrument can't be read: {error.what}")
    text = result.words or "every setting stands as before the run"
    run.log("restored", text, {"before": before.model_dump(mode="json"), **result.model_dump(mode="json")})
    return result


def _put_back(
    run: Run, permit: Permit | None, before: Snapshot, wanted: dict[str, float], ending: Ending
) -> Restored:
    now = run.now()
    change = _apart(wanted, now)
    why = _why_not(run, now, ending) if change else ""
    if change and not why:
        why = _sent(run, permit, change)
        now = run.now()
    left, elsewhere = _apart(wanted, now), _apart(before.optics, now)
    return Restored(
        put_back={name: value for name, value in change.items() if name not in left},
        stays={name: now.optics[name] for name in elsewhere if name in wanted and name not in left},
        left={name: now.optics[name] for name in left},
        why_left=why if left else "",
        stage=_stage(before, now),
    )


def _apart(wanted: dict[str, float], now: MicroscopeState) -> dict[str, float]:
    """Controls that stand elsewhere."""
    return {
        name: value for name, value in sorted(wanted.items())
        if name in now.optics and abs(now.optics[name] - value) > _SAME * max(abs(value), 1.0)
    }  # fmt: skip


def _why_not(run: Run, now: MicroscopeState, ending: Ending) -> str:
    """Why nothing may be sent; empty if it may."""
    if ending not in GOOD_ENDS + CUT_ENDS:
        return f"{ending}: the run can be taken up again, and then must find what it left"
    if now.held:
        return "held"
    return "stopped" if run.stopping.is_set() else ""


def _sent(run: Run, permit: Permit | None, change: dict[str, float]) -> str:
    """Send it; empty if it is done, else why not."""
    if permit is None:
        return "no approval is in force"
    run.checkpoint = lambda act: None  # the run is over: nothing of it waits any more
    call = ToolCall(
        id=f"{run.id}/restore", step="restore", tool="set_optics", args=change, reason="put settings back"
    )
    try:
        GatedMicroscope(run, call, _narrowed(permit)).set_optics(OpticsChange(**change))
    except LedgerError:
        raise
    except EucentricError as error:
        return error.what
    return ""


def _narrowed(permit: Permit) -> Permit:
    """The approval whose card said what will be put back, for that alone: its bounds, and no exposure."""
    narrowed = copy(permit)
    narrowed.envelope = permit.envelope.model_copy(update={"tools": ("set_optics",), "max_frames": 0})
    return narrowed


def _wanted(run: Run, before: Snapshot, plan: Plan, ending: Ending) -> dict[str, float]:
    """Every control that the run has set, and where it shall stand."""
    wanted = {name: before.optics[name] for name in _set_by(run) if name in before.optics}
    if ending in GOOD_ENDS:
        places = {step.id for step in plan.steps if step.tool == "go_to_target"}
        for row in run.store.ledger.events(run=run.id, kinds=("concluded",)):
            wanted |= {name: value for name, value in _asked_for(row, places).items() if name in wanted}
    return wanted


def _set_by(run: Run) -> set[str]:
    """Controls that an act of this run has set, or may have."""
    rows = run.store.ledger.events(run=run.id, kinds=("intended",))
    return {name for row in rows if row.body.get("act") == "set_optics" for name in row.body.get("args", {})}


def _asked_for(row: Event, places: set[str]) -> dict[str, float]:
    """Controls that a call was made in order to set."""
    value: dict[str, Any] = row.body.get("value") or {}
    if not row.body.get("ok"):
        return {}
    if row.tool == "set_optics":
        return {name: float(number) for name, number in value.get("changed", {}).items()}
    if row.tool == "autofocus" and value.get("found"):
        return {"defocus_nm": float(value["defocus_nm"])}
    if row.tool == "go_to_target" and row.body.get("step") in places:
        return {name: float(value[name]) for name in _SHIFTS if name in value}
    return {}


def _stage(before: Snapshot, now: MicroscopeState) -> str:
    """The stage is told, never driven: what it would pass on its way back is for a person to see."""
    here = {name: reading.reported for name, reading in now.stage.items()}
    moved = [
        name for name, start in before.stage.items()
        if name in here and abs(here[name] - start) > _MOVED.get(name.rsplit("_", 1)[1], 0.0)
    ]  # fmt: skip
    if not moved:
        return ""
    start = ", ".join(_place(name, before.stage[name]) for name in moved)
    at = ", ".join(_place(name, here[name]) for name in moved)
    way = " and ".join(
        f"{name.split('_')[0]} to {before.stage[name]:.2f} {name.rsplit('_', 1)[1]}" for name in moved
    )
    return f'the stage stays at {at}; it began at {start} (back there: eucentric run "move stage {way}")'


def _place(name: str, value: float) -> str:
    stem, unit = name.rsplit("_", 1)
    return f"{stem} {value:+.2f} {_UNITS.get(unit, unit)}"


_UNITS = {"um": "µm", "nm": "nm", "deg": "°", "pa": "pA", "mrad": "mrad", "kv": "kV"}


def said(settings: dict[str, float]) -> str:
    """'defocus 0 nm, fov 20 µm': each control with its unit."""
    return ", ".join(_said(name, value) for name, value in settings.items())


def _said(name: str, value: float) -> str:
    stem, _, unit = name.rpartition("_")
    if unit == "nm" and abs(value) >= 10_000:
        unit, value = "um", value * 1e-3
    return f"{stem.replace('_', ' ')} {value + 0.0:.4g} {_UNITS.get(unit, unit)}"


def restored_words(plan: Plan, state: MicroscopeState) -> str:
    """For the gate card: what will be put back at the end, and what stays; empty if nothing acts.

    Parameters
    ----------
    state
        As it stands when the question is asked; a run that was taken up again goes back to its own beginning.
    """
    verbs = [step.tool for step in _steps(plan.steps)]
    touched = {name for verb in verbs for name in _SETS.get(verb or "", ())} & state.optics.keys()
    if not touched:
        return "no setting of the optics is changed; the stage stays where it ends"
    goes = any(step.tool == "go_to_target" for step in plan.steps)
    shifts = {"autofocus", "go_to_target"} & set(verbs) and not goes
    back = {name: state.optics[name] for name in _SHIFTS if shifts and name in touched}
    stays = [text for verb, text in (("set_optics", "what set_optics asks for"), ("autofocus", "the focus found"),
                                     ("go_to_target", "the shift onto the target")) if verb in verbs]  # fmt: skip
    if not goes and "go_to_target" in verbs:
        stays.remove("the shift onto the target")
    parts = [f"put back: {said(back)}"] if back else []
    parts += [f"stays: {', '.join(stays)}"] if stays else []
    every = {name: state.optics[name] for name in sorted(touched)}
    parts += [f"if aborted or refused all goes back: {said(every)}", "if stopped nothing does"]
    return "; ".join([*parts, "the stage stays where it ends"])


def _steps(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _steps(step.do)
