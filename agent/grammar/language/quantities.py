"""Numbers and units as people write them: spelling is read here, conversion is left to `core.units`."""

import re
from dataclasses import dataclass
from typing import Final

from eucentric.core.units import convert

TARGET: Final = {
    "length": "nm", "time": "us", "current": "pA", "angle": "deg", "voltage": "kV", "dose": "e/angstrom^2",
}  # fmt: skip
"""Unit in which each kind of quantity leaves this module."""

_LENGTH: Final = {
    "pm": "pm", "picometer": "pm", "picometers": "pm", "picometre": "pm", "pikometer": "pm", "picometres": "pm",
    "nm": "nm", "nanometer": "nm", "nanometers": "nm", "nanometre": "nm", "nanometres": "nm", "nanometern": "nm",
    "nanos": "nm",
    "um": "um", "µm": "um", "μm": "um", "mu": "um", "µ": "um", "μ": "um", "mum": "um", "mue": "um", "micron": "um",
    "microns": "um", "micrometer": "um", "micrometers": "um", "micrometre": "um", "micrometres": "um",
    "mikrometer": "um", "mikrometern": "um", "mikron": "um", "müm": "um", "mikrons": "um",
    "mm": "mm", "millimeter": "mm", "millimeters": "mm", "millimetre": "mm", "millimetres": "mm",
    "millimetern": "mm", "cm": "cm", "centimeter": "cm", "zentimeter": "cm", "m": "m", "meter": "m",
    "å": "angstrom", "Å": "angstrom", "a": "angstrom", "ang": "angstrom", "angstrom": "angstrom",
    "angstroms": "angstrom", "angstroem": "angstrom", "ångström": "angstrom", "ångstrom": "angstrom",
    "angström": "angstrom", "ångströms": "angstrom",
}  # fmt: skip
_TIME: Final = {
    "ns": "ns", "nsec": "ns", "nanosecond": "ns", "nanoseconds": "ns", "nanosekunden": "ns",
    "us": "us", "µs": "us", "μs": "us", "usec": "us", "µsec": "us", "μsec": "us", "microsecond": "us",
    "microseconds": "us", "microsec": "us", "microsecs": "us", "mikrosekunde": "us", "mikrosekunden": "us",
    "ms": "ms", "msec": "ms", "millisecond": "ms", "milliseconds": "ms", "millisekunden": "ms",
    "millisekunde": "ms", "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "sek": "s",
    "sekunde": "s", "sekunden": "s", "min": "min", "mins": "min", "minute": "min", "minutes": "min",
    "minuten": "min", "h": "hour", "hr": "hour", "hrs": "hour", "hour": "hour", "hours": "hour",
    "stunde": "hour", "stunden": "hour", "std": "hour",
}  # fmt: skip
_OTHER: Final = {
    "current": {"pa": "pA", "na": "nA", "fa": "fA", "ua": "uA", "µa": "uA", "μa": "uA", "picoamp": "pA",
                "picoamps": "pA", "picoampere": "pA", "nanoamp": "nA", "nanoamps": "nA", "nanoampere": "nA",
                "pikoampere": "pA"},
    "angle": {"deg": "deg", "degs": "deg", "degree": "deg", "degrees": "deg", "°": "deg", "grad": "deg",
              "mrad": "mrad", "rad": "rad", "milliradian": "mrad", "milliradians": "mrad"},
    "voltage": {"kv": "kV", "kev": "kV", "kilovolt": "kV", "kilovolts": "kV", "v": "V", "volt": "V"},
    "px": {"px": "px", "pix": "px", "pixel": "px", "pixels": "px", "pixeln": "px", "pxl": "px"},
    "percent": {"%": "%", "percent": "%", "prozent": "%"},
}  # fmt: skip
UNITS: Final[dict[str, tuple[str, str]]] = {
    **{name: ("length", unit) for name, unit in _LENGTH.items()},
    **{name: ("time", unit) for name, unit in _TIME.items()},
    **{name: (dim, unit) for dim, table in _OTHER.items() for name, unit in table.items()},
}
"""Spelling, in small letters -> (kind, unit that `core.units` knows)."""

_AREA = r"(?:ångstr(?:o|ö)ms?|angstr(?:oe|o|ö)ms?|ang|å|å|a|nanomet(?:er|re)s?|nm)(?![a-zåäöü])"
DOSE: Final = re.compile(
    r"\s*(?P<kilo>k(?=el?[-⁻−]?\s*[/·* ])|kilo[- ]?|thousand\s+|tausend\s+)?"
    r"(?:e[-⁻−]?|el(?:ec)?|electrons?|elektronen)\s*"
    r"(?:(?:/|per|pro|·|\*)\s*(?:(?P<sq>sq(?:uare)?\.?|quadrat-?)\s*)?|\s+(?=\S+\s*(?:\^|\*\*)?\s*[-⁻−]\s*[2²])|(?=[åÅ]))"
    rf"(?P<area>{_AREA})\s*(?P<pow>(?:\^|\*\*)?\s*\(?[-⁻−]?\s*[2²]\)?|squared)?(?P<rate>\s*(?:/|per|pro)\s*s(?:ec(?:ond)?)?\b)?",
    re.I,
)
_APART = re.compile(
    r"\s*(?P<prefix>nano|micro|mikro|milli|pico|piko)[ -](?P<base>sec(?:ond)?s?|sekunden?|met(?:er|re)s?)\b",
    re.I,
)
_PLAIN = re.compile(r"(?P<gap>\s*-?\s*)(?P<unit>[a-zA-Zåäöüµμ°%Å]+)", re.I)
_MAG = re.compile(r"\s*(?P<si>[kKM])?\s*[x×X](?![\w×])")
_THOUSANDS = r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?=\s*[a-zA-Zµμ°Åå%])"
NUMBER: Final = re.compile(
    rf"(?P<mant>{_THOUSANDS}|\d{{1,3}}(?:,\d{{3}})+(?![\d,])(?:\.\d+)?|\d+(?:_\d{{3}})+|\d+,\d+(?![\d.,]*\d)|\d+(?:\.\d+)?|\.\d+)"
    r"(?:(?P<exp>[eE][-+−]?\d+(?![a-zA-Z]))|\s*(?:[x×*·]\s*10\s*)?(?:(?:\^|\*\*)\s*(?P<ten>[-−]?\d+)|(?P<sup>[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)))?"
    r"(?P<kilo>k(?![a-zA-Zµμ°])|\s?k(?=\s*pix|\s*px))?"
)
_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")


@dataclass(frozen=True)
class Number:
    """A number as it was written, and how it was read where that could be doubted."""

    value: float
    end: int
    kilo: bool = False
    note: str = ""


@dataclass(frozen=True)
class Measured:
    """A unit after a number, brought to the one unit of its kind."""

    dim: str
    value: float
    end: int
    unit: str
    note: str = ""


def read_number(text: str, at: int, *, german: bool = False) -> Number | None:
    """The unsigned number that starts at `at`, if there is one."""
    match = NUMBER.match(text, at)
    if not match:
        return None
    raw, note = match["mant"], ""
    mantissa = re.sub(r"[ \u00a0\u202f_]", "", raw)
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", mantissa):
        mantissa = mantissa.replace(",", "")
        note = f"{raw!r} read as {float(mantissa):g}: a comma before three digits groups thousands"
    elif "," in mantissa:
        mantissa = mantissa.replace(",", ".")
        note = f"{raw!r} read as {float(mantissa):g}: a decimal comma"
    elif german and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", mantissa):
        note = f"{raw!r} read as {float(mantissa):g}: a decimal point, not thousands"
    power = (match["ten"] or match["sup"] or "").translate(_SUPER)
    exponent = int(power or (match["exp"] or "e0")[1:].translate(_SUPER))
    if power and not re.search(r"[x×*·]", match[0]):  # '10^4': the mantissa is the base itself
        if mantissa != "10":
            return None
        mantissa = "1"
    if abs(exponent) > 30 or len(mantissa) > 30:
        return None
    return Number(float(f"{mantissa}e{exponent}"), match.end(), bool(match["kilo"]), note)


def read_unit(text: str, at: int, value: float) -> Measured | None:
    """The unit that follows a number of `value` at `at`, and the value in the unit of its kind."""
    dose = DOSE.match(text, at)
    if dose and (dose["sq"] or dose["pow"]):
        unit = "e/nm^2" if dose["area"].lower().startswith("n") else "e/angstrom^2"
        per_second = bool(dose["rate"])
        number = convert(value * (1000.0 if dose["kilo"] else 1.0), unit, TARGET["dose"])
        return Measured("dose_rate" if per_second else "dose", number, dose.end(), unit)
    magnification = _MAG.match(text, at)
    if magnification and (magnification["si"] or value >= 1000):
        factor = {"k": 1e3, "K": 1e3, "M": 1e6, None: 1.0}[magnification["si"]]
        return Measured("mag", value * factor, magnification.end(), "x")
    return _plain_unit(text, at, value)


def _plain_unit(text: str, at: int, value: float) -> Measured | None:
    apart = _APART.match(text, at)  # '2 micro seconds'
    if apart and f"{apart['prefix']}{apart['base']}".lower() in UNITS:
        dim, unit = UNITS[f"{apart['prefix']}{apart['base']}".lower()]
        return Measured(dim, convert(value, unit, TARGET[dim]), apart.end(), unit)
    match = _PLAIN.match(text, at)
    if not match or ("-" in match["gap"] and len(match["gap"]) > 1):
        return None
    raw = match["unit"]
    known = UNITS.get(raw.lower().replace("Å", "å"))
    if known is None or _is_a_word(raw, text[match.end() :]):
        return None
    dim, unit = known
    note = ""
    if raw in {"A", "a"}:
        note = f"'{value:g} {raw}' read as {value:g} Å (ångström)"
    elif raw in {"MS", "PM", "NM", "UM", "MM", "US", "NS"}:
        note = f"'{raw}' read as {unit}"
    if dim not in TARGET:
        return Measured(dim, value, match.end(), unit)
    number = value if unit == TARGET[dim] else convert(value, unit, TARGET[dim])
    return Measured(dim, number, match.end(), unit, note)


def _is_a_word(raw: str, rest: str) -> bool:
    """Letters that are only a unit in the right place: '5 a b' is no ångström, '3 m' is metres."""
    if raw == "a" or (raw in {"M", "H", "S"}):
        return True
    if raw in {"x", "X"}:
        return True
    return raw == "h" and bool(re.match(r"kl", rest))
