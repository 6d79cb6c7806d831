"""The port over a guarded twin in this process, without ledger, gate or disk: for tests and measurements of tools.

Dose is booked by the executor's own book, so that what a tool asks about it means the same as in a run.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.agent.dose.book import DoseBook
from eucentric.agent.dose.charge import Charge
from eucentric.agent.dose.map import place_dose
from eucentric.agent.dose.stage_errors import Errors
from eucentric.agent.notebooks import crystal_of_material
from eucentric.bench.guarded import GuardedTwin
from eucentric.core.calls import Cost, Finding
from eucentric.core.errors import BadInput
from eucentric.core.instrument import (
    Frame,
    Located,
    MicroscopeState,
    Scan,
    StageMove,
)
from eucentric.core.request import SpecimenCard
from eucentric.instruments.capabilities import PositionErrors
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.port import Image
from eucentric.instruments.twin.query import twin_driver
from eucentric.knowledge.dose import PlaceDose, scan_dose
from eucentric.knowledge.notebook import Notebook
from eucentric.knowledge.notebook.fromrun import Noted, RunReading, folded
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.scanning import unsteady


def spec_of(scan: Scan) -> ScanSpec:
    return ScanSpec(
        detectors=scan.detectors, rows=scan.height_px, columns=scan.width_px, fov_m=scan.fov_nm * 1e-9,
        dwell_s=scan.dwell_us * 1e-6,
    )  # fmt: skip


class BenchPort(GuardedTwin):
    """Implements `instruments.port.Microscope` and `tools.base.Records` at once."""

    def __init__(self, world: str = "mxene", stage_error_um: float = 2.0, **query: Any) -> None:
        super().__init__(twin_driver(world, {key: str(value) for key, value in query.items()}))
        self.stage_error_um = stage_error_um
        exact = PositionErrors(move_m=0, scale=0, cross=0, creep_m=0, drift_m_per_s=0)
        self.book = DoseBook(Errors.of(exact, (stage_error_um, stage_error_um)))
        self.rows: list[dict[str, Any]] = []
        self.found: list[Finding] = []
        self.notes: list[str] = []
        self.located: list[Located] = []
        self.moves: list[StageMove] = []
        self.specimen = SpecimenCard(name="twin", material="Ti3C2")
        self.stay = 0

    # --- the port ---------------------------------------------------------------------------------------

    def move_stage(self, target: StageMove) -> MicroscopeState:
        self.moves.append(target)
        self.stay += 1
        return super().move_stage(target)

    def acquire(self, scan: Scan) -> tuple[Frame, ...]:
        state = self.state()
        optics = state.optics
        dose = scan_dose(
            current_pa=optics["probe_current_pa"], dwell_us=scan.dwell_us, pixel_nm=scan.pixel_nm,
            columns=scan.width_px, voltage_kv=optics["voltage_kv"], convergence_mrad=optics["convergence_mrad"],
            flyback_us=self.capabilities().line_flyback_s * 1e6, rows=scan.height_px,
            unsteady=unsteady(self.capabilities(), None),
        )  # fmt: skip
        place = self._field(state, scan, dose.bound_e_per_a2)
        self.book.charge(str(len(self.book.charges)), place)
        key = next(reversed(self.book.charges))
        raw, arrays = self.guard.acquire(spec_of(scan))
        known = {name: self.capabilities().detector(name) for name in scan.detectors}
        frames = tuple(
            self.keep(
                pixels,
                Frame(
                    id="", sha256="", detector=name, shape=(pixels.shape[0], pixels.shape[1]), dtype="float32",
                    pixel_pm=scan.pixel_nm * 1e3, dwell_us=scan.dwell_us, probe_current_pa=optics["probe_current_pa"],
                    voltage_kv=optics["voltage_kv"], convergence_mrad=optics["convergence_mrad"],
                    defocus_nm=optics["defocus_nm"], counts_per_electron=known[name].counts_per_electron,
                    offset_counts=known[name].offset_counts, x_um=place.x_um, y_um=place.y_um,
                    dose_e_per_a2=dose.bound_e_per_a2, mean_dose_e_per_a2=dose.mean_e_per_a2, time_s=raw.time_s,
                    duration_s=raw.duration_s, purpose=scan.purpose, simulated=True,
                ),
            )
            for name, pixels in zip(scan.detectors, arrays, strict=True)
        )  # fmt: skip
        self.book.keep_frames(key, (frame.id for frame in frames))
        return frames

    def _field(self, state: MicroscopeState, scan: Scan, dose: float) -> Charge:
        return Charge(
            x_um=state.stage["x_um"].reported + state.optics["beam_shift_x_nm"] * 1e-3,
            y_um=state.stage["y_um"].reported + state.optics["beam_shift_y_nm"] * 1e-3,
            width_um=scan.fov_nm * 1e-3, height_um=scan.pixel_nm * scan.height_px * 1e-3, dose_e_per_a2=dose,
            stay=str(self.stay), purpose=scan.purpose,
        )  # fmt: skip

    def keep(self, pixels: Image, frame: Frame) -> Frame:
        digest = hashlib.sha256(np.ascontiguousarray(pixels, np.float32).tobytes()).hexdigest()
        return super().keep(pixels, frame.model_copy(update={"sha256": digest}))

    def locate(self, place: Located) -> None:
        self.located.append(place)
        self.book.located(str(len(self.located)), place)

    # --- the records ------------------------------------------------------------------------------------

    def frame(self, name: str) -> Frame:
        images = [frame for frame in self.frames.values() if frame.id == name or name == "last"]
        images = [frame for frame in images if name != "last" or frame.purpose == "image"]
        if not images:
            raise BadInput(f"there is no frame {name!r}")
        return images[-1]

    def events(
        self, *, run: str | None = None, kind: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        rows = [row for row in reversed(self.rows) if kind in (None, row["kind"])]
        return rows[:limit]

    def findings(self) -> tuple[Finding, ...]:
        return tuple(self.found)

    def dose_at(self, frame: Frame | None) -> float:
        if frame is None:
            here = self._field(self.state(), Scan(fov_nm=1.0, dwell_us=1.0), 0.0)
            return self.book.before(here)
        pixel_um = (frame.pixel_pm or 0.0) * 1e-6
        return self.book.before(
            Charge(
                x_um=frame.x_um, y_um=frame.y_um, width_um=pixel_um * frame.shape[1],
                height_um=pixel_um * frame.shape[0], dose_e_per_a2=0,
                stay=self.book.stay_of(frame.id) or str(self.stay),
            )
        )  # fmt: skip

    def reading_at(self, frame: Frame, x_um: float, y_um: float) -> tuple[float, float]:
        return self.book.reading(frame.id, x_um, y_um)

    def dose_of(self, x_um: float | None, y_um: float | None) -> PlaceDose:
        here = self._field(self.state(), Scan(fov_nm=1.0, dwell_us=1.0), 0.0)
        at = {"x_um": here.x_um if x_um is None else x_um, "y_um": here.y_um if y_um is None else y_um}
        return place_dose(self.book, here.model_copy(update=at), 1e5)

    def notebook(self, specimen: str) -> Notebook | None:
        noted = [
            Noted(
                one=RunReading.model_validate(row["body"]["value"]["noted"]),
                by="bench",
                origin=f"row {number}",
            )
            for number, row in enumerate(self.rows)
            if row["tool"] == "notebook_add"
        ]
        return folded([one for one in noted if one.one.specimen == specimen], crystal_of_material("SrTiO3"))

    # --- running a tool ---------------------------------------------------------------------------------

    @property
    def context(self) -> Context:
        return Context(
            self,
            self,
            self.specimen,
            Path("."),
            self.notes.append,
            lambda: (Path("report.md"), Path("report.html")),
        )

    @property
    def setting(self) -> Setting:
        return Setting(self.capabilities(), self.state(), self.specimen)

    def do(self, tool: Tool[Any, Any], /, **args: Any) -> Any:
        return tool.run(tool.args.model_validate(args), self.context)

    def cost(self, tool: Tool[Any, Any], /, **args: Any) -> Cost:
        return tool.cost(tool.args.model_validate(args), self.setting)

    def true_offset_nm(self, x_um: float, y_um: float) -> float:
        """Distance of the true centre of a field taken now from a true place [nm]."""
        low_x, high_x, low_y, high_y = self.oracle.field(spec_of(Scan(fov_nm=10.0, dwell_us=1.0)))
        return float(np.hypot((low_x + high_x) / 2 - x_um * 1e-6, (low_y + high_y) / 2 - y_um * 1e-6) * 1e9)
