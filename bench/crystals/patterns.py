"""Simulated patterns of known truth, in all seven crystal systems, and what became of reading them."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eucentric.knowledge import crystal as cr
from eucentric.knowledge.crystal.rotation import Array, angle_between, matrix_of
from eucentric.knowledge.diffraction import (
    Atom,
    Illumination,
    Reflections,
    Screen,
    Structure,
    ZoneOffset,
    counted,
    nearest_zone_axis,
    pattern,
    reflections,
    structure_named,
    structure_of,
)
from eucentric.tools.vision.pattern import Image, PatternReading, read_pattern

LIGHT = Illumination(voltage_kv=200, convergence_mrad=0.5)
SCREEN = Screen(per_pixel=0.012, azimuth_deg=25.0)
_LARGEST = 2.3
"""Reflections are listed beyond the corners of the screen [1/Å]."""
_AXES = ((0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 1, 2), (1, 0, 0), (1, 1, 0))
_SAME_DEG = 3.0
_DYNAMIC = 0.4
"""Standard deviation of the logarithm of |F| by which the patterns differ from kinematic ones: what multiple scattering
does to brightness, as far as a factor for each pair ±g can stand for it."""
NAMES = ("Si", "SrTiO3", "TiO2", "BaTiO3", "Ti", "quartz", "MoO3", "ZrO2", "triclinic")


def structure(name: str) -> Structure:
    """One of `NAMES`; the triclinic one is made up."""
    if name != "triclinic":
        return structure_named(name)
    atoms = [
        Atom(element="Cu", at=(0.13, 0.27, 0.41)),
        Atom(element="S", at=(0.61, 0.18, 0.77)),
        Atom(element="O", at=(0.35, 0.72, 0.12)),
    ]
    import gemmi

    crystal = cr.crystal_of((5.62, 6.13, 7.21, 77.3, 101.2, 96.8), "P -1", "triclinic")
    return structure_of(crystal, atoms, [gemmi.Op("-x,-y,-z")])


def known(name: str) -> Reflections:
    """Reflections of one of `NAMES`."""
    return reflections(structure(name), _LARGEST)


@dataclass(frozen=True, eq=False)
class Case:
    """One pattern and the truth behind it."""

    name: str
    near_axis: bool
    to_lab: Array
    thickness_nm: float
    electrons: float
    image: Image
    assumed: Screen
    """What the reader is told of the screen: scale and direct beam are a little wrong."""
    pattern_ms: float


@dataclass
class Tally:
    """What became of the cases of one kind."""

    right: int = 0
    wrong: int = 0
    abstained: dict[str, int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """All cases."""
        return self.right + self.wrong + sum(self.abstained.values())


def draw(name: str, near_axis: bool, scale_error: float, rng: np.random.Generator) -> Case:
    """A random pattern: within about 2° of a low-index axis, or of any orientation."""
    crystal = structure(name).crystal
    four = rng.normal(size=4)
    to_lab = matrix_of(four / np.linalg.norm(four))
    if near_axis:
        axis = _AXES[int(rng.integers(len(_AXES)))]
        to_lab = _tipped(_on_beam(to_lab, crystal.direction(axis)), rng.normal(0, 0.8, 2))
    thickness, electrons = float(rng.uniform(20, 110)), float(10 ** rng.uniform(5, 7.5))
    screen = SCREEN.model_copy(update={"centre": tuple(x + float(rng.uniform(-3, 3)) for x in SCREEN.middle)})
    start = time.process_time()
    expected = pattern(_disturbed(known(name), rng), to_lab, LIGHT, thickness, screen)
    spent = time.process_time() - start
    assumed = SCREEN.model_copy(
        update={"per_pixel": SCREEN.per_pixel * (1 + scale_error * float(rng.normal()))}
    )
    image = counted(expected, electrons, rng)
    return Case(name, near_axis, to_lab, thickness, electrons, image, assumed, 1e3 * spent)


def read(case: Case, phases: list[Reflections], scale_error: float) -> tuple[PatternReading, float]:
    """The reading, and the CPU seconds it took."""
    start = time.process_time()
    found = read_pattern(case.image, phases, LIGHT, case.assumed, scale_error)
    return found, time.process_time() - start


def judge(case: Case, found: PatternReading) -> bool | None:
    """True for a right answer, False for a wrong one, None for an abstention.

    Right: the phase, and the beam along the true direction of the crystal within 3° (any equivalent), by the answer or
    by the one that it says spots cannot tell from it.
    """
    indexing = found.indexing
    if indexing.verdict != "indexed" or indexing.best is None:
        return None
    answers = [indexing.best, *([indexing.turned] if indexing.turned else [])]
    crystal = structure(case.name).crystal
    return any(
        a.phase == case.name and beam_off_deg(crystal, case.to_lab, a.to_lab) < _SAME_DEG for a in answers
    )


def beam_off_deg(crystal: cr.Crystal, truth: Array, answer: Any) -> float:
    """Angle from the beam direction in the crystal by one orientation to that by another, least over equivalents."""
    images = crystal.cartesian @ truth[2]
    other = np.asarray(answer)[2]
    return min(angle_between(sign * image, other) for image in images for sign in (1, -1))


def lean_off_deg(crystal: cr.Crystal, truth: Array, offset: ZoneOffset) -> float:
    """Angle in the lab from where a zone axis is said to be to where one of its family truly is: a tilt's error.

    Two orientations that spots can't tell apart put the axis in the same place.
    """
    said = np.asarray(offset.to_lab) @ crystal.direction(offset.zone_axis)
    members = crystal.direction_family(offset.zone_axis)
    return min(angle_between(said, truth @ crystal.direction(m)) for m in members.tolist())


def described(case: Case, found: PatternReading, verdict: bool | None, seconds: float) -> dict[str, Any]:
    """One case for the file of a bench."""
    best = found.indexing.best
    axis, off = nearest_zone_axis(structure(case.name).crystal, case.to_lab)
    return {
        "id": f"{case.name}-{'axis' if case.near_axis else 'any'}",
        "outputs": {
            "verdict": found.indexing.verdict,
            "zone_axis": best and list(best.zone_axis),
            "off_deg": best and round(best.off_deg, 3),
            "true_zone_axis": list(axis),
            "true_off_deg": round(off, 3),
            "spots": found.indexing.spots,
            "why": found.why,
        },
        "deviation": best and round(beam_off_deg(structure(case.name).crystal, case.to_lab, best.to_lab), 4),
        "pass": verdict,
        "seconds": round(seconds, 4),
    }


def _on_beam(to_lab: Array, direction: Array) -> Array:
    up = to_lab @ direction
    axis = np.cross(up, (0.0, 0.0, 1.0))
    size = float(np.linalg.norm(axis))
    return to_lab if size < 1e-9 else cr.axis_angle(axis, math.degrees(math.atan2(size, up[2]))) @ to_lab


def _tipped(to_lab: Array, tilt_deg: Array) -> Array:
    return cr.axis_angle((*tilt_deg.tolist(), 0.0), float(np.hypot(*tilt_deg)) + 1e-12) @ to_lab


def _disturbed(source: Reflections, rng: np.random.Generator) -> Reflections:
    """Every pair ±g by a factor of its own."""
    draws: dict[tuple[int, ...], float] = {}
    factors = np.empty(len(source))
    for n, h in enumerate(source.hkl.tolist()):
        key = max(tuple(h), tuple(-x for x in h))
        factors[n] = draws.setdefault(key, math.exp(_DYNAMIC * rng.normal()))
    return Reflections(
        source.structure, source.largest, source.hkl, source.g, source.length, source.factor * factors
    )
