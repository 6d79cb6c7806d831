"""Where Eucentric keeps what outlives a run, and the one spelling of an address. Standard library only."""

import hashlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from eucentric.core.errors import BadInput
from eucentric.core.redaction import redact
from eucentric.core.stop_early import state_folder
from eucentric.core.text import visible

URI_EXAMPLES = "twin://mxene?seed=7 · twin:worlds/mine.toml?seed=7 · py:package.module:factory?key=value"


class InstrumentUri(NamedTuple):
    """An instrument's address, taken apart."""

    scheme: str
    path: str
    """World name, absolute path of a world file, ``module:factory``, or what the scheme says."""
    query: dict[str, str]
    slashes: bool
    """True for ``scheme://path``."""

    def __str__(self) -> str:
        query = urlencode(sorted(self.query.items()), safe="/:,")
        return f"{self.scheme}:{'//' if self.slashes else ''}{self.path}{'?' + query if query else ''}"


def state_dir() -> Path:
    """This user's state: `$EUCENTRIC_STATE`, else under `$XDG_STATE_HOME`, else ~/.local/state."""
    return Path(state_folder())


def hosts_dir() -> Path:
    """The folder where instrument hosts keep their sockets, info files, holds and logs (not created here)."""
    return state_dir() / "hosts"


def parse_uri(uri: str) -> InstrumentUri:
    """Take an instrument's address apart.

    The path of a file (.toml) becomes absolute, also in an option, and the options are kept by name, so `str()` of
    the result is the canonical spelling: the same instrument is the same host.

    Raises
    ------
    BadInput
        No scheme, no path, an option twice or without a value, control characters, or a secret.
    """
    text = uri.strip()
    if redact(text) != text:
        raise _bad(
            uri,
            "it holds a secret, and an address is shown and recorded: let the driver read an environment variable",
        )
    if text != visible(text):
        raise _bad(uri, "it has control characters")
    scheme, colon, rest = text.partition(":")
    if not colon or not scheme.replace("-", "").replace(".", "").replace("+", "").isalnum():
        raise _bad(uri, "it does not begin with 'scheme:'")
    path, _, query = rest.partition("?")
    slashes = path.startswith("//")
    path = path[2:].rstrip("/") if slashes else path
    if not path:
        raise _bad(uri, "nothing follows the scheme")
    if not slashes and path.endswith(".toml"):
        path = str(Path(path).expanduser().resolve())
    return InstrumentUri(scheme.lower(), path, _options(uri, query), slashes)


def canonical_uri(uri: str) -> str:
    """The one spelling of `uri`; BadInput if it has none."""
    return str(parse_uri(uri))


def host_key(uri: str) -> str:
    """File stem of the host of `uri`: 16 hex digits of its canonical spelling."""
    return hashlib.sha256(canonical_uri(uri).encode()).hexdigest()[:16]


def _options(uri: str, query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError as error:
        raise _bad(uri, "its options are not key=value joined by &") from error
    options = {key: _absolute(value) for key, value in pairs}
    if len(options) != len(pairs):
        raise _bad(uri, "an option is given twice")
    if any(not key or not value for key, value in pairs):
        raise _bad(uri, "an option has no name or no value")
    return options


def _absolute(value: str) -> str:
    """The name of a file, as a host in another folder finds it."""
    return str(Path(value).expanduser().resolve()) if value.endswith(".toml") else value


def _bad(uri: str, why: str) -> BadInput:
    return BadInput(
        f"not an instrument address: '{visible(uri, limit=200)}'", why, f"Examples: {URI_EXAMPLES}"
    )
