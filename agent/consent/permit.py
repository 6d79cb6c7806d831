"""Whether an approval covers an act: the executor asks here before anything is sent."""

from dataclasses import dataclass
from datetime import timedelta

from eucentric.core import clock
from eucentric.core.approval import GRANTING, Approval, Binding, Envelope
from eucentric.core.canonical import digest
from eucentric.core.errors import ApprovalRefused, DoseRefused
from eucentric.core.instrument import MicroscopeState, OpticsChange, Scan, StageMove
from eucentric.core.units import STAGE
from eucentric.instruments.capabilities import Capabilities

OUTSIDE_BOX = "E-APPROVAL-02"
"""Code of a refused move out of the approved box: this place can't be used, others may."""
_IMAGES = frozenset({"acquire_image", "acquire_series"})
ANY_PLAN = "*"
"""Stands for the plan in what a grant is tied to: it is for a class of them."""


@dataclass(frozen=True)
class Terms:
    """What an approval is for, besides the state of the instrument."""

    plan: str
    """Digest of the plan, or `ANY_PLAN`."""
    limits_version: str
    calibration: str = "none"
    policy: str = "built-in"

    @classmethod
    def of(cls, plan: str, capabilities: Capabilities, policy: str = "built-in") -> "Terms":
        """What an instrument declares now."""
        return cls(plan, capabilities.limits_version, calibration_of(capabilities), policy)


def calibration_of(capabilities: Capabilities) -> str:
    """Digest of what pictures, doses and places are computed with: detectors, timings and position errors."""
    used = ("detectors", "position_errors", "line_flyback_s", "frame_overhead_s", "beam_idle", "unblank_s")
    told = capabilities.model_dump(mode="json", include=set(used))
    return digest(told)[:16]


class Permit:
    """An approval in force, with what is left of its envelope."""

    def __init__(self, approval: Approval, terms: Terms, started_s: float) -> None:
        if approval.outcome not in GRANTING or approval.envelope is None:
            raise ApprovalRefused(
                f"gate {approval.gate} is {approval.outcome}", "nothing was sent", "approve the plan first"
            )
        self.approval, self.envelope = approval, approval.envelope
        self.terms, self.started_s = terms, started_s
        self.frames_used = 0
        self.electrons_used = 0.0
        self._declared: Capabilities | None = None
        """The declaration that was checked last: it is the same object until the instrument declares anew."""

    def check_call(self, tool: str) -> None:
        """The tool must be one of those approved."""
        if tool not in self.envelope.tools and not _made_of(tool, self.envelope.tools):
            self._refuse(f"tool {tool}", f"the approval covers {', '.join(self.envelope.tools)}")

    def check_state(self, state: MicroscopeState, margin_s: float = 0.0) -> None:
        """The instrument, specimen, voltage and epoch must be those approved, and the time not over."""
        if binding_of(self.terms, state).sha256 != self.approval.binding:
            self._refuse(
                "this act", "specimen, holder, voltage, instrument, limits or plan changed since the approval"
            )
        if self.approval.expires_utc and _utc_in(margin_s) > self.approval.expires_utc:
            self._refuse("this act", f"the approval expired at {self.approval.expires_utc}")
        spent = state.time_s - self.started_s + margin_s
        if spent > self.envelope.max_seconds:
            self._refuse(f"{spent:.0f} s of instrument time", f"approved {self.envelope.max_seconds:.0f} s")

    def check_declared(self, capabilities: Capabilities) -> None:
        """The instrument must still declare the limits and the calibration that were approved."""
        if capabilities is self._declared:
            return
        version, approved = capabilities.limits_version, self.terms.limits_version
        if version != approved:
            self._refuse("this act", f"limits changed from {approved} to {version} since the approval")
        if self.terms.calibration not in ("none", calibration_of(capabilities)):
            self._refuse("this act", "the instrument's calibration changed since the approval")
        self._declared = capabilities

    def check_place(self, state: MicroscopeState, capabilities: Capabilities) -> None:
        """The stage must stand in the approved box, to the tolerance of its axes: a hand may have moved it."""
        for name, reading in state.stage.items():
            axis = capabilities.axis(STAGE[name].si)
            slack = axis.tolerance / STAGE[name].factor if axis else 0.0
            low, high = getattr(self.envelope, name)
            if not low - slack <= reading.reported <= high + slack:
                self._refuse(
                    f"the stage at {name} = {reading.reported:.3f}", f"approved {low:.3f} … {high:.3f}"
                )

    def check_move(self, target: StageMove) -> None:
        """Every axis of the target must lie in the approved box."""
        for name, value in target.model_dump(exclude_none=True).items():
            low, high = getattr(self.envelope, name)
            if not low - 1e-9 <= value <= high + 1e-9:
                self._refuse(f"{name} = {value:.3f}", f"approved {low:.3f} … {high:.3f}", OUTSIDE_BOX)

    def check_optics(self, change: OpticsChange) -> None:
        """The probe current must not pass the approved one."""
        current = change.probe_current_pa
        if current is not None and current > self.envelope.max_probe_current_pa * (1 + 1e-9):
            self._refuse(
                f"probe current {current:g} pA", f"approved {self.envelope.max_probe_current_pa:g} pA"
            )

    def check_scan(self, scan: Scan, dose_after: float, current_pa: float, electrons: float = 0.0) -> None:
        """Frames left, dose at the place, electrons left and current must be inside the envelope."""
        count = self.frames_used + len(scan.detectors)
        if count > self.envelope.max_frames:
            self._refuse(f"frame {count}", f"approved {self.envelope.max_frames} frames")
        if dose_after > self.envelope.max_dose_e_per_a2 * (1 + 1e-9):
            raise DoseRefused(  # of this place only: others may still be imaged
                f"Refused: {dose_after:.3g} e/Å² at this place is outside the approved envelope",
                f"approved {self.envelope.max_dose_e_per_a2:.3g}. Nothing was sent to the instrument",
                "image another place, or have an operator approve a wider envelope",
            )
        most = self.envelope.max_electrons
        if most is not None and self.electrons_used + electrons > most * (1 + 1e-9):
            self._refuse(
                f"{self.electrons_used + electrons:.3g} electrons in this run", f"approved {most:.3g} in all"
            )
        if current_pa > self.envelope.max_probe_current_pa * (1 + 1e-6):
            self._refuse(
                f"probe current {current_pa:g} pA", f"approved {self.envelope.max_probe_current_pa:g} pA"
            )

    def use_frames(self, count: int) -> None:
        """Count frames against the envelope."""
        self.frames_used += count

    def use_electrons(self, count: float) -> None:
        """Count electrons against the envelope."""
        self.electrons_used += count

    def _refuse(self, what: str, why: str, code: str | None = None) -> None:
        raise ApprovalRefused(
            f"Refused: {what} is outside the approved envelope",
            f"{why}. Nothing was sent to the instrument",
            "ask again with a new plan, or have an operator approve a wider envelope",
            code=code,
        )


def _made_of(tool: str, approved: tuple[str, ...]) -> bool:
    """A second look is a search for focus and an image, both approved; its acts are held against the same bounds."""
    return tool == "retake_image" and "autofocus" in approved and not _IMAGES.isdisjoint(approved)


def binding_of(terms: Terms, state: MicroscopeState) -> Binding:
    """What an approval given now would be tied to."""
    return Binding(
        plan=terms.plan,
        limits_version=terms.limits_version,
        calibration=terms.calibration,
        policy=terms.policy,
        instrument=state.instrument,
        holder=state.holder,
        loading=state.loading,
        voltage_kv=round(state.optics.get("voltage_kv", 0.0), 3),
        epoch=state.epoch,
    )


def expiry(hours: float) -> str:
    """UTC time that many hours from now, as rows write it."""
    return _utc_in(3600 * hours)


def _utc_in(seconds: float) -> str:
    then = clock.now() + timedelta(seconds=seconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


__all__ = ["Envelope", "Permit", "Terms", "binding_of", "expiry"]
