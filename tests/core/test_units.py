"""Quantities: what is accepted equals pint's own conversion; everything else is refused with a reason."""

import math
import time

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eucentric.core.errors import UnitProblem
from eucentric.core.instrument import Scan, StageMove
from eucentric.core.unit_spelling import for_pint
from eucentric.core.units import OPTICS, PLAIN, STAGE, Unit, convert, echo, from_si, parse, to_si

DOSE = "e/angstrom^2"


@pytest.mark.parametrize(
    ("text", "target", "value"),
    [
        ("200 Å", "nm", 20), ("200Å", "nm", 20), ("200 \u212b", "nm", 20), ("200 A\u030a", "nm", 20),
        ("200 angstrom", "nm", 20), ("200 Ångström", "nm", 20), ("200 angstroms", "nm", 20), ("2 Ang", "nm", 0.2),
        ("5 µm", "um", 5), ("5 μm", "um", 5), ("5 um", "nm", 5000), ("5 microns", "um", 5), ("5 Mikrometer", "um", 5),
        ("−5 µm", "um", -5), ("-5 µm", "um", -5), ("+5 µm", "um", 5), ("5\u00a0µm", "um", 5), ("5\u202fµm", "um", 5),
        ("  5 nm  ", "nm", 5), ("5. nm", "nm", 5), (".5 nm", "nm", 0.5), ("0.5 nm", "nm", 0.5), ("0 nm", "nm", 0),
        ("1,000 nm", "nm", 1000), ("1 000 nm", "nm", 1000), ("1_000 nm", "nm", 1000), ("1'000 nm", "nm", 1000),
        ("1,234,567.5 nm", "nm", 1234567.5), ("12,000 nm", "um", 12), ("5e3 nm", "um", 5), ("5E-3 um", "nm", 5),
        ("2×10⁴ e/Å²", DOSE, 2e4), ("2x10^4 e/Å2", DOSE, 2e4), ("2·10**4 e/Å^2", DOSE, 2e4),
        ("2*10^-4 e/Å2", DOSE, 2e-4),
        ("2e4 e/Å2", DOSE, 2e4), ("2e4 e/A^2", DOSE, 2e4), ("2e4 e-/Å2", DOSE, 2e4), ("2e4 e⁻/Å²", DOSE, 2e4),
        ("5e-/Å2", DOSE, 5), ("2e4 e Å⁻²", DOSE, 2e4), ("2e4 e Å^-2", DOSE, 2e4), ("2e4 e·Å⁻²", DOSE, 2e4),
        ("2e6 e/nm²", DOSE, 2e4), ("2e4 electrons per square angstrom", DOSE, 2e4), ("2e4 el/Å2", DOSE, 2e4),
        ("2e4 e per Å2", DOSE, 2e4), ("0.05 nA", "pA", 50), ("50 pa", "pA", 50), ("0.05 na", "pA", 50),
        ("2 us", "us", 2), ("2 µs", "us", 2), ("2 μs", "us", 2), ("2 usec", "us", 2), ("0.002 msec", "us", 2),
        ("3 min", "s", 180), ("3 mins", "s", 180), ("2 Sekunden", "s", 2), ("2 hrs", "s", 7200),
        ("30°", "deg", 30), ("30 °", "deg", 30), ("30 Grad", "deg", 30), ("30 mrad", "mrad", 30),
        ("0.03 rad", "mrad", 30),
        ("180 degrees", "mrad", math.pi * 1000), ("60 kV", "kV", 60), ("60 KV", "kV", 60), ("60000 V", "kV", 60),
        ("60 keV", "kV", 60), ("60000 eV", "kV", 60), ("0.3 MeV", "kV", 300), ("2 Å/min", "nm/s", 0.2 / 60),
        ("2 nm per s", "nm/s", 2), ("2 nm s^-1", "nm/s", 2), ("2 nm·s⁻¹", "nm/s", 2),
    ],
)  # fmt: skip
def test_a_text_that_is_read(text: str, target: str, value: float) -> None:
    assert parse(text, target) == pytest.approx(value, rel=1e-11)
    assert Unit(target).read(text) == parse(text, target)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("", "nm"), ("nm", "nm"), ("five nm", "nm"), ("5", "nm"), ("1e3", "nm"), ("5", PLAIN), ("e5 nm", "nm"),
        ("- nm", "nm"), ("+ nm", "nm"), (". nm", "nm"), ("--5 nm", "nm"), ("nan nm", "nm"), ("inf nm", "nm"),
        ("1e999 nm", "nm"), ("-1e999 nm", "nm"), ("9" * 400 + " nm", "nm"), ("9" * 190 + "e999 nm", "nm"),
        ("1,5 nm", "nm"), ("0,500 nm", "nm"), ("1000,000 nm", "nm"), ("1,00 nm", "nm"), ("1,000,00 nm", "nm"),
        ("1.000,5 nm", "nm"), ("1,000 000 nm", "nm"), ("1.5.2 nm", "nm"), ("1-2 nm", "nm"), ("1 - 2 nm", "nm"),
        ("5 ± 1 nm", "nm"), ("±5 nm", "nm"), ("5 +/- 1 nm", "nm"), ("5 nm 3 nm", "nm"), ("5 nm, 3 nm", "nm"),
        ("5 s", "nm"), ("5 V", "nm"), ("5 keV", "nm"), ("5 kV", "keV"), ("5 nm2", "nm"), ("5 A", "nm"),
        ("5 bananas", "nm"),
        ("5 percent", "deg"), ("5 ppm", "deg"), ("5 bit", "mrad"), ("5 count", "deg"), ("5 degC", "deg"),
        ("5 °C", "deg"),
        ("5 e/Å", DOSE), ("5 C/m^2", DOSE), ("5 (nm)", "nm"), ("5 nm; import os", "nm"), ("5 __import__('os')", "nm"),
        ("5 nm\x1b[2J", "nm"), ("5 nm\nnm", "nm"), ("5 nm\0", "nm"), ("5 /nm", "nm"), ("5 nm^", "nm"),
        ("5 nm^22", "nm"),
        ("5 \ud800", "nm"), ("٥ nm", "nm"), ("0x10 nm", "nm"), ("5 nm*nm*nm*nm*nm", "nm"),
    ],
)  # fmt: skip
def test_a_text_that_is_refused_says_why(text: str, target: str) -> None:
    with pytest.raises(UnitProblem) as caught:
        parse(text, target)
    assert caught.value.what
    assert caught.value.remedy
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    with pytest.raises(ValueError, match="·"):
        Unit(target).read(text)


@pytest.mark.parametrize("text", ["1,5 nm", "0,500 nm", "1000,000 nm", "1-2 nm"])
def test_a_number_that_is_not_one_is_not_blamed_on_the_unit(text: str) -> None:
    with pytest.raises(UnitProblem, match="decimals a point"):
        parse(text, "nm")


@pytest.mark.parametrize(
    "unit", ["nm**9**9**9", "nm*10**10**10", "nm**99999999", "(nm)**9", "9**9**9**9", "nm**-9**9", "nm " * 60]
)
def test_no_text_can_make_pint_work_for_ever(unit: str) -> None:
    start = time.process_time()
    with pytest.raises(UnitProblem):
        parse(f"5 {unit}", "nm")
    with pytest.raises(UnitProblem):
        convert(5.0, unit, "nm")
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "value",
    [True, False, None, [], {}, (1,), b"5", 1j, float("nan"), float("inf"), -float("inf"), 10**400, -(10**400),
    "5", "5.0", ""],
)  # fmt: skip
def test_a_value_that_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"number|unit"):
        Unit("nm").read(value)


@pytest.mark.parametrize("value", [5, 5.0, -3, 0, 10**20, 1e-300])
def test_a_number_is_taken_as_being_in_the_unit(value: float) -> None:
    assert Unit("nm").read(value) == float(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_convert_refuses_what_is_not_finite(value: float) -> None:
    with pytest.raises(UnitProblem):
        convert(value, "nm", "um")


_PINT = pint.UnitRegistry(case_sensitive=True)
_KINDS = {
    "nm": ["m", "mm", "um", "nm", "pm", "angstrom", "micron"],
    "us": ["s", "ms", "us", "ns", "min", "hour"],
    "pA": ["A", "mA", "uA", "nA", "pA", "fA"],
    "deg": ["deg", "degree", "rad", "mrad", "urad"],
    "kV": ["V", "kV", "mV", "MV"],
    "nm/s": ["nm/s", "um/min", "angstrom/hour"],
}


@given(
    number=st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-12),
    form=st.sampled_from(["{:.6g}", "{:.3e}", "{:+.4f}", "{:.0f}"]),
    pair=st.sampled_from([(target, unit) for target, units in _KINDS.items() for unit in units]),
    gap=st.sampled_from(["", " ", "  ", "\u00a0"]),
)
def test_what_is_accepted_is_what_pint_says(
    number: float, form: str, pair: tuple[str, str], gap: str
) -> None:
    target, unit = pair
    digits = form.format(number)
    wanted = _PINT.Quantity(float(digits), unit).to(target).magnitude
    assert parse(digits + gap + unit, target) == pytest.approx(wanted, rel=1e-11, abs=0)


@given(text=st.text(max_size=30), target=st.sampled_from([*_KINDS, DOSE]))
def test_any_text_is_read_or_refused(text: str, target: str) -> None:
    try:
        said = parse(text, target)
    except UnitProblem as problem:
        said = str(problem)
    assert said.isprintable() if isinstance(said, str) else math.isfinite(said)


@given(
    number=st.integers(-1000, 1000),
    words=st.lists(st.sampled_from(["nm", "Å", "s", "/", "*", " ", "^2", "⁻²", "e", "e-", "per ", "sq ", "µ",
    "m", "10", "."]), max_size=6),
)  # fmt: skip
def test_any_mixture_of_unit_words_is_what_pint_says_or_refused(number: int, words: list[str]) -> None:
    text = "".join(words)
    try:
        got = convert(number, text, "nm")
    except UnitProblem:
        return
    assert got == pytest.approx(_PINT.Quantity(number, for_pint(text)).to("nm").magnitude, rel=1e-11)


def test_the_marker_works_inside_models_and_in_their_schema() -> None:
    assert StageMove(x_um="250 nm").x_um == 0.25
    assert Scan(fov_nm="200 Å", dwell_us="0.002 ms").pixel_nm == 20 / 512
    assert Scan.model_json_schema()["properties"]["fov_nm"]["unit"] == "nm"
    for bad in ({"x_um": True}, {"x_um": "5"}, {"x_um": float("nan")}, {"x_um": "5 s"}, {"x_um": 10**400}):
        with pytest.raises(ValidationError):
            StageMove(**bad)


@pytest.mark.parametrize("table", [STAGE, OPTICS])
def test_si_and_back(table: dict) -> None:
    named = {name: 3.5 + i for i, name in enumerate(table)}
    assert from_si(table, to_si(table, named)) == pytest.approx(named)
    assert from_si(table, {"no such axis": 1.0}) == {}


@pytest.mark.parametrize(("name", "row"), [*STAGE.items(), *OPTICS.items()])
def test_the_factor_of_a_field_is_its_suffix(name: str, row) -> None:
    assert row.factor == pytest.approx(
        convert(1, {"pa": "pA", "kv": "kV"}.get(name.split("_")[-1], name.split("_")[-1]), row.unit)
    )


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("x_um", 250, "250 µm = 0.25 mm"), ("fov_nm", 8, "8 nm = 80 Å"), ("dwell_us", 2, "2 µs = 0.002 ms"),
        ("probe_current_pa", 30, "30 pA = 0.03 nA"), ("alpha_deg", 5, "5 °"), ("voltage_kv", 60, "60 kV"),
        ("dose_e_per_a2", 2e4, "20000 e/Å²"), ("rate_e_per_a2_s", 5, "5 e/Å² s"), ("drift_nm_per_s", 0.5, "0.5 nm/s"),
        ("every_s", 60, "60 s"), ("count", 3, "3"), ("pixel_pm", 50, "50 pm = 0.5 Å"),
    ],
)  # fmt: skip
def test_a_gate_card_shows_the_quantity_twice(field: str, value: float, text: str) -> None:
    assert echo(field, value) == text
