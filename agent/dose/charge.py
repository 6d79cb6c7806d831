"""A charge: dose given to one field. And charges as numbers, one a row, for the sums over all of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eucentric.core.base import Model

SETTLED_S = 1e6
"""How long a stage has stood that nobody here has moved [s]."""


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
    estimate_e_per_a2: float | None = None
    """Best estimate of the mean dose, flyback included [e/Å²]."""
    electrons: float = Field(0.0, ge=0)
    """All that reached the specimen, at most."""
    time_s: float = 0.0
    """Instrument clock when it began [s]."""
    seconds: float = Field(0.0, ge=0)
    """How long it took [s]."""
    settled_s: float | None = None
    """How long the stage had stood when it began; unknown for a stage that nobody here has moved [s]."""

    @property
    def centre_um(self) -> NDArray[np.float64]:
        """(2,) [µm]."""
        return np.array([self.x_um, self.y_um])

    @property
    def half_um(self) -> NDArray[np.float64]:
        """(2,) half of width and height [µm]."""
        return np.array([self.width_um, self.height_um]) / 2


@dataclass(frozen=True)
class Rows:
    """Charges as numbers: views of one table."""

    table: NDArray[np.float64]
    """(n, 10): x, y, half width, half height, dose, begin, end, settled, stay, era."""

    @classmethod
    def empty(cls) -> "Rows":
        """No charges."""
        return cls(np.zeros((0, 10)))

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Rows":
        return Rows(self.table[rows])

    def longer(self, count: int) -> "Rows":
        """The same with as many empty rows after them."""
        return Rows(np.vstack([self.table, np.zeros((count, 10))]))

    def write(self, row: int, charge: Charge, stay: int) -> None:
        """Put a charge into a row; its era stays what it was."""
        settled = SETTLED_S if charge.settled_s is None else charge.settled_s
        half = charge.width_um / 2, charge.height_um / 2
        when = charge.time_s, charge.time_s + charge.seconds
        self.table[row, :9] = (charge.x_um, charge.y_um, *half, charge.dose_e_per_a2, *when, settled, stay)

    @property
    def centre(self) -> NDArray[np.float64]:
        """(n, 2) [µm]."""
        return self.table[:, :2]

    @property
    def half(self) -> NDArray[np.float64]:
        """(n, 2) half of width and height [µm]."""
        return self.table[:, 2:4]

    @property
    def dose(self) -> NDArray[np.float64]:
        """(n,) at most [e/Å²]; 0: taken back."""
        return self.table[:, 4]

    @property
    def begin_s(self) -> NDArray[np.float64]:
        """(n,) on the instrument's clock."""
        return self.table[:, 5]

    @property
    def end_s(self) -> NDArray[np.float64]:
        """(n,) on the instrument's clock."""
        return self.table[:, 6]

    @property
    def settled_s(self) -> NDArray[np.float64]:
        """(n,) how long the stage had stood."""
        return self.table[:, 7]

    @property
    def stay(self) -> NDArray[np.int64]:
        """(n,) number of the stay."""
        return self.table[:, 8].astype(np.int64)

    @property
    def era(self) -> NDArray[np.float64]:
        """(n,) how often the instrument's clock had been set back."""
        return self.table[:, 9]
