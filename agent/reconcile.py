"""What became of acts whose process died: proven by the instrument or the disk, else for a person to say.

Three witnesses are heard before anybody is asked: the journal of the instrument's process (by the act's token),
the frames that lie in the store, and the read-back with the driver's own count of commands. What they prove is
written as a row and told; what they leave open is asked once, with what they said.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from eucentric.agent.acting.counting import reading
from eucentric.agent.acting.door import uncharged
from eucentric.agent.acting.exposure import Expose
from eucentric.agent.acting.frames import frames_on_disk
from eucentric.agent.dose.charge import Charge
from eucentric.agent.readback import named_state
from eucentric.agent.recovery import Choice, Doubt
from eucentric.agent.run import Run
from eucentric.core.errors import BadInput, BeamLost, Busy, ConnectionLost, MoveNotReached, Stopped, from_dict
from eucentric.core.event import Event
from eucentric.core.instrument import Frame, MicroscopeState, Scan
from eucentric.core.units import OPTICS, STAGE
from eucentric.instruments.driver import DriverState, Pixels
from eucentric.instruments.instrument import Instrument
from eucentric.instruments.journal import KEPT, Outcome

Verdict = Literal["adopt", "failed", "not sent", "ask"]
LEASE_S = 5.0
"""How long to wait until the lease of the dead process has ended [s]."""
ENDS_S = 4.0
"""How long a command that still runs may take to end by itself, before it is stopped [s]."""
_LOOK_S = 0.03
_FINAL = (MoveNotReached, BeamLost)
"""How the instrument itself told a command ended: it stays so."""
_SAME = 1e-6


@dataclass(frozen=True)
class Seen:
    """What the witnesses say of one act."""

    intent: Event
    same_life: bool
    """Whether the process that was told is the one that answers now."""
    outcome: Outcome | None
    pixels: Pixels
    frames: tuple[Frame, ...]
    """On disk, complete, digests checked."""
    now: MicroscopeState

    @property
    def act(self) -> str:
        """Such as 'acquire'."""
        return str(self.intent.body["act"])

    @property
    def token(self) -> str:
        """The name under which it was sent."""
        return self.intent.hash

    @property
    def forgotten(self) -> bool:
        """Whether the journal may have dropped it: it keeps so many, and each command raises the count."""
        then = self.intent.body.get("commands")
        return then is None or not 0 <= self.now.commands - then < KEPT


def reconcile(run: Run, doubts: Sequence[Doubt], *, ask: Callable[[Doubt], str], by: str) -> Iterator[str]:
    """Settle acts in doubt, the proven ones first; yields a line for each. The run's lock must be held.

    Parameters
    ----------
    ask
        Asked for each act that nothing proves; returns one of `Doubt.choices`.
    by
        Who answers.

    Raises
    ------
    Busy
        Somebody else holds the instrument: what it tells could still change.
    Parked
        Nobody is there to ask; what was proven is written.
    """
    _fence(run.instrument, run.id)
    seen = [(doubt, _look(run, doubt)) for doubt in doubts]
    for doubt, one in seen:
        if (found := verdict(one)) != "ask":
            _settle(run, doubt, one, found, "reconciliation")
            yield f"{doubt.what}: {_SAID[found]} ({'; '.join(evidence(one))})"
    for doubt, one in seen:
        if verdict(one) == "ask":
            yield _asked(run, _with_evidence(run, doubt, one), one, ask, by)


_SAID = {
    "adopt": "it was done, and is taken over",
    "failed": "it ended badly, as the instrument tells",
    "not sent": "it never reached the instrument; it may be sent now",
}


def _fence(instrument: Instrument, run_id: str) -> None:
    """Take the writer lease and give it back: no command of the dead process can begin from now on, and none runs.

    One that still waits in a socket is refused, for its lease is not the newest. Only so is 'never seen' the same
    as 'never will be'.
    """
    _until_free(lambda: instrument.lease(f"reconciliation of run {run_id}"), LEASE_S)
    try:
        _until_free(instrument.release, ENDS_S)
    except Busy:
        instrument.stop("its run died, and it takes too long to end by itself")
        _until_free(instrument.release, LEASE_S)


def _until_free(ask: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            ask()
        except Busy:
            if time.monotonic() > end:
                raise
            time.sleep(_LOOK_S)
        else:
            return


def _look(run: Run, doubt: Doubt) -> Seen:
    rows = run.store.ledger.events(run=run.id, action_id=doubt.action_id)
    intent = next(row for row in rows if row.kind == "intended")
    instrument = run.instrument
    same = intent.body.get("incarnation") == instrument.incarnation()
    outcome, pixels = instrument.outcome(intent.hash) if same else (None, ())
    frames = frames_on_disk(run.store, intent) if intent.body["act"] == "acquire" else ()
    return Seen(intent, same, outcome, pixels, frames, _named(run, instrument.state()))


def _named(run: Run, state: DriverState) -> MicroscopeState:
    caps = run.capabilities
    return named_state(caps.identity, caps.simulated, state, run.instrument.held())


# --- judging ----------------------------------------------------------------------------------------------


def verdict(seen: Seen) -> Verdict:
    """What is proven. Anything that may have exposed or moved without a known end is asked."""
    outcome = seen.outcome
    if outcome is None:
        gone = not seen.same_life or seen.forgotten
        return "adopt" if seen.frames else "ask" if gone else "not sent"
    if outcome.status == "done":
        return "adopt" if seen.act != "acquire" or seen.pixels or seen.frames else "ask"
    return "ask" if outcome.status == "running" else _of_failed(outcome)


def _of_failed(outcome: Outcome) -> Verdict:
    error = from_dict(outcome.error or {})
    if isinstance(error, _FINAL):
        return "failed"
    untouched = outcome.raw is None and outcome.commands_after == outcome.commands_before
    return "not sent" if isinstance(error, Stopped) and untouched else "ask"


def evidence(seen: Seen) -> tuple[str, ...]:
    """What the witnesses say, a line each."""
    found = [_journal_says(seen), _disk_says(seen)]
    if verdict(seen) == "ask":
        found += [_count_says(seen), *_read_back_says(seen)]
    return tuple(line for line in found if line)


def _journal_says(seen: Seen) -> str:
    if not seen.same_life:
        return "the process that was told is gone, and with it what it knew of the command"
    if seen.outcome is None:
        return "the instrument has never seen the command" + (
            ", or has forgotten it since" if seen.forgotten else ""
        )
    if seen.outcome.status != "failed":
        return f"the instrument says it is {seen.outcome.status}"
    told = seen.outcome.error or {"type": "unknown error", "what": "its driver broke"}
    return f"the instrument says it failed: {told['type']}, {told['what']}{_exposed(seen.outcome)}"


def _exposed(outcome: Outcome) -> str:
    raw = outcome.raw
    return f"; {raw.lines_done} of {raw.scan.rows} lines, {raw.beam_s:.3g} s of beam" if raw else ""


def _disk_says(seen: Seen) -> str:
    if seen.act != "acquire":
        return ""
    names = ", ".join(frame.id for frame in seen.frames)
    return f"on disk: {names}, complete" if names else "on disk: no frame of it"


def _count_says(seen: Seen) -> str:
    then = seen.intent.body.get("commands")
    if then is None:
        return ""
    whose = "" if seen.same_life else ", of another process"
    return f"the driver had counted {then} commands before it, {seen.now.commands} now{whose}"


def _read_back_says(seen: Seen) -> Iterator[str]:
    args = seen.intent.body.get("args", {})
    for name, target in args.items():
        if name in seen.now.stage:
            yield f"{name}: sent to {target:g}, reads {seen.now.stage[name].reported:g}"
        elif name in seen.now.optics:
            yield f"{name}: set to {target:g}, reads {seen.now.optics[name]:g}"


def _arrived(run: Run, seen: Seen) -> bool:
    """Whether a move or a setting reads back as it was commanded: it may then be taken for done."""
    args = seen.intent.body.get("args", {})
    return seen.act in ("move_stage", "set_optics") and all(
        _reads(run, seen, name, float(value)) for name, value in args.items()
    )


def _reads(run: Run, seen: Seen, name: str, target: float) -> bool:
    if name in seen.now.stage:
        axis = run.capabilities.axis(STAGE[name].si)
        slack = axis.tolerance / STAGE[name].factor if axis else 0.0
        return abs(seen.now.stage[name].reported - target) <= slack
    value = seen.now.optics.get(name) if name in OPTICS else None
    return value is not None and abs(value - target) <= _SAME * max(abs(target), 1.0)


# --- writing ----------------------------------------------------------------------------------------------


def _with_evidence(run: Run, doubt: Doubt, seen: Seen) -> Doubt:
    choices: tuple[Choice, ...] = ("repeat", "give-up")
    if _arrived(run, seen):
        choices = ("adopt", *choices)
    return doubt.model_copy(update={"evidence": evidence(seen), "choices": choices})


def _asked(run: Run, doubt: Doubt, seen: Seen, ask: Callable[[Doubt], str], by: str) -> str:
    choice = ask(doubt)
    if choice not in doubt.choices:
        raise BadInput(
            f"'{choice}' for {doubt.what}",
            "nothing shows that it was done",
            f"say {' or '.join(doubt.choices)}",
        )
    if choice == "adopt":
        _settle(run, doubt, seen, "adopt", by)
    else:
        _write(run, doubt, choice, doubt.evidence, by, None)
    return f"{doubt.what}: {choice}, by {by}"


def _settle(run: Run, doubt: Doubt, seen: Seen, found: Verdict, by: str) -> None:
    kept = {"act", "args_sha256", "charge", "instrument", "loading", "before_e_per_a2"}
    body = {key: value for key, value in seen.intent.body.items() if key in kept}
    rows = {"adopt": _returned, "failed": _failed, "not sent": _not_sent}
    kind, summary, more = rows[found](run, seen, body)
    _write(run, doubt, found.replace(" ", "-"), evidence(seen), by, (kind, summary, {**body, **more}))


_Row = tuple[str, str, dict[str, Any]]


def _returned(run: Run, seen: Seen, body: dict[str, Any]) -> _Row:
    """The row that would have been written, had its process lived."""
    more = _frames_row(run, seen) if seen.act == "acquire" else _state_row(run, seen)
    return "returned", f"{seen.act} done", more


def _state_row(run: Run, seen: Seen) -> dict[str, Any]:
    after = seen.outcome.state if seen.outcome else None
    state = _named(run, after) if after else seen.now
    return {"state": state.model_dump(mode="json"), **_counted(seen)}


def _counted(seen: Seen) -> dict[str, Any]:
    """The driver's count after the command, if its journal has it."""
    count = seen.outcome.commands_after if seen.outcome else None
    return {} if count is None else {"commands": count}


def _frames_row(run: Run, seen: Seen) -> dict[str, Any]:
    charge = Charge.model_validate(seen.intent.body["charge"])
    raw = seen.outcome.raw if seen.outcome else None
    if raw is not None and seen.pixels:
        scan = Expose(run, Scan.model_validate(seen.intent.body["args"]))
        scan.sent_before(charge, _named(run, raw.before))
        return {**scan.kept(str(seen.intent.action_id), raw, seen.pixels)[1], **_counted(seen)}
    given = max(charge.dose_e_per_a2, *(frame.dose_e_per_a2 or 0.0 for frame in seen.frames))
    return {
        "frames": [frame.model_dump(mode="json") for frame in seen.frames],
        "charge": charge.model_copy(update={"dose_e_per_a2": given}).model_dump(mode="json"),
        "seconds": seen.frames[0].duration_s,
        "lines_done": seen.frames[0].shape[0],
        **_counted(seen),
    }


def _failed(run: Run, seen: Seen, body: dict[str, Any]) -> _Row:
    told = (seen.outcome.error if seen.outcome else None) or {}
    more = {"sent": True, "error": told, **_counted(seen)}
    return "failed", f"{seen.act} failed: {told.get('what', 'unknown error')}", more


def _not_sent(run: Run, seen: Seen, body: dict[str, Any]) -> _Row:
    """As an act that was cut off: a resumed run may send it, under a new identity; nothing was charged."""
    error = ConnectionLost(f"{seen.act} was not sent", "its process died before it reached the instrument")
    more: dict[str, Any] = {"sent": False, "error": error.as_dict()}
    if "charge" in body:
        more["charge"] = uncharged(body["charge"])
    return "failed", error.what, more


def _write(
    run: Run, doubt: Doubt, decision: str, seen: tuple[str, ...], by: str, result: _Row | None
) -> None:
    """The decision and what follows from it, in one transaction: a death between the two must not split them."""
    body = {"decision": decision, "act": doubt.act, "evidence": list(seen), **reading(run.instrument)}
    names: dict[str, Any] = {"action_id": doubt.action_id, "tool": doubt.tool}
    ledger = run.store.ledger
    with ledger.transaction():
        ledger.append_in_transaction(run.id, "resolved", by, f"{doubt.what}: {decision}"[:600], body, **names)
        if result is not None:
            kind, summary, more = result
            ledger.append_in_transaction(run.id, kind, "eucentric", summary, more, **names)
