"""What would help where a frame can't be counted: one word for a planner to act on, by the worst flag."""

from typing import Final, Literal

from eucentric.tools.vision.atom_map import AtomMap

Advice = Literal["none", "refocus", "more_dose", "shorter_dwell", "check_scale", "tilt", "other_place", "ask"]
"""none: it can be counted. refocus: out of focus, or no lattice where one should be. more_dose: too few counts.
shorter_dwell: saturated. check_scale: pixel size or material is wrong. tilt: off the zone axis. other_place: nothing
to see here. ask: a person should look."""

_OF: Final[dict[str, Advice]] = {
    "scale_disagrees": "check_scale",
    "saturated": "shorter_dwell",
    "out_of_focus": "refocus",
    "off_zone": "tilt",
    "no_lattice": "refocus",
    "low_counts": "more_dose",
}
"""In the order in which they are seen to: what is wrong with the scale is wrong whatever else is."""
WRONG_SCALE = "scale_disagrees"


def advice_of(seen: AtomMap, *, scale_accepted: bool = False) -> Advice:
    """What would help, by the flags of a map.

    Parameters
    ----------
    scale_accepted
        A person looked at it: the lattice's pixel size is to be used.
    """
    if len(seen.sites_xy) == 0 and _too_coarse(seen):
        return "ask"
    codes = {code for code, _ in seen.flags} - ({WRONG_SCALE} if scale_accepted else set())
    if not seen.cannot_tell and WRONG_SCALE not in codes:
        return "none"
    return next((advice for code, advice in _OF.items() if code in codes), "ask")


def _too_coarse(seen: AtomMap) -> bool:
    """No focus helps where the pixels are larger than columns are apart."""
    return (seen.stated_pixel_pm or 0.0) > seen.phase.spacing_angstrom * 100


def why_not_counted(seen: AtomMap, *, scale_accepted: bool = False) -> str:
    """Reason not to count, or an empty text."""
    if seen.cannot_tell:
        return seen.cannot_tell
    wrong = [text for code, text in seen.flags if code == WRONG_SCALE and not scale_accepted]
    return wrong[0] if wrong else ""
