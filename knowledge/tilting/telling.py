"""Answers in short lines for somebody at the microscope: what to type into the goniometer first, then the rest."""

from collections.abc import Iterator

from eucentric.core.text import visible
from eucentric.knowledge.crystal import NextAxis, Tilt
from eucentric.knowledge.crystal.stage import within
from eucentric.knowledge.tilting.answer import Answer, Neighbour, Option
from eucentric.knowledge.tilting.band import Along
from eucentric.knowledge.tilting.situation import Situation, look_next
from eucentric.knowledge.tilting.target import Kind, name_of

_KIND: dict[bool, Kind] = {False: "axis", True: "plane"}


_FAR_DEG = 15.0
"""Members of a family that stay farther from the beam than this are not worth a line."""


def tilt_text(alpha_deg: float, beta_deg: float, second: str = "beta") -> str:
    """'alpha +12.31  beta -4.50'."""
    return f"alpha {_signed(alpha_deg)}  {second} {_signed(beta_deg)}"


def situation_lines(situation: Situation) -> Iterator[str]:
    """Which crystal, from what, how sure, where the stage is."""
    crystal, best = situation.crystal, situation.candidates[0]
    count = len(situation.candidates)
    yield (
        f"{visible(crystal.name or 'crystal', limit=40)}  {visible(crystal.space_group, limit=20)}   "
        f"{visible(situation.source, limit=120)} → {count} orientation{'s' if count > 1 else ''}, "
        f"residual {best.misfit_deg:.2f}°"
    )
    calibration = situation.stage.calibration or "none (signs and screen not calibrated)"
    inside = within(situation.stage, situation.now.alpha_deg, situation.now.beta_deg)
    limits = (
        "; no limits declared" if situation.stage.limits is None else "" if inside else "; OUT OF ITS LIMITS"
    )
    here = _at(situation, situation.now.alpha_deg, situation.now.beta_deg)
    yield f"now       {here}   calibration {calibration}{limits}"


def answer_lines(situation: Situation, answer: Answer) -> Iterator[str]:
    """The answer, or what keeps it from being one."""
    if answer.ambiguous:
        yield from _ambiguous(situation, answer)
        return
    best = answer.best
    kind = _KIND[answer.target.is_plane]
    named = name_of(situation.crystal, best.indices, kind)
    yield answer.target.label + (f"   → {named}" if not answer.target.label.startswith(named) else "")
    yield from _option(situation, best, answer.target.is_plane)
    if answer.candidates > 1:
        yield f"  sure      all {answer.candidates} orientations agree on it within {answer.spread_deg:.2f}°"
    others = [one for one in answer.ways[0].options[1:] if one.tilt.residual_deg < _FAR_DEG]
    for other in others[:3]:
        yield f"  or        {name_of(situation.crystal, other.indices, kind)}   {_short(situation, other.tilt)}"
    yield from _near(situation, answer.near)
    yield _shift(answer)
    if answer.next_axis is not None:
        yield from _look(situation, answer.next_axis)


def along_lines(situation: Situation, band: Along) -> Iterator[str]:
    """A path on which a plane stays edge-on, step by step, and the axes on it."""
    named = name_of(situation.crystal, band.hkl, "plane")
    if band.ambiguous:
        yield (
            f"along {named}   NOT SURE: {band.candidates} orientations fit, and their bands or ends are up to "
            f"{band.spread_deg:.1f}° apart. Tilt along none of these yet."
        )
        yield from _look(situation, look_next(situation))
        return
    yield f"along {named}   {len(band.waypoints)} steps, edge-on all the way"
    if band.off_deg > 0.1:
        yield f"  first     the plane is {band.off_deg:.2f}° from edge-on now; the path begins on its band"
    calibrated = situation.stage.screen_azimuth_deg is not None
    for point in band.waypoints:
        trace = f"   trace {point.trace_deg:.1f}° from the alpha axis" if calibrated else ""
        limit = "" if point.within_limits else "   OUT OF REACH"
        yield f"  {_at(situation, point.alpha_deg, point.beta_deg)}{trace}{limit}"
    if not calibrated:
        yield "  trace     not told: the alpha axis was never found on the screen"
    for one in band.axes[:8]:
        place = _at(situation, one.alpha_deg, one.beta_deg)
        yield f"  on it     {name_of(situation.crystal, one.uvw)}   {place}{_doubt(one)}"
    if band.candidates > 1:
        yield f"  sure      all {band.candidates} orientations have this band, within {band.spread_deg:.2f}°"


def nearest_lines(situation: Situation, near: tuple[Neighbour, ...]) -> Iterator[str]:
    """Zone axes around the present tilt."""
    yield "nearest zone axes within reach"
    for one in near:
        place = _at(situation, one.alpha_deg, one.beta_deg)
        yield f"  {one.away_deg:5.1f}°    {place}   {name_of(situation.crystal, one.uvw)}{_doubt(one)}"
    if not near:
        yield "  none"
    if not all(one.sure for one in near):
        yield f"  NOT SURE  {len(situation.candidates)} orientations fit; these are by the first of them"
        yield from _look(situation, look_next(situation))


def picture_lines(situation: Situation, answer: Answer | None, band: Along | None) -> tuple[str, ...]:
    """What is written below a map."""
    count = len(situation.candidates)
    first = (
        f"{visible(situation.crystal.name, limit=40)}  {visible(situation.crystal.space_group, limit=20)}   "
        f"{visible(situation.source, limit=70)}, {count} orientation{'s' if count > 1 else ''}; convention C1"
    )
    if band is not None:
        doubt = (
            f": not sure, {count} orientations fit. The path is that of the first." if band.ambiguous else ""
        )
        return first, f"along {name_of(situation.crystal, band.hkl, 'plane')}{doubt}"
    if answer is None:
        return (first,)
    if answer.ambiguous:
        return (
            first,
            f"{answer.target.label}: not sure, {count} orientations fit. Axes and bands are those of the first.",
        )
    named = name_of(situation.crystal, answer.best.indices, _KIND[answer.target.is_plane])
    return (
        first,
        f"{named}: {_short(situation, answer.best.tilt)}, within {answer.best.arrival.within_95_deg:.2f}° (95 %)",
    )


def _option(situation: Situation, option: Option, plane: bool) -> Iterator[str]:
    tilt, arrival = option.tilt, option.arrival
    if tilt.reachable:
        move = "" if tilt.move_deg is None else f"   move {tilt.move_deg:.1f}°"
        yield f"  tilt to   {_at(situation, tilt.alpha_deg, tilt.beta_deg)}{move}"
    else:
        yield f"  OUT OF REACH   it needs {_at(situation, tilt.alpha_deg, tilt.beta_deg)}"
        what = "from edge-on" if plane else "from the axis"
        near = _at(situation, tilt.nearest_alpha_deg, tilt.nearest_beta_deg)
        yield f"  nearest   {near}   still {tilt.residual_deg:.2f}° {what}"
    for other in tilt.others:
        yield f"  or        {_at(situation, other.alpha_deg, other.beta_deg)}   the same direction"
    single = situation.stage.holder == "single_tilt"
    second = "" if single else f", {_second(situation)} ±{arrival.beta_sigma_deg:.2f}"
    yield (
        f"  lands     within {arrival.within_95_deg:.2f}° (95 %)   alpha ±{arrival.alpha_sigma_deg:.2f}{second}"
    )


def _ambiguous(situation: Situation, answer: Answer) -> Iterator[str]:
    yield (
        f"{answer.target.label}   NOT SURE: {answer.candidates} orientations fit, up to {answer.spread_deg:.1f}° apart "
        "there. Tilt to none of these yet."
    )
    kind = _KIND[answer.target.is_plane]
    for way in answer.ways:
        named = name_of(situation.crystal, way.best.indices, kind)
        yield f"  {way.candidate:>2}        {_short(situation, way.best.tilt)}   {named}"
    yield from _look(situation, answer.next_axis)


def _look(situation: Situation, look: NextAxis | None) -> Iterator[str]:
    """Which axis decides between the candidates."""
    if look is None:
        yield "  look at   no axis within reach decides; add the azimuth of a g, or tilt farther"
        return
    named = name_of(situation.crystal, look.uvw)
    yield f"  look at   {named}   {_at(situation, look.alpha_deg, look.beta_deg)}"
    yield (
        f"            orientation 1 has one of its family there; {look.told_apart} of {look.pairs} pairs differ there, "
        f"by {look.separation_deg:.1f}° or more"
    )


def _near(situation: Situation, near: tuple[Neighbour, ...]) -> Iterator[str]:
    for n, one in enumerate(near[:3]):
        name = "near it" if n == 0 else ""
        yield (
            f"  {name:<9} {name_of(situation.crystal, one.uvw)} {one.away_deg:.1f}° away   "
            f"{_at(situation, one.alpha_deg, one.beta_deg)}{_doubt(one)}"
        )


def _doubt(one: Neighbour) -> str:
    return "" if one.sure else "   not sure"


def _shift(answer: Answer) -> str:
    x, y, z = (round(v, 2) + 0.0 for v in answer.shift_um)
    fx, fy, fz = answer.feature_um
    what = (
        "a feature 1 µm too high" if (fx, fy, fz) == (0, 0, 1) else f"a feature at {fx:g}, {fy:g}, {fz:g} µm"
    )
    return f"  shift     {what} moves x {x:+.2f}, y {y:+.2f}, z {z:+.2f} µm"


def _short(situation: Situation, tilt: Tilt) -> str:
    if tilt.reachable:
        return _at(situation, tilt.alpha_deg, tilt.beta_deg)
    near = _at(situation, tilt.nearest_alpha_deg, tilt.nearest_beta_deg)
    return f"out of reach, nearest {near} is {tilt.residual_deg:.1f}° short"


def _at(situation: Situation, alpha_deg: float, beta_deg: float) -> str:
    if situation.stage.holder == "single_tilt":
        return f"alpha {_signed(alpha_deg)}"
    return tilt_text(alpha_deg, beta_deg, _second(situation))


def _second(situation: Situation) -> str:
    return "psi" if situation.stage.holder == "tilt_rotate" else "beta"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"
