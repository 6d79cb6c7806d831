"""Where this user's settings are and how a TOML file is read. Standard library only."""

import os
import tomllib
from pathlib import Path

from eucentric.core.errors import BadInput

DEFAULT_STORE = Path("eucentric-store")


def settings_path() -> Path:
    """Where the file is looked for: EUCENTRIC_CONFIG, or `eucentric/settings.toml` in the user's configuration."""
    named = os.environ.get("EUCENTRIC_CONFIG")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CONFIG_HOME")
    home = Path(base) if base and os.path.isabs(base) else Path.home() / ".config"
    return home / "eucentric" / "settings.toml"


def default_store() -> Path:
    """The store the settings name, else ./eucentric-store: for commands that must start fast.

    Raises
    ------
    BadInput
        The settings file is unreadable, or names something that is no path.
    """
    path = settings_path()
    if not path.exists():
        return DEFAULT_STORE
    named = read_toml(path, "settings file").get("store", str(DEFAULT_STORE))
    if not isinstance(named, str):
        raise BadInput(f"settings file {path}: store: a path in quotes is needed")
    return at_home(Path(named))


def at_home(path: Path) -> Path:
    """`path` with a leading ~ written out, as a shell would."""
    try:
        return path.expanduser()
    except RuntimeError:  # ~nobody-of-that-name
        return path


def read_toml(path: Path, what: str) -> dict[str, object]:
    """Parse a TOML file that a person named.

    Raises
    ------
    BadInput
        Missing, unreadable or malformed.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(f"no {what} at {path}", remedy="check the path") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{what} {path} can't be read", str(error)[:200], "it must be a TOML file") from error
