"""What lies under the beam: parts that a world names, each at its place, the same at every magnification. The door."""

from eucentric.instruments.twin.specimen.specimen import REFERENCE_MRAD, Specimen

__all__ = ["REFERENCE_MRAD", "Specimen"]
