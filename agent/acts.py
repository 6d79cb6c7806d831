"""The executor's microscope: each act passes limits → dose → approval → intent → host → read-back → result.

Tools receive this implementation of the port, so that every frame of an autofocus and every tile of
a survey goes through the same door. After a crash, acts that the ledger shows as returned are handed
back from it and not repeated; acts begun and never finished raise `InDoubt`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from eucentric.agent.dosebook import Charge
from eucentric.agent.permit import Permit
from eucentric.agent.run import Run
from eucentric.core.calls import ToolCall
from eucentric.core.canonical import digest
from eucentric.core.errors import (
    ApprovalRefused,
    BeamHeld,
    BeamLost,
    Busy,
    DoseRefused,
    EucentricError,
    InDoubt,
    LeaseLost,
    MoveNotReached,
    NoSpecimenCard,
    Refused,
    Stopped,
    UnknownAxis,
    UnknownDetector,
    Unsupported,
)
from eucentric.core.instrument import Frame, MicroscopeState, OpticsChange, Reading, Scan, StageMove
from eucentric.core.units import OPTICS, STAGE, from_si, to_si
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import DriverState, Pixels, RawFrames, ScanSpec
from eucentric.instruments.port import Image
from eucentric.knowledge.dose import ScanDose, scan_dose

_NOT_SENT = (Refused, UnknownAxis, UnknownDetector, BeamHeld, Busy, LeaseLost, Unsupported)
"""The guard raised before anything left: the act certainly did not happen."""
_KNOWN_END = (MoveNotReached, Stopped, BeamLost)
"""Sent, and the instrument told how it ended."""
T = TypeVar("T")


def named_state(identity: str, simulated: bool, state: DriverState, held: str | None) -> MicroscopeState:
    """A driver's SI read-back in microscopists' units: the one place where a state is converted."""
    commanded, reported = from_si(STAGE, state.commanded), from_si(STAGE, state.reported)
    return MicroscopeState(
        instrument=identity,
        simulated=simulated,
        stage={
            key: Reading(commanded=_tidy(commanded[key]), reported=_tidy(reported[key])) for key in reported
        },
        optics={key: _tidy(value) for key, value in from_si(OPTICS, state.optics).items()},
        blanked=state.blanked,
        held=held,
        holder=state.holder,
        loading=state.loading,
        epoch=state.epoch,
        time_s=state.time_s,
        commands=state.commands,
    )


def _tidy(value: float) -> float:
    return float(f"{value:.9g}")


class GatedMicroscope:
    """One tool call's microscope (implements `instruments.port.Microscope`)."""

    def __init__(self, run: Run, call: ToolCall, permit: Permit | None) -> None:
        self.run, self.call, self.permit = run, call, permit
        self.count = 0
        self.dose = 0.0
        self.frames: list[str] = []

    # --- reading: free ----------------------------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        """What the instrument declares."""
        return self.run.capabilities

    def state(self) -> MicroscopeState:
        """Fresh read-back."""
        caps = self.run.capabilities
        return named_state(
            caps.identity, caps.simulated, self.run.instrument.state(), self.run.instrument.held()
        )

    def pixels(self, frame: Frame) -> Image:
        """Stored pixels."""
        return self.run.pixels(frame)

    # --- safety: never gated ----------------------------------------------------------------------------

    def blank(self) -> MicroscopeState:
        """Blank and hold, at once."""
        self.run.instrument.blank(f"{self.call.tool} in run {self.run.id}")
        return self.state()

    def stop(self) -> MicroscopeState:
        """Blank, stop, hold, at once."""
        self.run.instrument.stop(f"{self.call.tool} in run {self.run.id}")
        return self.state()

    # --- acts: gated ------------------------------------------------------------------------------------

    def move_stage(self, target: StageMove) -> MicroscopeState:
        """One move; read back; never repeated."""
        named = target.model_dump(exclude_none=True)

        def check() -> dict[str, Any]:
            self._permitted().check_move(target)
            return {}

        def send(action_id: str) -> tuple[MicroscopeState, dict[str, Any]]:
            try:
                self.run.instrument.move(to_si(STAGE, named))
            finally:
                self.run.stay = f"{self.run.id}:{action_id}"
            state = self.state()
            return state, {"state": state.model_dump(mode="json")}

        return self._act("move_stage", named, check, send, _state_of)

    def set_optics(self, change: OpticsChange) -> MicroscopeState:
        """Set controls; read back."""
        named = change.model_dump(exclude_none=True)

        def check() -> dict[str, Any]:
            self._permitted().check_optics(change)
            return {}

        def send(action_id: str) -> tuple[MicroscopeState, dict[str, Any]]:
            self.run.instrument.set_optics(to_si(OPTICS, named))
            state = self.state()
            return state, {"state": state.model_dump(mode="json")}

        return self._act("set_optics", named, check, send, _state_of)

    def wait(self, seconds: float) -> None:
        """Let instrument time pass, beam blanked."""

        def send(action_id: str) -> tuple[None, dict[str, Any]]:
            self.run.instrument.wait(seconds)
            return None, {}

        self._act("wait", {"seconds": seconds}, dict, send, lambda body: None)

    def acquire(self, scan: Scan) -> tuple[Frame, ...]:
        """Expose once; the frames are on disk before the result row is written."""
        state = self.state()
        predicted = self._dose(scan, state)
        charge = self._charge(scan, state, predicted.bound_e_per_a2)

        def check() -> dict[str, Any]:
            before = self._within_budget(charge)
            self._permitted().check_scan(
                scan, before + charge.dose_e_per_a2, state.optics["probe_current_pa"]
            )
            return {"charge": charge.model_dump(mode="json"), "before_e_per_a2": before}

        def send(action_id: str) -> tuple[tuple[Frame, ...], dict[str, Any]]:
            self.run.book.charge(f"{self.run.id}:{action_id}", charge)
            if self.permit:
                self.permit.use_frames(len(scan.detectors))
            raw, arrays = self.run.instrument.acquire(_spec(scan))
            frames = self._keep(action_id, scan, predicted, charge, raw, arrays)
            return frames, {
                "frames": [frame.model_dump(mode="json") for frame in frames],
                "charge": charge.model_dump(mode="json"),
                "seconds": raw.duration_s,
                "beam_s": raw.beam_s,
                "lines_done": raw.lines_done,
            }

        frames = self._act("acquire", scan.model_dump(mode="json"), check, send, _frames_of)
        self.dose += charge.dose_e_per_a2
        self.frames += [frame.id for frame in frames]
        return frames

    def store(self, pixels: Image, frame: Frame) -> Frame:
        """Keep a computed image; it exposes nothing, but it is a row, so that it can be recomputed."""
        args = {"parents": list(frame.parents), "purpose": frame.purpose}

        def send(action_id: str) -> tuple[Frame, dict[str, Any]]:
            sha, array = self.run.new_pixels(pixels)
            kept = frame.model_copy(
                update={
                    "id": self._frame_id(action_id),
                    "sha256": sha,
                    "shape": array.shape,
                    "dtype": "float32",
                }
            )
            self.run.keep_pixels(kept, array)
            self.run.store.write_sidecar(self.run.id, kept.id, kept.model_dump(mode="json"))
            return kept, {"frames": [kept.model_dump(mode="json")]}

        kept = self._act("store", args, dict, send, lambda body: _frames_of(body)[0], commands=False)
        self.frames.append(kept.id)
        return kept

    # --- the door ---------------------------------------------------------------------------------------

    def _act(
        self,
        act: str,
        args: dict[str, Any],
        check: Callable[[], dict[str, Any]],
        send: Callable[[str], tuple[T, dict[str, Any]]],
        recall: Callable[[dict[str, Any]], T],
        *,
        commands: bool = True,
    ) -> T:
        self.count += 1
        sha = digest([act, args])
        action_id, done = self._recorded(f"{self.call.id}#{self.count}", sha)
        if done is not None:
            return recall(done)
        if self.run.stopping.is_set():
            raise Stopped(f"{act} was not sent", "the run was stopped")
        extra = self._checked(act, args, action_id, check) if commands else {}
        body = {"act": act, "args": args, "args_sha256": sha, **self._where(), **extra}
        self.run.log("intended", f"{act} {_short(args)}", body, action_id=action_id, tool=self.call.tool)
        try:
            value, result = send(action_id)
        except BaseException as error:
            self._ended_badly(act, action_id, sha, error, extra)
            raise
        body = {"act": act, "args_sha256": sha, **self._where(), **result}
        self.run.log("returned", f"{act} done", body, action_id=action_id, tool=self.call.tool)
        return value

    def _where(self) -> dict[str, Any]:
        return {"instrument": self.run.capabilities.identity, "loading": self.run.instrument.state().loading}

    def _recorded(self, first_id: str, sha: str) -> tuple[str, dict[str, Any] | None]:
        """Identity of this act and its result row, if it was done before a crash.

        An act that failed, or that a person said to repeat, is a new act with a new identity, so that
        the dose of both is kept.
        """
        action_id, attempt = first_id, 1
        while rows := self.run.store.ledger.events(run=self.run.id, action_id=action_id):
            by_kind = {row.kind: row for row in rows}
            if rows[0].body.get("args_sha256") not in (None, sha):
                raise InDoubt(f"act {action_id} was recorded with other arguments", "an operator must decide")
            if "returned" in by_kind:
                return action_id, by_kind["returned"].body
            repeat = by_kind["resolved"].body.get("decision") == "repeat" if "resolved" in by_kind else None
            if repeat is False:
                raise Stopped(
                    f"act {action_id} was given up by {by_kind['resolved'].actor}", "it is not repeated"
                )
            if "failed" not in by_kind and repeat is None:
                raise InDoubt(
                    f"act {action_id} was begun and never finished",
                    "it may or may not have reached the instrument; nothing is repeated by itself",
                    f"decide with `eucentric resume {self.run.id}`",
                )
            attempt += 1
            action_id = f"{first_id}~{attempt}"
        return action_id, None

    def _checked(
        self, act: str, args: dict[str, Any], action_id: str, check: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        try:
            permit = self._permitted()
            permit.check_call(self.call.tool)
            permit.check_state(self.state(), float(args.get("seconds", 0.0)))
            return check()
        except EucentricError as error:
            body = {"act": act, "args": args, "sent": False, "error": error.as_dict()}
            self.run.log("failed", f"{act} refused: {error.what}", body, action_id=None, tool=self.call.tool)
            raise

    def _ended_badly(
        self, act: str, action_id: str, sha: str, error: BaseException, extra: dict[str, Any]
    ) -> None:
        told = error.as_dict() if isinstance(error, EucentricError) else {"type": type(error).__name__}
        sent = not isinstance(error, _NOT_SENT)
        known = isinstance(error, _NOT_SENT + _KNOWN_END)
        if not sent and "charge" in extra:
            self.run.book.charges.pop(f"{self.run.id}:{action_id}", None)
            extra = {**extra, "charge": {**extra["charge"], "dose_e_per_a2": 0.0}}
        body = {"act": act, "args_sha256": sha, "sent": sent, "error": told, **self._identity(), **extra}
        kind = "failed" if known else "in_doubt"
        what = told.get("what", told["type"])
        self.run.log(
            kind, f"{act} {kind.replace('_', ' ')}: {what}", body, action_id=action_id, tool=self.call.tool
        )

    def _identity(self) -> dict[str, Any]:
        """As `_where`, without asking an instrument that may be gone."""
        rows = self.run.store.ledger.events(run=self.run.id, kinds=("intended",), newest_first=True, limit=1)
        return {key: rows[0].body[key] for key in ("instrument", "loading") if rows and key in rows[0].body}

    def _permitted(self) -> Permit:
        if self.permit is None:
            raise ApprovalRefused(
                f"{self.call.tool} has no approval",
                "nothing was sent to the instrument",
                "approve the plan first",
            )
        return self.permit

    # --- dose -------------------------------------------------------------------------------------------

    def _dose(self, scan: Scan, state: MicroscopeState) -> ScanDose:
        return scan_dose(
            current_pa=state.optics["probe_current_pa"],
            dwell_us=scan.dwell_us,
            pixel_nm=scan.pixel_nm,
            columns=scan.width_px,
            voltage_kv=state.optics["voltage_kv"],
            convergence_mrad=state.optics["convergence_mrad"],
            flyback_us=self.run.capabilities.line_flyback_s * 1e6,
        )

    def _charge(self, scan: Scan, state: MicroscopeState, dose: float) -> Charge:
        width = scan.fov_nm * 1e-3
        return Charge(
            x_um=state.stage["x_um"].reported + state.optics["beam_shift_x_nm"] * 1e-3,
            y_um=state.stage["y_um"].reported + state.optics["beam_shift_y_nm"] * 1e-3,
            width_um=width,
            height_um=width * scan.height_px / scan.width_px,
            dose_e_per_a2=dose,
            stay=self.run.stay,
            purpose=scan.purpose,
        )

    def _within_budget(self, charge: Charge) -> float:
        """Dose the field had before; refuses if the new frame would pass the specimen's budget."""
        card = self.run.specimen
        if card is None:
            raise NoSpecimenCard(
                "no specimen card, no beam",
                "material, form, dose budget and holder must be known before anything is exposed",
                "give one with --specimen CARD.toml (see examples/specimens/)",
            )
        before = self.run.book.before(charge)
        after = before + charge.dose_e_per_a2
        if after > card.dose_budget_e_per_a2 * (1 + 1e-9):
            raise DoseRefused(
                f"budget: this frame would reach {after:.3g} of {card.dose_budget_e_per_a2:.3g} e/Å² at "
                f"({charge.x_um:.2f}, {charge.y_um:.2f}) µm",
                "nothing exposed",
                f"go elsewhere, lower the dwell (this frame alone is {charge.dose_e_per_a2:.3g}), or ask an operator "
                "to raise the budget on the specimen card",
            )
        return before

    # --- frames -----------------------------------------------------------------------------------------

    def _frame_id(self, action_id: str, detector: str = "") -> str:
        rows = self.run.store.ledger.events(run=self.run.id, action_id=action_id)
        return f"f-{rows[0].seq:05d}{detector and '-' + detector}"

    def _keep(
        self, action_id: str, scan: Scan, dose: ScanDose, charge: Charge, raw: RawFrames, arrays: Pixels
    ) -> tuple[Frame, ...]:
        frames = []
        optics = from_si(OPTICS, raw.before.optics)
        for index, (name, pixels) in enumerate(zip(scan.detectors, arrays, strict=True)):
            spec = self.run.capabilities.detector(name)
            sha, array = self.run.new_pixels(pixels)
            frame = Frame(
                id=self._frame_id(action_id, name if index else ""),
                sha256=sha,
                detector=name,
                shape=(array.shape[0], array.shape[1]),
                dtype="float32",
                pixel_pm=_tidy(scan.pixel_nm * 1e3),
                dwell_us=scan.dwell_us,
                probe_current_pa=_tidy(optics["probe_current_pa"]),
                voltage_kv=_tidy(optics["voltage_kv"]),
                convergence_mrad=_tidy(optics["convergence_mrad"]),
                defocus_nm=_tidy(optics["defocus_nm"]),
                counts_per_electron=spec.counts_per_electron if spec else None,
                offset_counts=spec.offset_counts if spec else 0.0,
                x_um=_tidy(charge.x_um),
                y_um=_tidy(charge.y_um),
                dose_e_per_a2=_tidy(dose.bound_e_per_a2),
                mean_dose_e_per_a2=_tidy(dose.mean_e_per_a2),
                time_s=raw.time_s,
                duration_s=raw.duration_s,
                purpose=scan.purpose,
                simulated=self.run.capabilities.simulated,
                instrument=self.run.capabilities.identity,
            )
            self.run.keep_pixels(frame, array)
            self.run.store.write_sidecar(self.run.id, frame.id, frame.model_dump(mode="json"))
            frames.append(frame)
        return tuple(frames)


def _spec(scan: Scan) -> ScanSpec:
    return ScanSpec(
        detectors=scan.detectors,
        rows=scan.height_px,
        columns=scan.width_px,
        fov_m=scan.fov_nm * 1e-9,
        dwell_s=scan.dwell_us * 1e-6,
    )


def _state_of(body: dict[str, Any]) -> MicroscopeState:
    return MicroscopeState.model_validate(body["state"])


def _frames_of(body: dict[str, Any]) -> tuple[Frame, ...]:
    return tuple(Frame.model_validate(data) for data in body["frames"])


def _short(args: dict[str, Any]) -> str:
    shown = {key: value for key, value in args.items() if key not in ("purpose", "parents")}
    return ", ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in shown.items()
    )
