"""Which crystal, which zone axis, which orientation: a spot pattern is indexed, or the answer is that nobody can tell.

Pairs of spots give rough orientations, a likelihood ratio ranks them, the best are refined, and what is left is
compared: an answer needs spots enough, most of them explained, and a lead over every other answer.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.indices import Indices, Integers
from eucentric.knowledge.crystal.orientation import Matrix, as_matrix
from eucentric.knowledge.crystal.rotation import Array, product, quaternion
from eucentric.knowledge.diffraction.laue import brightness_nat
from eucentric.knowledge.diffraction.matching import Seen, scores
from eucentric.knowledge.diffraction.refine import Fit, corrected, refined
from eucentric.knowledge.diffraction.reflections import Reflections
from eucentric.knowledge.diffraction.seeds import pairs_of, representatives, seeds
from eucentric.knowledge.diffraction.spots import Illumination
from eucentric.knowledge.diffraction.zone import nearest_zone_axis

Verdict = Literal["indexed", "ambiguous", "too_few_spots", "no_phase_fits"]
_FEWEST = 4
"""Spots beside the direct beam; opposite ones count once."""
_KEPT = 60
"""Rough orientations of each pair that are kept."""
_REFINED = 12
_RELROD = 0.012
"""Half-width of reflections along the beam while nothing is known of the thickness [1/Å]."""
_LEAD_NAT = 6.0
"""Of the best answer over the next different one: e^6, four hundred to one."""
_SCORE_NAT = 18.0
"""A pattern of false spots alone stays below."""
_PER_SPOT_NAT = 3.5
"""On simulated patterns the right phase reaches 4 and more, another one 2.8 at most (`bench diffraction`)."""
_EXPLAINED = 0.6
"""Share of the spots that the best answer explains."""
_BRIGHT_SHARE, _BRIGHT_NAT = 0.5, 40.0
_SCALE_SIGMAS = 2.5
_RMS_PX = 0.65
"""Of the distances of spots from their reflections; the right phase stays below 0.5."""
_SAME_DEG = 3.0


class Indexed(Model):
    """One answer."""

    phase: str
    zone_axis: Indices
    """The low-index axis nearest to the beam, pointing to the gun."""
    off_deg: float
    """Its angle to the beam by this fit; `laue` measures it."""
    to_lab: Matrix
    """Crystal Cartesian to lab, rows first."""
    score_nat: float
    """Logarithm of the likelihood ratio to false spots alone."""
    explained: int
    """Spots that lie on a reflection."""
    rms_px: float
    """Of their distances from it, in pixels."""
    scale: float
    """True over assumed 1/Å per pixel."""
    shift_px: tuple[float, float]
    """(row, column) of the true direct beam from the assumed one."""


class Indexing(Model):
    """What a pattern says."""

    verdict: Verdict
    spots: int
    """Used, beside the direct beam."""
    best: Indexed | None
    runner_up: Indexed | None
    """The best answer with another phase or another zone axis."""
    turned: Indexed | None
    """The best answer with the same zone axis but another orientation: mostly half a turn about the beam, which the
    spots of one zone cannot tell; None if there is none within the lead that is asked for."""
    lead_nat: float | None
    """Of the best over the runner-up; None without a runner-up."""
    why: str = Field("", max_length=600)
    """In words, if the verdict is not 'indexed'."""

    @property
    def orientation_is_unique(self) -> bool:
        """True if zone axis and orientation are both told."""
        return self.verdict == "indexed" and self.turned is None


def index_spots(
    seen: Seen,
    phases: Sequence[Reflections],
    light: Illumination,
    per_pixel: float,
    scale_error: float = 0.02,
    turn: Array | None = None,
) -> Indexing:
    """Index a list of spots with one or several crystals.

    Parameters
    ----------
    phases
        Reflections of each crystal, to `seen.farthest` at least.
    per_pixel
        [1/Å] of a pixel: for errors in pixels.
    scale_error
        Relative standard error of the camera constant, up to 0.1.
    turn
        (2, 2) `Screen.turn`, for the direction of `shift_px`; None: lab x along columns, y along rows.

    Raises
    ------
    BadInput
        If no crystal is given, or the scale's error is out of range.
    """
    if not phases:
        raise BadInput("no crystal to index with", "one is needed", "name the phase, or give its CIF")
    if not 0 <= scale_error <= 0.1:
        raise BadInput(
            f"a camera constant known to {100 * scale_error:.3g} %",
            "up to 10 % is indexed",
            "calibrate it on a crystal that is known",
        )
    if (count := _independent(seen)) < _FEWEST:
        return _nothing("too_few_spots", seen, f"{count} independent spots; {_FEWEST} are needed")
    fits = [(n, fit) for n, known in enumerate(phases) for fit in _fits(seen, known, light, scale_error)]
    answers = [_answer(phases[n], fit, per_pixel, turn) for n, fit in fits if fit.explained >= 3]
    if not answers:
        return _nothing("no_phase_fits", seen, "no pair of spots fits any of the crystals")
    return _judged(seen, answers, {p.crystal.name: p.crystal for p in phases}, scale_error)


def _fits(seen: Seen, known: Reflections, light: Illumination, scale_error: float) -> list[Fit]:
    """The best refined orientations of one crystal, best first, no two alike."""
    known = known.part(known.length < seen.farthest * (1 + scale_error) + 0.05)
    first, loose = representatives(known), max(0.015, scale_error)
    strong = known.part(known.strength > 0.02)
    rough, value = np.empty((0, 3, 3)), np.empty(0)
    for pair in pairs_of(seen):
        found = seeds(seen, pair, known, first, light.k, scale_error)
        if len(found):
            worth = scores(seen, strong, found, light.k, 0.02, loose)
            best = np.argsort(-worth, kind="stable")[:_KEPT]
            rough, value = np.concatenate([rough, found[best]]), np.concatenate([value, worth[best]])
    order = _distinct(known.crystal, rough, np.argsort(-value, kind="stable"), _REFINED)
    fits = [refined(seen, strong, rough[n], light.k, _RELROD, scale_error) for n in order]
    least = max((fit.score for fit in fits), default=0.0) - 2 * _BRIGHT_SHARE * _BRIGHT_NAT - _LEAD_NAT
    fits = [_with_brightness(seen, strong, fit, light) for fit in fits if fit.score >= least]
    fits.sort(key=lambda fit: -fit.score)
    unlike = _distinct(known.crystal, np.array([f.to_lab for f in fits]), range(len(fits)), _REFINED)
    return [fits[n] for n in unlike]


def _with_brightness(seen: Seen, known: Reflections, fit: Fit, light: Illumination) -> Fit:
    """The fit with the tilt that brightness tells; what it gains counts half, for it is kinematic only."""
    to_lab, gained = brightness_nat(corrected(seen, fit), known, fit.to_lab, light)
    return replace(
        fit, to_lab=to_lab, score=fit.score + _BRIGHT_SHARE * min(max(gained, -_BRIGHT_NAT), _BRIGHT_NAT)
    )


def _distinct(crystal: Crystal, turns: Array, order: Sequence[int] | Integers, most: int) -> list[int]:
    """The first of an order (at most so many) that no rotation of the crystal makes of an earlier one within 3°."""
    four = np.array([quaternion(turn) for turn in turns]).reshape(-1, 4)
    limit = math.cos(math.radians(_SAME_DEG) / 2)
    fresh, kept = np.ones(len(four), dtype=bool), []
    for n in (int(x) for x in order):
        if fresh[n]:
            kept.append(n)
            between = product(
                four[n] * (1, -1, -1, -1), four
            )  # from crystal axes by one to those by the other
            fresh &= np.abs(between @ crystal.quaternions.T).max(axis=1) < limit
        if len(kept) == most:
            break
    return kept


def _answer(known: Reflections, fit: Fit, per_pixel: float, turn: Array | None) -> Indexed:
    axis, off = nearest_zone_axis(known.crystal, fit.to_lab)
    step = (np.eye(2) if turn is None else turn).T @ fit.shift / per_pixel
    return Indexed(
        phase=known.crystal.name,
        zone_axis=axis,
        off_deg=off,
        to_lab=as_matrix(fit.to_lab),
        score_nat=fit.score,
        explained=fit.explained,
        rms_px=fit.rms / per_pixel,
        scale=fit.scale,
        shift_px=(float(step[1]), float(step[0])),
    )


def _independent(seen: Seen) -> int:
    """Spots that are no opposites of another, if they do not all lie on one line; else 0."""
    if len(seen) < 2:
        return 0
    _, size, _ = np.linalg.svd(seen.at)
    if size[1] < 0.05 * size[0]:
        return 0
    kept: list[Array] = []
    for at in seen.at:
        if all(np.linalg.norm(at + other) > 4 * seen.sigma + 0.01 for other in kept):
            kept.append(at)
    return len(kept)


def _judged(seen: Seen, answers: list[Indexed], crystals: dict[str, Crystal], scale_error: float) -> Indexing:
    answers = sorted(answers, key=lambda a: -a.score_nat)
    best = answers[0]
    others = [a for a in answers[1:] if not _same_axis(best, a, crystals[a.phase])]
    alike = [a for a in answers[1:] if _same_axis(best, a, crystals[a.phase])]
    runner = others[0] if others else None
    lead = None if runner is None else best.score_nat - runner.score_nat
    turned = alike[0] if alike and best.score_nat - alike[0].score_nat < _LEAD_NAT else None
    verdict, why = _verdict(seen, best, runner, lead, scale_error)
    return Indexing(
        verdict=verdict, spots=len(seen), best=best, runner_up=runner, turned=turned, lead_nat=lead, why=why
    )


def _verdict(
    seen: Seen, best: Indexed, runner: Indexed | None, lead: float | None, scale_error: float
) -> tuple[Verdict, str]:
    share = best.explained / len(seen)
    if abs(best.scale - 1) > _SCALE_SIGMAS * max(scale_error, 0.002):
        return "no_phase_fits", (
            f"{_named(best)} fits if the camera constant is {100 * abs(best.scale - 1):.1f} % off, which is known to "
            f"{100 * scale_error:.1f} %"
        )
    if best.rms_px > _RMS_PX:
        return "no_phase_fits", f"spots lie {best.rms_px:.2f} px from the reflections of {_named(best)}"
    if share < _EXPLAINED:
        return "no_phase_fits", (
            f"the best answer explains {best.explained} of {len(seen)} spots; the phase or the camera constant is "
            "wrong, or several crystals overlap"
        )
    if best.score_nat < _PER_SPOT_NAT * len(seen):
        return "no_phase_fits", (
            f"{best.explained} of {len(seen)} spots lie near reflections, but no better than another lattice would "
            f"do ({best.score_nat / len(seen):.1f} nat a spot)"
        )
    if best.score_nat < _SCORE_NAT:
        return "too_few_spots", f"{len(seen)} spots fit by chance as well ({best.score_nat:.0f} nat)"
    if runner is not None and lead is not None and lead < _LEAD_NAT:
        return "ambiguous", (
            f"{_named(best)} leads {_named(runner)} by {lead:.1f} nat only; {_LEAD_NAT:g} are asked for"
        )
    return "indexed", ""


def _named(answer: Indexed) -> str:
    return f"{answer.phase} [{' '.join(str(i) for i in answer.zone_axis)}]"


def _same_axis(first: Indexed, second: Indexed, crystal: Crystal) -> bool:
    """The same phase, and beams along equivalent directions (either sense) within 3°."""
    if first.phase != second.phase:
        return False
    if list(second.zone_axis) in crystal.direction_family(first.zone_axis).tolist():
        return True
    one, two = (np.array(a.to_lab)[2] for a in (first, second))
    images = crystal.cartesian @ one
    return bool(np.abs(images @ two).max() > math.cos(math.radians(_SAME_DEG)))


def _nothing(verdict: Verdict, seen: Seen, why: str) -> Indexing:
    return Indexing(
        verdict=verdict, spots=len(seen), best=None, runner_up=None, turned=None, lead_nat=None, why=why
    )
