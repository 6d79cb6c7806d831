"""What a secret looks like, whoever it belongs to: headers, keys of known services, passwords in addresses, PEM.

Standard library only. A shape is looked for only where one of its marks occurs: most rows have none, and a row
must not wait for a dozen regular expressions. A replacement holds no quote and no backslash, and no pattern ends
inside an escape, so that a JSON text stays one.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_FLAGS = re.IGNORECASE
_ASSIGNED = (
    r"""(\\*["']\s{0,4}:\s{0,4}b?\\*["']|\s{0,4}[:=]\s{0,4}(?:\\*["'])?)"""  # "name": "value" or name: value
    r"(?!\[secret |[:}\]])"  # redacted already, or the quote was the end of a JSON text
)
"""Between a name and its value, also as JSON inside JSON and as Python shows a dictionary."""


class _Shape(NamedTuple):
    """One kind of secret."""

    marks: tuple[str, ...]
    """Any of these, in small letters, occurs in a text that holds one."""
    pattern: str
    shown: str
    """What stands in its place, as for `re.sub`."""


_SHAPES = (
    _Shape(
        ("-----begin",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----(?:[a-z0-9+/=\s,:.]|\\[nrt])*"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?",
        "[secret private key]",
    ),
    _Shape(
        ("authorization",),
        rf"""(?<![a-z])((?:proxy-)?authorization){_ASSIGNED}"""
        r"""(?:(?:basic|bearer|token|digest|negotiate)\s+)?[^\s"'\\,;<>(){}\[\]]{4,}""",
        r"\1\2[secret header]",
    ),
    _Shape(
        ("bearer",),
        r"""(?<![a-z])(bearer\s{1,4})(?=[a-z._~+/=-]*[0-9]|[^\s"'\\]{20})[a-z0-9._~+/=-]{8,}""",
        r"\1[secret token]",
    ),
    _Shape(("sk-",), r"(?<![a-z0-9+/=_-])sk-(?=[a-z_-]*[0-9])[a-z0-9_-]{12,}", "[secret key]"),
    _Shape(
        ("ghp_", "ghs_", "_pat_", "glpat", "hf_", "xox"),
        r"(?<![a-z0-9+/=])(?:gh[ps]_|github_pat_|glpat-|hf_|xox[abps]-)[a-z0-9_-]{16,}",
        "[secret key]",
    ),
    _Shape(
        ("akia", "aiza", "eyj"),
        r"(?<![A-Za-z0-9+/=_-])(?-i:AKIA[0-9A-Z]{16}(?![0-9A-Za-z])|AIza[0-9A-Za-z_-]{32,}"
        r"|eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,})",
        "[secret key]",
    ),
    _Shape(
        ("@",),
        r"""(?<=://)[^\s/?#"'<>\\@]{0,256}(?::[^\s/?#"'<>\\]{0,256}|(?<=[^\s/?#"'<>\\@]{8}))@(?=[^\s@])""",
        "[secret userinfo]@",
    ),
    _Shape(
        ("key", "token", "secret", "passw"),
        r"""(?<![a-z0-9])((?:[a-z0-9]{1,40}[_-]){0,6}(?:api[_-]?key|access[_-]?key|secret[_-]?key|access[_-]?token"""
        r"""|refresh[_-]?token|auth[_-]?token|client[_-]?secret|passw(?:or)?d|secret)|(?-i:[A-Z][A-Z0-9_]{0,60}_TOKEN)"""
        r"""|(?<=[?&])token)"""
        rf"""{_ASSIGNED}[^\s"'\\,;&<>(){{}}\[\]]{{6,}}""",
        r"\1\2[secret value]",
    ),
)  # fmt: skip
_MARKS = tuple(mark for shape in _SHAPES for mark in shape.marks)

_NAMES = (
    r"(?:proxy-)?authorization|(?:.{0,60}[_-])?(?:api[_-]?key|access[_-]?key|secret[_-]?key|access[_-]?token"
    r"|refresh[_-]?token|auth[_-]?token|client[_-]?secret|passw(?:or)?d|secret)|x-auth-token|(?-i:[A-Z][A-Z0-9_]{0,60}_TOKEN)"
)


@lru_cache(maxsize=32)
def _compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern, _FLAGS)


def suspect(lower: str) -> bool:
    """Whether a text, given in small letters, may hold a secret by its shape."""
    return any(map(lower.__contains__, _MARKS))


def without_shapes(text: str) -> str:
    """`text` with everything that looks like a secret replaced by ``[secret …]``."""
    lower = text.lower()
    for shape in _SHAPES:
        if any(mark in lower for mark in shape.marks):
            text = _compiled(shape.pattern).sub(shape.shown, text)
    return text


def names_a_secret(field: str) -> bool:
    """Whether a field of that name holds a secret: 'password', 'X-Api-Key', 'authorization'."""
    return len(field) <= 100 and _compiled(_NAMES).fullmatch(field) is not None
