"""The act of exposing: its dose is predicted and held against the budget before, and charged whatever comes."""

from typing import Any

from eucentric.agent.dosebook import Charge
from eucentric.agent.frames import frames_in, keep_frames
from eucentric.agent.permit import Permit
from eucentric.agent.run import Run
from eucentric.core.errors import Defect, DoseRefused, NoSpecimenCard, Unsupported
from eucentric.core.instrument import Frame, MicroscopeState, Scan
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import RawFrames, ScanSpec
from eucentric.knowledge.dose import ScanDose, scan_dose

_NEEDED = ("probe_current_pa", "voltage_kv", "convergence_mrad")
_ROUNDING = 1 + 1e-9


class Expose:
    """One scan; the frames are on disk before the result row is written."""

    name = "acquire"
    commands = True

    def __init__(self, run: Run, scan: Scan) -> None:
        self.run, self.scan = run, scan
        self.charge: Charge | None = None
        """Entered into the book when the scan is sent."""
        self._dose: ScanDose | None = None
        self._permit: Permit | None = None

    @property
    def args(self) -> dict[str, Any]:
        """The scan."""
        return self.scan.model_dump(mode="json")

    @property
    def seconds(self) -> float:
        """Declared time [s]."""
        caps = self.run.capabilities
        return self._beam_s() + caps.frame_overhead_s

    def _beam_s(self) -> float:
        line = self.scan.width_px * self.scan.dwell_us * 1e-6 + self.run.capabilities.line_flyback_s
        return self.scan.height_px * line

    def check(self, permit: Permit, now: MicroscopeState) -> dict[str, Any]:
        """Budget of the place first, then the approval."""
        self._permit = permit
        self._dose = predicted_dose(self.scan, now, self.run.capabilities)
        self.charge = charge_for(self.scan, now, self._dose.bound_e_per_a2, self.run.stay)
        before = dose_before(self.run, self.charge)
        permit.check_place(now, self.run.capabilities)
        permit.check_scan(self.scan, before + self.charge.dose_e_per_a2, now.optics["probe_current_pa"])
        return {"charge": self.charge.model_dump(mode="json"), "before_e_per_a2": before}

    def send(self, action_id: str, token: str) -> tuple[tuple[Frame, ...], dict[str, Any]]:
        """Charge, expose, keep."""
        if self.charge is None or self._dose is None or self._permit is None:
            raise Defect("a scan was sent unchecked")
        key = f"{self.run.id}:{action_id}"
        self.run.book.charge(key, self.charge)
        self._permit.use_frames(len(self.scan.detectors))
        raw, arrays = self.run.instrument.acquire(_spec(self.scan), token=token)
        self._charge_more(key, raw)
        frames = keep_frames(self.run, action_id, self.scan, self._dose, self.charge, raw, arrays)
        return frames, {
            "frames": [frame.model_dump(mode="json") for frame in frames],
            "charge": self.charge.model_dump(mode="json"),
            "seconds": raw.duration_s,
            "beam_s": raw.beam_s,
            "lines_done": raw.lines_done,
        }

    def _charge_more(self, key: str, raw: RawFrames) -> None:
        """A scan that took longer than declared is charged for its real time; never for less."""
        if self.charge is None or raw.beam_s <= self._beam_s() * (1 + 1e-6):
            return
        dose = self.charge.dose_e_per_a2 * raw.beam_s / self._beam_s()
        self.charge = self.charge.model_copy(update={"dose_e_per_a2": dose})
        self.run.book.charge(key, self.charge)

    def recall(self, body: dict[str, Any]) -> tuple[Frame, ...]:
        """The frames, from their row."""
        self.charge = Charge.model_validate(body["charge"])
        return frames_in(body)


def predicted_dose(scan: Scan, state: MicroscopeState, capabilities: Capabilities) -> ScanDose:
    """Dose of a scan at the settings that are read back now.

    Raises
    ------
    Unsupported
        The instrument does not report what a dose is computed from.
    """
    missing = [name for name in _NEEDED if name not in state.optics]
    if missing:
        raise Unsupported(
            f"the dose can't be predicted: this instrument does not report {', '.join(missing)}",
            "nothing was exposed",
            "its driver must report them",
        )
    return scan_dose(
        current_pa=state.optics["probe_current_pa"],
        dwell_us=scan.dwell_us,
        pixel_nm=scan.pixel_nm,
        columns=scan.width_px,
        voltage_kv=state.optics["voltage_kv"],
        convergence_mrad=state.optics["convergence_mrad"],
        flyback_us=capabilities.line_flyback_s * 1e6,
    )


def charge_for(scan: Scan, state: MicroscopeState, dose_e_per_a2: float, stay: str) -> Charge:
    """The field of a scan in the stage frame, with its dose."""
    x_um, y_um = centre_um(state)
    width = scan.fov_nm * 1e-3
    return Charge(
        x_um=x_um,
        y_um=y_um,
        width_um=width,
        height_um=width * scan.height_px / scan.width_px,
        dose_e_per_a2=dose_e_per_a2,
        stay=stay,
        purpose=scan.purpose,
    )


def centre_um(state: MicroscopeState) -> tuple[float, float]:
    """Where a scan would be centred: reported stage position plus beam shift [µm]; 0 for an axis there is not."""
    x, y = (state.stage[name].reported if name in state.stage else 0.0 for name in ("x_um", "y_um"))
    shift = state.optics.get("beam_shift_x_nm", 0.0), state.optics.get("beam_shift_y_nm", 0.0)
    return x + shift[0] * 1e-3, y + shift[1] * 1e-3


def dose_before(run: Run, charge: Charge) -> float:
    """Dose the field had before [e/Å²]; refuses if the new frame would pass the specimen's budget."""
    card = run.specimen
    if card is None:
        raise NoSpecimenCard(
            "no specimen card, no beam",
            "material, form, dose budget and holder must be known before anything is exposed",
            "give one with --specimen CARD.toml (see examples/specimens/)",
        )
    before = run.book.before(charge)
    after = before + charge.dose_e_per_a2
    if after > card.dose_budget_e_per_a2 * _ROUNDING:
        raise DoseRefused(
            f"budget: this frame would reach {after:.3g} of {card.dose_budget_e_per_a2:.3g} e/Å² at "
            f"({charge.x_um:.2f}, {charge.y_um:.2f}) µm",
            "nothing exposed",
            f"go elsewhere, lower the dwell (this frame alone is {charge.dose_e_per_a2:.3g}), or ask an operator "
            "to raise the budget on the specimen card",
        )
    return before


def _spec(scan: Scan) -> ScanSpec:
    return ScanSpec(
        detectors=scan.detectors,
        rows=scan.height_px,
        columns=scan.width_px,
        fov_m=scan.fov_nm * 1e-9,
        dwell_s=scan.dwell_us * 1e-6,
    )
