"""Whose number is it? Quantities that the request states, against those a model put into a plan.

A unit error of a factor 1000 passes every bound. So a number that is not in the request is named to the
person who approves, and a dose bound in the request is read by code, not by the model.
"""

import math
import re
import unicodedata
from typing import Any

from eucentric.core.base import Model
from eucentric.core.errors import UnitProblem
from eucentric.core.units import PLAIN, Unit, convert, echo

DOSE_UNIT = "e/angstrom^2"

_QUANTITY = re.compile(
    r"(?<![\w.])(?<![A-Za-z]-)([-+−]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)\s*"
    r"(e(?:lectrons?)?-?\s*(?:/|per)\s*(?:Å|A|nm|angstrom)\s*(?:\^|\*\*)?-?2|[μ°Åa-zA-Z]{1,12})?"
)


def stated(text: str) -> list[tuple[float, str]]:
    """Numbers in a request, each with the word after it (a unit, or any word, or nothing).

    NFKC first: it makes one letter of the two micro signs, one of the two ångström signs, and 2 of ².
    """
    found = []
    for match in _QUANTITY.finditer(unicodedata.normalize("NFKC", text)):
        number = float(match[1].replace(",", ".").replace("−", "-"))
        if math.isfinite(number):
            found.append((number, match[2] or ""))
    return found


def dose_bound(text: str) -> float | None:
    """The smallest dose that a request states [e/Å²], or None."""
    doses = [dose for dose in (_in(number, unit, DOSE_UNIT) for number, unit in stated(text)) if dose]
    return min((dose for dose in doses if dose > 0), default=None)


def unsupported(args: dict[str, Any], model: type[Model], text: str) -> list[str]:
    """Arguments whose number the request does not state, such as ``'dx_um = 250 µm = 0.25 mm'``.

    A zero counts: "5 µm in x" once became an absolute move with z, alpha and beta sent to 0.
    """
    known = stated(text)
    return [
        f"{name} = {value:g}" if _unit(model, name) == PLAIN else f"{name} = {echo(name, value)}"
        for name, value in args.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        if not any(_same(value, number, word, _unit(model, name)) for number, word in known)
    ]


def _unit(model: type[Model], name: str) -> str:
    field = model.model_fields.get(name)
    found = [entry.name for entry in field.metadata if isinstance(entry, Unit)] if field else []
    return found[0] if found else _suffix(model, name)


def _suffix(model: type[Model], name: str) -> str:
    """The unit of an optional quantity, which pydantic keeps inside the union: from the schema."""
    entry = model.model_json_schema().get("properties", {}).get(name, {})
    branches = [entry, *entry.get("anyOf", ())]
    return next((str(branch["unit"]) for branch in branches if "unit" in branch), PLAIN)


def _same(value: float, number: float, word: str, unit: str) -> bool:
    """Equal in size: 'to the left' turns a sign, and only a person can say whether rightly."""
    if unit == PLAIN:
        return value == number
    converted = _in(number, word, unit) if word else number
    return converted is not None and math.isclose(abs(converted), abs(value), rel_tol=1e-9)


def _in(number: float, word: str, unit: str) -> float | None:
    try:
        return convert(number, word, unit) if word else None
    except UnitProblem:
        return None
