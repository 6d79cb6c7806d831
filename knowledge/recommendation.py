"""Which dwell, pixel size, field and number of frames a wanted recall or precision takes, within a dose limit.

The law says how many counts a full column needs; the cross-section, or a frame, says which dose makes them;
`acquisition.recommend_atomic` fits frames into the limit. How many fields a density takes follows from its interval:
(q - f) / (r - f) of Rogan and Gladen, whose half-width at 95 % is 1.96·sqrt(q(1 - q)/n) / (r - f).
"""

import math
from typing import Final

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.acquisition import MARGIN, AtomicRecipe, recommend_atomic
from eucentric.knowledge.detection import (
    VacancyLaw,
    column_cross_section_a2,
    predicted_law,
    vacancy_of,
)
from eucentric.knowledge.dose import STEADY, Unsteady
from eucentric.knowledge.electron_optics import wavelength_a
from eucentric.knowledge.phases import Phase

PIXELS_A_SPACING: Final = 4.5
"""Fewest pixels from one column to the next."""
_COMFORT: Final = 1.15
"""Aimed at: so many times the needed counts."""
_Z: Final = 1.96
USUAL_DENSITY_PERCENT: Final = 1.5
_EDGE_SPACINGS: Final = 1.5
_VOLTAGE_KV: Final = (20.0, 1250.0)
_CURRENT_PA: Final = 1e5
MOST_FIELDS: Final = 500


class Optics(Model):
    """What of the instrument a recommendation rests on."""

    current_pa: float
    voltage_kv: float
    convergence_mrad: float
    flyback_us: float = 0.0
    overhead_s: float = 0.0
    min_dwell_us: float = 0.5
    unsteady: Unsteady = STEADY


class Wanted(Model):
    """What the images are for."""

    kind: str = "vacancy"
    recall: float = 0.95
    density_error_percent: float | None = None
    """Half-width of the 95 % interval of the density [% of the sites]."""
    density_percent: float = USUAL_DENSITY_PERCENT
    """Density that is expected [% of the sites]."""


class Recommendation(Model):
    """Settings, what they cost, and what they will show."""

    kind: str
    wanted_recall: float
    source: str
    """'predicted' from physics, or 'measured' on a frame."""
    needed_counts: float | None
    """In a full column of the kind; None: no dose is enough."""
    needed_counts_low: float | None
    needed_counts_high: float | None
    """95 % interval of it."""
    dwell_us: float
    pixel_pm: float
    width_px: int
    fov_nm: float
    current_pa: float
    frames_per_place: int
    """Short frames that are added up at one place."""
    places: int
    """Fields of view; 1 unless a precision is asked for."""
    sites_per_place: int
    mean_dose_e_per_a2: float
    """Of all frames at a place."""
    dose_e_per_a2: float
    """Upper bound at any atom, overviews included."""
    needed_dose_e_per_a2: float | None
    """Upper bound that would be enough for the recall."""
    needed_dose_low: float | None
    needed_dose_high: float | None
    limit_e_per_a2: float | None
    counts_per_column: float
    expected_recall: float
    recall_low: float
    recall_high: float
    density_error_percent: float | None
    """Half-width to expect with these places."""
    seconds: float
    """Scan time of all places."""
    possible: bool
    say: str


def recommend(
    phase: Phase,
    wanted: Wanted,
    optics: Optics,
    *,
    limit_e_per_a2: float | None,
    spent_e_per_a2: float = 0.0,
    law: VacancyLaw | None = None,
    dose_per_count: float | None = None,
    least_counts: float = 0.0,
    pixel_pm: float | None = None,
    width_px: int = 512,
) -> Recommendation:
    """Settings for a wanted recall or precision within a dose limit.

    Parameters
    ----------
    limit_e_per_a2
        Most that any atom may receive [e/Å²]; None if nothing bounds it.
    spent_e_per_a2
        What overviews and focusing give to the same atoms [e/Å²].
    law, dose_per_count
        From a frame: recall by counts, and mean dose for one count [e/Å²]. Left out: from physics.
    least_counts
        Counts below which the detector was seen not to tell, whatever the law says.
    pixel_pm
        Pixel size; left out: chosen.

    Raises
    ------
    BadInput
        An unknown vacancy, a recall outside 0.3 to 0.999, a density or its error that makes no sense.
    """
    column, state = vacancy_of(phase, wanted.kind)
    _check(wanted, phase, optics, pixel_pm)
    first_pm = pixel_pm or 15.625
    law = law or predicted_law(
        phase,
        state.name,
        voltage_kv=optics.voltage_kv,
        convergence_mrad=optics.convergence_mrad,
        pixel_pm=first_pm,
    )
    section = 1 / dose_per_count if dose_per_count else column_cross_section_a2(column, optics.voltage_kv)
    counts = max(law.counts_for(wanted.recall), least_counts)
    recipe = _recipe(
        phase, optics, limit_e_per_a2, spent_e_per_a2, section, counts, wanted.recall, pixel_pm, width_px
    )
    return _told(phase, wanted, optics, limit_e_per_a2, law, recipe, least_counts)


def _check(wanted: Wanted, phase: Phase, optics: Optics, pixel_pm: float | None) -> None:
    _check_optics(phase, optics)
    if not 0 < wanted.density_percent < 50:
        raise BadInput(
            f"an expected density of {wanted.density_percent:g} %", "between 0 and 50 % can be planned for"
        )
    error = wanted.density_error_percent
    if error is not None and not 0 < error < 50:
        raise BadInput(f"a density to ± {error:g} %", "between 0 and 50 % of the sites can be planned for")
    coarsest = coarsest_pixel_pm(phase)
    if pixel_pm is not None and not 1 <= pixel_pm <= coarsest:
        raise BadInput(
            f"pixels of {pixel_pm:g} pm",
            f"columns of {phase.name} need 1 to {coarsest:.0f} pm: at least {PIXELS_A_SPACING:g} pixels from one to "
            "the next",
        )


def _check_optics(phase: Phase, optics: Optics) -> None:
    """What the cross-sections hold for, and a probe that can tell one column from the next."""
    low, high = _VOLTAGE_KV
    if not low <= optics.voltage_kv <= high:
        raise BadInput(
            f"a high tension of {optics.voltage_kv:g} kV", f"reckoned with is {low:g} to {high:g} kV"
        )
    if optics.current_pa > _CURRENT_PA:
        raise BadInput(
            f"a probe current of {optics.current_pa:g} pA", f"reckoned with is up to {_CURRENT_PA:g} pA"
        )
    limit_a = 0.61 * wavelength_a(optics.voltage_kv) / (optics.convergence_mrad * 1e-3)
    if limit_a > phase.spacing_angstrom:
        raise BadInput(
            f"a convergence of {optics.convergence_mrad:g} mrad at {optics.voltage_kv:g} kV",
            f"it resolves {limit_a:.2g} Å at best; columns of {phase.name} are {phase.spacing_angstrom:.2f} Å apart",
            "open the aperture",
        )


def _recipe(
    phase: Phase, optics: Optics, limit: float | None, spent: float, section: float, counts: float, recall: float,
    pixel_pm: float | None, width_px: int,
) -> AtomicRecipe:  # fmt: skip
    reachable = counts if math.isfinite(counts) else 1e4
    more = {} if pixel_pm is None else {"pixels_pm": (pixel_pm,)}
    return recommend_atomic(
        budget_e_per_a2=limit, current_pa=optics.current_pa, voltage_kv=optics.voltage_kv,
        convergence_mrad=optics.convergence_mrad, cross_section_a2=section, spacing_a=phase.spacing_angstrom,
        spent_elsewhere_e_per_a2=spent, flyback_us=optics.flyback_us, overhead_s=optics.overhead_s,
        min_dwell_us=optics.min_dwell_us, needed_counts=reachable, unsteady=optics.unsteady, width_px=width_px,
        max_frames=200, comfort=_COMFORT, recall=recall, **more,
    )  # fmt: skip


def _told(
    phase: Phase, wanted: Wanted, optics: Optics, limit: float | None, law: VacancyLaw, recipe: AtomicRecipe,
    least: float,
) -> Recommendation:  # fmt: skip
    needed, *interval = (
        max(c, least) for c in (law.counts_for(wanted.recall), *law.counts_interval(wanted.recall))
    )
    per_count = (
        recipe.needed_budget_e_per_a2 * (1 - MARGIN) - recipe.elsewhere_e_per_a2
    ) / recipe.needed_counts
    expected, (low, high) = (
        law.recall(recipe.counts_per_column),
        law.recall_interval(recipe.counts_per_column),
    )
    sites = sites_in(phase, law.kind, recipe.fov_nm)
    places = places_for(wanted, expected, sites)
    known = math.isfinite(needed)
    doses = [
        per_count * c + recipe.elsewhere_e_per_a2 if math.isfinite(c) else None for c in (needed, *interval)
    ]
    told = Recommendation(
        kind=law.kind, wanted_recall=wanted.recall, source=law.source, needed_counts=_finite(needed),
        needed_counts_low=_finite(interval[0]), needed_counts_high=_finite(interval[1]), dwell_us=recipe.dwell_us,
        pixel_pm=recipe.pixel_pm, width_px=recipe.width_px, fov_nm=recipe.fov_nm, current_pa=optics.current_pa,
        frames_per_place=recipe.frames, places=places or 1, sites_per_place=sites,
        mean_dose_e_per_a2=recipe.mean_e_per_a2, dose_e_per_a2=recipe.total_e_per_a2, needed_dose_e_per_a2=doses[0],
        needed_dose_low=doses[1], needed_dose_high=doses[2], limit_e_per_a2=limit,
        counts_per_column=recipe.counts_per_column, expected_recall=expected, recall_low=low, recall_high=high,
        density_error_percent=error_of(wanted.density_percent, expected, sites * (places or 1)),
        seconds=recipe.seconds * (places or 1), say="",
        possible=bool(known and recipe.fits and recipe.counts_per_column >= needed and places is not None),
    )  # fmt: skip
    return told.model_copy(update={"say": sentence(told)})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def coarsest_pixel_pm(phase: Phase) -> float:
    """Largest pixel in which a column can be told from the next [pm]."""
    return phase.spacing_angstrom * 100 / PIXELS_A_SPACING


def sites_in(phase: Phase, kind: str, fov_nm: float) -> int:
    """Sites of the vacancy's column in a square field, edges left out."""
    inner_a = max(10 * fov_nm - 2 * _EDGE_SPACINGS * phase.spacing_angstrom, 0.0)
    column, _ = vacancy_of(phase, kind)
    alike = len(phase.columns) if phase.alike else sum(one == column for one in phase.columns)
    return int(inner_a**2 / phase.site_area_a2 * alike / phase.lattice.parts)


def error_of(density_percent: float, recall: float, sites: int) -> float | None:
    """Half-width of the 95 % interval of a density from so many sites [% of the sites]; None without sites."""
    if sites <= 0 or recall <= 0:
        return None
    called = density_percent / 100 * recall
    return 100 * _Z * math.sqrt(called * (1 - called) / sites) / recall


def places_for(wanted: Wanted, recall: float, sites: int) -> int | None:
    """Fields for the wanted precision, 1 if none is wanted; None if there would be more than anybody takes."""
    if wanted.density_error_percent is None:
        return 1
    one = error_of(wanted.density_percent, recall, sites)
    if one is None:
        return None
    places = math.ceil((one / wanted.density_error_percent) ** 2 - 1e-9)
    return max(places, 1) if places <= MOST_FIELDS else None


def sentence(r: Recommendation) -> str:
    """What to set and what it gives, or why it can't be had."""
    recall = f"{100 * r.wanted_recall:g} % recall of {r.kind}"
    if r.needed_counts is None:
        most = f"{100 * r.expected_recall:.0f} %"
        return f"{recall} cannot be had by dose: scatter of the columns, not dose, limits it to {most}"
    counts = (
        f"≥ {r.needed_counts:.0f} counts in a full column "
        f"({r.needed_counts_low or 0:.0f}-{_or_more(r.needed_counts_high)}, {r.source})"
    )
    head = f"{recall} needs {counts}"
    shape = (
        f"{r.frames_per_place} frames × {r.dwell_us:g} µs at {r.current_pa:g} pA and {r.pixel_pm:.1f} pm/px "
        f"({r.fov_nm:g} nm, {r.width_px} px)"
    )
    limit = "no dose limit is known" if r.limit_e_per_a2 is None else f"{r.limit_e_per_a2:.3g} allowed"
    dose = f"{r.mean_dose_e_per_a2:.3g} e/Å² mean, ≤ {r.dose_e_per_a2:.3g} at any atom, {limit}"
    if not r.possible and r.counts_per_column < r.needed_counts:
        return (
            f"{head}: cannot be done below {r.needed_dose_e_per_a2 or 0:.3g} e/Å² at any atom; at the limit of "
            f"{r.limit_e_per_a2 or 0:.3g} recall would be {100 * r.expected_recall:.0f} % "
            f"({100 * r.recall_low:.0f}-{100 * r.recall_high:.0f})"
        )
    return f"{head} = {shape}: {dose}; recall {100 * r.expected_recall:.0f} % to be expected{_fields(r)}"


def _or_more(value: float | None) -> str:
    return "no bound" if value is None else f"{value:.0f}"


def _fields(r: Recommendation) -> str:
    if r.density_error_percent is None:
        return ""
    fields = f"{r.places} field{'s' if r.places > 1 else ''} of {r.sites_per_place:,} sites"
    return f"; {fields}: density to ± {r.density_error_percent:.2g} % of the sites"
