"""Processes to be killed: forked from one that has imported everything, so that a case costs its work only."""

import contextlib
import ctypes
import os
import pty
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class Child:
    """A forked process; with `terminal` it has a pseudo-terminal and somebody who reads and types."""

    def __init__(self, work: Callable[[], int | None], output: Path, *, terminal: bool = False) -> None:
        self.output = output
        self.code: int | None = None
        self.read = b""
        self.pid, self.line = pty.fork() if terminal else (os.fork(), -1)
        if self.pid == 0:
            self._live(work, terminal)

    def _live(self, work: Callable[[], int | None], terminal: bool) -> None:
        code = 1
        try:
            _die_with(os.getppid())
            if not terminal:
                os.setsid()
                _redirect(self.output)
            code = work() or 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr)
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def kill(self) -> None:
        """SIGKILL, and wait until it is dead."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait(5.0)

    def poll(self) -> bool:
        """Whether it has ended; reads what it has said meanwhile."""
        self._listen()
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                self._listen()
                self._hang_up()
        return self.code is not None

    def wait(self, seconds: float) -> bool:
        """Poll until it has ended."""
        end = time.monotonic() + seconds
        while not self.poll():
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True

    def type(self, text: str) -> None:
        """Type a line at its terminal."""
        os.write(self.line, text.encode() + b"\n")

    def _listen(self) -> None:
        while self.line >= 0 and select.select([self.line], [], [], 0)[0]:
            try:
                data = os.read(self.line, 65536)
            except OSError:  # the other side is closed
                return
            if not data:
                return
            self.read += data

    def _hang_up(self) -> None:
        if self.line >= 0:
            os.close(self.line)
            self.line = -1
            self.output.write_bytes(self.read)


def _redirect(output: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (said, 1), (said, 2)):
        os.dup2(source, target)


def _die_with(parent: int) -> None:
    """Nothing that a benchmark starts outlives it, however it ends (Linux; elsewhere only an orderly end does)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
