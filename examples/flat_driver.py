"""The smallest instrument that runs: a flat specimen, an exact stage, no physics.

For authors of drivers. With this folder on PYTHONPATH:
``eucentric run "where is the stage?" --instrument "py:flat_driver:factory?counts=100"``
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from eucentric.instruments.capabilities import AxisSpec, Capabilities, DetectorSpec, OpticSpec
from eucentric.instruments.driver import DriverState, LoggedCommand, Pixels, RawFrames, ScanSpec

DEG = 0.017453292519943295


def _axis(name: str, unit: str, reach: float, speed: float) -> AxisSpec:
    return AxisSpec(
        name=name, unit=unit, lower=-reach, upper=reach, tolerance=1e-8, max_step=reach, speed=speed
    )  # fmt: skip


CAPABILITIES = Capabilities(
    vendor="Example",
    model="flat",
    serial="1",
    simulated=True,
    axes=(
        _axis("x", "m", 1e-3, 1e-4),
        _axis("y", "m", 1e-3, 1e-4),
        _axis("z", "m", 3e-4, 1e-5),
        _axis("alpha", "rad", 35 * DEG, 0.1),
        _axis("beta", "rad", 30 * DEG, 0.1),
    ),
    optics=(
        OpticSpec(name="defocus", unit="m", lower=-5e-6, upper=5e-6),
        OpticSpec(name="beam_shift_x", unit="m", lower=-2e-6, upper=2e-6),
        OpticSpec(name="beam_shift_y", unit="m", lower=-2e-6, upper=2e-6),
        OpticSpec(name="probe_current", unit="A", lower=1e-12, upper=1e-9),
        OpticSpec(name="fov", unit="m", lower=1e-9, upper=1e-4),
        OpticSpec(name="convergence", unit="rad", lower=0.03, upper=0.03, settable=False),
        OpticSpec(name="voltage", unit="V", lower=6e4, upper=6e4, settable=False),
    ),
    detectors=(DetectorSpec(name="haadf", counts_per_electron=1.0, collection_mrad=(60.0, 140.0)),),
    min_dwell_s=1e-7,
    max_pixels=4096,
    line_flyback_s=2e-5,
    frame_overhead_s=0.01,
    abort="mid_frame",
    limits_version="example-1",
    measured_by="nobody: an example",
)


class FlatDriver:
    """Does exactly what it is told; every pixel holds the same mean count."""

    def __init__(self, counts: float) -> None:
        self.counts = counts
        self.position = {axis.name: 0.0 for axis in CAPABILITIES.axes}
        self.optics = {"defocus": 0.0, "beam_shift_x": 0.0, "beam_shift_y": 0.0, "probe_current": 3e-11}
        self.optics |= {"fov": 1e-7, "convergence": 0.03, "voltage": 6e4}
        self.blanked, self.started = True, time.monotonic()
        self.log: list[LoggedCommand] = []
        self.noise = np.random.default_rng(0)

    def capabilities(self) -> Capabilities:
        """The declaration."""
        return CAPABILITIES

    def read(self) -> DriverState:
        """Everything, as it is."""
        return DriverState(
            commanded=dict(self.position),
            reported=dict(self.position),
            optics=dict(self.optics),
            blanked=self.blanked,
            time_s=time.monotonic() - self.started,
            commands=len(self.log),
        )

    def command_log(self, after: int) -> tuple[LoggedCommand, ...]:
        """Optional: what it was told, so that an auditor can compare. A real one asks the instrument for its log."""
        return tuple(self.log[after:])

    def told(self, name: str, args: Mapping[str, Any]) -> None:
        """Count and write down."""
        now_s = time.monotonic() - self.started
        self.log.append(LoggedCommand(number=len(self.log) + 1, name=name, args=dict(args), time_s=now_s))

    def move(self, targets: Mapping[str, float], stop: threading.Event) -> None:
        """Arrive at once."""
        self.told("move", targets)
        self.position.update(targets)

    def set_optics(self, values: Mapping[str, float], stop: threading.Event) -> None:
        """Set at once."""
        self.told("set_optics", values)
        self.optics.update(values)

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        """Take as long as a scan takes; stop between lines."""
        self.told("acquire", scan.model_dump(mode="json"))
        before, line_s = self.read(), scan.columns * scan.dwell_s + CAPABILITIES.line_flyback_s
        image = np.zeros((scan.rows, scan.columns), np.float32)
        lines = 0
        while lines < scan.rows and not stop.wait(line_s):
            image[lines] = self.noise.poisson(0.0 if before.blanked else self.counts, scan.columns)
            lines += 1
        raw = RawFrames(
            scan=scan,
            before=before,
            time_s=before.time_s,
            duration_s=lines * line_s,
            beam_s=lines * line_s,
            aborted=lines < scan.rows,
            lines_done=lines,
        )
        return raw, tuple(image.copy() for _ in scan.detectors)

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Real time."""
        stop.wait(seconds)

    def set_blank(self, on: bool) -> None:
        """The blanker; only a switch counts."""
        if on != self.blanked:
            self.told("blank" if on else "unblank", {})
        self.blanked = on

    def is_blanked(self) -> bool:
        """Whether it is closed."""
        return self.blanked

    def stop(self) -> None:
        """Scans look at their stop event; there is nothing else that moves."""

    def close(self) -> None:
        """Leave dark."""
        self.blanked = True


def factory(counts: str = "100") -> FlatDriver:
    """Options of the URI's query arrive as texts."""
    return FlatDriver(float(counts))
