"""What became of the last commands, by the token that came with each: so that nobody has to send one twice.

A client that dies between a command and its answer asks for the outcome when it comes back. The journal lives as
long as its process; `incarnation` says whether it is the one that was asked.
"""

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from eucentric.core.base import Model
from eucentric.core.errors import BadInput, Busy, EucentricError
from eucentric.core.text import visible
from eucentric.instruments.driver import DriverState, Pixels, RawFrames

_LOG = logging.getLogger(__name__)
KEPT = 512
"""Outcomes that are remembered."""
_LONGEST_TOKEN = 200


class Outcome(Model):
    """What is known of one command."""

    token: str
    act: str
    status: Literal["running", "done", "failed"]
    commands_before: int
    """The driver's own count when the command was about to be sent."""
    commands_after: int | None = None
    state: DriverState | None = None
    """Read-back at its end."""
    raw: RawFrames | None = None
    """Metadata of the frames of a scan."""
    error: dict[str, Any] | None = None
    """How it failed, as `EucentricError.as_dict`."""


class Journal:
    """Outcomes of the last commands, and the pixels of the last scan; thread-safe."""

    def __init__(self) -> None:
        self.incarnation = secrets.token_hex(8)
        """Changes with every process (or guard): an older one's commands are unknown here."""
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()
        self._pixels: tuple[str, Pixels] = ("", ())
        self._lock = threading.Lock()

    def begin(self, token: str, act: str, commands: int) -> None:
        """Enter a command that is about to be sent; one without a token is not kept.

        Raises
        ------
        Busy
            A command with this token was sent before: it is not sent again.
        """
        if not token:
            return
        if len(token) > _LONGEST_TOKEN:
            raise BadInput(f"a token of {len(token)} characters", f"at most {_LONGEST_TOKEN}")
        with self._lock:
            if token in self._outcomes:
                raise Busy(
                    f"{act} {visible(token)} was sent before",
                    f"it is {self._outcomes[token].status}",
                    "Nothing was sent to the instrument; ask for its outcome.",
                )
            self._outcomes[token] = Outcome(token=token, act=act, status="running", commands_before=commands)
            while len(self._outcomes) > KEPT:
                self._outcomes.popitem(last=False)

    @contextmanager
    def around(
        self,
        token: str,
        act: str,
        commands: int,
        read: Callable[[], DriverState],
        settle: Callable[[DriverState | None], None],
    ) -> Iterator[None]:
        """Enter a command, and complete its entry however it ends.

        Parameters
        ----------
        commands
            The driver's own count before it.
        read
            Called at its end.
        settle
            Called with what was read, or None if that failed.
        """
        self.begin(token, act, commands)
        result: dict[str, Any] = {"status": "failed"}
        try:
            yield
            result = {"status": "done"}
        except EucentricError as error:
            result["error"] = error.as_dict()
            raise
        finally:
            after = _quietly(read)
            settle(after)
            self.end(token, state=after, commands_after=after and after.commands, **result)

    def end(self, token: str, **result: Any) -> None:
        """Complete an entry."""
        with self._lock:
            if token in self._outcomes:
                self._outcomes[token] = self._outcomes[token].model_copy(update=result)

    def keep(self, token: str, pixels: Pixels) -> None:
        """Keep the pixels of a scan until the next one."""
        with self._lock:
            self._pixels = (token, pixels)

    def outcome(self, token: str) -> tuple[Outcome | None, Pixels]:
        """What is known of a command, and its pixels if they are still there ((rows, columns) float32 each)."""
        with self._lock:
            name, pixels = self._pixels
            return self._outcomes.get(token), pixels if token and name == token else ()


def _quietly(read: Callable[[], DriverState]) -> DriverState | None:
    """A read-back that must not hide how the command ended."""
    try:
        return read()
    except Exception:
        _LOG.exception("read-back for the journal failed")
        return None
