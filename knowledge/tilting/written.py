"""What is typed on a command line: readings, tilts, limits. One form for `tilt` and for the notebook."""

import math
import re
from typing import Literal, NamedTuple

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.crystal import (
    Box,
    Limits,
    Observation,
    Polygon,
    Reading,
    Superellipse,
    direction_indices,
    parse_indices,
    plane_indices,
)
from eucentric.knowledge.crystal.stage import Holder

Seen = Literal["axis", "g", "band", "unindexed"]
_READING = re.compile(
    r"""\s*(?P<alpha>[^,=]+?)\s*(?:,\s*(?P<beta>[^,=]+?)\s*)?=
        \s*(?P<what>band\b|g\b)?\s*(?P<index>\?|[^@?]+?)?\s*(?:@\s*(?P<azimuths>[^@]+))?\s*""",
    re.VERBOSE,
)
EXAMPLES = "10.9,5.0=[110]   -3.2,8=<112>   0,0=(200)@34.5 (azimuth of g)   0,0=band(200)@124.5   4,7=?"

_SECOND: dict[Holder, list[str]] = {"single_tilt": ["0", "0"], "tilt_rotate": ["-180", "180"]}
"""The second axis of holders that are told with one number."""


class Written(NamedTuple):
    """A reading as it was typed."""

    alpha_deg: float
    beta_deg: float
    seen: Seen
    written: str
    """As it was written; empty if it is not indexed."""
    azimuths_deg: tuple[float, ...]


def reading_of(text: str) -> Written:
    """ALPHA,BETA=INDEX: [uvw], <uvw>, (hkl)@AZIMUTH for g, band(hkl)@AZIMUTH, or ? if nobody knows what it is.

    Raises
    ------
    BadInput
        If it is not of that form, or its index is none.
    """
    found = _READING.fullmatch(text.replace("−", "-"))
    if found is None:
        raise _unreadable(text)
    alpha = _number(found["alpha"], "alpha", text)
    beta = _number(found["beta"], "beta", text) if found["beta"] else 0.0
    azimuths = tuple(
        _number(one, "an azimuth", text) for one in re.split("[,;]", found["azimuths"] or "") if one
    )
    if found["index"] in (None, "?"):
        if found["what"]:
            raise _unreadable(text)
        return Written(alpha, beta, "unindexed", "", azimuths)
    index = found["index"].strip()
    _, kind, _ = parse_indices(index)
    if kind == "direction":
        if azimuths or found["what"]:
            raise BadInput(
                f"{visible(text, limit=80)!r} gives a zone axis with an azimuth",
                "an axis is on the beam and has none; a plane (hkl) has one",
                f"write the plane in round brackets: {EXAMPLES}",
            )
        return Written(alpha, beta, "axis", index, ())
    if len(azimuths) != 1:
        raise BadInput(
            f"{visible(text, limit=80)!r} gives a plane without its azimuth",
            "a reflection or band says something only with its direction on the screen",
            f"add it after an @: {EXAMPLES}",
        )
    return Written(alpha, beta, "band" if found["what"] == "band" else "g", index, azimuths)


def observation_of(written: Written, sigma_deg: float, as_given: bool) -> Observation:
    """The observation for the solver; azimuths as on the screen of the stage it is used with.

    Raises
    ------
    BadInput
        If nothing is indexed.
    """
    if written.seen == "unindexed":
        raise BadInput(
            "a reading without an index fixes nothing",
            "it is kept in a notebook, and used to find out what the crystal is",
            "write the index, or leave the reading out",
        )
    indices, _, family = parse_indices(written.written)
    at = Reading(alpha_deg=written.alpha_deg, beta_deg=written.beta_deg)
    if written.seen == "axis":
        return Observation(
            reading=at, uvw=direction_indices(indices), family=family, sigma_deg=sigma_deg,
            sense="as_given" if as_given else "either",
        )  # fmt: skip
    turned = 90.0 if written.seen == "band" else 0.0
    return Observation(
        reading=at, hkl=plane_indices(indices), azimuth_deg=written.azimuths_deg[0] + turned, family=family,
        sigma_deg=sigma_deg,
    )  # fmt: skip


def tilt_of(text: str) -> Reading:
    """ALPHA,BETA (or ALPHA alone) as a reading.

    Raises
    ------
    BadInput
        If these are not one or two numbers.
    """
    numbers = numbers_of(text, "a tilt is ALPHA,BETA in degrees, such as 10.9,-5")
    if len(numbers) not in (1, 2):
        raise BadInput(
            f"{visible(text, limit=60)!r} is no tilt", "one or two numbers are", "write ALPHA,BETA"
        )
    return Reading(alpha_deg=numbers[0], beta_deg=numbers[1] if len(numbers) == 2 else 0.0)


def limits_in(text: str, holder: Holder = "double_tilt") -> Limits:
    """35,30 (each ±) · -35:35,-25:30 · ellipse:36,32,3.3 · outline:30,0;0,25;-30,0;0,-25 (corners in order).

    One number is enough for a single-tilt holder, and for one that rotates all the way round.

    Raises
    ------
    BadInput
        If it is none of these.
    """
    plain = text.replace("−", "-").replace("±", "").strip()
    shape, colon, rest = plain.partition(":")
    if colon and shape.strip().isalpha():
        return _shaped(shape.strip().lower(), rest, text)
    spans = [part.split(":") for part in plain.split(",")]
    if len(spans) == 1 and holder in _SECOND:
        spans.append(_SECOND[holder])
    if len(spans) != 2 or any(len(span) > 2 for span in spans):
        raise _no_limits(text)
    alpha, beta = (_span([_number(one, "a limit", text) for one in span], text) for span in spans)
    return Box(alpha=alpha, beta=beta)


def numbers_of(text: str, form: str) -> tuple[float, ...]:
    """Numbers with commas between them; `form` says in the error what they should be."""
    try:
        found = tuple(float(one) for one in text.replace("−", "-").split(","))
    except ValueError as error:
        raise BadInput(
            f"{visible(text, limit=60)!r} can't be read", form, "use numbers and commas"
        ) from error
    if not all(map(math.isfinite, found)):
        raise BadInput(f"{visible(text, limit=60)!r} can't be read", form, "use finite numbers")
    return found


def _shaped(shape: str, rest: str, text: str) -> Limits:
    if shape == "ellipse":
        numbers = numbers_of(rest, "ellipse:A,B,R is |alpha/A|^R + |beta/B|^R <= 1")
        if len(numbers) in (2, 3) and min(numbers) > 0:
            return Superellipse(a=numbers[0], b=numbers[1], r=numbers[2] if len(numbers) == 3 else 2.0)
    if shape == "outline":
        corners = [
            numbers_of(one, "outline:A,B;A,B;A,B are its corners") for one in rest.split(";") if one.strip()
        ]
        if len(corners) >= 3 and all(len(one) == 2 for one in corners):
            return Polygon(vertices=tuple((one[0], one[1]) for one in corners))
    raise _no_limits(text)


def _span(numbers: list[float], text: str) -> tuple[float, float]:
    if len(numbers) == 1:
        return -abs(numbers[0]), abs(numbers[0])
    if numbers[0] > numbers[1]:
        raise _no_limits(text)
    return numbers[0], numbers[1]


def _number(text: str, what: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInput(
            f"{visible(text.strip(), limit=30)!r} in {visible(whole, limit=80)!r} is no number",
            f"{what} is a number of degrees",
            f"write {EXAMPLES}",
        )
    return value


def _unreadable(text: str) -> BadInput:
    return BadInput(
        f"{visible(text, limit=80)!r} is no reading", "a reading is ALPHA,BETA=INDEX", f"write {EXAMPLES}"
    )


def _no_limits(text: str) -> BadInput:
    return BadInput(
        f"{visible(text, limit=80)!r} are no limits",
        "both axes, in degrees, the lower before the upper",
        "write 35,30 or -35:35,-25:30 or ellipse:36,32,3.3 or outline:30,0;0,25;-30,0;0,-25, or name a limits file",
    )
