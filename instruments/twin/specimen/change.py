"""What the beam has done to the specimen so far: a pure function of the dose that each place has had.

An atom is lost when the dose passes a threshold of its own, drawn from a hash: -ln(u)/σ. So nothing is stored but the
dose, and what is gone never comes back. Dose is that of the scans before; a frame does not show what it does itself.
"""

import math

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.damage_spec import DamageSpec
from eucentric.instruments.twin.dosemap import DoseMap, level_for
from eucentric.instruments.twin.exposure_log import ExposureLog
from eucentric.instruments.twin.hashing import subseed, uniform
from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen.nuclei import Nuclei, nuclei_in
from eucentric.knowledge.knockon import displacement_cross_section_a2

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Plane = NDArray[np.float32]
Box = tuple[float, float, float, float]

_NOTHING = 1e-4
"""A change of less than this share is not worked out."""
_PATCH = 1.5e-9
"""Edge of the patches that lose their order at once [m]."""
_THROWN = 0.12e-9
"""How far atoms of a disordered patch lie from their sites, at most [m]."""
_LOST, _PORE, _ORDER, _THROW = 41, 42, 43, 44


class Change:
    """The present state of one specimen. Asked during a scan, it tells of the scans before.

    Parameters
    ----------
    voltage_kv
        At which the thresholds are passed or not.
    """

    def __init__(self, spec: DamageSpec, voltage_kv: float, seed: int, exposures: ExposureLog) -> None:
        self.spec, self._seed = spec, seed
        self.dose = DoseMap(exposures)
        self.rates = loss_rates_a2(spec, voltage_kv)
        """[Å²] by element."""
        self.holes: list[tuple[float, float, float]] = []
        """(x, y, radius) where nothing is left [m]."""
        self._growth = 1.0
        self._faintest = _NOTHING / max(self._fastest(), 1e-30)

    def _fastest(self) -> float:
        """Change for each e/Å² by the fastest process."""
        etch, growth = self.spec.etch, self.spec.growth
        ordered = self.spec.amorphous_e_per_a2
        return max(
            *self.rates.values(),
            growth.most * self._growth / growth.e_per_a2,
            1 / etch.onset_e_per_a2 if etch.per_um2 else 0.0,
            0.1 / ordered if ordered else 0.0,
            0.0,
        )

    # --- from outside: accidents --------------------------------------------------------------------------

    def hole(self, x: float, y: float, radius: float) -> None:
        """Let everything within a circle be gone [m]."""
        self.holes.append((x, y, radius))

    def contaminate(self, factor: float) -> None:
        """Let contamination grow `factor` times as far, where the beam has been and where it goes."""
        self._growth *= factor
        self._faintest = _NOTHING / max(self._fastest(), 1e-30)

    # --- dose ---------------------------------------------------------------------------------------------

    def touched(self, box: Box) -> bool:
        """Whether the dose within a box may have changed anything that shows."""
        return self.dose.highest(box) > self._faintest

    def dose_at(self, x: Floats, y: Floats, box: Box) -> Floats | None:
        """(n,) [e/Å²] of points within a box; None if it changed nothing."""
        return self.dose.at(x, y) if x.size and self.touched(box) else None

    def dose_on(self, raster: Raster) -> Plane | None:
        """(rows, columns) float32 [e/Å²] of a raster; None if it changed nothing."""
        box = raster.box()
        if not self.touched(box):
            return None
        level = level_for(max(box[1] - box[0], box[3] - box[2]))
        plane = self.dose.at(raster.x[None, :], raster.y2d(), level).astype(np.float32)
        return plane if float(plane.max()) > self._faintest else None

    # --- what it did --------------------------------------------------------------------------------------

    def lost(self, element: str, seed: int, copy: int, i: Index, j: Index, dose: Floats) -> Mask | None:
        """Where that atom of a site is gone; None: nowhere."""
        rate = self.rates.get(element, 0.0)
        if not rate:
            return None
        return uniform(subseed(seed, _LOST, copy), i, j) < -np.expm1(-rate * dose)

    def lost_share(self, element: str, dose: Plane) -> Plane | None:
        """Share of the atoms of an element that is gone; None: none."""
        rate = self.rates.get(element, 0.0)
        return np.asarray(-np.expm1(np.float32(-rate) * dose)) if rate else None

    def grown(self, dose: Plane) -> Plane | None:
        """Contamination that the beam made, as a multiple of a monolayer's brightness; None: none."""
        growth = self.spec.growth
        if not growth.most:
            return None
        return np.asarray(
            np.float32(-growth.most * self._growth) * np.expm1(dose / np.float32(-growth.e_per_a2))
        )

    def pores(self, box: Box, layers: int) -> Nuclei:
        """Pores that may touch a box, in a flake of so many layers; draws (n, 1) are their radii [m]."""
        etch, most = self.spec.etch, 20 * self.spec.etch.radius_nm * 1e-9
        wide = (box[0] - most, box[1] + most, box[2] - most, box[3] + most)
        if not etch.per_um2 or not self.touched(wide):
            return nuclei_in(self._seed, 0.0, box, 1)
        found = nuclei_in(subseed(self._seed, _PORE), etch.per_um2 * 1e12, wide, 1)
        dose = self.dose.at(found.x, found.y) / layers if len(found) else np.zeros(0)
        over = dose / etch.onset_e_per_a2 + np.log1p(-found.draws[:, 0])
        radius = etch.radius_nm * 1e-9 * np.sqrt(np.maximum(over, 0.0))
        open_ = radius > 0
        return Nuclei(found.x[open_], found.y[open_], radius[open_, None])

    def porosity(self, dose: Plane, layers: int) -> Plane | None:
        """Share of a flake that pores have taken, where they are not seen one by one; None: none."""
        etch = self.spec.etch
        if not etch.per_um2:
            return None
        over = dose / np.float32(layers * etch.onset_e_per_a2)
        mean_square = (over + np.expm1(-over)) * np.float32((etch.radius_nm * 1e-9) ** 2)
        return np.asarray(-np.expm1(np.float32(-math.pi * etch.per_um2 * 1e12) * mean_square))

    def thrown(
        self, seed: int, i: Index, j: Index, places: tuple[Floats, Floats], dose: Floats
    ) -> tuple[Floats, Floats]:
        """Where atoms lie now: those of disordered patches off their sites."""
        if self.spec.amorphous_e_per_a2 is None:
            return places
        x, y = places
        patch = [np.floor(place / _PATCH).astype(np.int64) for place in places]
        survives = np.sqrt(-np.log1p(-uniform(subseed(self._seed, _ORDER), *patch)))
        gone = dose > self.spec.amorphous_e_per_a2 * survives
        size = _THROWN * np.sqrt(uniform(subseed(seed, _THROW), i, j)) * gone
        angle = 2 * math.pi * uniform(subseed(seed, _THROW, 1), i, j)
        return x + size * np.cos(angle), y + size * np.sin(angle)


def loss_rates_a2(spec: DamageSpec, voltage_kv: float) -> dict[str, float]:
    """Cross-section for losing an atom, by element [Å²]: knock-on and excitation."""
    elements = sorted({*spec.displacement_ev, *spec.excitation_a2})
    rates = {}
    for element in elements:
        threshold = spec.displacement_ev.get(element)
        knock_on = displacement_cross_section_a2(element, voltage_kv, threshold) if threshold else 0.0
        rates[element] = knock_on + spec.excitation_a2.get(element, 0.0)
    return {element: rate for element, rate in rates.items() if rate > 0}
