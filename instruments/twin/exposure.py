"""Where electrons truly went: kept apart from any predictor, read by the oracle alone."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eucentric.core.units import ELECTRON_C
from eucentric.instruments.twin.acquisition import Shot
from eucentric.instruments.twin.exposure_log import ExposureLog, LineScan
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.instruments.twin.render import View, centre_of
from eucentric.instruments.twin.specimen import Specimen
from eucentric.knowledge.electron_optics import wavelength_a


def record_scan(
    log: ExposureLog,
    specimen: Specimen,
    shot: Shot,
    view: View,
    lit: NDArray[np.bool_],
    parked_s: float = 0.0,
) -> None:
    """Charge the lines of a scan that were lit to the true place on the specimen, flyback included.

    A beam that is parked stands on the first lit pixel before the scan and on the last one after it, `parked_s` each.
    """
    lines = np.flatnonzero(lit)
    if not lines.size:
        return
    x, y, _ = centre_of(specimen, view)
    (cb, _, _), (_, ca, _), _ = view.tilt.rows
    middle = float(lines[0] + lines[-1]) / 2 - (shot.scan.rows - 1) / 2
    size = (shot.scan.fov_m / cb, float(lines[-1] - lines[0] + 1) * shot.scan.pixel_m / ca)
    current = shot.settings["probe_current"]
    charge = current * lines.size * shot.line_s
    log.add((x, y + middle * shot.scan.pixel_m / ca), size, charge, shot.start_s)
    scanned = _lines(specimen, shot, view, lines, (x, y), (cb, ca))
    log.scans.append(replace(scanned, parked_electrons=current * parked_s / ELECTRON_C))
    half = (shot.scan.columns - 1) / 2 * scanned.step
    for line, side in ((0, -half), (-1, half)):
        place = (float(scanned.x[line]) + side, float(scanned.y[line]))
        log.add(place, (scanned.probe, scanned.probe), current * parked_s, shot.start_s)


def _probe_edge(optics: OpticsSpec) -> float:
    """Edge of a square that takes the current of a focused probe at its peak density [m]."""
    ideal = 0.51 * wavelength_a(optics.voltage_kv) / (optics.convergence_mrad * 1e-3)
    sigma = math.hypot(ideal, optics.source_fwhm_angstrom) / math.sqrt(8 * math.log(2))
    return math.sqrt(2 * math.pi) * sigma * 1e-10


def _lines(
    specimen: Specimen,
    shot: Shot,
    view: View,
    lines: NDArray[np.int64],
    centre: tuple[float, float],
    cosines: tuple[float, float],
) -> LineScan:
    moved = view.positions[lines, :2] - view.middle[:2]
    pitch = shot.scan.pixel_m / cosines[1]
    each = shot.settings["probe_current"] / ELECTRON_C
    return LineScan(
        x=centre[0] + moved[:, 0],
        y=centre[1] + moved[:, 1] + (lines - (shot.scan.rows - 1) / 2) * pitch,
        columns=shot.scan.columns,
        step=shot.scan.pixel_m / cosines[0],
        pitch=pitch,
        probe=_probe_edge(specimen.world.optics),
        pixel_electrons=each * shot.scan.dwell_s,
        flyback_electrons=each * shot.flyback_s,
    )
