"""The dose ledger of a specimen loading read from the rows alone: no instrument is asked."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from eucentric.agent.dose.book import DoseBook
from eucentric.agent.dose.charge import Charge
from eucentric.agent.dose.map import place_dose
from eucentric.agent.dose.stage_errors import Errors
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.request import SpecimenCard
from eucentric.core.text import visible
from eucentric.instruments.capabilities import Capabilities, PositionErrors
from eucentric.knowledge.dose import PlaceDose

KINDS = ("requested", "intended", "returned", "failed", "in_doubt")
"""Rows that a history is read from."""


@dataclass(frozen=True)
class History:
    """What one specimen loading has had on one instrument."""

    instrument: str
    loading: str
    book: DoseBook
    specimen: SpecimenCard | None
    """The newest card under which it was exposed."""
    errors_declared: bool
    """False if no row tells the instrument's position errors: then cautious ones are assumed."""

    @property
    def budget_e_per_a2(self) -> float | None:
        """Of the card."""
        return self.specimen.dose_budget_e_per_a2 if self.specimen else None

    def at(self, x_um: float, y_um: float) -> PlaceDose:
        """What dose a spot has had, in the readings of the newest stay of the stage [µm]."""
        latest = self.latest.model_copy(update={"x_um": x_um, "y_um": y_um})
        return place_dose(self.book, latest, self.budget_e_per_a2)

    @property
    def latest(self) -> Charge:
        """The newest exposure."""
        found = self.book.latest
        if found is None:
            raise BadInput("nothing was exposed in this loading")
        return found


def history(events: Iterable[Event], loading: str | None = None) -> History:
    """The history of a loading; left out: of the one that was exposed last.

    Raises
    ------
    BadInput
        No exposure is on record, or none of that loading.
    """
    rows = list(events)
    charged = [row for row in rows if row.body.get("charge") and row.body.get("loading")]
    wanted = [row for row in charged if loading in (None, row.body["loading"])]
    if not wanted:
        known = sorted({visible(str(row.body["loading"]), limit=80) for row in charged})
        remedy = f"loadings on record: {', '.join(known)}" if known else "nothing was exposed with this store"
        whose = "" if loading is None else f" of loading {visible(loading, limit=80)!r}"
        raise BadInput(f"no exposure{whose} on record", remedy=remedy)
    body, run = wanted[-1].body, wanted[-1].run_id
    instrument, name = str(body["instrument"]), str(body["loading"])
    declared = next((row for row in rows if row.kind == "requested" and row.run_id == run), None)
    errors = _errors(declared)
    book = DoseBook(errors or Errors.of(PositionErrors(), (1.0, 1.0)))
    book.load(rows, instrument, name)
    return History(instrument, name, book, _card(declared), errors is not None)


def _errors(requested: Event | None) -> Errors | None:
    try:
        return Errors.declared(
            Capabilities.model_validate((requested.body if requested else {}).get("capabilities"))
        )
    except ValidationError:
        return None


def _card(requested: Event | None) -> SpecimenCard | None:
    try:
        return SpecimenCard.model_validate((requested.body if requested else {}).get("specimen"))
    except ValidationError:
        return None
