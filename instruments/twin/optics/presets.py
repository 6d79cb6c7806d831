"""Columns by name or file: lenses, scan unit and detectors together, to put under any world."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.instruments.twin.camera_spec import CameraModel
from eucentric.instruments.twin.optics.spec import DETECTORS, DetectorModel, OpticsSpec, ScanUnitSpec

M = TypeVar("M", bound=Model)


class ColumnPreset(Model):
    """All of a microscope that is neither stage nor specimen."""

    description: str = ""
    optics: OpticsSpec = OpticsSpec()
    scan: ScanUnitSpec = ScanUnitSpec()
    detectors: dict[str, DetectorModel] = Field(default_factory=lambda: dict(DETECTORS), min_length=1)
    cameras: dict[str, CameraModel] = Field(default_factory=dict)


def shipped_columns() -> tuple[str, ...]:
    """Names of the columns that come with the package."""
    folder = resources.files("eucentric.instruments.twin") / "columns"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_column(name: str) -> ColumnPreset:
    """The column of that name, or the one described in a TOML file at that path.

    Raises
    ------
    BadInput
        No such column, not TOML, or a field that is unknown, missing or out of range.
    """
    known = ", ".join(shipped_columns())
    if name in shipped_columns():
        text = (resources.files("eucentric.instruments.twin") / "columns" / f"{name}.toml").read_text("utf-8")
    else:
        text = read_toml(name, "column", f"shipped columns: {known}; or the path of a TOML file")
    return parsed(ColumnPreset, text, f"column {visible(name, limit=200)!r}")


def read_toml(path: str, what: str, remedy: str) -> str:
    """The text of a file; BadInput if it can't be read."""
    try:
        return Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadInput(f"no {what} {visible(path, limit=200)!r}", visible(str(error)), remedy) from error


def parsed(model: type[M], text: str, what: str) -> M:
    """A model from TOML; BadInput that names the field."""
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{what} is not TOML", visible(str(error))) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(f"{what}: {visible(where)}", visible(first["msg"])) from error
