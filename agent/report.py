"""The report of a run, made from the ledger and the stored frames only, at any state of the run."""

import os
import tempfile
from pathlib import Path

from eucentric.agent.reporting.compose import compose, pictures_of
from eucentric.agent.reporting.gather import gather
from eucentric.agent.reporting.html import html
from eucentric.agent.reporting.markdown import markdown
from eucentric.core.errors import StoreFull
from eucentric.core.store import Store


def write_report(store: Store, run_id: str) -> tuple[Path, Path]:
    """Write `runs/ID/report.md` and the self-contained `runs/ID/report.html`; returns both paths.

    Parameters
    ----------
    store
        Where the run is recorded. Nothing is written to its ledger.
    run_id
        A run in any state: under way, refused, parked, stopped, failed or done.

    Raises
    ------
    BadInput
        If the ledger holds no such run.
    StoreFull
        If the files can't be written.
    """
    record = gather(store, run_id)
    folder = store.run_folder(run_id)
    document = compose(record, store, folder / "pictures")
    try:
        (folder / "pictures").mkdir(exist_ok=True)
        for picture in pictures_of(document):
            _replace(folder / "pictures" / picture.name, picture.png)
        _replace(folder / "report.md", markdown(document).encode("utf-8", "backslashreplace"))
        _replace(folder / "report.html", html(document).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise StoreFull(f"can't write the report of {run_id}: {error.strerror or error}", "the ledger is complete",
                        "free space on the disk, then write the report again") from error  # fmt: skip
    return folder / "report.md", folder / "report.html"


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all: somebody may be reading the old one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.chmod(name, 0o644)
    os.replace(name, path)
