"""A tilting microscope over a guarded twin, without ledger, gate or disk, that watches where the feature is.

Implements `instruments.port.Microscope`, `Diffracts` and, of `tools.base.Records`, what tilting asks for.
"""

import math
from pathlib import Path
from typing import Any, NoReturn

from eucentric.agent.acting.exposure import scan_spec
from eucentric.bench.guarded import GuardedTwin
from eucentric.core.errors import NotAvailable
from eucentric.core.instrument import (
    Frame,
    Located,
    MicroscopeState,
    PatternShot,
    Scan,
    StageMove,
)
from eucentric.core.request import SpecimenCard
from eucentric.core.units import STAGE, to_si
from eucentric.instruments.twin import TwinDriver
from eucentric.knowledge.notebook import Notebook
from eucentric.tools.base import Context
from eucentric.tools.scanning import pattern_scan

_SURELY = math.radians(1.5)
"""A tilt of more than any backlash moves the holder, unless the stage misses it [rad]."""


class ZoneAxisPort(GuardedTwin):
    """One twin in one person's hands."""

    def __init__(self, twin: TwinDriver, material: str, book: Notebook) -> None:
        super().__init__(twin)
        self.book, self.card = book, SpecimenCard(name="foil", material=material)
        self.moves = 0
        self.farthest = 0.0
        """How far the feature has been from the middle of an image, at worst, over half the field."""
        self.missed = 0
        """Tilts that the stage said it made and did not."""
        self._feature: tuple[float, float] | None = None

    def watch(self) -> None:
        """From now on the feature is what is in the middle."""
        self._feature, self.farthest, self.moves, self.missed = self._middle(), 0.0, 0, 0

    # --- truth ----------------------------------------------------------------------------------------------

    def _middle(self) -> tuple[float, float]:
        """The specimen's point under the middle of a field [m]."""
        return self.oracle.middle()

    def off_um(self) -> float:
        """True distance of the feature from the middle of the field [µm]."""
        assert self._feature is not None
        x, y = self._middle()
        return 1e6 * math.hypot(x - self._feature[0], y - self._feature[1])

    # --- the port -------------------------------------------------------------------------------------------

    def move_stage(self, target: StageMove) -> MicroscopeState:
        self.moves += 1
        wanted, before, told = (
            to_si(STAGE, target.model_dump(exclude_none=True)),
            self.oracle.actual(),
            self.guard.state(),
        )
        try:
            return super().move_stage(target)
        finally:
            after = self.oracle.actual()
            asked = {
                name: wanted[name] - told.commanded[name] for name in ("alpha", "beta") if name in wanted
            }
            self.missed += any(
                abs(way) > _SURELY and after[name] == before[name] for name, way in asked.items()
            )

    def acquire(self, scan: Scan) -> tuple[Frame, ...]:
        state = self.state()
        if self._feature is not None and not scan.pattern_px:
            self.farthest = max(self.farthest, self.off_um() / (scan.fov_nm * 0.5e-3))
        raw, arrays = self.guard.acquire(scan_spec(scan))
        return tuple(
            self.keep(pixels, self._frame(name, scan, state, raw.pattern_rad, raw.time_s))
            for name, pixels in zip(scan.detectors, arrays, strict=True)
        )

    def acquire_diffraction(self, shot: PatternShot) -> Frame:
        return self.acquire(pattern_scan(shot, self.state()))[0]

    def _frame(
        self, name: str, scan: Scan, state: MicroscopeState, pattern_rad: float | None, time_s: float
    ) -> Frame:
        stage, optics = state.stage, state.optics
        return Frame(
            id="", sha256="", detector=name, shape=(1, 1), dtype="float32", purpose=scan.purpose, time_s=time_s,
            pixel_pm=None if scan.pattern_px else 1e3 * scan.pixel_nm,
            pixel_mrad=None if pattern_rad is None else 1e3 * pattern_rad,
            camera_length_mm=optics.get("camera_length_mm"), voltage_kv=optics["voltage_kv"],
            convergence_mrad=optics["convergence_mrad"], x_um=stage["x_um"].reported, y_um=stage["y_um"].reported,
            alpha_deg=stage["alpha_deg"].reported, beta_deg=stage["beta_deg"].reported, simulated=True,
        )  # fmt: skip

    def locate(self, place: Located) -> None:
        """Nothing is booked here."""

    # --- the records ----------------------------------------------------------------------------------------

    def notebook(self, specimen: str) -> Notebook | None:
        return self.book

    def frame(self, name: str) -> Frame:
        return self.frames[name]

    def events(
        self, *, run: str | None = None, kind: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        return []

    def findings(self) -> tuple[()]:
        return ()

    def _not_here(self, *_: Any) -> NoReturn:
        raise NotAvailable("there is no ledger here")

    dose_at = dose_of = reading_at = _not_here

    @property
    def context(self) -> Context:
        """All that a tool gets."""
        return Context(self, self, self.card, Path("."), lambda _: None, self._not_here)
