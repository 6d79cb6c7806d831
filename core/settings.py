"""Settings of this user: a TOML file, all of it optional. Order: command line, file, default."""

import os
import tomllib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from eucentric.core.base import Model
from eucentric.core.errors import BadInput

LOOPBACK = ("http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*")


class ModelSettings(Model):
    """The language model, if one is used."""

    base_url: str = "http://127.0.0.1:8080/v1"
    model: str = "default"
    mode: Literal["auto", "tools", "json_schema"] = "auto"
    """tools, json_schema, or auto (try tools, fall back to json_schema)."""
    allow: tuple[str, ...] = LOOPBACK
    """Endpoints that may be spoken to: scheme://host:port, * for any port."""
    timeout_s: float = 120.0
    send_pixels: bool = False
    """Images leave this machine only if the operator says so."""


class Settings(Model):
    """The file's content."""

    instrument: str = "twin://mxene?seed=7"
    store: Path = Path("eucentric-store")
    planner: str = "grammar"
    specimen: Path | None = None
    """A specimen card (TOML)."""
    llm: ModelSettings = ModelSettings()


def settings_path() -> Path:
    """Where the file is looked for: EUCENTRIC_CONFIG, or `eucentric/settings.toml` in the user's configuration."""
    named = os.environ.get("EUCENTRIC_CONFIG")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "eucentric" / "settings.toml"


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
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{what} {path} can't be read", str(error)[:200], "it must be a TOML file") from error


M = TypeVar("M", bound=Model)


def load_model(path: Path, what: str, kind: type[M]) -> M:
    """A TOML file as a frozen model, with the first wrong field named in the error."""
    try:
        return kind.model_validate(read_toml(path, what))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"{what} {path}: {field}: {first['msg']}", remedy="see docs/reference/files.md"
        ) from error


def load_settings() -> Settings:
    """The user's settings, or the defaults where there is no file."""
    path = settings_path()
    if not path.exists():
        return Settings()
    return load_model(path, "settings file", Settings)
