"""Which addresses a model may be spoken to at. The parser that connects also decides, so the two can't disagree."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from eucentric.core.errors import BadInput, EndpointRefused
from eucentric.core.settings import LOOPBACK as LOOPBACK
from eucentric.core.text import visible

_ENTRY = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}|\*))?/?")
_ADDRESS = re.compile(r"[A-Za-z0-9+.-]+://[A-Za-z0-9.:_\[\]-]+(?:/[A-Za-z0-9._~%/-]*)?")
"""What an address may be written with: no user, no query, no fragment, no backslash, no letter beyond ASCII."""
_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """An address that is on the list."""

    scheme: str
    host: str
    """As written, in small letters."""
    port: int
    path: str
    """Without a slash at its end."""

    @property
    def url(self) -> str:
        """The address in one spelling."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and port; the port of the scheme is left out."""
        return _authority(self.host, self.port, self.scheme)

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        return self.host == "localhost" or _is_loopback(self.host)

    def targets(self) -> tuple[str, ...]:
        """What is connected to, in the order to try.

        The name localhost is looked up here, once: whatever a resolver says it is, it must be this machine.

        Raises
        ------
        EndpointRefused
            The name leads elsewhere.
        """
        if self.host != "localhost":
            return (self.url,)
        found = _resolved(self.host, self.port)
        strangers = [address for address in found if not _is_loopback(address)]
        if strangers:
            raise refused(self.url, f"the name localhost leads to {strangers[0]}, which is not this machine")
        hosts = [_authority(address, self.port, self.scheme) for address in found]
        return tuple(f"{self.scheme}://{host}{self.path}" for host in hosts)


def _authority(host: str, port: int, scheme: str) -> str:
    bare = f"[{host}]" if ":" in host else host
    return bare if port == _PORT[scheme] else f"{bare}:{port}"


def _resolved(host: str, port: int) -> tuple[str, ...]:
    """Addresses of a name, each once; those of this machine if nobody knows it."""
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return ("127.0.0.1", "::1")
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked(base_url: str, allow: Sequence[str]) -> Endpoint:
    """The endpoint at `base_url`, if its scheme, host and port are on the list.

    Parameters
    ----------
    allow
        Entries such as ``"http://127.0.0.1:*"`` or ``"https://models.example.org"``; ``*`` stands for any
        port, never for a host. A name in other letters is written as it travels (``xn--…``).

    Raises
    ------
    EndpointRefused
        With the entry that an operator would have to add.
    BadInput
        If an entry of the list can't be read.
    """
    found = _parsed(base_url)
    if not any(_covers(entry, found) for entry in allow):
        bare = f"[{found.host}]" if ":" in found.host else found.host
        raise refused(found.url, "it is not on the allow-list", f"{found.scheme}://{bare}:{found.port}")
    return found


def check_endpoint(base_url: str, allow: Sequence[str]) -> str:
    """The one spelling of `base_url`, if it is on the list; see `checked`."""
    return checked(base_url, allow).url


def _parsed(base_url: str) -> Endpoint:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError, ValueError):
        raise refused(base_url, "it is not a web address") from None
    if url.scheme not in _PORT or not url.host:
        raise refused(base_url, "it is not a web address")
    if not _ADDRESS.fullmatch(base_url) or "/../" in f"{base_url}/" or visible(base_url) != base_url:
        shown = f"{url.scheme}://{url.host}"
        raise refused(shown, "it holds more than scheme, host, port and path, or a letter that is no ASCII")
    port = _PORT[url.scheme] if url.port is None else url.port
    if not 0 < port < 65536:
        raise refused(base_url, "there is no such port")
    return Endpoint(url.scheme, url.raw_host.decode("ascii"), port, url.path.rstrip("/"))


def _covers(entry: str, found: Endpoint) -> bool:
    match = _ENTRY.fullmatch(entry)
    if not match:
        raise BadInput(f"allow-list entry {entry!r}", "not scheme://host:port", "write http://127.0.0.1:8081")
    named, listed = match[2].strip("[]").lower(), match[3] or str(_PORT[match[1]])
    return (match[1], named) == (found.scheme, found.host) and listed in ("*", str(found.port))


def refused(address: str, why: str, entry: str = "") -> EndpointRefused:
    """The refusal of an address; `entry` is what an operator would have to add to the list."""
    remedy = f"an operator may add {entry!r} to the allowed endpoints" if entry else "give an http(s) address"
    return EndpointRefused(
        f"model endpoint {visible(address, limit=200)}", f"{why}; nothing was sent", remedy
    )
