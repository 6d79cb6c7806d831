"""`eucentric doctor`: is this installation whole?"""

import importlib.metadata
import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from eucentric.cli import options
from eucentric.core.text import visible

_PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "pydantic", "langgraph", "sqlite-utils", "textual", "pint",
             "matplotlib", "tifffile", "gemmi", "pillow", "httpx", "click")  # fmt: skip
Check = tuple[bool, str]


def _python() -> Check:
    return sys.version_info >= (3, 11), f"Python {sys.version.split()[0]} (3.11 or newer is needed)"


def _packages() -> Check:
    missing = []
    for name in _PACKAGES:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return (
        not missing,
        f"missing packages: {', '.join(missing)}; run `make setup`" if missing else "packages are there",
    )


def _sqlite() -> Check:
    with sqlite3.connect(":memory:") as connection:
        rows = [row[0] for row in connection.execute("PRAGMA compile_options")]
    good = sqlite3.sqlite_version_info >= (3, 37) and any("FTS5" in row for row in rows)
    return good, f"SQLite {sqlite3.sqlite_version} with FTS5 (3.37 or newer is needed)"


def _can_write(place: Path) -> bool:
    """By writing: permissions say nothing of a file system that is mounted read-only."""
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _disk(folder: Path) -> Check:
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(place).free / 1e9
    writable = _can_write(place)
    return free > 1 and writable, f"{free:.1f} GB free for the store at {folder}" + (
        "" if writable else ", NOT writable"
    )


def _settings() -> Check:
    from eucentric.core.errors import EucentricError
    from eucentric.core.settings import load_settings, settings_path

    try:
        load_settings()
    except EucentricError as error:
        return False, str(error)
    return True, f"settings {settings_path()}" + ("" if settings_path().exists() else " (none: defaults)")


def _signing() -> Check:
    from eucentric.core.anchor_signing import wanted
    from eucentric.core.operators import public_keys
    from eucentric.core.signing import available

    if available():
        return True, "decisions and anchors can be signed"
    asked = [
        text
        for text, is_so in (("sign_anchors is on", wanted()), ("operators have keys", public_keys()))
        if is_so
    ]
    return (
        not asked,
        f"nothing can be signed ({', '.join(asked) or 'nor is it asked for'}): pip install 'eucentric[sign]'",
    )


def _ledger() -> Check:
    from eucentric.core.chain import verify
    from eucentric.core.ledger import Ledger

    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "audit.db")
        ledger.append("-", "changed", "doctor", "a test row")
        ledger.close()
        return verify(ledger.path, []).ok, "a ledger can be written, synced and verified"


def _twin() -> Check:
    from eucentric.instruments.driver import ScanSpec
    from eucentric.instruments.uri import open_instrument

    instrument = open_instrument("twin://mxene?seed=1", in_process=True)
    instrument.lease("doctor")
    scan = ScanSpec(detectors=("haadf",), rows=64, columns=64, fov_m=1e-6, dwell_s=1e-6)
    _, pixels = instrument.acquire(scan)
    instrument.close()
    return bool(pixels[0].mean() > 0), "the built-in twin records an image"


def _host() -> Check:
    from eucentric.instruments.uri import open_instrument

    instrument = open_instrument("twin://mxene?seed=1")
    blanked = instrument.state().blanked
    instrument.close()
    return blanked, "an instrument host starts, answers and is blanked"


@click.command()
@options.store_option
@options.json_option
def doctor(store: Path | None, as_json: bool) -> None:
    """Check Python, packages, SQLite, disk, settings, ledger, twin and host; exit 1 if one fails."""
    folder = store or Path("eucentric-store")
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("python", _python), ("packages", _packages), ("sqlite", _sqlite), ("disk", lambda: _disk(folder)),
        ("settings", _settings), ("signing", _signing), ("ledger", _ledger), ("twin", _twin), ("host", _host),
    ]  # fmt: skip
    rows = [_checked(name, check, as_json) for name, check in checks]
    if as_json:
        click.echo(json.dumps({"ok": all(row["ok"] for row in rows), "checks": rows}))
    sys.exit(0 if all(row["ok"] for row in rows) else 1)


def _checked(name: str, check: Callable[[], Check], quiet: bool) -> dict[str, object]:
    try:
        good, text = check()
    except Exception as error:  # a check that breaks is a finding, not a crash
        good, text = False, f"{type(error).__name__}: {error}"
    if not quiet:
        click.echo(f"{'ok  ' if good else 'FAIL'}  {name:<9} {visible(text, limit=600)}")
    return {"check": name, "ok": good, "text": text}
