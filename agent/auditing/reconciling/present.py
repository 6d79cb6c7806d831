"""The instrument as it answers now: its count and its own log, if its host runs. Nothing is started, taken or sent."""

from collections.abc import Sequence

from eucentric.agent.auditing.reconciling.model import Mark
from eucentric.core import stop as stopping
from eucentric.core.base import Model
from eucentric.core.clock import utc_now
from eucentric.core.errors import EucentricError, Unsupported
from eucentric.instruments.client import HostClient
from eucentric.instruments.driver import LoggedCommand


class Present(Model):
    """What was read."""

    incarnation: str = ""
    """Which life of its process answered; '' if none did."""
    mark: Mark | None = None
    log: tuple[LoggedCommand, ...] | None = None
    """None: it keeps none, or it was not read."""
    log_problem: str = ""
    why_not: str = ""
    """Why nothing was read."""

    @property
    def by_number(self) -> dict[int, LoggedCommand]:
        """The log's entries."""
        return {entry.number: entry for entry in self.log or ()}

    @property
    def logged_to(self) -> int:
        """The last number that the log must have, if the command arrived."""
        return max([self.mark.commands if self.mark else 0, *(entry.number for entry in self.log or ())])

    @property
    def log_words(self) -> str:
        """What there was of it."""
        if self.log is None:
            return self.log_problem or (
                "the instrument keeps none: counts only" if self.mark else "not asked: counts only"
            )
        if not self.log:
            return "empty"
        return f"numbers {self.log[0].number} to {self.log[-1].number}, {len(self.log)} commands"

    def words(self, lives: Sequence[str]) -> str:
        """For a person."""
        if self.mark is None:
            return f"its count could not be read now: {self.why_not}"
        told = f"read at {self.mark.utc}: {self.mark.commands} commands"
        if self.incarnation not in lives:
            return f"{told}, by a process that no row of these stores names"
        return told


def present_of(uri: str) -> Present:
    """Ask the host of `uri`, if there is one."""
    info = next((one for one in stopping.list_hosts() if one.uri == uri), None)
    if info is None:
        return Present(why_not="its host does not run")
    try:
        client = HostClient(info)
        try:
            return _asked(client)
        finally:
            client.close()
    except EucentricError as error:
        return Present(why_not=f"{error.what} ({error.why})" if error.why else error.what)


def _asked(client: HostClient) -> Present:
    life, count = client.incarnation(), client.state().commands
    mark = Mark(commands=count, utc=utc_now(), what="now")
    try:
        return Present(incarnation=life, mark=mark, log=_whole_log(client))
    except Unsupported:  # a host of an earlier version
        return Present(incarnation=life, mark=mark)
    except EucentricError as error:
        return Present(incarnation=life, mark=mark, log_problem=f"it could not be read: {error.what}")


def _whole_log(client: HostClient) -> tuple[LoggedCommand, ...] | None:
    """Page by page."""
    entries: list[LoggedCommand] = []
    while True:
        page = client.command_log(entries[-1].number if entries else 0)
        if page is None:
            return None
        if not page:
            return tuple(entries)
        entries += page
