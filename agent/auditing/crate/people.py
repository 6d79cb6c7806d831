"""Who took part in a run, by the names that its rows have."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from eucentric.agent.reporting.record import RunRecord
from eucentric.core.event import Event

_BY_PEOPLE = (
    "requested", "decided", "consented", "granted", "revoked", "control", "resumed", "resolved", "changed", "released",
)  # fmt: skip
"""Rows whose actor may be a person."""
_NOBODY = re.compile(
    r"(eucentric|rule|nobody|clock|stop|person|ledger|reconciliation|grammar\b.*|llm\b.*|policy\b.*|grant\b.*|option\b.*|)",
    re.IGNORECASE,
)
"""Names of programs and rules."""


@dataclass
class Someone:
    """One person, as recorded: a login name with where from, or an operator who proved a secret."""

    name: str
    did: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """For the crate."""
        return f"#person-{re.sub(r'[^A-Za-z0-9._-]+', '-', self.name).strip('-') or 'unnamed'}"

    @property
    def described(self) -> str:
        """What is known."""
        where = f" (from {', '.join(self.places)})" if self.places else ""
        return f"{'; '.join(dict.fromkeys(self.did))}{where}"


def people_of(record: RunRecord) -> dict[str, Someone]:
    """By name."""
    found: dict[str, Someone] = {}
    for row in record.of(*_BY_PEOPLE):
        name, place = _parted(row)
        if _NOBODY.fullmatch(name):
            continue
        one = found.setdefault(name, Someone(name))
        one.did.append(_did(row))
        if place and place not in one.places:
            one.places.append(place)
    return found


def name_of(row: Event) -> str:
    """Who a row is by, without the terminal; '' if that is a program or a rule."""
    name = _parted(row)[0]
    return "" if _NOBODY.fullmatch(name) else name


def _parted(row: Event) -> tuple[str, str]:
    by = str(row.body.get("by") or row.actor)
    name, _, place = by.partition(" (")
    return name.strip(), place.removesuffix(")")


def _did(row: Event) -> str:
    if row.kind == "requested":
        return "asked"
    if row.kind == "decided":
        return f"{row.body.get('outcome')} at gate {row.body.get('gate')}"
    return row.kind


def decisions(record: RunRecord) -> Iterator[tuple[Event, str]]:
    """Rows of decisions with the person's name, '' for a rule."""
    for row in record.of("decided"):
        yield row, name_of(row)
