"""A deterministic driver with five axes, retractable detectors, a clock and a touch alarm, for tests of the limits."""

import math

import numpy as np

from eucentric.core.errors import CommandTimeout
from eucentric.instruments.capabilities import AxisSpec, Capabilities, DetectorSpec, OpticSpec
from eucentric.instruments.driver import DriverState, RawFrames

DEG = math.pi / 180


def _axis(name, reach, step):
    unit = "rad" if name in ("alpha", "beta") else "m"
    return AxisSpec(
        name=name, unit=unit, lower=-reach, upper=reach, tolerance=1e-7, max_step=step, speed=1e-3
    )


def declaration(simulated=True, **more):
    """What a rig declares."""
    fields = {
        "vendor": "Rig", "model": "R1", "serial": "7", "simulated": simulated,
        "axes": (
            _axis("x", 1e-3, 1e-3), _axis("y", 1e-3, 1e-3), _axis("z", 3e-4, 3e-4),
            _axis("alpha", 70 * DEG, 140 * DEG), _axis("beta", 30 * DEG, 60 * DEG),
        ),
        "optics": (
            OpticSpec(name="defocus", unit="m", lower=-5e-6, upper=5e-6),
            OpticSpec(name="beam_shift_x", unit="m", lower=-2e-6, upper=2e-6),
            OpticSpec(name="probe_current", unit="A", lower=1e-12, upper=1e-9),
            OpticSpec(name="camera_length", unit="m", lower=0.02, upper=0.4, settle_s=1.0),
            OpticSpec(name="fov", unit="m", lower=1e-9, upper=1e-4),
            OpticSpec(name="voltage", unit="V", lower=6e4, upper=6e4, settable=False),
        ),
        "detectors": (
            DetectorSpec(name="haadf", collection_mrad=(60, 140)),
            DetectorSpec(name="bf", collection_mrad=(0, 15), retractable=True, insert_s=2.0),
            DetectorSpec(name="camera", collection_mrad=(0, 30), retractable=True, insert_s=5.0),
        ),
        "min_dwell_s": 1e-7, "max_pixels": 4096, "line_flyback_s": 0.0, "frame_overhead_s": 0.0, "abort": "mid_frame",
        "limits_version": "factory", "measured_by": "declared by the factory",
    }  # fmt: skip
    return Capabilities(**(fields | more))


class Rig:
    """Instant and exact, unless told otherwise.

    Parameters
    ----------
    fault
        'timeout': the next move does not move and raises; 'half': it stops half way; 'far': it goes 10 % too far;
        'touch': the alarm goes on half way.
    """

    def __init__(self, simulated=True, **more):
        self.declared = declaration(simulated, **more)
        self.position = {axis.name: 0.0 for axis in self.declared.axes}
        self.commanded = dict(self.position)
        self.optics = {"defocus": 0.0, "beam_shift_x": 0.0, "probe_current": 3e-11, "camera_length": 0.1,
                       "fov": 1e-7, "voltage": 6e4}  # fmt: skip
        self.inserted = {"bf": False, "camera": False}
        self.signals = {}
        self.holder = "double-tilt A"
        self.blanked, self.touch, self.fault, self.now_s = True, False, "", 0.0
        self.sent = []
        """(verb, what, whether it was blanked)."""
        self.lit_s = None
        """How long a scan claims to have had the beam on; None: as asked."""

    def capabilities(self):
        return self.declared

    def read(self):
        return DriverState(
            commanded=dict(self.commanded), reported=dict(self.position), optics=dict(self.optics),
            blanked=self.blanked, holder=self.holder, commands=len(self.sent), time_s=self.now_s,
            inserted=dict(self.inserted), touch=self.touch, signals=dict(self.signals),
        )  # fmt: skip

    def move(self, targets, stop):
        self._send("move", dict(targets))
        fault, self.fault = self.fault, ""
        self.commanded.update(targets)
        if fault == "timeout":
            raise CommandTimeout("the stage did not answer")
        share = {"half": 0.5, "far": 1.1, "touch": 0.5}.get(fault, 1.0)
        for name, target in targets.items():
            self.position[name] += share * (target - self.position[name]) if share != 1.0 else 0.0
            self.position[name] = self.position[name] if share != 1.0 else target
        self.touch = self.touch or fault == "touch"

    def set_optics(self, values, stop):
        self._send("set_optics", dict(values))
        self.optics.update(values)

    def insert(self, detector, inside, stop):
        self._send("insert", (detector, inside))
        self.inserted[detector] = inside

    def acquire(self, scan, stop):
        self._send("acquire", scan)
        seconds = scan.rows * scan.columns * scan.dwell_s
        lit = seconds if self.lit_s is None else self.lit_s
        raw = RawFrames(
            scan=scan, before=self.read(), time_s=self.now_s, duration_s=lit, beam_s=lit, lines_done=scan.rows
        )
        return raw, tuple(np.zeros((scan.rows, scan.columns), np.float32) for _ in scan.detectors)

    def wait(self, seconds, stop):
        self.now_s += seconds

    def set_blank(self, on):
        self.blanked = on

    def is_blanked(self):
        return self.blanked

    def stop(self):
        self.sent.append(("stop", None, self.blanked))

    def close(self):
        self.blanked = True

    def _send(self, verb, what):
        self.sent.append((verb, what, self.blanked))


class TouchRig(Rig):
    """Its alarm can be cleared from the computer."""

    stuck = False

    def clear_touch(self):
        self.touch = self.stuck


def rig_driver(simulated="1", name=""):
    """The factory of ``py:rig:rig_driver?simulated=0``; `name` only makes another instrument."""
    return TouchRig(simulated == "1")
