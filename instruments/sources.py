"""The files that an instrument's address stands for, by digest: with others the same commands give other bytes."""

import hashlib
from pathlib import Path

from eucentric.core.errors import EucentricError
from eucentric.core.places import parse_uri
from eucentric.instruments.limits_file import limits_path

_WORLDS = Path(__file__).parent / "twin" / "worlds"


def sources_of(uri: str) -> dict[str, str]:
    """sha256 of the world and of the limits of an instrument, those that there are."""
    try:
        parsed, limits = parse_uri(uri), limits_path(uri)
    except EucentricError:
        return {}
    files = {"world": _world(parsed.path) if parsed.scheme == "twin" else None, "limits": limits}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if path and path.is_file()
    }


def _world(name: str) -> Path:
    return Path(name) if name.endswith(".toml") else _WORLDS / f"{Path(name).name}.toml"
