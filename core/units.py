"""Units are parsed by code, once, here.

Three jobs: `Unit` marks an argument of a tool (it accepts a finite number in that unit, or a text
with a unit that pint can convert, and carries the unit into the JSON schema); `parse` reads a text
quantity; `STAGE` and `OPTICS` are the one table between the names microscopists use and plain SI.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from eucentric.core.errors import UnitProblem
from eucentric.core.text import visible
from eucentric.core.unit_spelling import for_pint, split

ELECTRON_C = 1.602176634e-19
"""Elementary charge [C] (exact, SI 2019)."""


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint  # 0.3 s of import that light commands must not pay

    registry: Any = pint.UnitRegistry(case_sensitive=True)
    registry.define("electron = [electron_number]")
    return registry


def convert(value: float, unit: str, target: str) -> float:
    """`value` in `unit`, expressed in `target` (both any spelling a microscopist uses).

    An electron's energy in (k)eV is read where a voltage in (k)V is wanted.

    Raises
    ------
    UnitProblem
        If a unit is unknown, of another kind, or the result is not finite.
    """
    number = _finite(value, target)
    try:
        wanted = for_pint(target)
        source = re.sub(r"^([kM]?)eV$", r"\1V", for_pint(unit)) if wanted in ("V", "kV") else for_pint(unit)
        quantity = _of_one_kind(source, wanted)(number, source).to(wanted)
        result = float(f"{quantity.magnitude:.12g}")  # 0.05 nA is 50 pA, not 50.00000000000001
    except Exception as error:  # pint raises many kinds for what is one problem to a user
        raise UnitProblem(
            f"cannot read {number:g} {visible(unit, limit=40)!r} in {target}",
            visible(str(error).split("\n")[0], limit=120),
            f"give it in {target}",
        ) from error
    return _finite(result, target)


def _of_one_kind(source: str, wanted: str) -> Any:
    """Pint's quantity; an angle has no dimension for it, but a percent or a count is no angle."""
    quantity = _registry().Quantity
    kinds = [quantity(1, unit).to_root_units().units for unit in (source, wanted)]
    if quantity(1, wanted).dimensionless and kinds[0] != kinds[1]:
        raise ValueError(f"{source} is not a unit of {wanted}")
    return quantity


def _finite(value: float, target: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnitProblem(f"that is no number of {target}", type(error).__name__) from error
    if not math.isfinite(number):
        raise UnitProblem(f"{number} is not a finite number", remedy=f"give a finite number in {target}")
    return number


def parse(text: str, target: str) -> float:
    """The number in `target` units that `text` states, such as ``parse("200 Å", "nm") == 20.0``.

    Raises
    ------
    UnitProblem
        If there is no number, no unit, an unknown unit or one of another kind.
    """
    shown = visible(text, limit=60)
    try:
        number, unit = split(text)
    except ValueError as error:
        raise UnitProblem(
            f"cannot read {shown!r}", str(error), f"write a number and a unit: '5 {target}'"
        ) from error
    if not unit:
        remedy = (
            "give the number itself, not a text" if target == PLAIN else f"write '{shown.strip()} {target}'"
        )
        raise UnitProblem(f"{shown!r} has no unit", f"{target} is expected here", remedy)
    return convert(float(number), unit, target)


PLAIN = "1"
"""The unit of a pure number."""


@dataclass(frozen=True)
class Unit:
    """Marker for an argument: ``fov_nm: Annotated[float, Unit("nm"), Field(ge=0.5, le=20000)]``.

    Accepts a finite int or float that is already in the unit, or a text with a convertible unit.
    Refuses booleans, bare numeric texts, NaN and infinities. The JSON schema gains ``unit``.
    """

    name: str

    def read(self, value: Any) -> float:
        """`value` as a finite float in this unit (ValueError with a readable text otherwise)."""
        if isinstance(value, bool):
            raise ValueError(f"a number in {self.name} is needed, not {value}")
        if isinstance(value, str):
            try:
                return parse(value, self.name)
            except UnitProblem as problem:
                raise ValueError(str(problem)) from problem
        if not isinstance(value, int | float):
            raise ValueError(f"a number in {self.name} is needed, not {type(value).__name__}")
        try:
            number = float(value)
        except OverflowError as error:
            raise ValueError(f"the number is too large for {self.name}") from error
        if not math.isfinite(number):
            raise ValueError(f"{number} is not a finite number of {self.name}")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "unit": self.name}


@dataclass(frozen=True)
class SI:
    """How one named field maps to SI: `si` is the driver's name, value * `factor` is SI in `unit`."""

    si: str
    factor: float
    unit: str


_DEG = math.pi / 180
STAGE: dict[str, SI] = {
    "x_um": SI("x", 1e-6, "m"),
    "y_um": SI("y", 1e-6, "m"),
    "z_um": SI("z", 1e-6, "m"),
    "alpha_deg": SI("alpha", _DEG, "rad"),
    "beta_deg": SI("beta", _DEG, "rad"),
}
OPTICS: dict[str, SI] = {
    "defocus_nm": SI("defocus", 1e-9, "m"),
    "beam_shift_x_nm": SI("beam_shift_x", 1e-9, "m"),
    "beam_shift_y_nm": SI("beam_shift_y", 1e-9, "m"),
    "probe_current_pa": SI("probe_current", 1e-12, "A"),
    "fov_nm": SI("fov", 1e-9, "m"),
    "convergence_mrad": SI("convergence", 1e-3, "rad"),
    "voltage_kv": SI("voltage", 1e3, "V"),
    "camera_length_mm": SI("camera_length", 1e-3, "m"),
    "a1_x_nm": SI("a1_x", 1e-9, "m"),
    "a1_y_nm": SI("a1_y", 1e-9, "m"),
    "b2_x_nm": SI("b2_x", 1e-9, "m"),
    "b2_y_nm": SI("b2_y", 1e-9, "m"),
    "a2_x_nm": SI("a2_x", 1e-9, "m"),
    "a2_y_nm": SI("a2_y", 1e-9, "m"),
}


def to_si(table: dict[str, SI], named: dict[str, float]) -> dict[str, float]:
    """Named values such as ``{"x_um": 5.0}`` as SI ``{"x": 5e-6}``."""
    return {table[key].si: value * table[key].factor for key, value in named.items()}


def from_si(table: dict[str, SI], plain: dict[str, float]) -> dict[str, float]:
    """The inverse of `to_si`; names that the table does not have are left out."""
    return {key: plain[row.si] / row.factor for key, row in table.items() if row.si in plain}


_ECHO = {"um": ("mm", 1e-3), "nm": ("Å", 10.0), "us": ("ms", 1e-3), "pa": ("nA", 1e-3), "pm": ("Å", 0.01)}
_SHOWN = {"um": "µm", "us": "µs", "pa": "pA", "na": "nA", "deg": "°", "kv": "kV", "a": "Å", "a2": "Å²"}
_PER = re.compile(r"_([a-z0-9]+)_per_([a-z0-9]+?)(?:_s)?$")


def echo(field: str, value: float) -> str:
    """A quantity in two forms for a gate card, such as ``'250 µm = 0.25 mm'``.

    The unit is the suffix of the field's name: ``fov_nm``, ``dose_e_per_a2``, ``drift_nm_per_s``.
    """
    per = _PER.search(field)
    if per:
        over = _SHOWN.get(per[2], per[2]) + (" s" if field.endswith("_s") and per[2] != "s" else "")
        return f"{value:.6g} {_SHOWN.get(per[1], per[1])}/{over}"
    stem, _, suffix = field.rpartition("_")
    text = f"{value:.6g} {_SHOWN.get(suffix, suffix)}" if stem else f"{value:.6g}"
    other = _ECHO.get(suffix)
    return f"{text} = {value * other[1]:.6g} {other[0]}" if other and stem else text
