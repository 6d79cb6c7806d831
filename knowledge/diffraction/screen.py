"""A camera that shows diffraction: pixels to reciprocal space and back."""

import math

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.knowledge.crystal.rotation import Array


class Screen(Model):
    """How a pattern lies on the pixels. Images are (row, column), rows down."""

    rows: int = Field(256, ge=16, le=8192)
    columns: int = Field(256, ge=16, le=8192)
    per_pixel: float = Field(gt=0, le=1)
    """[1/Å] of one pixel, K sin(theta): 1/(camera constant)."""
    centre: tuple[float, float] | None = None
    """(row, column) of the direct beam; None: the middle of the image."""
    azimuth_deg: float = 0.0
    """From the direction of columns, toward rows, to lab x: `lab = screen + azimuth`, as `Stage` has it."""
    mirrored: bool = False
    """True if the screen shows the lab plane mirrored: then `lab = azimuth - screen`."""

    @property
    def middle(self) -> tuple[float, float]:
        """(row, column) of the direct beam."""
        return self.centre or ((self.rows - 1) / 2, (self.columns - 1) / 2)

    @property
    def turn(self) -> Array:
        """(2, 2): (column, row) steps to lab x, y."""
        a = math.radians(self.azimuth_deg)
        c, s = math.cos(a), math.sin(a)
        if self.mirrored:
            return np.array([[c, s], [s, -c]])
        return np.array([[c, -s], [s, c]])

    def to_lab(self, at_px: Array) -> Array:
        """(n, 2) [1/Å] lab x, y of pixels (n, 2) as (row, column)."""
        off = (np.asarray(at_px, dtype=np.float64) - self.middle)[..., ::-1]
        return np.asarray(self.per_pixel * off @ self.turn.T)

    def to_pixels(self, at_lab: Array) -> Array:
        """(n, 2) (row, column) of places (n, 2) [1/Å] lab x, y; the inverse of `to_lab`."""
        steps = np.asarray(at_lab, dtype=np.float64) @ self.turn / self.per_pixel
        return np.asarray(steps[..., ::-1] + self.middle)

    @property
    def reach(self) -> float:
        """Distance from the direct beam to the farthest corner [1/Å]."""
        row, column = self.middle
        rows = max(row, self.rows - 1 - row)
        columns = max(column, self.columns - 1 - column)
        return self.per_pixel * math.hypot(rows, columns)
