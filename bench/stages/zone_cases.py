"""Cases of an arrival at a zone axis: a grain as chance wants it, a stage of a preset, and what is read of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from eucentric.bench.stages.tilting_port import ZoneAxisPort
from eucentric.core.instrument import StageMove
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.presets import PRESETS
from eucentric.knowledge import crystal as cr
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.diffraction import Structure, reflections
from eucentric.knowledge.notebook import (
    CalibrationEntry,
    LoadingEntry,
    Notebook,
    PhaseEntry,
    ScreenMode,
    ScreenRow,
)
from eucentric.knowledge.notebook.book import row_of
from eucentric.knowledge.notebook.entries import SpecimenEntry

_PHASES = ("SrTiO3", "Si", "Au", "TiO2", "BaTiO3", "Mg", "Ti", "Al2O3", "quartz", "MoO3", "ZrO2")
STAGES = ("ideal", "piezo", "good", "worn")
_NOISE_DEG = 0.2
_LIMITS_DEG = (35.0, 30.0)
_INSIDE_DEG = 1.5
"""Targets lie so far inside the limits: the way to them goes a degree beyond, and what is read is noisy."""
_OUTSIDE_DEG = 3.0
_HEIGHT_UM = 6.0
_TRAVEL_UM = 200.0
"""Of the piezo goniometer of this bench: its preset has none to follow a feature with."""
_AT = {"at": "2026-01-01T00:00:00Z", "by": "bench"}
_WITHIN, _SEEN = 1.0, 0.02
"""Reflections up to so many 1/Å (25 mrad), of so much of the strongest amplitude, make a zone's pattern."""


def repeatability_deg(stage: str) -> float:
    """What the goniometer of a preset does not repeat: its larger backlash, read-back and jitter."""
    preset = PRESETS[stage]
    slack = max(preset.alpha_backlash_deg, preset.beta_backlash_deg)
    return math.hypot(slack, preset.tilt_readback_deg, preset.tilt_jitter_deg)


Uvw = tuple[int, int, int]
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One grain, and what was read of it."""

    number: int
    phase: str
    stage: str
    port: ZoneAxisPort
    crystal: cr.Crystal
    to_specimen: Array
    readings: list[Row]
    third: dict[str, Any] | None
    """What is read if two do not tell: an axis out of their plane."""
    inside: tuple[Uvw, ...]
    """Axes of a family that has one well within reach and none that was read."""
    outside: tuple[Uvw, ...]
    """Axes of a family that is out of reach by more than noise."""


def _notebook(port_limits: cr.Box, crystal: cr.Crystal, stage: str) -> Notebook:
    screens = tuple(
        ScreenRow(screen=ScreenMode(mode=mode), azimuth_deg=0.0) for mode in ("diffraction", "stem")
    )
    found = Notebook(id="b" * 32, rows=(row_of("specimen1", SpecimenEntry(name="foil", **_AT)),))
    calibration = CalibrationEntry(
        microscope="twin", holder_name="double-tilt A", alpha_sign=1, beta_sign=1, limits=port_limits,
        screens=screens, repeatability_deg=max(0.01, repeatability_deg(stage)), **_AT,
    )  # fmt: skip
    phase, loading = PhaseEntry(crystal=crystal, **_AT), LoadingEntry(name="one", calibration="cal1", **_AT)
    for entry in (phase, calibration, loading):
        found = found.plus(entry)
    return found


def _inside_one_grain(oracle: Oracle, radius: float) -> bool:
    """Whether the origin lies so deep in its grain."""
    turns = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    here = oracle.grain(0.0, 0.0).cell
    return all(oracle.grain(radius * math.cos(t), radius * math.sin(t)).cell == here for t in turns)


def _twin(number: int, seed: int, phase: str, stage: str) -> TwinDriver:
    """A twin with one grain under the beam and around it."""
    world = load_world("polycrystal")
    assert world.grains is not None
    grains = world.grains.model_copy(update={"phases": (phase,), "size_um": 30.0})
    far = {"travel_um": _TRAVEL_UM, "z_travel_um": _TRAVEL_UM}
    own = {"long_piezo": PRESETS["piezo"].model_copy(update=far)}
    world = world.model_copy(update={"grains": grains, "stages": own})
    for trial in range(50):
        twin = TwinDriver(
            world, seed + 1000 * number + trial, stage="long_piezo" if stage == "piezo" else stage
        )
        if _inside_one_grain(Oracle(twin), 4e-6):
            return twin
    raise AssertionError("no seed of fifty has a grain around the origin")


def make_case(number: int, seed: int) -> Case:
    """Grain, stage and readings of one case."""
    phase, stage = _PHASES[number % len(_PHASES)], STAGES[number % len(STAGES)]
    rng = np.random.default_rng([seed, number])
    twin = _twin(number, seed, phase, stage)
    grain = Oracle(twin).grain(0.0, 0.0)
    crystal = grain.structure.crystal
    box = cr.Box(alpha=(-_LIMITS_DEG[0], _LIMITS_DEG[0]), beta=(-_LIMITS_DEG[1], _LIMITS_DEG[1]))
    port = ZoneAxisPort(twin, phase, _notebook(box, crystal, stage))
    offset = _settle(port, float(rng.uniform(-1, 1)) * _HEIGHT_UM)
    tilts = list(_tilts(crystal, grain.to_specimen))
    near = [one for one, alpha, beta in tilts if _margin(alpha, beta) > _INSIDE_DEG]
    pair, third = _pair(crystal, near, rng)
    at = {one: (alpha, beta) for one, alpha, beta in tilts}
    readings = [_reading(one, at[one], offset, rng) for one in pair]
    more = None if third is None else _reading(third, at[third], offset, rng)
    inside, outside = _families(grain.structure, grain.to_specimen, pair)
    return Case(number, phase, stage, port, crystal, grain.to_specimen, readings, more, inside, outside)


def _families(
    structure: Structure, to_specimen: Array, read: list[Uvw]
) -> tuple[tuple[Uvw, ...], tuple[Uvw, ...]]:
    """One axis of each family up to index 2 that is well within reach, and of each that is well out of it.

    Asked for by family: two readings leave it open which of the axes that symmetry makes equal has which index.
    """
    crystal, orientation, stage = structure.crystal, cr.orientation_of(to_specimen), cr.Stage()
    inside, outside, seen = [], [], set[Uvw]()
    for one in _axes(2):
        members = set(map(_positive, crystal.direction_family(one).tolist()))
        if one in seen:
            continue
        seen |= members
        tilts = [cr.tilt_to_axis(crystal, orientation, m, stage) for m in members]
        best = max(_margin(t.alpha_deg, t.beta_deg) for t in tilts)
        if best < -_OUTSIDE_DEG:
            outside.append(one)
        elif best > _INSIDE_DEG and not members & set(read) and _has_a_pattern(structure, one):
            inside.append(one)
    return tuple(inside), tuple(outside)


def _has_a_pattern(structure: Structure, uvw: Uvw) -> bool:
    """Whether two independent reflections of the axis' zone are within the camera: else it is a row, and no target."""
    known = reflections(structure, _WITHIN)
    zone = known.hkl[(known.hkl @ np.array(uvw) == 0) & (known.strength > _SEEN)]
    return len(zone) > 0 and int(np.linalg.matrix_rank(zone)) == 2


def _positive(uvw: list[int]) -> Uvw:
    """Of an axis and its opposite the one whose first index that is not zero is positive."""
    sign = 1 if next(x for x in uvw if x) > 0 else -1
    u, v, w = (sign * x for x in uvw)
    return u, v, w


def _settle(port: ZoneAxisPort, z_um: float) -> tuple[float, float]:
    """Bring the stage to zero from below, at a height; by how much its readings are then off [deg]."""
    for alpha, beta in ((-2.0, -2.0), (0.0, 0.0)):
        port.move_stage(StageMove(z_um=z_um, alpha_deg=alpha, beta_deg=beta))
    actual, state = port.oracle.actual(), port.state()
    alpha, beta = (math.degrees(actual[name]) for name in ("alpha", "beta"))
    return state.stage["alpha_deg"].reported - alpha, state.stage["beta_deg"].reported - beta


def _tilts(crystal: cr.Crystal, to_specimen: Array) -> Iterator[tuple[Uvw, float, float]]:
    """Every axis up to index 3, one of each pair of opposites, and the true tilt that brings it onto the beam."""
    orientation, stage = cr.orientation_of(to_specimen), cr.Stage()
    for uvw in _axes(3):
        tilt = cr.tilt_to_axis(crystal, orientation, uvw, stage)
        yield uvw, tilt.alpha_deg, tilt.beta_deg


def _axes(largest: int) -> Iterator[Uvw]:
    """Axes up to an index, one of each pair of opposites."""
    spans = range(-largest, largest + 1)
    for u, v, w in product(spans, spans, spans):
        if next((x for x in (u, v, w) if x), 0) > 0 and math.gcd(u, v, w) == 1:
            yield u, v, w


def _margin(alpha: float, beta: float) -> float:
    """How far inside the limits; below 0: outside [deg]."""
    return min(_LIMITS_DEG[0] - abs(alpha), _LIMITS_DEG[1] - abs(beta))


def _pair(crystal: cr.Crystal, near: list[Uvw], rng: np.random.Generator) -> tuple[list[Uvw], Uvw | None]:
    """Two axes within reach and at least 12° apart, low indices first; and one out of their plane."""
    order = sorted(rng.permutation(len(near)).tolist(), key=lambda n: sum(map(abs, near[n])))
    ranked = [near[n] for n in order]
    pairs = ([b, a] for k, a in enumerate(ranked) for b in ranked[:k] if _apart(crystal, a, b) > 12)
    pair = next(pairs, ranked[:2])
    normal = np.cross(crystal.direction(pair[0]), crystal.direction(pair[-1]))
    out = (one for one in ranked if one not in pair and abs(float(crystal.direction(one) @ normal)) > 0.1)
    return pair, next(out, None)


def _apart(crystal: cr.Crystal, a: Uvw, b: Uvw) -> float:
    angle = crystal.directions_angle_deg(a, b)
    return min(angle, 180 - angle)


def _reading(
    uvw: Uvw,
    at: tuple[float, float],
    offset: tuple[float, float],
    rng: np.random.Generator,
) -> dict[str, Any]:
    noise = rng.normal(0, _NOISE_DEG, 2)
    return {
        "index": "[" + " ".join(map(str, uvw)) + "]",
        "alpha_deg": at[0] + offset[0] + float(noise[0]),
        "beta_deg": at[1] + offset[1] + float(noise[1]),
        "sigma_deg": _NOISE_DEG,
    }
