"""Colours and shapes of the map by what they mean: hues of Okabe & Ito, as dark or light as text needs."""

from typing import NamedTuple


class Theme(NamedTuple):
    """Colours by meaning."""

    paper: str
    ink: str
    faint: str
    band: str
    region: str
    region_edge: str
    now: str
    target: str
    nearest: str
    candidate: str
    next: str


LIGHT = Theme(
    paper="#FFFFFF", ink="#000000", faint="#9A9A9A", band="#5F5F5F", region="#E6F2FA", region_edge="#0072B2",
    now="#007A5A", target="#D55E00", nearest="#9A6A00", candidate="#A8508A", next="#0072B2",
)  # fmt: skip
DARK = Theme(
    paper="#14171A", ink="#F2F2F2", faint="#5A6067", band="#A0A6AC", region="#1B2B36", region_edge="#56B4E9",
    now="#1FC79A", target="#FF8A3D", nearest="#E69F00", candidate="#E39CC6", next="#56B4E9",
)  # fmt: skip
MARKERS = {"now": "o", "target": "D", "nearest": "s", "candidate": "^", "next": "*"}
"""Shapes say the same as colours."""
WORDS = {
    "now": "stage now", "target": "target", "nearest": "nearest in reach", "candidate": "target if another candidate",
    "next": "look here next",
}  # fmt: skip
