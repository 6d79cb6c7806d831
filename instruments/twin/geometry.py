"""Where things are: the one place that fixes signs.

Frames are convention C1: stage = specimen frame S at zero tilt, z toward the gun, α about x, β about the
tilted y. A specimen point is named by the stage reading (x, y) that centres it at zero tilt and zero beam
shift. With R = Rx(α)·Ry(β), a point s at height h above the eucentric plane stands in the column at

    lab = R · (s_x - X, s_y - Y, h + Z)

where (X, Y, Z) is the true stage position. Images show the lab plane with columns along +x and rows
(down) along +y: it is the view along +z, from the detector toward the gun. So the centre of a frame is
(X + beam_shift_x, Y + beam_shift_y), and pixel (row, col) lies at

    x + (col - (W - 1)/2)·p,   y + (row - (H - 1)/2)·p.

Moving the stage by +d or shifting the beam by +d brings up the same place. The beam is in focus where the
defocus setting equals the lab height of the specimen.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Tilt:
    """R = Rx(alpha)·Ry(beta) [rad]."""

    alpha: float = 0.0
    beta: float = 0.0

    @property
    def rows(self) -> tuple[tuple[float, float, float], ...]:
        """R as three rows."""
        sa, ca, sb, cb = math.sin(self.alpha), math.cos(self.alpha), math.sin(self.beta), math.cos(self.beta)
        return ((cb, 0.0, sb), (sa * sb, ca, -sa * cb), (-ca * sb, sa, ca * cb))

    def to_specimen(self, u: float, v: float, height: float) -> tuple[float, float]:
        """Offset from the stage point of what is seen at lab (u, v), `height` above the axis [m]."""
        (cb, _, xz), (yx, ca, yz), _ = self.rows
        x = (u - xz * height) / cb
        return x, (v - yz * height - yx * x) / ca

    def lab_height(self, x: float, y: float, height: float) -> float:
        """Height in the column of the specimen offset (x, y, height) [m]."""
        zx, zy, zz = self.rows[2]
        return zx * x + zy * y + zz * height
