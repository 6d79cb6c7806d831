"""Arrival at zone axes on the twin's polycrystal: two noisy observations, backlash on, patterns to centre by.

Each case has a grain of one phase that lies as chance wants, at a height that the tilt axes miss, on a stage of one
preset. Two axes within reach are "read" with 0.2° of error each way; then `tilt_to_zone_axis` is asked for another one.
It is judged by the true orientation, the true stage and the true place of the feature.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from eucentric.bench.contract import at_most, report, share_at_least
from eucentric.bench.stages.tilting_port import ZoneAxisPort
from eucentric.core.errors import BadInput, EucentricError, LimitRefused, Refused
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
from eucentric.tools import tilt_to_zone_axis

_PHASES = ("SrTiO3", "Si", "Au", "TiO2", "BaTiO3", "Mg", "Ti", "Al2O3", "quartz", "MoO3", "ZrO2")
_STAGES = ("ideal", "piezo", "good", "worn")
_NEEDED = 300
_NOISE_DEG = 0.2
_LIMITS_DEG = (35.0, 30.0)
_INSIDE_DEG = 1.5
"""Targets lie so far inside the limits: the way to them goes a degree beyond, and what is read is noisy."""
_OUTSIDE_DEG = 3.0
_HEIGHT_UM = 6.0
_TRAVEL_UM = 200.0
"""Of the piezo goniometer of this bench: its preset has none to follow a feature with."""
_AT = {"at": "2026-01-01T00:00:00Z", "by": "bench"}
_IDEAL_DEG = 0.1
_WITHIN, _SEEN = 1.0, 0.02
"""Reflections up to so many 1/Å (25 mrad), of so much of the strongest amplitude, make a zone's pattern."""


def repeatability_deg(stage: str) -> float:
    """What the goniometer of a preset does not repeat: its larger backlash, read-back and jitter."""
    preset = PRESETS[stage]
    slack = max(preset.alpha_backlash_deg, preset.beta_backlash_deg)
    return math.hypot(slack, preset.tilt_readback_deg, preset.tilt_jitter_deg)


def allowed_deg(stage: str) -> float:
    """The bar of a preset."""
    return _IDEAL_DEG if stage in ("ideal", "piezo") else max(_IDEAL_DEG, 1.5 * repeatability_deg(stage))


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
    phase, stage = _PHASES[number % len(_PHASES)], _STAGES[number % len(_STAGES)]
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


# --- judging ----------------------------------------------------------------------------------------------------


def _off_deg(case: Case, uvw: Uvw) -> float:
    """True angle of the nearest axis of a family to the beam now."""
    actual = case.port.oracle.actual()
    turn = case.port.oracle.tilted(actual["alpha"], actual["beta"]) @ case.to_specimen
    family = case.crystal.direction_family(uvw).tolist()
    along = max(abs(float((turn @ case.crystal.direction(one))[2])) for one in family)
    return math.degrees(math.acos(min(1.0, along)))


def _go(case: Case, uvw: Uvw, readings: list[Row]) -> dict[str, Any]:
    """Ask for an axis of a family; what became of it."""
    case.port.watch()
    start = time.process_time()
    args = {
        "target": "<" + " ".join(map(str, uvw)) + ">", "crystal": case.phase, "readings": readings, "refine": True,
        "tolerance_deg": 0.05,
    }  # fmt: skip
    said = _ended(args, case)
    return said | {
        "id": f"{case.number} {case.phase} {case.stage} {args['target']}",
        "stage": case.stage,
        "off_deg": _off_deg(case, uvw),
        "allowed_deg": allowed_deg(case.stage),
        "feature_off": case.port.farthest,
        "moves": case.port.moves,
        "missed": case.port.missed,
        "seconds": round(time.process_time() - start, 3),
    }


def _ended(args: dict[str, Any], case: Case) -> dict[str, Any]:
    try:
        done = tilt_to_zone_axis.TOOL.run(tilt_to_zone_axis.TOOL.args.model_validate(args), case.port.context)
    except LimitRefused as error:
        return {"ended": "out of reach", "why": str(error)}
    except (Refused, BadInput) as error:  # several fit, or what was read contradicts itself
        return {"ended": "asked", "why": str(error)}
    except EucentricError as error:
        return {"ended": type(error).__name__, "why": str(error)}
    return {"ended": "arrived", "why": done.travelled.note, "measured_deg": done.off_deg}


def _arrivals(case: Case, rng: np.random.Generator) -> list[Row]:
    """With two readings; where they leave the answer open it must ask, and with a third it must go."""
    if not case.inside:
        return []
    uvw = case.inside[int(rng.integers(len(case.inside)))]
    found = [_go(case, uvw, case.readings)]
    if found[0]["ended"] == "asked" and case.third is not None:
        found.append(_go(case, uvw, [*case.readings, case.third]))
    return [
        one | {"pass": one["ended"] == "arrived" and one["off_deg"] <= one["allowed_deg"]} for one in found
    ]


def _refusal(case: Case, rng: np.random.Generator) -> dict[str, Any] | None:
    """A family out of reach: refused with the number and the nearest tilt, before anything moves."""
    if not case.outside:
        return None
    readings = case.readings if case.third is None else [*case.readings, case.third]
    found = _go(case, case.outside[int(rng.integers(len(case.outside)))], readings)
    told = "nearest: alpha" in found["why"] and "° off" in found["why"]
    right = found["ended"] == "out of reach" and told
    return found | {"pass": (right or found["ended"] == "asked") and found["moves"] == 0}


def run(quick: bool = False, seed: int = 7) -> Row:
    """Arrivals, refusals, questions and the feature on the way [DECISIONS 14]."""
    count = 16 if quick else _NEEDED + 80
    arrivals, refusals = [], []
    for number in range(count):
        rng = np.random.default_rng([seed, number, 1])
        case = make_case(number, seed)
        refused = _refusal(case, rng) if number % 3 == 0 else None
        refusals += [refused] if refused else []
        arrivals += _arrivals(case, rng)
    asked = [one for one in arrivals if one["ended"] == "asked"]
    gone = [one for one in arrivals if one["ended"] != "asked" and not one["missed"]]
    missed = [one for one in arrivals if one["missed"]]
    return report(
        "zone-axis",
        seed,
        _figures(gone, asked, missed),
        _bars(gone, asked, missed, refusals),
        cases=arrivals + refusals,
    )


def _figures(gone: list[Row], asked: list[Row], missed: list[Row]) -> dict[str, float]:
    figures: dict[str, float] = {"went": len(gone), "asked": len(asked), "missed": len(missed)}
    for stage in _STAGES:
        off = sorted(one["off_deg"] for one in gone if one["stage"] == stage and one["ended"] == "arrived")
        if off:
            figures[f"{stage}_off_median_deg"] = round(statistics.median(off), 4)
            figures[f"{stage}_off_p95_deg"] = round(off[int(0.95 * (len(off) - 1))], 4)
            figures[f"{stage}_allowed_deg"] = round(allowed_deg(stage), 4)
    figures["cpu_s_per_case"] = round(statistics.median(one["seconds"] for one in gone), 3)
    return figures


def _bars(gone: list[Row], asked: list[Row], missed: list[Row], refusals: list[Row]) -> list[Row]:
    def share(claim: str, which: Callable[[Row], bool], rows: list[Row], bar: float, n: int) -> Row:
        return share_at_least(claim, sum(map(which, rows)), len(rows), bar, n_needed=n)

    arrived = [one for one in gone if one["ended"] == "arrived"]
    moved = [one["moves"] for one in asked]
    claimed = sum(
        one["measured_deg"] is not None and not one["pass"] for one in missed if one["ended"] == "arrived"
    )
    return [
        share("arrived within the bar of the preset", lambda one: one["pass"], gone, 0.95, _NEEDED),
        share("the feature never left the field", lambda one: one["feature_off"] < 1, arrived, 1.0, 100),
        share(
            "out of reach: refused with the nearest tilt, nothing sent",
            lambda one: one["pass"],
            refusals,
            1.0,
            60,
        ),
        at_most(
            "said to have arrived elsewhere after tilts that the stage missed", claimed, 0, n=len(missed)
        ),
        at_most(
            "moves before an ambiguous orientation was asked about", max(moved, default=0), 0, n=len(asked)
        ),
    ]
