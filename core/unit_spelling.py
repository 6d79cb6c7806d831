"""The ways people and models write a number and a unit, in the one way pint reads. Standard library only.

Pint evaluates what it is given as an expression, so a stranger's text must not reach it as it is
(``nm**9**9**9`` would never end): only names, one-digit powers, products and quotients get through.
"""

import re
import unicodedata
from typing import NamedTuple

LONGEST = 200
"""Longest text that is read as a quantity [characters]."""
_SAME = str.maketrans({
    "µ": "u", "μ": "u", "−": "-", "–": "-", "‐": "-", "×": "*", "·": "*", "⋅": "*", "⁄": "/", "∕": "/",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ",
})  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_WORDS = {
    "Å": "angstrom", "Angstrom": "angstrom", "Angström": "angstrom", "angström": "angstrom", "Ang": "angstrom",
    "ångström": "angstrom", "Ångström": "angstrom", "ångstrom": "angstrom", "Ångstrom": "angstrom",
    "angstroms": "angstrom", "Angstroms": "angstrom", "Ångströms": "angstrom", "ångströms": "angstrom",
    "microns": "um", "micron": "um", "mue": "um", "Mikrometer": "um", "Nanometer": "nm", "Millimeter": "mm",
    "micrometres": "um", "micrometre": "um", "nanometres": "nm", "picometres": "pm", "millimetres": "mm",
    "degrees": "deg", "Grad": "deg", "mrads": "mrad", "usec": "us", "msec": "ms", "nsec": "ns", "psec": "ps",
    "sec": "s", "secs": "s", "Sekunde": "s", "Sekunden": "s", "mins": "min", "Minuten": "min", "hrs": "hour",
    "KV": "kV", "kv": "kV", "Kv": "kV", "KeV": "keV", "kev": "keV", "kEV": "keV", "pa": "pA", "PA": "pA",
    "na": "nA", "electrons": "electron", "el": "electron", "e-": "electron", "e": "electron",
}  # fmt: skip
_FACTOR = re.compile(
    r"\s*(?P<op>/|\*|per\b|\.|)\s*(?P<square>(?:sq|square)\s+)?(?P<name>e-(?![0-9])|[A-Za-zÅÄÖÜåäöü]+)"
    r"(?:\s*(?:\*\*|\^)\s*(?P<power>[-+]?[1-9])|(?P<tight>-?[1-9]))?(?![0-9])"
)
_FACTORS_AT_MOST = 4
_QUANTITY = re.compile(
    r"""\s*(?P<sign>[-+]?)
    (?P<mantissa>[1-9][0-9]{0,2}(?P<group>[ ,_'])[0-9]{3}(?:(?P=group)[0-9]{3})*(?:\.[0-9]*)?(?![0-9])
      |[0-9]+(?:\.[0-9]*)?|\.[0-9]+)
    (?:[eE](?P<exponent>[-+]?[0-9]{1,4})|\s*[x*]\s*10(?:\*\*|\^)(?P<ten>[-+]?[0-9]{1,4}))?
    \s*(?P<unit>.*?)\s*""",
    re.X | re.S,
)


class Spelled(NamedTuple):
    """A quantity's parts: `number` as Python reads it, `unit` as it was written (plain characters)."""

    number: str
    unit: str


def plain(text: str) -> str:
    """One spelling of signs, micro, ångström, raised digits and spaces."""
    text = unicodedata.normalize("NFC", text).translate(_SAME)
    text = re.sub("e⁻(?![⁰¹²³⁴⁵⁶⁷⁸⁹])", "e-", text)
    raised = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda run: "^" + run[0].translate(_RAISED), text)
    return raised.replace("°C", "degC").replace("°", " deg")


def split(text: str) -> Spelled:
    """Number and unit of a text such as ``'1,000 nm'``, ``'2×10⁴ e/Å²'`` or ``'−5 µm'``.

    Commas, spaces, apostrophes and underscores may group thousands; a decimal comma is never guessed at.

    Raises
    ------
    ValueError
        With a text for the person who wrote it.
    """
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters are too long for a quantity")
    if "±" in text or "+/-" in text or "+-" in text:
        raise ValueError("it states a tolerance, and one number is needed")
    match = _QUANTITY.fullmatch(plain(text))
    if match is None:
        raise ValueError("there is no number at its beginning")
    unit = match["unit"]
    if re.match(r"[0-9.,'_]|-\s*[0-9]", unit):
        raise ValueError("it is not one number: groups of thousands have three digits, decimals a point")
    digits = match["mantissa"].replace(match["group"] or " ", "")
    return Spelled(f"{match['sign']}{digits}e{match['exponent'] or match['ten'] or 0}", unit)


def for_pint(unit: str) -> str:
    """`unit` as a product of names and powers that pint knows: ``'e/Å²'`` is ``'electron/angstrom**2'``.

    Raises
    ------
    ValueError
        It is not a product or quotient of a few names.
    """
    text, at, parts = plain(unit).strip(), 0, list[str]()
    while at < len(text):
        match = _FACTOR.match(text, at)
        if match is None or len(parts) == _FACTORS_AT_MOST or (match["op"] and not parts):
            raise ValueError("it is not a unit")
        parts.append(_factor(match, dose=bool(parts) and parts[0] == "electron"))
        at = match.end()
    return "".join(parts)


def _factor(match: re.Match[str], *, dose: bool) -> str:
    name = _WORDS.get(match["name"], match["name"])
    if dose and name == "A":  # electrons per ampere squared is nobody's dose
        name = "angstrom"
    power = match["power"] or match["tight"] or ("2" if match["square"] else "")
    before = {"": "*", ".": "*", "per": "/"}.get(match["op"], match["op"]) if match.start() else ""
    return f"{before}{name}{f'**{int(power)}' if power else ''}"
