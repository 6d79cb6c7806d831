"""Lattices of other kinds, in several grains, under strain, and told a wrong scale: drawn images with truth.

Oxides down [001] and graphene are read like hexagonal layers; every grain on its own lattice; strain without a prior.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.bench.contract import at_least, at_most, report, share_at_least
from eucentric.bench.images import score as rules
from eucentric.bench.images.drawn_lattices import MATERIALS, Drawn, draw
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import AtomMap, find_atoms
from eucentric.tools.vision.strain import StrainMap, strain_of

Array = NDArray[np.float64]

_PIXEL_A = {"Ti3C2": 0.14, "MoS2": 0.14, "SrTiO3": 0.18, "BaTiO3": 0.18, "graphene": 0.10}
_NEW = ("SrTiO3", "BaTiO3", "graphene")
_GRAINED = ("Ti3C2", "MoS2", "SrTiO3", "graphene")
_MISORIENTED_DEG = (5.0, 9.0, 14.0, 22.0, 28.0)
_NEAR = 5.0
"""Spacings from a boundary that count as near it."""
_STRAIN = 0.005
_WRONG = (1 / math.sqrt(3), 0.5, 1 / math.sqrt(2), 0.97, 1.03, math.sqrt(2), math.sqrt(3), 2.0)


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Draw, read, compare; `quick` draws fewer images."""
    rng = np.random.default_rng(seed)
    columns = _columns(1 if quick else 4, rng)
    grains = _grains(1 if quick else 3, rng)
    strain = _strains(1 if quick else 4, rng)
    scale = _scales(1 if quick else 2, rng)
    figures = {part: found for part, (found, _) in zip(_PARTS, (columns, grains, strain, scale), strict=True)}
    return report(
        "lattice", seed, figures, [bar for _, bars in (columns, grains, strain, scale) for bar in bars]
    )


_PARTS = ("columns", "grains", "strain", "scale")
Part = tuple[dict[str, Any], list[dict[str, Any]]]


def _read(drawn: Drawn, told: float = 1.0) -> AtomMap:
    return find_atoms(drawn.image, phase(drawn.material), pixel_pm=100 * drawn.pixel_a * told)


def _drawn(material: str, rng: np.random.Generator, **how: Any) -> Drawn:
    return draw(material, pixel_a=_PIXEL_A[material], seed=int(rng.integers(2**31)), **how)


def _spacing(drawn: Drawn) -> float:
    """Distance of neighbouring columns [px]."""
    kind = MATERIALS[drawn.material]
    return kind.a_a / math.sqrt(3 if kind.angle_deg == 60 else 2) / drawn.pixel_a


# --- columns and vacancies -----------------------------------------------------------------------------------


def _columns(rounds: int, rng: np.random.Generator) -> Part:
    found: dict[str, Any] = {}
    bars = []
    for material in _NEW:
        for counts in (300.0, 80.0):
            atoms, vacancies, kinds = rules.Tally(), rules.Tally(), [0, 0]
            for _ in range(2 * rounds):
                one = _drawn(
                    material, rng, size=384, counts=counts, vacancies=0.03, turns_deg=(rng.uniform(0, 90),)
                )
                _score(one, _read(one), atoms, vacancies, kinds)
            found[f"{material}, {counts:g} counts"] = {
                "atom_f1": round(atoms.f1, 4), "vacancy_precision": round(vacancies.precision, 4),
                "vacancy_recall": round(vacancies.recall, 4), "vacancies": vacancies.true,
                "kind_right": round(kinds[0] / kinds[1], 4) if kinds[1] else None,
            }  # fmt: skip
            if counts == 300.0:
                bars += _column_bars(material, atoms, vacancies)
    return found, bars


def _column_bars(material: str, atoms: rules.Tally, vacancies: rules.Tally) -> list[dict[str, Any]]:
    return [
        at_least(f"atom F1, {material}, drawn, 300 counts", atoms.f1, 0.99, n=atoms.true),
        share_at_least(
            f"vacancy precision, {material}, drawn, 300 counts",
            vacancies.predicted_true,
            vacancies.predicted,
            0.95,
        ),
        share_at_least(
            f"vacancy recall, {material}, drawn, 300 counts", vacancies.found, vacancies.true, 0.95
        ),
    ]


def _score(drawn: Drawn, seen: AtomMap, atoms: rules.Tally, vacancies: rules.Tally, kinds: list[int]) -> None:
    shape, margin = (drawn.image.shape[0], drawn.image.shape[1]), 1.6 * _spacing(drawn)
    atoms.add(rules.score(seen.atoms_xy, drawn.atoms_xy, rules.ATOM_RADIUS_A, drawn.pixel_a, shape, margin))
    called, true = seen.vacancies_xy, drawn.vacancies_xy
    vacancies.add(rules.score(called, true, rules.VACANCY_RADIUS_A, drawn.pixel_a, shape, margin))
    to = rules.partners(called, true, rules.VACANCY_RADIUS_A / drawn.pixel_a)
    for row, partner in enumerate(to):
        if partner >= 0:
            kinds[1] += 1
            kinds[0] += seen.sites_kind[seen.vacancies_site[row]] == drawn.vacancy_kind[int(partner)]


# --- grains --------------------------------------------------------------------------------------------------


@dataclass
class _Boundaries:
    """Sites and false vacancies near boundaries and far from them."""

    right: int = 0
    sites: int = 0
    near: list[int] = field(default_factory=lambda: [0, 0])
    """[false vacancies, examined sites]"""
    far: list[int] = field(default_factory=lambda: [0, 0])
    counted: int = 0
    images: int = 0


def _grains(rounds: int, rng: np.random.Generator) -> Part:
    found: dict[str, Any] = {}
    total = _Boundaries()
    for material in _GRAINED:
        one = _Boundaries()
        for turn in rng.permutation(_MISORIENTED_DEG)[: 5 if rounds > 1 else 3]:
            start = float(rng.uniform(0, 60))
            _add_grains(_drawn(material, rng, size=384, turns_deg=(start, start + float(turn))), 2, one)
        for _ in range(rounds):
            turns = tuple(float(t) for t in rng.uniform(0, 60) + np.array([0.0, 19.0, 41.0]))
            _add_grains(_drawn(material, rng, size=448, turns_deg=turns), 3, one)
            _add_grains(_drawn(material, rng, size=384, counts=60.0), 1, one)
        found[material] = _boundary_figures(one)
        for name in ("right", "sites", "counted", "images"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
        total.near = [a + b for a, b in zip(total.near, one.near, strict=True)]
        total.far = [a + b for a, b in zip(total.far, one.far, strict=True)]
    found["all"] = _boundary_figures(total)
    return found, [
        share_at_least("columns in the right grain", total.right, total.sites, 0.99),
        share_at_least("images whose grains are counted right (1, 2 or 3)", total.counted, total.images, 0.9),
        at_most("false vacancies per 1000 sites near a boundary", _rate(total.near), 5.0, n=total.near[1]),
    ]


def _add_grains(drawn: Drawn, number: int, into: _Boundaries) -> None:
    seen = _read(drawn)
    into.images += 1
    into.counted += len(seen.grains) == number
    examined = np.flatnonzero(seen.sites_examined)
    if not len(examined):
        return
    tree, reach = cKDTree(drawn.atoms_xy), rules.ATOM_RADIUS_A / drawn.pixel_a
    gap, atom = tree.query(seen.sites_xy[examined])
    near = drawn.boundary_px[atom] < _NEAR * _spacing(drawn)
    own, true = seen.sites_grain[examined][gap < reach], drawn.atoms_grain[atom[gap < reach]]
    into.sites += len(own)
    into.right += sum(int(np.bincount(true[own == k]).max(initial=0)) for k in np.unique(own))
    called = seen.sites_p_vacancy[examined] > 0.5
    real = _is_vacancy(seen.sites_xy[examined], drawn)
    for count, where in ((into.near, near), (into.far, ~near)):
        count[0] += int((called & ~real & where).sum())
        count[1] += int(where.sum())


def _is_vacancy(xy: Array, drawn: Drawn) -> NDArray[np.bool_]:
    if not len(drawn.vacancies_xy):
        return np.zeros(len(xy), bool)
    gap, _ = cKDTree(drawn.vacancies_xy).query(xy)
    real: NDArray[np.bool_] = gap < rules.VACANCY_RADIUS_A / drawn.pixel_a
    return real


def _rate(count: list[int]) -> float:
    return 1000 * count[0] / count[1] if count[1] else math.nan


def _boundary_figures(one: _Boundaries) -> dict[str, Any]:
    return {
        "right_grain": round(one.right / max(one.sites, 1), 4), "sites": one.sites,
        "grains_counted_right": f"{one.counted} of {one.images}",
        "false_vacancies_per_1000_near": round(_rate(one.near), 2),
        "false_vacancies_per_1000_far": round(_rate(one.far), 2),
    }  # fmt: skip


# --- strain --------------------------------------------------------------------------------------------------


def _strains(rounds: int, rng: np.random.Generator) -> Part:
    found: dict[str, Any] = {}
    steps: list[float] = []
    ratios: list[float] = []
    for material in _GRAINED:
        step, ratio = [], []
        for _ in range(rounds):
            drawn = _drawn(
                material, rng, size=512, counts=300.0, strain=_STRAIN, vacancies=0.01,
                turns_deg=(rng.uniform(0, 60),),
            )  # fmt: skip
            strain = strain_of(_read(drawn))
            if strain is not None:
                step.append(_step(strain, 512))
                ratio.append(_over_claimed(strain, 512))
        found[material] = {
            "applied_percent": 100 * _STRAIN, "found_percent": [round(100 * s, 3) for s in step],
            "error_over_claimed": [round(r, 3) for r in ratio],
        }  # fmt: skip
        steps, ratios = steps + step, ratios + ratio
    off = math.sqrt(float(np.mean((np.array(steps) - _STRAIN) ** 2))) if steps else math.nan
    return found, [
        at_most("error of an applied strain of 0.5 %, in percent of length", 100 * off, 0.15, n=len(steps)),
        at_most(
            "scatter of local exx over its claimed error",
            float(np.mean(ratios or [math.nan])),
            1.3,
            n=len(ratios),
        ),
    ]


def _halves(strain: StrainMap, size: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Left and right, the middle where the strain rises left out."""
    return strain.xy[:, 0] < 0.38 * size, strain.xy[:, 0] > 0.62 * size


def _step(strain: StrainMap, size: int) -> float:
    left, right = _halves(strain, size)
    return float(strain.values[right, 0].mean() - strain.values[left, 0].mean())


def _over_claimed(strain: StrainMap, size: int) -> float:
    """rms of exx about the mean of its half, over the claimed errors."""
    left, right = _halves(strain, size)
    off = [strain.values[half, 0] - strain.values[half, 0].mean() for half in (left, right)]
    claimed = [strain.errors[half, 0] for half in (left, right)]
    return float(np.sqrt(np.mean(np.concatenate(off) ** 2) / np.mean(np.concatenate(claimed) ** 2)))


# --- scale ---------------------------------------------------------------------------------------------------


def _scales(rounds: int, rng: np.random.Generator) -> Part:
    found: dict[str, Any] = {}
    right = flagged = tried = 0
    for material in ("Ti3C2", "MoS2", "SrTiO3", "graphene"):
        wrong = []
        for _ in range(rounds):
            drawn = _drawn(material, rng, size=320, turns_deg=(rng.uniform(0, 90),))
            for factor in _WRONG:
                seen = _read(drawn, factor)
                good = seen.pixel_pm is not None and abs(seen.pixel_pm / (100 * drawn.pixel_a) - 1) < 0.01
                said = "scale_disagrees" in dict(seen.flags) or "no_lattice" in dict(seen.flags)
                right, flagged, tried = right + good, flagged + said, tried + 1
                if not (good and said):
                    wrong.append(round(factor, 3))
        found[material] = {"told_times": [round(f, 3) for f in _WRONG], "not_found_out": wrong}
    return found, [
        share_at_least("pixel sizes within 1 % where a wrong one is told", right, tried, 0.95),
        share_at_least("wrong pixel sizes that are flagged", flagged, tried, 0.95),
    ]
