"""The digital twin: worlds × stage × optics × detectors × faults × clock. `oracle` has the truth."""

from eucentric.instruments.twin.driver import TwinDriver
from eucentric.instruments.twin.query import twin_driver
from eucentric.instruments.twin.world import WorldSpec, load_world

__all__ = ["TwinDriver", "WorldSpec", "load_world", "twin_driver"]
