"""What dose each place has had: an upper bound, added up from the ledger's own rows.

Footprints are rectangles in the stage frame, named by the stage reading and beam shift that centred
them. Within one stay of the stage, fields lie exactly relative to each other (the beam shift has no
backlash); between two stays they may be off by the stage's error, so footprints are widened by it.
All charges that can touch a place are added, whether or not they touch each other.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from eucentric.core.base import Model

SAME_STAY_UM = 0.005
"""Drift allowed for within one stay of the stage [µm]."""


class Charge(Model):
    """Dose given to one field."""

    x_um: float
    y_um: float
    width_um: float = Field(gt=0)
    height_um: float = Field(gt=0)
    dose_e_per_a2: float = Field(ge=0)
    """Upper bound at any atom inside."""
    stay: str
    """Which stay of the stage: the act that moved it there."""
    purpose: str = "image"


def _overlap(a: Charge, b: Charge, slack_um: float) -> bool:
    return (
        abs(a.x_um - b.x_um) < (a.width_um + b.width_um) / 2 + slack_um
        and abs(a.y_um - b.y_um) < (a.height_um + b.height_um) / 2 + slack_um
    )


class DoseBook:
    """The charges to one specimen loading on one instrument."""

    def __init__(self, stage_error_um: float) -> None:
        self.stage_error_um = stage_error_um
        self.charges: dict[str, Charge] = {}

    def charge(self, action_id: str, charge: Charge) -> None:
        """Enter a charge; a later entry of the same act replaces the predicted one."""
        self.charges[action_id] = charge

    def before(self, field: Charge) -> float:
        """Upper bound of the dose that any atom of `field` has had so far [e/Å²]."""
        total = 0.0
        for charge in self.charges.values():
            slack = SAME_STAY_UM if charge.stay == field.stay else self.stage_error_um
            if _overlap(charge, field, slack):
                total += charge.dose_e_per_a2
        return total

    def load(self, events: Iterable[Any], instrument: str, loading: str) -> None:
        """Enter the charges of ledger rows of that loading: intended ones count until their result is known."""
        for event in events:
            charge = event.body.get("charge")
            same = event.body.get("instrument") == instrument and event.body.get("loading") == loading
            if charge and same and event.action_id:
                self.charge(f"{event.run_id}:{event.action_id}", Charge.model_validate(charge))
