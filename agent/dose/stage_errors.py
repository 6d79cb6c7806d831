"""How far a stage may truly be from where it reads, as its instrument declares it. Lengths in µm, times in s."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.capabilities import Capabilities, PositionErrors

Vectors = NDArray[np.float64]
"""(n, 2): x and y [µm]."""
SAME_STAY_UM = 0.005
"""Readings closer than this are one place: the stage was not moved [µm]."""
PROBE_REACH_UM = 0.0005
"""A focused probe puts less than 1e-4 of its electrons farther out [µm]."""


@dataclass(frozen=True)
class Errors:
    """Declared errors in µm and s."""

    fixed: Vectors
    """(2,) per axis: dead band, screw, rounding."""
    move: float
    one_way: float
    scale: float
    cross: float
    creep: float
    creep_s: float
    drift: float
    """Per second."""
    missed: int

    @classmethod
    def of(cls, errors: PositionErrors, dead_band_um: tuple[float, float]) -> "Errors":
        """Converted from SI."""
        um = 1e6
        return cls(
            fixed=np.array(dead_band_um) + errors.fixed_m * um, move=errors.move_m * um,
            one_way=errors.one_way_m * um, scale=errors.scale, cross=errors.cross, creep=errors.creep_m * um,
            creep_s=errors.creep_s, drift=errors.drift_m_per_s * um, missed=errors.missed_moves,
        )  # fmt: skip

    @classmethod
    def declared(cls, capabilities: Capabilities) -> "Errors":
        """What an instrument declares."""
        axes = (capabilities.axis("x"), capabilities.axis("y"))
        x, y = (axis.dead_band * 1e6 if axis else 0.0 for axis in axes)
        return cls.of(capabilities.position_errors, (x, y))

    def left_to_creep(self, settled_s: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Creep that is still to come, that long after a move [µm]."""
        return np.asarray(self.creep * np.exp(-np.asarray(settled_s) / self.creep_s))


def stage_error_um(capabilities: Capabilities, moves: int = 9) -> float:
    """How far two stays at the same reading may be apart, with so many moves between them [µm]."""
    errors = Errors.declared(capabilities)
    grown = errors.move * np.sqrt(moves) + errors.one_way * np.sqrt(moves)
    return float(errors.fixed.max() + grown + 2 * errors.creep)
