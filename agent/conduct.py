"""Carry a request through the graph, whatever happens: the beam ends blanked and the last row is written."""

from collections.abc import Callable
from pathlib import Path

from eucentric import __version__
from eucentric.agent.gate import Channel
from eucentric.agent.graph import drive
from eucentric.agent.outcome import RunOutcome
from eucentric.agent.planner import Planner
from eucentric.agent.run import Run
from eucentric.agent.session import Observer, Session, run_lock
from eucentric.core.errors import Defect, EucentricError, StoreFull
from eucentric.core.request import Request, SpecimenCard
from eucentric.core.store import Store
from eucentric.instruments.instrument import Instrument

Drive = Callable[[Session], str]


def new_run(
    store: Store, instrument: Instrument, specimen: SpecimenCard | None, request: Request, observer: Observer
) -> Run:
    """Open a run with its first row: the sentence, who said it, the instrument and the specimen."""
    run = Run(store, store.next_run(), instrument, specimen, observer.note)
    body = {
        "request": request.model_dump(mode="json"),
        "specimen": specimen.model_dump(mode="json") if specimen else None,
        "capabilities": run.capabilities.model_dump(mode="json"),
        "software": f"eucentric {__version__}",
    }
    run.log("requested", request.text[:400], body, actor=request.who)
    return run


def conduct(
    run: Run,
    request: Request,
    planner: Planner,
    channel: Channel,
    observer: Observer,
    *,
    plan_only: bool = False,
    prepare: Callable[[Session], None] = lambda session: None,
) -> RunOutcome:
    """One request from sentence to report.

    Parameters
    ----------
    prepare
        Called with the session before it starts (to hook up a stop key).
    """
    session = Session(run, request, planner, channel, observer)
    prepare(session)
    return carry(session, lambda one: drive(one, plan_only=plan_only))


def carry(session: Session, drive_it: Drive) -> RunOutcome:
    """Drive a session under the run's lock and finish it in order, also when it breaks."""
    with run_lock(session.run):
        outcome = ""
        try:
            outcome = drive_it(session)
        except EucentricError as error:
            session.error = error
        except BaseException as error:
            _blank(session, f"run {session.run.id} broke: {type(error).__name__}")
            session.error = Defect(f"{type(error).__name__}: {error}")
            if not isinstance(error, Exception):
                session.finish(outcome, report=False)
                raise
        if isinstance(session.error, StoreFull):
            _blank(session, "the store is full")
            raise session.error
        return session.finish(outcome, report=_worth_a_report(session))


def _worth_a_report(session: Session) -> bool:
    frames = session.run.store.ledger.events(run=session.run.id, kinds=("returned",), limit=1)
    return bool(frames)


def _blank(session: Session, reason: str) -> None:
    try:
        session.run.instrument.blank(reason)
    except Exception as error:  # the watchdog of the host does it, if this process can't
        session.observer.note(f"could not blank: {error}")


def report_path(store: Store, run_id: str) -> Path:
    """Where a run's HTML report lies."""
    return store.folder / "runs" / run_id / "report.html"
