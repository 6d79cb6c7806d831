"""Around a call of the driver: what it raises becomes one of ours, and the stage is watched while it moves."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from eucentric.core.errors import CommandTimeout, EucentricError, InstrumentFault
from eucentric.core.text import visible

_LOG = logging.getLogger(__name__)
LOOK_S = 0.05
"""Time between two looks at a moving stage [s]; a shorter move is looked at when it has ended."""
_JOIN_S = 0.5


@contextmanager
def sending(darken: Callable[[], object], what: str) -> Iterator[None]:
    """Whatever the driver raises becomes one of ours, with the beam blanked by `darken`.

    Raises
    ------
    CommandTimeout
        The driver gave up waiting: the state is unknown.
    InstrumentFault
        Anything else outside the error tree.
    """
    try:
        yield
    except EucentricError:
        darken()
        raise
    except TimeoutError as error:
        darken()
        raise CommandTimeout(
            f"{what}: the instrument did not answer in time",
            _said(error),
            "Its state is unknown; the beam was blanked. Read it before the next command.",
        ) from error
    except Exception as error:
        darken()
        raise InstrumentFault(
            f"{what}: the driver failed", _said(error), "The beam was blanked. See the host's log."
        ) from error


@contextmanager
def looked_at(look: Callable[[], Any]) -> Iterator[None]:
    """Call `look` from a thread of its own, twenty times a second, until the block ends."""
    done = threading.Event()
    thread = threading.Thread(target=_look, args=(look, done), name="lookout", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(_JOIN_S)


def _look(look: Callable[[], Any], done: threading.Event) -> None:
    while not done.wait(LOOK_S):
        try:
            look()
        except Exception:  # the next look may succeed; the move itself is judged by its own read-back
            _LOG.exception("looking at a moving stage failed")


def _said(error: Exception) -> str:
    first: Any = (str(error).splitlines() or [""])[0]
    return visible(f"{type(error).__name__}: {first}", limit=300)
