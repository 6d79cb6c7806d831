"""One process per run."""

import contextlib
import fcntl
from collections.abc import Iterator

from eucentric.core.errors import Busy
from eucentric.core.store import Store


@contextlib.contextmanager
def locked(store: Store, run_id: str) -> Iterator[None]:
    """Keep every other process off this run; the kernel frees the lock when the process dies.

    Raises
    ------
    Busy
        Another process works on this run.
    """
    with open(store.run_folder(run_id) / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(
                f"run {run_id} is in the hands of another process", remedy="wait, or stop it"
            ) from error
        yield
