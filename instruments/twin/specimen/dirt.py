"""Contamination: what was there from the beginning, and what the beam makes of it."""

import numpy as np

from eucentric.instruments.twin.specimen import texture
from eucentric.instruments.twin.specimen.canvas import Canvas, CrossSection
from eucentric.instruments.twin.specimen.change import Change
from eucentric.instruments.twin.specimen_spec import ContaminationSpec


class Dirt:
    """Hydrocarbon on everything solid.

    Parameters
    ----------
    monolayer
        Brightness by which it is measured: a share of the beam.
    times
        How much more goes to the detector that looks than to the reference detector.
    """

    def __init__(
        self, spec: ContaminationSpec, seed: int, change: Change, monolayer: float, times: float
    ) -> None:
        self._spec, self._seed, self._change = spec, seed, change
        self._monolayer, self._times = monolayer, times
        self._octaves = texture.octaves(spec.texture)

    def times(self, ratio: float) -> "Dirt":
        """The same dirt as another detector sees it."""
        return Dirt(self._spec, self._seed, self._change, self._monolayer, ratio)

    def towards(self, cross_section_a2: CrossSection) -> "Dirt":
        """It is told by `times`: its brightness is relative."""
        return self

    @property
    def mean(self) -> float:
        """Share of the beam that what was there from the beginning sends onto the detector."""
        return self._spec.share_of_monolayer * self._monolayer * self._times

    def draw(self, canvas: Canvas) -> None:
        """On all that is solid so far."""
        mean = self.mean
        grown = self._change.grown(canvas.dose) if canvas.dose is not None else None
        if not canvas.solid.any() or not (mean or grown is not None):
            return
        dirt = texture.lognormal(self._seed, self._octaves, canvas.raster)
        dirt *= np.minimum(canvas.solid, 1)
        if grown is None:
            dirt *= np.float32(mean)
        else:
            dirt *= np.float32(mean) + grown * np.float32(self._monolayer * self._times)
        canvas.share += dirt
