"""What a host keeps on disk: its lock, its info, its sockets' places, and a hold that outlives it."""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from eucentric.core.errors import Busy, InstrumentFault
from eucentric.core.places import canonical_uri, host_key, hosts_dir, parse_uri
from eucentric.core.redaction import redact
from eucentric.core.stop import HostInfo, read_info
from eucentric.instruments.limits_file import limits_path
from eucentric.instruments.operation import Hold

_SOCKET_PATH_BYTES = 100
"""The kernel takes 107 bytes on Linux, 103 on macOS; longer folders get a short one under the temp folder."""
_SHORT = "eucentric-host-"
_LOCK_S = 3.0
"""How long to try for the lock [s]: an earlier host may be leaving."""


class HostFiles:
    """The files of one host, in a folder only its user can enter.

    Parameters
    ----------
    uri
        Any spelling of the instrument's address.
    """

    def __init__(self, uri: str) -> None:
        self.uri = canonical_uri(uri)
        self._key = host_key(uri)
        self._folder = hosts_dir()
        _make_private(self._folder)
        self._handle: int | None = None
        self._sockets: Path | None = None

    @property
    def info(self) -> Path:
        """Path of the info file."""
        return self._folder / f"{self._key}.json"

    @property
    def log(self) -> Path:
        """Path of the log."""
        return self._folder / f"{self._key}.log"

    @property
    def lock(self) -> Path:
        """Path of the lock file; it stays when the host goes."""
        return self._folder / f"{self._key}.lock"

    def take(self) -> None:
        """Become the one host of this instrument and clear what a dead one left. Busy if one lives."""
        handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_S
        while not _locked(handle):
            if time.monotonic() > deadline:
                os.close(handle)
                raise Busy(f"there is a host of {self.uri} already", "", "See: eucentric host --list")
            time.sleep(0.02)
        self._handle = handle
        self._clear_stale()

    def sockets(self) -> tuple[Path, Path]:
        """Paths for the command socket and the stop socket."""
        folder = self._folder
        if len(os.fsencode(folder / f"{self._key}.sock")) > _SOCKET_PATH_BYTES:
            self._sockets = self._sockets or Path(tempfile.mkdtemp(prefix=_SHORT))
            folder = self._sockets
        return folder / f"{self._key}.sock", folder / f"{self._key}.stop"

    def publish(self, info: HostInfo) -> None:
        """Write the info file in one step; from now on clients find this host."""
        _write(self.info, json.dumps(info._asdict(), indent=1))

    def read_hold(self) -> Hold | None:
        """The hold an earlier host left: a restart must not forget that a person said stop."""
        try:
            data = json.loads(self._hold.read_text("utf-8"))
            return Hold(str(data["reason"]), bool(data["freezes"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return Hold("an earlier host left a hold that can't be read", freezes=True)

    def keep_hold(self, hold: Hold | None) -> None:
        """Write the hold, or remove it when it was cleared."""
        if hold is None:
            self._hold.unlink(missing_ok=True)
        else:
            _write(self._hold, json.dumps({"reason": redact(hold.reason), "freezes": hold.freezes}))

    def read_touch(self) -> str | None:
        """Why motion is locked, if an earlier host saw a touch that staff have not cleared."""
        try:
            return self._touch.read_text("utf-8") or "an earlier host saw a touch"
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return "an earlier host left a touch lock that can't be read"

    def keep_touch(self, reason: str | None) -> None:
        """Write why motion is locked, or remove it when staff cleared it."""
        if reason is None:
            self._touch.unlink(missing_ok=True)
        else:
            _write(self._touch, redact(reason))

    def leave(self) -> None:
        """Remove info and sockets, then free the lock."""
        self.info.unlink(missing_ok=True)
        for path in self.sockets():
            path.unlink(missing_ok=True)
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @property
    def _hold(self) -> Path:
        return self._folder / f"{self._key}.hold"

    @property
    def _touch(self) -> Path:
        return self._folder / f"{self._key}.touch"

    def _clear_stale(self) -> None:
        old = read_info(self.info)
        self.info.unlink(missing_ok=True)
        for name in (old.socket, old.stop_socket) if old else ():
            self._remove_socket(Path(name))
        for path in self.sockets():
            path.unlink(missing_ok=True)

    def _remove_socket(self, path: Path) -> None:
        """Remove a socket that is ours to remove, with the folder that was made for it alone."""
        beside = path.parent == self._folder
        if not beside and not path.parent.name.startswith(_SHORT):
            return
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            if not beside:
                path.parent.rmdir()


def code_fingerprint(uri: str) -> str:
    """Digest of the code and data a host of `uri` runs: a host of older code must not answer for newer code.

    Covers `core/`, `instruments/`, its limits, the files of a ``twin:`` address and the module of a ``py:`` one.
    """
    root = Path(__file__).resolve().parent.parent
    files = [p for room in ("core", "instruments") for p in sorted((root / room).rglob("*")) if _is_source(p)]
    total = hashlib.sha256()
    for path in [*files, *_own_files(uri)]:
        with contextlib.suppress(OSError):
            total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _own_files(uri: str) -> list[Path]:
    parsed, limits = parse_uri(uri), limits_path(uri)
    files = [] if limits is None else [limits]
    if parsed.scheme == "twin" and parsed.path.endswith(".toml"):
        files.append(Path(parsed.path))
    if parsed.scheme == "twin":
        files += [Path(value) for value in parsed.query.values() if value.endswith(".toml")]
        files += [Path(value) for name, value in parsed.query.items() if name == "atoms"]
    if parsed.scheme == "py":
        files += _module_file(parsed.path.partition(":")[0])
    return files


def _module_file(module: str) -> list[Path]:
    """The file of a module, found without running it (its package is not imported either)."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None or not rest:
        return [Path(spec.origin)] if spec and spec.origin else []
    folders = [Path(place).joinpath(*rest) for place in spec.submodule_search_locations or ()]
    return [path for f in folders for path in (f.with_suffix(".py"), f / "__init__.py") if path.is_file()]


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    except OSError as error:
        raise InstrumentFault(
            f"no private folder for instrument hosts at {folder}",
            str(error),
            "Set EUCENTRIC_STATE to a folder of yours.",
        ) from error


def _is_source(path: Path) -> bool:
    return path.suffix in {".py", ".toml", ".npz"} and path.is_file()


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and on the disk."""
    fresh = path.with_suffix(path.suffix + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
