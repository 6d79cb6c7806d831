"""Does a box of stage readings bring a holder too near to something? The one question behind check and travel."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import product

from eucentric.knowledge.clearance.model import AXES, Clearance, Holder, Sign
from eucentric.knowledge.clearance.obstacles import (
    Obstacle,
    Touch,
    device_obstacle,
    plainly_clear,
    pole_faces,
    touch,
)
from eucentric.knowledge.clearance.sweep import Span, Sweep
from eucentric.knowledge.clearance.table import Box, uncovered


@dataclass(frozen=True, slots=True)
class Signs:
    """How a reading becomes an angle or a height."""

    alpha: int
    beta: int
    z: int


@dataclass(frozen=True, slots=True)
class Hit:
    """The worst that was found: what, where in readings, how far inside the margin."""

    obstacle: str
    at: dict[str, float]
    excess_um: float | None
    """None where a measured table ends: nobody knows."""


@dataclass(frozen=True)
class Judge:
    """One holder among what is there now."""

    clearance: Clearance
    holder: Holder
    obstacles: tuple[Obstacle, ...]

    @classmethod
    def of(cls, clearance: Clearance, holder: Holder, inserted: Collection[str] | None) -> "Judge":
        """A measured table stands in for the pole faces; devices count with it, too."""
        faces = () if holder.table else pole_faces(clearance.pole_piece)
        devices = tuple(
            device_obstacle(device)
            for device in clearance.devices
            if inserted is None or not device.when_inserted or device.name in inserted
        )
        return cls(clearance, holder, (*faces, *devices))

    def hit(self, box: Box) -> Hit | None:
        """The first thing that a stage anywhere in the box (order of `AXES`) comes too near to, or None."""
        if self.holder.table:
            missing = uncovered(box, [row.box for row in self.holder.table])
            if missing is not None:
                middle = ((low + high) / 2 for low, high in missing)
                return Hit("the end of the measured table", dict(zip(AXES, middle, strict=True)), None)
        margin, hull = self.holder.margin_um, self._hull(box)
        doubtful = [o for o in self.obstacles if not plainly_clear(o, hull, margin)]
        for signs in self._signs(box) if doubtful else ():
            sweep = self._sweep(box, signs)
            found = next((t for o in doubtful if (t := touch(o, sweep, margin))), None)
            if found is not None:
                return Hit(found.obstacle, self._readings(found, box, signs), found.excess_um)
        return None

    def _signs(self, box: Box) -> Iterator[Signs]:
        """Every way the readings may have to be taken; a range that is its own mirror needs one."""
        known: tuple[Sign | None, ...] = (
            self.clearance.alpha_sign,
            self.clearance.beta_sign,
            self.clearance.z_sign,
        )
        spans = (box[3], box[4], box[2])
        choices = (
            (sign,) if sign is not None else (1,) if span[0] == -span[1] else (1, -1)
            for sign, span in zip(known, spans, strict=True)
        )
        return (Signs(*chosen) for chosen in product(*choices))

    def _hull(self, box: Box) -> Sweep:
        """One sweep that holds all those with either sign."""
        either = {
            "alpha": self.clearance.alpha_sign,
            "beta": self.clearance.beta_sign,
            "z": self.clearance.z_sign,
        }
        spans = {"alpha": box[3], "beta": box[4], "z": box[2]}
        wide = {
            name: _signed(spans[name], sign) if sign is not None else _mirrored(spans[name])
            for name, sign in either.items()
        }
        return self._swept(box, wide["alpha"], wide["beta"], wide["z"])

    def _sweep(self, box: Box, signs: Signs) -> Sweep:
        return self._swept(
            box, _signed(box[3], signs.alpha), _signed(box[4], signs.beta), _signed(box[2], signs.z)
        )

    def _swept(self, box: Box, alpha_deg: Span, beta_deg: Span, z_um: Span) -> Sweep:
        body, middle = self.holder, self.holder.z_offset_um
        return Sweep(
            (math.radians(alpha_deg[0]), math.radians(alpha_deg[1])),
            (math.radians(beta_deg[0]), math.radians(beta_deg[1])),
            (box[0][0] - body.half_length_um, box[0][1] + body.half_length_um),
            (box[1][0] - body.half_width_um, box[1][1] + body.half_width_um),
            (middle - body.thickness_um / 2, middle + body.thickness_um / 2),
            z_um,
        )

    def _readings(self, found: Touch, box: Box, signs: Signs) -> dict[str, float]:
        reach = found.reach
        return {
            "x_um": box[0][1] if reach.px > sum(box[0]) / 2 else box[0][0],
            "y_um": box[1][1] if reach.py > sum(box[1]) / 2 else box[1][0],
            "z_um": signs.z * reach.z,
            "alpha_deg": signs.alpha * math.degrees(reach.alpha),
            "beta_deg": signs.beta * math.degrees(reach.beta),
        }


def _signed(span: Span, sign: int) -> Span:
    return span if sign > 0 else (-span[1], -span[0])


def _mirrored(span: Span) -> Span:
    farthest = max(abs(span[0]), abs(span[1]))
    return -farthest, farthest
