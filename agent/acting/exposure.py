"""The act of exposing: its dose is predicted and held against the budget before, and charged whatever comes."""

import math
from typing import Any

from eucentric.agent.acting.frames import frames_in, keep_frames
from eucentric.agent.consent.permit import Permit
from eucentric.agent.dose.charge import Charge
from eucentric.agent.run import Run
from eucentric.core.errors import Defect, DoseRefused, NoSpecimenCard, Unsupported
from eucentric.core.instrument import Frame, MicroscopeState, Scan
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import Pixels, RawFrames, ScanSpec
from eucentric.knowledge.dose import ScanDose, scan_dose
from eucentric.tools.scanning import unsteady

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
        settled = self.run.settled_s(now.time_s)
        self._dose = predicted_dose(self.scan, now, self.run.capabilities, settled)
        self.charge = charge_for(self.scan, now, self._dose, self.run.stay).model_copy(
            update={"seconds": self.seconds, "settled_s": settled}
        )
        before = dose_before(self.run, self.charge)
        permit.check_place(now, self.run.capabilities)
        after, current = before + self.charge.dose_e_per_a2, now.optics["probe_current_pa"]
        try:
            permit.check_scan(self.scan, after, current, self.charge.electrons)
        except DoseRefused as error:
            remedy = f"{error.remedy}{_ways_out(self.run, self.charge, before)}"
            raise DoseRefused(error.what, error.why, remedy, code=error.error_code) from error
        return {"charge": self.charge.model_dump(mode="json"), "before_e_per_a2": before}

    def send(self, action_id: str, token: str) -> tuple[tuple[Frame, ...], dict[str, Any]]:
        """Charge, expose, keep."""
        if self.charge is None or self._dose is None or self._permit is None:
            raise Defect("a scan was sent unchecked")
        key = f"{self.run.id}:{action_id}"
        self.run.book.charge(key, self.charge)
        self._permit.use_frames(len(self.scan.detectors))
        self._permit.use_electrons(self.charge.electrons)
        raw, arrays = self.run.instrument.acquire(scan_spec(self.scan), token=token)
        return self.kept(action_id, raw, arrays)

    def sent_before(self, charge: Charge, before: MicroscopeState) -> None:
        """Of a scan that a process sent which has died: its charge, and the settings it began with."""
        self.charge = charge
        self._dose = predicted_dose(self.scan, before, self.run.capabilities, charge.settled_s)

    def kept(
        self, action_id: str, raw: RawFrames, arrays: Pixels
    ) -> tuple[tuple[Frame, ...], dict[str, Any]]:
        """What came back: charge the time it really took, keep the frames, and the body of the result row."""
        if self.charge is None or self._dose is None:
            raise Defect("frames of a scan without a charge")
        self._charge_more(f"{self.run.id}:{action_id}", raw)
        frames = keep_frames(self.run, action_id, self.scan, self._dose, self.charge, raw, arrays)
        self.run.book.keep_frames(f"{self.run.id}:{action_id}", (frame.id for frame in frames))
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
        longer = raw.beam_s / self._beam_s()
        grown = {
            name: value * longer
            for name in ("dose_e_per_a2", "estimate_e_per_a2", "electrons", "seconds")
            if (value := getattr(self.charge, name)) is not None
        }
        if self._permit is not None:
            self._permit.use_electrons(grown["electrons"] - self.charge.electrons)
        self.charge = self.charge.model_copy(update=grown)
        self.run.book.charge(key, self.charge)

    def recall(self, body: dict[str, Any]) -> tuple[Frame, ...]:
        """The frames, from their row."""
        self.charge = Charge.model_validate(body["charge"])
        return frames_in(body)


def predicted_dose(
    scan: Scan, state: MicroscopeState, capabilities: Capabilities, settled_s: float | None = None
) -> ScanDose:
    """Dose of a scan at the settings that are read back now, by a stage that has stood for `settled_s`.

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
        rows=scan.height_px,
        unsteady=unsteady(capabilities, settled_s),
    )


def charge_for(scan: Scan, state: MicroscopeState, dose: ScanDose, stay: str) -> Charge:
    """The field of a scan in the stage frame, with its dose; a tilted specimen is seen foreshortened."""
    x_um, y_um = centre_um(state)
    width = scan.fov_nm * 1e-3
    alpha, beta = (
        math.cos(math.radians(state.stage[name].reported)) if name in state.stage else 1.0
        for name in ("alpha_deg", "beta_deg")
    )
    return Charge(
        x_um=x_um,
        y_um=y_um,
        width_um=width / max(beta, 0.1),
        height_um=width * scan.height_px / scan.width_px / max(alpha, 0.1),
        dose_e_per_a2=dose.bound_e_per_a2,
        stay=stay,
        purpose=scan.purpose,
        estimate_e_per_a2=dose.estimate_e_per_a2,
        electrons=dose.electrons,
        time_s=state.time_s,
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
            f"go elsewhere, lower the dwell (this frame alone is {charge.dose_e_per_a2:.3g})"
            f"{_ways_out(run, charge, before)}, or ask an operator to raise the budget on the specimen card",
        )
    return before


def _ways_out(run: Run, charge: Charge, before: float) -> str:
    """What waiting or looking would change."""
    ways = ""
    told = run.book.before(charge, missed=False)
    if told < before:
        ways += (
            f", find the place again by image with go_to_target (by the readings it had {told:.3g}; the rest counts "
            "because moves of this stage may not have happened)"
        )
    errors = run.capabilities.position_errors
    if charge.settled_s is not None and errors.creep_m > 0 and charge.settled_s < 3 * errors.creep_s:
        ways += f", wait until {3 * errors.creep_s:.0f} s after the move (a creeping stage presses lines together)"
    return ways


def scan_spec(scan: Scan) -> ScanSpec:
    """A scan in SI, as a driver takes it."""
    return ScanSpec(
        detectors=scan.detectors,
        rows=scan.height_px,
        columns=scan.width_px,
        fov_m=scan.fov_nm * 1e-9,
        dwell_s=scan.dwell_us * 1e-6,
        pattern_px=scan.pattern_px,
    )
