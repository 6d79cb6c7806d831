"""The door that each act passes: recorded? → stopped? → approval → intent row → instrument → result row.

After a crash, acts that the ledger shows as returned are handed back from it and not repeated; acts
begun and never finished raise `InDoubt` until a person has decided.
"""

from typing import Any, Protocol, TypeVar

from eucentric.agent.acting.counting import count_of
from eucentric.agent.consent.permit import Permit
from eucentric.agent.run import Run
from eucentric.core.calls import ToolCall
from eucentric.core.canonical import digest
from eucentric.core.errors import (
    ApprovalRefused,
    BadInput,
    BeamHeld,
    BeamLost,
    Busy,
    CommandTimeout,
    ConnectionLost,
    EucentricError,
    InDoubt,
    LeaseLost,
    MoveNotReached,
    Parked,
    Refused,
    Stopped,
    StoreFull,
    UnknownAxis,
    UnknownDetector,
    Unsupported,
    from_dict,
)
from eucentric.core.event import Event
from eucentric.core.instrument import MicroscopeState

NOT_SENT = (BadInput, Refused, UnknownAxis, UnknownDetector, BeamHeld, Busy, LeaseLost, Unsupported)
"""The guard raised before anything left: the act certainly did not happen."""
KNOWN_END = (MoveNotReached, Stopped, BeamLost)
"""Sent, and the instrument told how it ended."""
TAKEN_UP_AGAIN = (
    Stopped,
    Parked,
    InDoubt,
    ConnectionLost,
    CommandTimeout,
    LeaseLost,
    Busy,
    BeamHeld,
    StoreFull,
)
"""Cut off from outside: a resumed run does these again. Any other failure is final, a failed move above all."""
HARMLESS = ("wait", "store", "locate")
"""Acts that neither move nor expose: begun and cut off, they are simply done again."""
R = TypeVar("R", covariant=True)
T = TypeVar("T")


class Act(Protocol[R]):
    """One thing that is done to the instrument, or kept in the store."""

    @property
    def name(self) -> str:
        """Such as 'acquire'."""
        ...

    @property
    def args(self) -> dict[str, Any]:
        """Plain JSON: with the name, the identity of the act."""
        ...

    @property
    def commands(self) -> bool:
        """Whether it reaches the instrument and needs an approval."""
        ...

    @property
    def seconds(self) -> float:
        """Predicted instrument time [s]."""
        ...

    def check(self, permit: Permit, now: MicroscopeState) -> dict[str, Any]:
        """Refuse, or return what the rows shall carry besides."""
        ...

    def send(self, action_id: str, token: str) -> tuple[R, dict[str, Any]]:
        """Do it; the result, and its row. `token` names the command at the instrument: the hash of the intent row."""
        ...

    def recall(self, body: dict[str, Any]) -> R:
        """The result, from its row."""
        ...


class Door:
    """The door for the acts of one tool call."""

    def __init__(self, run: Run, call: ToolCall, permit: Permit | None) -> None:
        self.run, self.call, self.permit = run, call, permit
        self._count = 0
        self._incarnation: str | None = None
        self._past = self._state_at_begin()

    # --- reading ------------------------------------------------------------------------------------------

    def now(self) -> MicroscopeState:
        """Fresh read-back."""
        return self.run.now()

    def state(self) -> MicroscopeState:
        """Fresh read-back; while recorded acts are handed back, the state that the tool saw then.

        A survey 'around here' or a relative step must mean after a crash what it meant before.
        """
        return self._past or self.now()

    def _state_at_begin(self) -> MicroscopeState | None:
        if not self.run.store.ledger.events(run=self.run.id, action_id=f"{self.call.id}#1", limit=1):
            return None
        called = self.run.store.ledger.events(
            run=self.run.id, kinds=("called",), action_id=self.call.id, limit=1
        )
        state = called[0].body.get("state") if called else None
        return MicroscopeState.model_validate(state) if state else None

    # --- acting -------------------------------------------------------------------------------------------

    def do(self, act: Act[T]) -> T:
        """Carry out an act once, or hand back what the ledger has of it.

        Raises
        ------
        ApprovalRefused, DoseRefused, NoSpecimenCard
            Nothing was sent.
        InDoubt
            It was begun before and never finished.
        Stopped
            The run was stopped; nothing was sent.
        EucentricError
            Whatever the instrument raised; the row that says so is written first.
        """
        self._count += 1
        sha = digest([act.name, act.args])
        action_id, done = self._recorded(act, f"{self.call.id}#{self._count}", sha)
        if done is not None:
            if "state" in done:
                self._past = MicroscopeState.model_validate(done["state"])
            return act.recall(done)
        self._past = None
        self._may_go_on(act)
        now = self.now()
        body = {"act": act.name, "args_sha256": sha, **self._checked(act, now)}
        text = f"{act.name} {_short(act.args)}"
        intent = self._log(
            "intended", text, {**body, "args": act.args, **self._addressee(act, now)}, action_id
        )
        try:
            value, result = act.send(action_id, intent.hash)
            self._log(
                "returned", f"{act.name} done", {**body, **result, **self._counted(act, result)}, action_id
            )
        except BaseException as error:
            self._ended_badly(act, action_id, body, error)
            raise
        return value

    def _log(self, kind: str, summary: str, body: dict[str, Any], action_id: str | None) -> Event:
        return self.run.log(kind, summary, body, action_id=action_id, tool=self.call.tool)

    def _may_go_on(self, act: Act[Any]) -> None:
        if act.commands:
            self.run.checkpoint(act.name)
        if self.run.broken is not None:
            raise self.run.broken
        if self.run.stopping.is_set():
            raise Stopped(f"{act.name} was not sent", "the run was stopped")

    def _addressee(self, act: Act[Any], now: MicroscopeState) -> dict[str, Any]:
        """Which life of the instrument is about to be told, and its count of commands: evidence after a crash."""
        if not act.commands:
            return {}
        if self._incarnation is None:  # one connection is one process: it does not change under a run
            self._incarnation = self.run.instrument.incarnation()
        host = getattr(self.run.instrument, "info", None)
        return {"incarnation": self._incarnation, "commands": now.commands, "host_pid": host and host.pid}

    def _checked(self, act: Act[Any], now: MicroscopeState) -> dict[str, Any]:
        """Where it happens, and what the check adds; a refusal is a row, too."""
        where = {"instrument": now.instrument, "loading": now.loading}
        if not act.commands:
            return where
        try:
            if self.permit is None:
                raise ApprovalRefused(
                    f"{self.call.tool} has no approval",
                    "nothing was sent to the instrument",
                    "approve the plan first",
                )
            self.permit.check_call(self.call.tool)
            self.permit.check_declared(self.run.instrument.capabilities())
            self.permit.check_state(now, act.seconds)
            self.run.check_left_there(act.name, act.args, now)
            return {**where, **act.check(self.permit, now)}
        except EucentricError as error:
            body = {"act": act.name, "args": act.args, "sent": False, "error": error.as_dict()}
            self._log("failed", f"{act.name} refused: {error.what}", body, None)
            raise

    def _counted(self, act: Act[Any], result: dict[str, Any]) -> dict[str, Any]:
        """The count of commands after it: what it added is what it sent, or somebody else did."""
        if not act.commands:
            return {}
        count = result["state"]["commands"] if "state" in result else count_of(self.run.instrument)
        return {} if count is None else {"commands": count}

    # --- what the ledger has ------------------------------------------------------------------------------

    def _recorded(self, act: Act[Any], first_id: str, sha: str) -> tuple[str, dict[str, Any] | None]:
        """Identity of this act and its result row, if it was done before a crash.

        An act that was cut off, or that a person said to repeat, is a new act with a new identity, so
        that the dose of both is kept.
        """
        action_id, attempt = first_id, 1
        while rows := self.run.store.ledger.events(run=self.run.id, action_id=action_id):
            body = self._result_of(act, action_id, sha, rows)
            if body is not None:
                return action_id, body
            attempt += 1
            action_id = f"{first_id}~{attempt}"
        return action_id, None

    def _result_of(self, act: Act[Any], action_id: str, sha: str, rows: list[Event]) -> dict[str, Any] | None:
        """The result row of an attempt; None if the act may be sent as a new attempt."""
        by_kind = {row.kind: row for row in rows}
        same = rows[0].body.get("args_sha256") in (None, sha)
        if act.name in HARMLESS and not (same and "returned" in by_kind):
            return None
        if not same:
            raise InDoubt(
                f"act {action_id} was recorded with other arguments",
                "the instrument or the plan is not as it was; nothing was sent",
                "start a new run",
            )
        if "returned" in by_kind:
            return by_kind["returned"].body
        if "failed" in by_kind:
            self._raise_if_final(by_kind["failed"])
            return None
        self._raise_unless_repeated(action_id, by_kind.get("resolved"))
        return None

    def _raise_if_final(self, row: Event) -> None:
        error = from_dict(row.body.get("error") or {})
        if not isinstance(error, TAKEN_UP_AGAIN):
            raise error

    def _raise_unless_repeated(self, action_id: str, resolved: Event | None) -> None:
        if resolved is None:
            raise InDoubt(
                f"act {action_id} was begun and never finished",
                "it may or may not have reached the instrument; nothing is repeated by itself",
                f"decide with `eucentric resume {self.run.id}`",
            )
        if resolved.body.get("decision") != "repeat":
            raise Stopped(f"act {action_id} was given up by {resolved.actor}", "it is not repeated")

    # --- bad ends -----------------------------------------------------------------------------------------

    def _ended_badly(self, act: Act[Any], action_id: str, body: dict[str, Any], error: BaseException) -> None:
        told = error.as_dict() if isinstance(error, EucentricError) else {"type": type(error).__name__}
        sent = not isinstance(error, NOT_SENT)
        kind = "failed" if isinstance(error, NOT_SENT + KNOWN_END) else "in_doubt"
        if isinstance(error, Stopped):
            self.run.stopping.set()  # nothing may follow it, whatever a tool does on its way out
        if kind == "in_doubt" and isinstance(error, EucentricError):
            self.run.broken = error
        if not sent and "charge" in body:
            self.run.book.forget(f"{self.run.id}:{action_id}")
            body = {**body, "charge": uncharged(body["charge"])}
        if sent and isinstance(error, EucentricError) and not isinstance(error, ConnectionLost):
            body = {**body, **self._counted(act, {})}
        what = told.get("what", told["type"])
        summary = f"{act.name} {kind.replace('_', ' ')}: {what}"
        self._log(kind, summary, {**body, "sent": sent, "error": told}, action_id)


def uncharged(charge: dict[str, Any]) -> dict[str, Any]:
    """A charge whose scan was proven not to have happened."""
    given = ("dose_e_per_a2", "estimate_e_per_a2", "electrons", "seconds")
    return {key: 0.0 if key in given else value for key, value in charge.items()}


def _short(args: dict[str, Any]) -> str:
    shown = {key: value for key, value in args.items() if key not in ("purpose", "parents")}
    return ", ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in shown.items()
    )
