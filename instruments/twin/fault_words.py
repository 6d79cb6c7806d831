"""Faults as a query writes them: `missed_move@3,vacuum_burst@120s,morning`."""

import re

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.instruments.twin.faults import KINDS, FaultSpec

_SHORT = re.compile(r"^([a-z_]+)@(\d+(?:\.\d+)?)(s?)$")


def _short(word: str) -> FaultSpec:
    match = _SHORT.match(word)
    if not match or match[1] not in KINDS:
        raise BadInput(
            f"fault {visible(word, limit=80)!r}",
            "needs KIND@N (the N-th move, frame or command) or KIND@SECONDSs",
            f"kinds: {', '.join(KINDS)}; or the name of a list in the world's file",
        )
    kind = next(kind for kind in KINDS if kind == match[1])
    if match[3]:
        return FaultSpec(kind=kind, onset_s=float(match[2]))
    if "." in match[2] or int(match[2]) < 1:
        raise BadInput(
            f"fault {visible(word)!r}", "counts start at 1", "write missed_move@3 or missed_move@120s"
        )
    return FaultSpec(kind=kind, onset_n=int(match[2]))


def read_faults(text: str, lists: dict[str, tuple[FaultSpec, ...]]) -> tuple[FaultSpec, ...]:
    """The faults that a query asks for: names of lists and short forms, separated by commas.

    Raises
    ------
    BadInput
        A word that is neither.
    """
    found: list[FaultSpec] = []
    for word in (part.strip() for part in text.split(",") if part.strip()):
        found.extend(lists[word] if word in lists else (_short(word),))
    return tuple(found)
