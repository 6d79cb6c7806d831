"""What else goes on while somebody types stop: every core busy, and a run that waits for a model that is hung."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

_BUSY = "while True: pass"


@contextlib.contextmanager
def busy_cores() -> Iterator[int]:
    """One process that never rests for each core; yields how many."""
    count = os.cpu_count() or 1
    processes = [
        subprocess.Popen([sys.executable, "-S", "-c", _BUSY], start_new_session=True) for _ in range(count)
    ]
    try:
        yield count
    finally:
        for process in processes:
            process.kill()
            process.wait()


class HungModel:
    """An endpoint on this machine that takes every request and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lines: list[socket.socket] = []
        self.asked = threading.Event()
        """Set once somebody waits for an answer."""
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def url(self) -> str:
        """As an option of `eucentric run`."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self._lines.append(line)
                self.asked.set()

    def close(self) -> None:
        """Hang up on everybody."""
        self._listener.close()
        for line in self._lines:
            line.close()


@contextlib.contextmanager
def hung_run(uri: str, folder: Path, seconds: float = 60.0) -> Iterator["subprocess.Popen[bytes]"]:
    """A run at the instrument that waits for its model; it is waiting when this yields.

    Raises
    ------
    TimeoutError
        It never asked the model.
    """
    model = HungModel()
    command = [
        sys.executable, "-m", "eucentric", "run", "take an image", "--instrument", uri, "--planner", "llm",
        "--base-url", model.url, "--model", "hung", "--store", str(folder / "store"), "--approve", "deny", "--json",
    ]  # fmt: skip
    with open(folder / "run.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        if not model.asked.wait(seconds):
            said = (folder / "run.log").read_text("utf-8", "replace")[-300:]
            raise TimeoutError(f"the run did not ask its model: {said}")
        yield process
    finally:
        process.kill()
        process.wait()
        model.close()
