"""Where an instrument's limits are and how they are read; a file that is wrong or for another one is refused."""

import re
from pathlib import Path

from eucentric.core.errors import BadInput
from eucentric.core.places import canonical_uri, parse_uri
from eucentric.core.settings import load_model, load_settings
from eucentric.core.text import visible
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.limits import Limits

_WORLDS = Path(__file__).parent / "twin" / "worlds"
_ANY_WORLD = _WORLDS / "default.limits.toml"


def limits_path(uri: str) -> Path | None:
    """The file with the limits of the instrument at `uri`; None if nobody wrote one.

    The settings name it by the longest matching beginning of the address. Else a twin's is beside its world
    (`NAME.limits.toml`), and a world without one has the packaged default.

    Raises
    ------
    BadInput
        The address is not one, or the settings can't be read.
    """
    name = canonical_uri(uri)
    named = load_settings().limits
    begins = max((prefix for prefix in named if name.startswith(prefix)), key=len, default=None)
    if begins is not None:
        return named[begins]
    parsed = parse_uri(uri)
    if parsed.scheme != "twin":
        return None
    beside = _beside(parsed.path)
    return beside if beside.exists() else _ANY_WORLD


def limits_of(uri: str, capabilities: Capabilities) -> Limits | None:
    """The limits of the instrument at `uri`; None if nobody wrote any.

    Raises
    ------
    BadInput
        The file is missing, malformed, or for another instrument.
    """
    path = limits_path(uri)
    if path is None:
        return None
    limits = load_limits(path)
    check_instrument(limits, path, uri, capabilities.identity)
    return limits


def load_limits(path: Path) -> Limits:
    """Read a file; the error names it and the first wrong field."""
    limits = load_model(path, "limits", Limits)
    if limits.declared:
        raise BadInput(f"limits {path}: declared: not in a file", "it marks limits that nobody wrote")
    return limits


def check_instrument(limits: Limits, path: Path, uri: str, identity: str) -> None:
    """BadInput unless the limits say that they are for this identity or address."""
    wanted = re.compile("".join(_GLOB.get(char, re.escape(char)) for char in limits.instrument), re.DOTALL)
    if not (wanted.fullmatch(identity) or wanted.fullmatch(canonical_uri(uri))):
        raise BadInput(
            f"limits {path} are for '{visible(limits.instrument, limit=200)}'",
            f"this is '{visible(identity)}' at {visible(uri, limit=200)}",
            "Name the right file in the settings, or have staff correct its field 'instrument'.",
        )


_GLOB = {"*": ".*", "?": "."}


def _beside(world: str) -> Path:
    file = Path(world) if world.endswith(".toml") else _WORLDS / f"{Path(world).name}.toml"
    return file.with_suffix(".limits.toml")
