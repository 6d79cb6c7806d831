"""A microscope with a tilting stage and a camera, for tools that tilt: real geometry and diffraction, no beam physics.

The twin shows no contrast that depends on tilt yet. Here a rough foil lies at a height that the tilt axes miss, its
pictures follow from rotations written out below (not those of the product), the stage has slack and jitter, patterns
come from `knowledge.diffraction` with the true orientation. Implements `instruments.port.Microscope` and `Diffracts`,
and `tools.base.Records`.
"""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from eucentric.agent.preview.outlook import outlook
from eucentric.core.errors import BadInput, LimitRefused
from eucentric.core.instrument import (
    Frame,
    Located,
    MicroscopeState,
    OpticsChange,
    Outlook,
    PatternShot,
    Reading,
    Scan,
    StageMove,
)
from eucentric.core.request import SpecimenCard
from eucentric.instruments.capabilities import AxisSpec, Capabilities, DetectorSpec, OpticSpec, PatternsSpec
from eucentric.instruments.limits import Limits
from eucentric.knowledge import diffraction as df
from eucentric.tools.base import Context, Setting

AXES = ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg")
_DEG = math.pi / 180
_GRAIN_UM = 0.02
_HALF_UM = 24.0


def turned(alpha_deg, beta_deg):
    """Specimen to lab, alpha outside: written out for this port."""
    ca, sa = math.cos(alpha_deg * _DEG), math.sin(alpha_deg * _DEG)
    cb, sb = math.cos(beta_deg * _DEG), math.sin(beta_deg * _DEG)
    about_x = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_y = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    return about_x @ about_y


def capabilities(*, beam_um=2.0, dead_um=0.1, tilt_deg=(40.0, 35.0), simulated=True):
    micron = [
        AxisSpec(name=n, unit="m", lower=-most * 1e-6, upper=most * 1e-6, tolerance=1e-6, max_step=500e-6, speed=3e-5,
                 dead_band=dead_um * 1e-6)
        for n, most in (("x", 1000), ("y", 1000), ("z", 300))
    ]  # fmt: skip
    tilts = [
        AxisSpec(name=n, unit="rad", lower=-most * _DEG, upper=most * _DEG, tolerance=0.01, max_step=most * _DEG,
                 speed=5 * _DEG)
        for n, most in zip(("alpha", "beta"), tilt_deg, strict=True) if most
    ]  # fmt: skip
    optics = [
        OpticSpec(name=f"beam_shift_{n}", unit="m", lower=-beam_um * 1e-6, upper=beam_um * 1e-6) for n in "xy"
    ]
    return Capabilities(
        vendor="Test", model="tilts", serial="1", simulated=simulated, axes=tuple(micron + tilts), optics=tuple(optics),
        detectors=(
            DetectorSpec(name="haadf", collection_mrad=(60, 140)),
            DetectorSpec(
                name="camera", collection_mrad=(0, 50), patterns=PatternsSpec(max_px=256, min_exposure_s=1e-3)
            ),
        ),
        min_dwell_s=1e-7, max_pixels=4096, line_flyback_s=1e-5, frame_overhead_s=0.05, abort="mid_frame",
    )  # fmt: skip


@cache
def rough_foil():
    """Expected counts of a foil [1 a pixel of `_GRAIN_UM`], structure of three sizes, periodic."""
    size = round(2 * _HALF_UM / _GRAIN_UM)
    noise = np.random.default_rng(7).normal(size=(size, size)).astype(np.float32)
    waves = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    soft = sum(w * s * np.exp(-2 * (np.pi * s * waves) ** 2) for s, w in ((2.5, 1.0), (8, 1.5), (30, 2.0)))
    rough = np.fft.irfft2(np.fft.rfft2(noise) * soft, (size, size)).astype(np.float32)
    return 20 + 12 * rough / rough.std()


class TiltPort:
    """One crystal in one holder.

    Parameters
    ----------
    to_sample
        (3, 3) the true orientation.
    height_um
        Of the foil above the tilt axes.
    """

    def __init__(
        self, structure, to_sample, *, height_um=8.0, seed=1, slack_deg=0.3, slack_um=0.1, limits=None, able=None,
        notebook=None, sharp=True, thickness_nm=50.0,
    ):  # fmt: skip
        self.structure, self.to_sample, self.height_um = structure, np.asarray(to_sample), height_um
        self.able = able or capabilities()
        self.limits, self.book = limits or Limits(version=1, instrument="*", declared="test"), notebook
        self.rng = np.random.default_rng(seed)
        self.thickness_nm = thickness_nm
        self.known = df.reflections(structure, 2.3)
        self.light = df.Illumination(voltage_kv=200, convergence_mrad=0.5)
        self.screen = df.Screen(per_pixel=0.012, azimuth_deg=0.0)
        self.has = [a for a in AXES if self.able.axis(a.split("_")[0]) is not None]
        self.commanded = dict.fromkeys(self.has, 0.0)
        self.actual = dict.fromkeys(self.has, 0.0)
        self.slack = {a: (slack_deg if a.endswith("deg") else slack_um) for a in self.has}
        self.play = {a: self.slack[a] / 2 for a in self.has}  # everything came from below last
        self.beam = [0.0, 0.0]
        self.time_s, self.commands = 0.0, 0
        self.frames, self.arrays, self.moves, self.rows, self.notes, self.located = {}, {}, [], [], [], []
        self.texture = rough_foil() if sharp else np.full_like(rough_foil(), 20.0)
        self.specimen = SpecimenCard(name="foil", material=structure.name)

    # --- the port ---------------------------------------------------------------------------------------

    def capabilities(self):
        return self.able

    def state(self):
        stage = {
            a: Reading(commanded=self.commanded[a], reported=round(self.commanded[a], 3)) for a in self.has
        }
        optics = {"beam_shift_x_nm": self.beam[0] * 1e3, "beam_shift_y_nm": self.beam[1] * 1e3, "voltage_kv": 200.0,
                  "probe_current_pa": 30.0, "convergence_mrad": 0.5, "fov_nm": 1000.0, "defocus_nm": 0.0}  # fmt: skip
        return MicroscopeState(
            instrument=self.able.identity, simulated=True, stage=stage, optics=optics, blanked=True, holder="test",
            loading="one", time_s=self.time_s, commands=self.commands,
        )  # fmt: skip

    def look_ahead(self, path: Sequence[StageMove]) -> Outlook:
        return outlook(path, self.state(), self.able, self.limits)

    def move_stage(self, target: StageMove):
        wanted = target.model_dump(exclude_none=True)
        problems = self.look_ahead([target]).problems
        if problems:
            raise LimitRefused(problems[0])
        self.moves.append(wanted)
        self.commands += 1
        self.time_s += 2.0
        for axis, value in wanted.items():
            pushed = self.play[axis] + value - self.commanded[axis]
            kept = min(max(pushed, -self.slack[axis] / 2), self.slack[axis] / 2)
            jitter = (
                self.rng.normal(0, 0.004 if axis.endswith("deg") else 0.02)
                if value != self.commanded[axis]
                else 0
            )
            self.actual[axis] += pushed - kept + jitter
            self.play[axis], self.commanded[axis] = kept, value
        return self.state()

    def set_optics(self, change: OpticsChange):
        for n, name in enumerate(("beam_shift_x_nm", "beam_shift_y_nm")):
            value = getattr(change, name)
            if value is not None:
                spec = self.able.optic(name.removesuffix("_nm"))
                assert spec.lower * 1e9 - 1e-6 <= value <= spec.upper * 1e9 + 1e-6
                self.beam[n] = value * 1e-3
        return self.state()

    def insert(self, detector, inside):
        return self.state()

    def feature_um(self, x, y):
        """Where a point of the foil stands in the column, from the optical axis."""
        turn = turned(self.actual.get("alpha_deg", 0.0), self.actual.get("beta_deg", 0.0))
        return turn @ np.array([x - self.actual["x_um"], y - self.actual["y_um"], self.height_um])

    def acquire(self, scan: Scan):
        turn = turned(self.actual.get("alpha_deg", 0.0), self.actual.get("beta_deg", 0.0))
        step = scan.fov_nm * 1e-3 / scan.width_px
        u = (np.arange(scan.width_px) - (scan.width_px - 1) / 2) * step + self.beam[0]
        v = (np.arange(scan.height_px) - (scan.height_px - 1) / 2) * step + self.beam[1]
        u, v = np.meshgrid(u, v)
        plane = np.linalg.inv(turn[:2, :2])
        u, v = u - turn[0, 2] * self.height_um, v - turn[1, 2] * self.height_um
        x = plane[0, 0] * u + plane[0, 1] * v + self.actual["x_um"]
        y = plane[1, 0] * u + plane[1, 1] * v + self.actual["y_um"]
        at = np.stack([(y + _HALF_UM) / _GRAIN_UM, (x + _HALF_UM) / _GRAIN_UM])
        seen = ndimage.map_coordinates(self.texture, at, order=1, mode="wrap")
        pixels = self.rng.poisson(np.maximum(seen, 0.5)).astype(np.float32)
        self.time_s += scan.width_px * scan.height_px * scan.dwell_us * 1e-6
        return (self._keep(pixels, pixel_pm=scan.pixel_nm * 1e3, purpose=scan.purpose),)

    def acquire_diffraction(self, shot: PatternShot):
        turn = turned(self.actual.get("alpha_deg", 0.0), self.actual.get("beta_deg", 0.0))
        image = df.pattern(self.known, turn @ self.to_sample, self.light, self.thickness_nm, self.screen)
        pixels = df.counted(image, 2e7 * shot.exposure_ms / 50, self.rng)
        self.time_s += 1.0
        mrad = 1e3 * self.screen.per_pixel * self.light.wavelength_a
        return self._keep(
            pixels, pixel_mrad=mrad, purpose="diffraction", detector="camera", camera_length_mm=100.0
        )

    def _keep(self, pixels, detector="haadf", **more):
        state = self.state()
        frame = Frame(
            id=f"f-{len(self.frames) + 1:05d}", sha256="0" * 64, detector=detector, shape=pixels.shape, dtype="float32",
            voltage_kv=200.0, convergence_mrad=0.5, x_um=state.stage["x_um"].reported,
            y_um=state.stage["y_um"].reported, alpha_deg=state.stage["alpha_deg"].reported,
            beta_deg=state.stage["beta_deg"].reported if "beta_deg" in state.stage else None, time_s=self.time_s,
            simulated=True, instrument=self.able.identity, **more,
        )  # fmt: skip
        self.frames[frame.id], self.arrays[frame.id] = frame, pixels
        return frame

    def pixels(self, frame):
        return self.arrays[frame.id]

    def store(self, pixels, frame):
        return self._keep(pixels)

    def locate(self, place: Located):
        self.located.append(place)

    def wait(self, seconds):
        self.time_s += seconds

    def blank(self):
        return self.state()

    def stop(self):
        return self.state()

    # --- the records ------------------------------------------------------------------------------------

    def frame(self, name):
        found = [f for f in self.frames.values() if f.id == name or name == "last"]
        if not found:
            raise BadInput(f"there is no frame {name!r}", "nothing was recorded", "record one")
        return found[-1]

    def events(self, *, run=None, kind=None, limit=50):
        bodies = [{"frames": [f.model_dump(mode="json")]} for f in reversed(self.frames.values())]
        return [{"kind": "returned", "body": body, "tool": None} for body in bodies][:limit]

    def findings(self):
        return ()

    def notebook(self, specimen):
        return self.book

    # --- running a tool ---------------------------------------------------------------------------------

    @property
    def context(self):
        report = (Path("report.md"), Path("report.html"))
        return Context(self, self, self.specimen, Path("."), self.notes.append, lambda: report)

    @property
    def setting(self):
        return Setting(self.able, self.state(), self.specimen)

    def do(self, tool, /, **args):
        return tool.run(tool.args.model_validate(args), self.context)

    # --- the truth --------------------------------------------------------------------------------------

    def off_axis_deg(self, uvw):
        """How far the nearest of a family is from the beam now."""
        turn = turned(self.actual.get("alpha_deg", 0.0), self.actual.get("beta_deg", 0.0)) @ self.to_sample
        crystal = self.structure.crystal
        best = max(float((turn @ crystal.direction(m))[2]) for m in crystal.direction_family(uvw).tolist())
        return math.degrees(math.acos(min(1.0, best)))
