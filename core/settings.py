"""Settings of this user: a TOML file, all of it optional. Order: command line, file, default."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.settings_file import DEFAULT_STORE, at_home, read_toml
from eucentric.core.settings_file import settings_path as settings_path

LOOPBACK = ("http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*")
HomePath = Annotated[Path, AfterValidator(at_home)]
"""A path in which ~ is the home folder."""


class ModelSettings(Model):
    """The language model, if one is used."""

    base_url: str = "http://127.0.0.1:8080/v1"
    model: str = "default"
    mode: Literal["auto", "tools", "json_schema"] = "auto"
    """tools, json_schema, or auto (try tools, fall back to json_schema)."""
    allow: tuple[str, ...] = LOOPBACK
    """Endpoints that may be spoken to: scheme://host:port, * for any port."""
    timeout_s: float = Field(120.0, gt=0)
    send_pixels: bool = False
    """Whether a small picture of the newest image goes with a request. Without it no pixel leaves this machine."""


class Settings(Model):
    """The file's content."""

    instrument: str = "twin://mxene?seed=7"
    store: HomePath = DEFAULT_STORE
    planner: Literal["grammar", "llm"] = "grammar"
    specimen: HomePath | None = None
    """A specimen card (TOML)."""
    limits: dict[str, HomePath] = Field(default_factory=dict)
    """Limits (TOML) of an instrument, by the beginning of its address; the longest that matches counts."""
    policy: HomePath | None = None
    """The rules of the site (TOML): which calls are asked of whom."""
    sign_anchors: bool = False
    """Sign each anchor with this machine's key (needs `eucentric[sign]`)."""
    llm: ModelSettings = ModelSettings()


M = TypeVar("M", bound=Model)


def load_model(path: Path, what: str, kind: type[M]) -> M:
    """A TOML file as a frozen model, with the first wrong field named in the error."""
    try:
        return kind.model_validate(read_toml(path, what))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(
            f"{what} {path}: {field}: {first['msg']}", remedy="see docs/reference/files.md"
        ) from error


def load_settings() -> Settings:
    """The user's settings, or the defaults where there is no file."""
    path = settings_path()
    if not path.exists():
        return Settings()
    return load_model(path, "settings file", Settings)
