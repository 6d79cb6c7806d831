"""A deterministic in-memory driver, loadable as ``py:toy:toy_driver``."""

import threading
import time

import numpy as np

from eucentric.core.errors import CommandTimeout
from eucentric.instruments.capabilities import AxisSpec, Capabilities, DetectorSpec, OpticSpec
from eucentric.instruments.driver import DriverState, RawFrames

CAPABILITIES = Capabilities(
    vendor="Toy", model="T1", serial="0001", simulated=True,
    axes=(
        AxisSpec(name="x", unit="m", lower=-1e-3, upper=1e-3, tolerance=20e-9, max_step=200e-6, speed=1e-4),
        AxisSpec(name="alpha", unit="rad", lower=-0.6, upper=0.6, tolerance=1e-3, max_step=0.5, speed=0.1),
    ),
    optics=(
        OpticSpec(name="defocus", unit="m", lower=-1e-6, upper=1e-6),
        OpticSpec(name="probe_current", unit="A", lower=1e-12, upper=1e-9),
        OpticSpec(name="voltage", unit="V", lower=6e4, upper=6e4, settable=False),
        OpticSpec(name="fov", unit="m", lower=1e-9, upper=1e-5),
    ),
    detectors=(
        DetectorSpec(name="haadf", collection_mrad=(70, 200)),
        DetectorSpec(name="maadf", collection_mrad=(30, 70)),
    ),
    min_dwell_s=1e-7, max_pixels=4096, line_flyback_s=0.0, frame_overhead_s=0.0, abort="mid_frame",
    limits_version="v3", measured_by="staff 2026-10-02",
)  # fmt: skip


class ToyDriver:
    """Keeps real time if asked to; otherwise a scan or a move is instant.

    Parameters
    ----------
    real_time
        Scans last rows x columns x dwell, moves last distance / speed.
    miss_m
        Every move in x ends this far from its target [m].
    fault
        What goes wrong: 'move-timeout', 'move-crash', 'stuck-blanker', 'bad-frames', 'hang', 'gun'.
    """

    def __init__(self, *, real_time: bool = False, miss_m: float = 0.0, fault: str = "") -> None:
        self.real_time, self.miss_m, self.fault = real_time, miss_m, fault
        self.position = {"x": 0.0, "alpha": 0.0}
        self.commanded = dict(self.position)
        self.optics = {"defocus": 0.0, "probe_current": 3e-11, "voltage": 6e4, "fov": 1e-7}
        self.blanked = True
        self.unblanked_times = 0
        self.commands = 0
        self.calls: list[str] = []
        self.scanning = threading.Event()

    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def read(self) -> DriverState:
        return DriverState(
            commanded=dict(self.commanded), reported=dict(self.position), optics=dict(self.optics),
            blanked=self.blanked, beam_on=self.fault != "gun", commands=self.commands,
        )  # fmt: skip

    def move(self, targets, stop):
        self.commands += 1
        if self.fault == "move-timeout":
            raise CommandTimeout("the stage did not answer")
        if self.fault == "move-crash":
            raise RuntimeError("vendor library\nfailed")
        self.commanded.update(targets)
        for name, target in targets.items():
            self._drive(name, target + (self.miss_m if name == "x" else 0.0), stop)

    def _drive(self, name, target, stop):
        start, begin = self.position[name], time.monotonic()
        seconds = abs(target - start) / CAPABILITIES.axis(name).speed if self.real_time else 0.0
        while (passed := time.monotonic() - begin) < seconds:
            if stop.wait(0.01):
                return
            self.position[name] = start + (target - start) * min(passed / seconds, 1.0)
        self.position[name] = target

    def set_optics(self, values, stop):
        self.commands += 1
        self.optics.update(values)

    def acquire(self, scan, stop):
        self.commands += 1
        before = self.read()
        self.scanning.set()
        lines = self._scan(scan, stop)
        self.scanning.clear()
        rows = 1 if self.fault == "bad-frames" else scan.rows
        image = np.full((rows, scan.columns), float(not before.blanked), np.float32)
        image[lines:] = 0
        seconds = lines * scan.columns * scan.dwell_s
        raw = RawFrames(
            scan=scan, before=before, time_s=0.0, duration_s=seconds, lines_done=lines,
            beam_s=seconds, aborted=lines < scan.rows,
        )  # fmt: skip
        return raw, tuple(image.copy() for _ in scan.detectors)

    def _scan(self, scan, stop):
        begin, line_s = time.monotonic(), scan.columns * scan.dwell_s
        total = scan.rows * line_s if self.real_time else 0.0
        while self.fault == "hang" or time.monotonic() - begin < total:
            if stop.wait(0.01):
                return min(int((time.monotonic() - begin) / line_s), scan.rows - 1)
        return scan.rows

    def wait(self, seconds, stop):
        if self.real_time:
            stop.wait(seconds)

    def set_blank(self, on):
        self.calls.append("blank" if on else "unblank")
        self.unblanked_times += not on
        if on and self.fault == "stuck-blanker":
            return
        self.blanked = on

    def is_blanked(self):
        return self.blanked

    def stop(self):
        self.calls.append("stop")

    def close(self):
        self.calls.append("close")
        self.blanked = True


def toy_driver(real_time: str = "0", miss_m: str = "0", fault: str = "", name: str = "") -> ToyDriver:
    """The factory of ``py:toy:toy_driver?real_time=1``; `name` only makes another instrument."""
    return ToyDriver(real_time=real_time == "1", miss_m=float(miss_m), fault=fault)


def not_a_driver() -> object:
    """For the test that refuses it."""
    return object()
