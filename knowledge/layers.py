"""What one layer of a 2D crystal scatters onto an annular detector."""

from eucentric.knowledge.phases import Phase
from eucentric.knowledge.scattering import haadf_cross_section_a2


def layer_share(material: Phase, voltage_kv: float, collection_mrad: tuple[float, float]) -> float:
    """Share of the beam that one layer sends onto a detector of those angles (0 … 1)."""
    inner, outer = collection_mrad
    elements = [element for column in material.columns for element in column.elements]
    total = sum(haadf_cross_section_a2(element, voltage_kv, inner, outer) for element in elements)
    return total / (material.lattice.parts * material.site_area_a2)
