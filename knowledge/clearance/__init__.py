"""Room between the pole pieces: may this holder go there, and what is still reachable at a tilt?

Pure geometry. Units: µm and degrees, as the stage reads them. What nobody measured is refused.
"""

from eucentric.knowledge.clearance.check import Refusal, check_path
from eucentric.knowledge.clearance.model import AXES, Clearance, Device, Edge, Holder, PolePiece, TravelRow
from eucentric.knowledge.clearance.obstacles import RESOLUTION_UM
from eucentric.knowledge.clearance.travel import tilt_polygon, travel_at

__all__ = [
    "AXES",
    "RESOLUTION_UM",
    "Clearance",
    "Device",
    "Edge",
    "Holder",
    "PolePiece",
    "Refusal",
    "TravelRow",
    "check_path",
    "tilt_polygon",
    "travel_at",
]
