"""The kinds of values an entry is made of: words, times, names of other entries, azimuths as read on a screen."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from eucentric.core.base import Model


def _storable(text: str) -> str:
    """Every format takes it: HDF5 ends a string at a NUL, and half a surrogate pair is no UTF-8."""
    if "\0" in text:
        raise ValueError("a text holds no NUL character")
    if re.search("[\ud800-\udfff]", text):
        raise ValueError("a text holds no half of a surrogate pair")
    return text


Words = Annotated[str, Field(max_length=4000), AfterValidator(_storable)]
"""What somebody wrote, kept as it is; it is escaped where it is shown."""
Name = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_storable)]
Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")]
"""ISO 8601 in UTC, such as 2026-11-28T03:45:17.123Z."""
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
"""Hex digest; empty if nobody made one."""
Ref = Annotated[str, Field(pattern=r"^([a-z]+[0-9]{1,7})?$"), "ref"]
"""Another entry of this notebook, such as r3; empty for none."""


class ScreenMode(Model):
    """How the screen stood when a direction was read on it. Azimuths of different modes are turned to each other."""

    mode: Name = "diffraction"
    """diffraction, image, stem, or what this microscope calls it."""
    camera_length_mm: float | None = Field(default=None, gt=0, le=1e5)
    """In diffraction; None if it does not matter or nobody looked."""
    high_tension_kv: float | None = Field(default=None, gt=0, le=3000)
    """None if nobody looked."""

    @property
    def label(self) -> str:
        """'diffraction, 100 mm, 200 kV'."""
        length = "" if self.camera_length_mm is None else f", {self.camera_length_mm:g} mm"
        tension = "" if self.high_tension_kv is None else f", {self.high_tension_kv:g} kV"
        return f"{self.mode}{length}{tension}"

    def fits(self, other: "ScreenMode") -> bool:
        """True if both are of one mode, and agree in what both state."""
        pairs = (
            (self.camera_length_mm, other.camera_length_mm),
            (self.high_tension_kv, other.high_tension_kv),
        )
        return self.mode.casefold() == other.mode.casefold() and all(
            a is None or b is None or abs(a - b) <= 5e-3 * max(a, b) for a, b in pairs
        )


class ScreenAzimuth(Model):
    """A direction as it was read on the screen, from the screen's x axis."""

    azimuth_deg: float = Field(ge=-720, le=720)
    """From the screen's x axis."""
    screen: ScreenMode = ScreenMode()
    """The mode in which it was read."""
