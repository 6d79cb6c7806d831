"""Diffraction patterns as the camera records them: one for each pixel of a raster, side by side in one array."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from eucentric.core.units import ELECTRON_C
from eucentric.instruments.driver import Pixels, ScanSpec
from eucentric.instruments.twin.acquisition import Shot
from eucentric.instruments.twin.camera.thin import Grating
from eucentric.instruments.twin.camera_spec import CameraModel
from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.optics.probe import Beam
from eucentric.instruments.twin.optics.ronchigram import ronchigram
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.instruments.twin.raster import make_raster
from eucentric.instruments.twin.render import View, centre_of
from eucentric.instruments.twin.specimen import Specimen
from eucentric.knowledge.diffraction import Illumination, Look, Screen, pattern, reflections

Plane = NDArray[np.float32]
_FARTHEST = 2.4
"""Reflections are listed up to here [1/Å]."""
_ALIKE_NM = 2.0
"""Thicknesses that differ by less give one pattern."""


def pixel_rad(camera: CameraModel, optics: OpticsSpec, pattern_px: int, camera_length_m: float) -> float:
    """Angle of a pixel's edge [rad]: the camera stays, the pattern grows with the camera length."""
    ratio = camera_length_m / (optics.camera_length_mm * 1e-3)
    return camera.width_mrad * 1e-3 / pattern_px / ratio


class Patterns:
    """The developing of one scan with a camera; as `acquisition.Film`."""

    def __init__(self, specimen: Specimen, shot: Shot, view: View, seed: tuple[int, int]) -> None:
        self._specimen, self._shot, self._view = specimen, shot, view
        self._name = shot.scan.detectors[0]
        self._camera = specimen.world.cameras[self._name]
        self._rng = np.random.Generator(np.random.SFC64([*seed, shot.number]))
        self._drawn: dict[Any, Plane] = {}
        optics = view.optics(specimen)
        self.pixel_rad = pixel_rad(self._camera, optics, shot.scan.pattern_px, shot.settings["camera_length"])
        self._light = Illumination(
            voltage_kv=optics.voltage_kv, convergence_mrad=min(optics.convergence_mrad, 20.0)
        )
        edge = shot.scan.pattern_px
        self._screen = Screen(
            rows=edge, columns=edge, per_pixel=self.pixel_rad * self._light.k,
            azimuth_deg=self._camera.azimuth_deg, mirrored=self._camera.mirrored,
        )  # fmt: skip
        self._look = Look(spot_px=max(0.45, self._camera.spread_px * edge / self._camera.max_px))

    def expected(self) -> Plane:
        """Share of the beam's electrons that each pixel of each pattern gets, `ScanSpec.shape` float32."""
        places = _places(self._specimen, self._shot.scan, self._view)
        lines = [np.concatenate([self._one(x, y) for x, y in line], axis=1) for line in places]
        return np.concatenate(lines, axis=0)

    def lit(self) -> Pixels:
        """Counts with the beam on."""
        electrons = self._shot.currents * self._shot.scan.dwell_s / ELECTRON_C
        if self._name in self._shot.blind:
            return self.dark()
        each = np.repeat(electrons.astype(np.float32), self._shot.scan.pattern_px)[:, None]
        return (self._digitised(self._rng.poisson(self.expected() * each).astype(np.float32)),)

    def dark(self) -> Pixels:
        """Counts with the beam off."""
        return (self._digitised(np.zeros(self._shot.scan.shape, np.float32)),)

    def blank(self) -> Pixels:
        """Zeros: nothing was recorded."""
        return (np.zeros(self._shot.scan.shape, np.float32),)

    def _digitised(self, electrons: Plane) -> Plane:
        camera, gain = self._camera, self._shot.gains.get(self._name, 1.0)
        counts = electrons * np.float32(camera.counts_per_electron * gain)
        counts += self._rng.standard_normal(counts.shape, np.float32) * np.float32(camera.read_noise_counts)
        return np.asarray(np.clip(counts, 0, np.float32(camera.saturation_counts)))

    def _one(self, x: float, y: float) -> Plane:
        grains, tilt = self._specimen.grains, self._view.tilt
        if self._specimen.opaque(x, y):
            return np.zeros((self._screen.rows, self._screen.columns), np.float32)
        if grains is None:
            return self._through(x, y)
        grain = grains.at(x, y)
        along = grains.thickness_nm(x, y) / max(tilt.rows[2][2], 0.1)
        thickness = max(_ALIKE_NM, round(along / _ALIKE_NM) * _ALIKE_NM)
        key = grain.cell, thickness
        if key not in self._drawn:
            known = reflections(grain.structure, min(1.1 * self._screen.reach, _FARTHEST))
            to_lab = _matrix(tilt) @ grain.to_specimen
            self._drawn[key] = pattern(known, to_lab, self._light, thickness, self._screen, self._look)
        return self._drawn[key]

    @cached_property
    def _grating(self) -> Grating:
        return Grating(self._specimen, self._view.tilt)

    def _through(self, x: float, y: float) -> Plane:
        """The probe as it truly is after a thin specimen, as the camera is turned."""
        optics, view = self._view.optics(self._specimen), self._view
        beam = Beam(optics, view.defocus - centre_of(self._specimen, view)[2], view.others)
        half_mrad = 500 * self._screen.rows * self.pixel_rad

        def phase(count: int, apart_a: float) -> NDArray[np.float64]:
            return self._grating.phase(x, y, count, apart_a)

        seen = ronchigram(
            beam.aberrations, optics.voltage_kv, optics.convergence_mrad, half_mrad, self._screen.rows, phase
        )
        return _turned(seen, self._screen)


def _turned(image: Plane, screen: Screen) -> Plane:
    """A picture of the lab plane as it lies on a screen."""
    turn = screen.turn[::-1, ::-1]  # rows before columns
    if np.array_equal(turn, np.eye(2)):
        return image
    middle = np.array(screen.middle)
    return np.asarray(affine_transform(image, turn, middle - turn @ middle, order=1), np.float32)


def _matrix(tilt: Tilt) -> NDArray[np.float64]:
    return np.array(tilt.rows)


def _places(specimen: Specimen, scan: ScanSpec, view: View) -> list[list[tuple[float, float]]]:
    """Where on the specimen the probe stands, line by line [m]."""
    x, y, _ = centre_of(specimen, view)
    motion = (view.positions[:, 0] - view.middle[0], view.positions[:, 1] - view.middle[1])
    raster = make_raster(
        (scan.rows, scan.columns), scan.pixel_m, (x, y), motion, view.tilt, 0, 1, view.distortion
    )
    down = np.broadcast_to(raster.y2d(), raster.shape)
    across = raster.x[None, :] + raster.dx[:, None]
    return [list(zip(*line, strict=True)) for line in zip(across.tolist(), down.tolist(), strict=True)]
