"""Keeping frames: pixels as a blob, a sidecar beside the run, and the model that crosses folders."""

from typing import Any

from pydantic import ValidationError

from eucentric.agent.consent.permit import Permit
from eucentric.agent.dose.charge import Charge
from eucentric.agent.readback import tidy
from eucentric.agent.run import Run
from eucentric.core.errors import LedgerError
from eucentric.core.event import Event
from eucentric.core.instrument import Frame, MicroscopeState, Scan
from eucentric.core.store import Store
from eucentric.core.units import OPTICS, STAGE, from_si
from eucentric.instruments.driver import Pixels, RawFrames
from eucentric.instruments.port import Image
from eucentric.knowledge.dose import ScanDose


class Keep:
    """The act of keeping a computed image; it exposes nothing, but it is a row, so that it can be recomputed."""

    name = "store"
    commands = False
    seconds = 0.0

    def __init__(self, run: Run, pixels: Image, frame: Frame) -> None:
        self.run, self.pixels, self.frame = run, pixels, frame

    @property
    def args(self) -> dict[str, Any]:
        """What it was computed from."""
        return {"parents": list(self.frame.parents), "purpose": self.frame.purpose}

    def check(self, permit: Permit, now: MicroscopeState) -> dict[str, Any]:
        """Nothing to ask."""
        return {}

    def send(self, action_id: str, token: str) -> tuple[Frame, dict[str, Any]]:
        """Write pixels and sidecar."""
        sha, array = self.run.new_pixels(self.pixels)
        update = {
            "id": _frame_id(self.run, action_id),
            "sha256": sha,
            "shape": array.shape,
            "dtype": "float32",
        }
        kept = self.frame.model_copy(update=update)
        self.run.keep_pixels(kept, array)
        self.run.store.write_sidecar(self.run.id, kept.id, kept.model_dump(mode="json"))
        return kept, {"frames": [kept.model_dump(mode="json")]}

    def recall(self, body: dict[str, Any]) -> Frame:
        """The frame, from its row."""
        return frames_in(body)[0]


def frames_in(body: dict[str, Any]) -> tuple[Frame, ...]:
    """Frames of a result row."""
    return tuple(Frame.model_validate(data) for data in body["frames"])


def keep_frames(
    run: Run, action_id: str, scan: Scan, dose: ScanDose, charge: Charge, raw: RawFrames, arrays: Pixels
) -> tuple[Frame, ...]:
    """One frame per detector, on disk when this returns.

    Raises
    ------
    StoreFull
        The disk is full: the exposure happened, its frame is lost.
    """
    frames = []
    for index, (detector, pixels) in enumerate(zip(scan.detectors, arrays, strict=True)):
        sha, array = run.new_pixels(pixels)
        frame = Frame(
            id=_frame_id(run, action_id, detector if index else ""),
            sha256=sha,
            detector=detector,
            shape=(array.shape[0], array.shape[1]),
            dtype="float32",
            dose_e_per_a2=tidy(charge.dose_e_per_a2),
            mean_dose_e_per_a2=tidy(dose.mean_e_per_a2),
            x_um=tidy(charge.x_um),
            y_um=tidy(charge.y_um),
            **_settings(run, scan, raw),
            **_detector(run, detector),
        )
        run.keep_pixels(frame, array)
        run.store.write_sidecar(run.id, frame.id, frame.model_dump(mode="json"))
        frames.append(frame)
    return tuple(frames)


def frames_on_disk(store: Store, intent: Event) -> tuple[Frame, ...]:
    """Frames of a scan that were kept before its process died; empty unless all are there, digests checked.

    Parameters
    ----------
    intent
        The row that announced the scan: frames are named by its number.
    """
    detectors = intent.body.get("args", {}).get("detectors", ())
    try:
        names = [_name(intent.seq, one if index else "") for index, one in enumerate(detectors)]
        frames = tuple(Frame.model_validate(store.read_sidecar(intent.run_id, name)) for name in names)
        for frame in frames:
            store.get_blob(frame.sha256)
    except (ValidationError, LedgerError):
        return ()
    return frames


def _settings(run: Run, scan: Scan, raw: RawFrames) -> dict[str, Any]:
    """What was set, as the instrument read it back just before the scan."""
    read = from_si(OPTICS, raw.before.optics)
    named = ("probe_current_pa", "voltage_kv", "convergence_mrad", "defocus_nm")
    tilts = {key: value for key, value in from_si(STAGE, raw.before.reported).items() if key.endswith("_deg")}
    return {
        **{name: tidy(read[name]) for name in named if name in read},
        **{name: tidy(value) for name, value in tilts.items()},
        **_scale(scan, raw),
        "dwell_us": scan.dwell_us,
        "time_s": raw.time_s,
        "duration_s": raw.duration_s,
        "purpose": scan.purpose,
        "simulated": run.capabilities.simulated,
        "instrument": run.capabilities.identity,
    }


def _scale(scan: Scan, raw: RawFrames) -> dict[str, Any]:
    """What a pixel is: a piece of the specimen, or an angle."""
    if not scan.pattern_px:
        return {"pixel_pm": tidy(scan.pixel_nm * 1e3)}
    length = raw.before.optics.get("camera_length")
    return {
        "pixel_mrad": raw.pattern_rad and tidy(raw.pattern_rad * 1e3),
        "camera_length_mm": length and tidy(length * 1e3),
        **({"grid": (scan.height_px, scan.width_px)} if scan.width_px * scan.height_px > 1 else {}),
    }


def _detector(run: Run, name: str) -> dict[str, Any]:
    spec = run.capabilities.detector(name)
    if spec is None:
        return {}
    return {"counts_per_electron": spec.counts_per_electron, "offset_counts": spec.offset_counts}


def _frame_id(run: Run, action_id: str, detector: str = "") -> str:
    rows = run.store.ledger.events(run=run.id, action_id=action_id, limit=1)
    return _name(rows[0].seq, detector)


def _name(seq: int, detector: str) -> str:
    return f"f-{seq:05d}{detector and '-' + detector}"
