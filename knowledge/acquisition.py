"""How to image a lattice so that its vacancies can be counted, inside a dose budget.

The rule behind it: a vacancy stands out by d' = dN / sqrt(N + B). For 1e-4 false alarms a site and 95 %
recall a full column needs about 90 to 100 detected electrons; below about 30 none is found. Many short
frames are summed after drift correction, since a long dwell smears what moves.
"""

import math
from dataclasses import dataclass
from typing import Final

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.dose import STEADY, Unsteady, counts_per_column, frame_seconds, scan_dose

NEEDED_COUNTS: Final = 95.0
"""Detected electrons in a column for 95 % recall of its vacancy."""
BLIND_COUNTS: Final = 30.0
"""Below this no vacancy is found."""
COMFORT: Final = 1.5
"""Aimed at: this many times the needed counts, for columns beside the focus optimum."""
MARGIN: Final = 0.03
"""Share of the budget that is left alone, on top of the current error in every bound."""
PIXELS_PM: Final = (15.625, 18.75, 22.0, 26.0)
"""Pixel sizes tried, finest first: 8 nm at 512 px is 15.6 pm."""


class AtomicRecipe(Model):
    """Frames that are summed to one image with the lattice resolved."""

    width_px: int
    fov_nm: float
    pixel_pm: float
    frames: int
    """0 if not even two short frames fit the budget."""
    frames_at_most: int
    """As many would be taken where a place has had less than is reckoned with: enough for comfort."""
    dwell_us: float
    mean_e_per_a2: float
    """Mean dose of all frames together [e/Å²]: what makes the counts."""
    bound_e_per_a2: float
    """Upper bound at any atom, of these frames [e/Å²]."""
    elsewhere_e_per_a2: float
    """Upper bound of what overviews put on the same atoms [e/Å²]."""
    counts_per_column: float
    needed_counts: float
    seconds: float
    needed_budget_e_per_a2: float
    """Smallest budget with which the needed counts are reached [e/Å²]."""
    say: str
    """One sentence for the person."""

    @property
    def fits(self) -> bool:
        """At least two frames are inside the budget."""
        return self.frames >= 2

    @property
    def recall_ok(self) -> bool:
        """The counts reach what 95 % recall needs."""
        return self.fits and self.counts_per_column >= self.needed_counts

    @property
    def blind(self) -> bool:
        """The counts are so far from those needed that nothing would be found."""
        return self.counts_per_column < BLIND_COUNTS / NEEDED_COUNTS * self.needed_counts

    @property
    def total_e_per_a2(self) -> float:
        """Upper bound at any atom, overviews included [e/Å²]."""
        return self.bound_e_per_a2 + self.elsewhere_e_per_a2


_ENOUGH: Final = 1.02
"""Longer frames give little more than what is needed: what is left may be wanted by a second approach."""


class _Frame(Model):
    pixel_pm: float
    dwell_us: float
    mean: float
    bound: float


@dataclass(frozen=True)
class _Beam:
    """What every frame is scanned with."""

    current_pa: float
    voltage_kv: float
    convergence_mrad: float
    columns: int
    flyback_us: float
    unsteady: Unsteady

    def frame(self, pixel_pm: float, dwell_us: float) -> _Frame:
        """The dose of one frame with these pixels."""
        dose = scan_dose(
            current_pa=self.current_pa, dwell_us=dwell_us, pixel_nm=pixel_pm / 1e3, columns=self.columns,
            voltage_kv=self.voltage_kv, convergence_mrad=self.convergence_mrad, flyback_us=self.flyback_us,
            unsteady=self.unsteady,
        )  # fmt: skip
        return _Frame(
            pixel_pm=pixel_pm, dwell_us=dwell_us, mean=dose.mean_e_per_a2, bound=dose.bound_e_per_a2
        )


def recommend_atomic(
    *,
    budget_e_per_a2: float | None,
    current_pa: float,
    voltage_kv: float,
    convergence_mrad: float,
    cross_section_a2: float,
    spacing_a: float = 1.76,
    spent_elsewhere_e_per_a2: float = 0.0,
    flyback_us: float = 0.0,
    overhead_s: float = 0.0,
    min_dwell_us: float = 0.5,
    needed_counts: float = NEEDED_COUNTS,
    width_px: int = 512,
    max_frames: int = 64,
    unsteady: Unsteady = STEADY,
    comfort: float = COMFORT,
    pixels_pm: tuple[float, ...] = PIXELS_PM,
    recall: float = 0.95,
) -> AtomicRecipe:
    """Pixel size, frames and dwell for counting vacancies below a dose budget.

    Parameters
    ----------
    budget_e_per_a2
        Most any atom may receive, overviews included [e/Å²]; None if nothing bounds it.
    cross_section_a2
        Of the column that may be empty, onto the detector [Å²].
    spacing_a
        Smallest distance between columns in projection [Å]; it gets six pixels or more.
    spent_elsewhere_e_per_a2
        Upper bound of survey and overviews at the same atoms [e/Å²].
    unsteady
        How the stage may move under the scan.
    comfort
        Aimed at: so many times the needed counts.
    pixels_pm
        Pixel sizes tried, the preferred first [pm].
    recall
        What the needed counts are for; it goes into the sentence.

    Raises
    ------
    BadInput
        If a current, cross-section or spacing is not positive.
    """
    if min(current_pa, cross_section_a2, spacing_a) <= 0:
        raise BadInput("a recipe needs a current, a cross-section and a spacing above zero")
    dwell_us = max(0.5, min_dwell_us)
    allowed = (
        math.inf if budget_e_per_a2 is None else budget_e_per_a2 * (1 - MARGIN) - spent_elsewhere_e_per_a2
    )

    beam = _Beam(current_pa, voltage_kv, convergence_mrad, width_px, flyback_us, unsteady)
    fine = [pixel for pixel in pixels_pm if pixel <= spacing_a * 100 / 6 or pixel == pixels_pm[0]]
    candidates = [beam.frame(pixel, dwell_us) for pixel in fine]
    wanted_mean = comfort * needed_counts / cross_section_a2
    needed_mean = needed_counts / cross_section_a2
    frame, frames = _choose(candidates, wanted_mean, needed_mean, allowed, max_frames, beam)
    needed = math.ceil(needed_counts / cross_section_a2 / frame.mean)
    recipe = AtomicRecipe(
        width_px=width_px,
        fov_nm=frame.pixel_pm * width_px / 1e3,
        pixel_pm=frame.pixel_pm,
        frames=frames,
        frames_at_most=max(frames, min(max_frames, math.ceil(wanted_mean / frame.mean - 1e-9))),
        dwell_us=frame.dwell_us,
        mean_e_per_a2=frames * frame.mean,
        bound_e_per_a2=frames * frame.bound,
        elsewhere_e_per_a2=spent_elsewhere_e_per_a2,
        counts_per_column=counts_per_column(frames * frame.mean, cross_section_a2),
        needed_counts=needed_counts,
        seconds=frames
        * frame_seconds(
            rows=width_px,
            columns=width_px,
            dwell_us=frame.dwell_us,
            flyback_us=flyback_us,
            overhead_s=overhead_s,
        ),
        needed_budget_e_per_a2=(max(needed, 2) * frame.bound + spent_elsewhere_e_per_a2) / (1 - MARGIN),
        say="",
    )
    return recipe.model_copy(update={"say": _sentence(recipe, budget_e_per_a2, f"{100 * recall:g} %")})


def _choose(
    candidates: list[_Frame], wanted: float, needed: float, allowed: float, most: int, beam: _Beam,
) -> tuple[_Frame, int]:  # fmt: skip
    """The finest pixel that reaches the needed dose; failing that, the one that gets nearest to it.

    Where one more frame would be too much, the frames that fit are made longer: a coarser pixel costs recall.
    """
    options: list[tuple[_Frame, int]] = []
    for frame in candidates:
        fit = most if math.isinf(allowed) else max(0, math.floor(allowed / frame.bound + 1e-9))
        frames = min(max(2, math.ceil(wanted / frame.mean)), fit, most)
        frames = frames if frames >= 2 else 0
        options.append((frame, frames))
        if frames * frame.mean >= needed:
            return frame, frames
        longer = _stretched(frame, frames, _ENOUGH * needed, allowed, beam) if 2 <= frames == fit else None
        if longer is not None and frames * longer.mean >= needed:
            return longer, frames
    return max(options, key=lambda option: option[1] * option[0].mean)


def _stretched(frame: _Frame, frames: int, wanted: float, allowed: float, beam: _Beam) -> _Frame:
    """The same pixel with the dwell that gives what is wanted, or fills what is allowed, to a hundredth of a µs."""
    factor = min(allowed / (frames * frame.bound), wanted / (frames * frame.mean))
    return beam.frame(frame.pixel_pm, max(frame.dwell_us, math.floor(100 * factor * frame.dwell_us) / 100))


def _sentence(recipe: AtomicRecipe, budget: float | None, recall: str) -> str:
    limit = "no budget given" if budget is None else f"{budget:.3g} e/Å² allowed"
    if not recipe.fits:
        return (
            f"not even two frames of {recipe.dwell_us:g} µs fit: overviews alone put up to "
            f"{recipe.elsewhere_e_per_a2:.3g} e/Å² under the probe, {limit}; "
            f"{recipe.needed_budget_e_per_a2:.3g} e/Å² would reach {recall} recall"
        )
    dose = f"{recipe.total_e_per_a2:.3g} e/Å² at most at any atom, {limit}"
    strict = " with one false call in 10,000 sites" if recipe.needed_counts == NEEDED_COUNTS else ""
    needed = f"{recipe.needed_counts:.0f} are needed for {recall} recall{strict}"
    counts = f"{recipe.counts_per_column:.0f} counts a column ({needed})"
    shape = f"{recipe.frames} frames × {recipe.dwell_us:g} µs at {recipe.pixel_pm:.1f} pm/px"
    if recipe.recall_ok:
        return f"{shape}: {counts}; {dose}"
    verdict = "none would be found" if recipe.blind else f"recall will be below {recall}"
    return (
        f"{shape}: {counts}, so {verdict}; {dose}; {recipe.needed_budget_e_per_a2:.3g} e/Å² would be enough"
    )
