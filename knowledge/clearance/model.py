"""What is in the gap between the pole pieces, as a person measured it: lengths in µm, tilts in degrees.

Heights are in the laboratory frame: z points from the specimen to the gun and is 0 in the eucentric plane;
x runs along the alpha axis toward the rod's tip, y across it (convention C1). Readings of x and y grow the same way.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from eucentric.core.base import Model

AXES = ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg")
"""The five readings of a stage, in the order of every box here."""
LONGEST_UM = 1e5
"""No length or position in a column is longer [µm]."""

Sign = Literal[-1, 1]
Length = Annotated[float, Field(gt=0, le=LONGEST_UM)]
Height = Annotated[float, Field(ge=-LONGEST_UM, le=LONGEST_UM)]


def _ordered(range_: tuple[float, float]) -> tuple[float, float]:
    if range_[0] > range_[1]:
        raise ValueError(f"a range goes from low to high, not from {range_[0]:g} to {range_[1]:g}")
    return range_


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


class PolePiece(Model):
    """The two pole faces, taken as infinite planes: safe for any bore and cone."""

    gap_um: Length
    """From face to face [µm]."""
    centre_um: Height = 0.0
    """Height of the middle of the gap above the eucentric plane [µm]."""


class TravelRow(Model):
    """One block of readings that somebody drove through without a touch. Ends are included."""

    alpha_deg: Range
    beta_deg: Range
    x_um: Range
    y_um: Range
    z_um: Range

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Its ranges in the order of `AXES`."""
        return (self.x_um, self.y_um, self.z_um, self.alpha_deg, self.beta_deg)


class Holder(Model):
    """One specimen holder as a box that tilts about alpha and beta and moves with x and y.

    The box must enclose everything of the holder that is between the pole faces. The rod and the outer frame do not
    tilt with beta; where they are wider or thicker than the cradle, give their width and thickness.
    """

    name: str = Field(min_length=1, max_length=80)
    """As the instrument reports it; "*" is any holder, for simulated instruments only."""
    half_width_um: Length
    """Half its extent across the rod, along y [µm]."""
    half_length_um: Length
    """Half its extent along the rod, x, about the beta axis [µm]."""
    thickness_um: Length
    z_offset_um: Height = 0.0
    """Middle of the body above the eucentric plane, untilted, at z = 0 [µm]."""
    margin_um: float = Field(ge=0, le=LONGEST_UM)
    """Kept free between the body and anything else; the touch alarm lies inside it [µm]."""
    measured_by: str = Field(min_length=1, max_length=80)
    measured_on: str = Field("", max_length=40)
    """Date, or nothing if it is only an assumption."""
    table: tuple[TravelRow, ...] = Field((), max_length=1000)
    """If given, it stands in for box and pole faces: what no row covers is unknown and refused."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.name.strip().lower() == "unknown":
            raise ValueError("\"unknown\" is what an instrument says that can't tell; it can't be measured")
        return self


class Edge(Model):
    """Where a device begins sideways, in the laboratory frame."""

    axis: Literal["x", "y"]
    at_um: Height
    towards: Literal["+", "-"]
    """The device lies on this side of `at_um`."""


class Device(Model):
    """Something near the specimen: an objective aperture strip, a detector's snout, a cold-trap blade."""

    name: str = Field(min_length=1, max_length=80)
    side: Literal["above", "below"]
    z_um: Height
    """Height of its surface nearest to the specimen [µm]; it fills everything on its side of it."""
    edge: Edge | None = None
    """None: it reaches over the whole gap."""
    when_inserted: bool = True
    """False: it counts always."""


class Clearance(Model):
    """Everything the check needs to know; what is not in here is unknown, and refused."""

    pole_piece: PolePiece
    holders: tuple[Holder, ...] = Field(max_length=64)
    devices: tuple[Device, ...] = Field((), max_length=32)
    outside_gap: tuple[str, ...] = Field((), max_length=64)
    """Names of what can be inserted and is known to stay clear of the gap (a HAADF detector)."""
    alpha_sign: Sign | None = None
    """+1 if a positive reading turns +y toward the gun (C1); None: nobody calibrated it, both are checked."""
    beta_sign: Sign | None = None
    """+1 if a positive reading turns +x away from the gun (C1); None: both are checked."""
    z_sign: Sign | None = None
    """+1 if a positive reading lifts the specimen toward the gun; None: both are checked."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        _once(holder.name for holder in self.holders)
        _once([*(device.name for device in self.devices), *self.outside_gap])
        return self

    def holder(self, name: str) -> Holder | None:
        """The holder of that name, else the one named "*", else None."""
        known = {holder.name: holder for holder in self.holders}
        return known.get(name, known.get("*"))


def _once(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{name!r} is there twice")
        seen.add(name)
