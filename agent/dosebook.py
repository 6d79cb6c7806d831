"""What dose each place has had: an upper bound, added up from the ledger's own rows.

Footprints are rectangles in the stage frame, named by the stage reading and beam shift that centred
them. Within one stay of the stage, fields lie exactly relative to each other (the beam shift has no
backlash); between two stays they may be off by the stage's error, so footprints are widened by it.
A field has had what the worst place in it has had: all footprints that can cover that place together.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.instruments.capabilities import Capabilities

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


_Box = tuple[float, float, float, float]
"""x from, x to, y from, y to [µm]."""
REGISTRATION_UM = 0.3
"""Between two stays: error of a stage position besides its dead band [µm]."""


def stage_error_um(capabilities: Capabilities) -> float:
    """How far two stays at the same reading may be apart [µm]."""
    axis = capabilities.axis("x")
    return axis.dead_band * 1e6 + REGISTRATION_UM if axis else 1.0


def _shared(charge: Charge, field: Charge, slack_um: float) -> _Box | None:
    """The part of `field` that `charge` can have covered."""
    x = _overlap(charge.x_um, charge.width_um / 2 + slack_um, field.x_um, field.width_um / 2)
    y = _overlap(charge.y_um, charge.height_um / 2 + slack_um, field.y_um, field.height_um / 2)
    return (*x, *y) if x[0] < x[1] and y[0] < y[1] else None


def _overlap(a: float, a_half: float, b: float, b_half: float) -> tuple[float, float]:
    return max(a - a_half, b - b_half), min(a + a_half, b + b_half)


def _deepest(boxes: dict[_Box, float]) -> float:
    """Largest sum of doses at any place. It is reached where some boxes begin in x and some in y."""
    if not boxes:
        return 0.0
    x0, x1, y0, y1 = np.array(list(boxes)).T
    in_x = (x0 <= x0[:, None]) & (x0[:, None] < x1)
    in_y = (y0 <= y0[:, None]) & (y0[:, None] < y1)
    dose = np.array(list(boxes.values()))
    return float(((in_x * dose) @ in_y.T).max())


class DoseBook:
    """The charges to one specimen loading on one instrument."""

    def __init__(self, stage_error_um: float) -> None:
        self.stage_error_um = stage_error_um
        self.charges: dict[str, Charge] = {}

    def charge(self, action_id: str, charge: Charge) -> None:
        """Enter a charge; a later entry of the same act replaces the predicted one."""
        self.charges[action_id] = charge

    def forget(self, action_id: str) -> None:
        """Take a charge back: the instrument proved that nothing was sent."""
        self.charges.pop(action_id, None)

    def before(self, field: Charge) -> float:
        """Upper bound of the dose that any atom of `field` has had so far [e/Å²]."""
        boxes: dict[_Box, float] = {}
        for charge in self.charges.values():
            slack = SAME_STAY_UM if charge.stay == field.stay else self.stage_error_um
            box = _shared(charge, field, slack)
            if box is not None:
                boxes[box] = boxes.get(box, 0.0) + charge.dose_e_per_a2
        return _deepest(boxes)

    def load(self, events: Iterable[Any], instrument: str, loading: str) -> None:
        """Enter the charges of ledger rows of that loading: intended ones count until their result is known."""
        for event in events:
            charge = event.body.get("charge")
            same = event.body.get("instrument") == instrument and event.body.get("loading") == loading
            if charge and same and event.action_id:
                self.charge(f"{event.run_id}:{event.action_id}", Charge.model_validate(charge))
