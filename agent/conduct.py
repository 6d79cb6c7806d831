"""Carry a request through the graph, whatever happens: the beam ends blanked and the last row is written."""

import contextlib
import platform
import traceback
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from eucentric import __version__
from eucentric.agent.consent.rules import BUILT_IN, RuleBook
from eucentric.agent.custody.inforce import differences, in_force, new_roles
from eucentric.agent.custody.lock import locked
from eucentric.agent.gate import Channel
from eucentric.agent.graph import drive, drive_resumed
from eucentric.agent.outcome import RunOutcome
from eucentric.agent.planner import Planner
from eucentric.agent.reconcile import reconcile
from eucentric.agent.recovery import Doubt, Recovery, recover, sweep
from eucentric.agent.run import Run
from eucentric.agent.session import Observer, Session
from eucentric.core.errors import BadInput, Defect, EucentricError, LedgerError, StoreFull
from eucentric.core.request import Request, SpecimenCard
from eucentric.core.store import Store
from eucentric.instruments.instrument import Instrument
from eucentric.instruments.sources import sources_of

Drive = Callable[[Session], str]


def new_run(
    store: Store,
    instrument: Instrument,
    specimen: SpecimenCard | None,
    request: Request,
    observer: Observer,
    rules: RuleBook = BUILT_IN,
) -> Run:
    """Open a run with its first row: the sentence, who said it, the instrument, the specimen and the rules.

    Where limits, rules or people's roles are not those that the last run found, rows say what changed.
    """
    run = Run(store, store.next_run(), instrument, specimen, observer.note)
    run.rules, run.like = rules, request.like
    found = in_force(run)
    changed = differences(store, found)
    roles = new_roles(store, found)
    body = {
        "in_force": found,
        "request": request.model_dump(mode="json"),
        "specimen": run.specimen.model_dump(mode="json") if run.specimen else None,
        "capabilities": run.capabilities.model_dump(mode="json"),
        "rules": rules.rules.model_dump(mode="json"),
        "incarnation": instrument.incarnation(),
        **made_with(request.instrument),
    }
    run.log("requested", request.text[:400], body, actor=request.who)
    for one in changed:
        run.log("changed", one["text"], one)
    for text in (*(one["text"] for one in changed), *((roles.summary,) if roles else ())):
        observer.told(f"Since the last run   {text}")
    return run


def made_with(uri: str) -> dict[str, Any]:
    """What decides on the bytes besides seed and commands: versions, and the files behind the instrument's address."""
    versions = {name: version(name) for name in ("numpy", "scipy", "scikit-image")}
    return {
        "software": f"eucentric {__version__}",
        "versions": {"python": platform.python_version(), **versions},
        "sources": sources_of(uri),
    }


def conduct(
    run: Run,
    request: Request,
    planner: Planner,
    channel: Channel,
    observer: Observer,
    *,
    plan_only: bool = False,
    report: bool = True,
    prepare: Callable[[Session], None] = lambda session: None,
) -> RunOutcome:
    """One request from sentence to report.

    Parameters
    ----------
    report
        Write one at the end, if anything was exposed.
    prepare
        Called with the session before it starts (to hook up a stop key).
    """
    session = Session(run, request, planner, channel, observer)
    with locked(run.store, run.id):
        prepare(session)
        return _carried(session, lambda one: drive(one, plan_only=plan_only), report)


def take_up(
    store: Store,
    run_id: str,
    instrument: Instrument,
    channel: Channel,
    observer: Observer,
    *,
    by: str,
    settle: Callable[[Recovery, Doubt], str],
    rules: RuleBook = BUILT_IN,
    report: bool = True,
    prepare: Callable[[Session], None] = lambda session: None,
) -> RunOutcome:
    """Take up a run that stopped, was parked or crashed.

    Parameters
    ----------
    by
        Who resumes it.
    settle
        Asked for each act in doubt that neither the instrument nor the disk proves: one of the doubt's
        `choices`, or an error if nobody can say.
    report
        Write one at the end, if anything was exposed.

    Raises
    ------
    Busy
        Another process works on this run, or holds the instrument; nothing was decided.
    Parked
        An act is in doubt and nobody is there to decide.
    BadInput
        There is nothing to take up.
    """
    with locked(store, run_id):
        recovery = recover(store, run_id)
        if not recovery.resumable:
            raise BadInput(f"run {run_id} is {recovery.state}", "there is nothing left to take up")
        sweep(store, recovery)
        if recovery.doubts:
            before = Run(store, run_id, instrument, recovery.specimen, observer.note)
            for line in reconcile(before, recovery.doubts, ask=lambda one: settle(recovery, one), by=by):
                observer.told(line)
        run = Run(store, run_id, instrument, recovery.specimen, observer.note)
        run.rules, run.like = rules, recovery.request.like
        body = {
            "ending_before": recovery.ending,
            "rules": rules.rules.model_dump(mode="json"),
            "policy": rules.label,
            "incarnation": instrument.incarnation(),
        }
        run.log("resumed", f"taken up by {by}", body, actor=by)
        session = Session(run, recovery.request, None, channel, observer)
        session.proposal = recovery.proposal
        prepare(session)
        return _carried(session, drive_resumed, report)


def _carried(session: Session, drive_it: Drive, report: bool) -> RunOutcome:
    """Drive a session and finish it in order, also when it breaks. The run's lock is held."""
    outcome = ""
    try:
        outcome = drive_it(session)
    except EucentricError as error:
        session.error = error
    except BaseException as error:
        _blank(session, f"run {session.run.id} broke: {type(error).__name__}")
        session.error = Defect(f"{type(error).__name__}: {error}")
        _keep_trace(session, error)
        if not isinstance(error, Exception):
            session.finish(outcome, report=False)
            raise
    if isinstance(session.error, LedgerError):
        full = isinstance(session.error, StoreFull)
        _blank(session, "the store is full" if full else "the ledger can't be written")
        raise session.error
    return session.finish(outcome, report=report and _worth_a_report(session))


def _keep_trace(session: Session, error: BaseException) -> None:
    trace = "".join(traceback.format_exception(error))[-4000:]
    with contextlib.suppress(EucentricError):
        session.run.log("failed", f"defect: {error!r}"[:400], {"trace": trace})


def _worth_a_report(session: Session) -> bool:
    frames = session.run.store.ledger.events(run=session.run.id, kinds=("returned",), limit=1)
    return bool(frames)


def _blank(session: Session, reason: str) -> None:
    try:
        session.run.instrument.blank(reason)
    except Exception as error:  # the watchdog of the host does it, if this process can't
        session.observer.note(f"could not blank: {error}")
