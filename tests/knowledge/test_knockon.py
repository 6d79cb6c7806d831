"""Knock-on: the kinematics of the reference note, and a cross-section that is exactly nothing below its threshold."""

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge.knockon import atomic_mass, displacement_cross_section_a2, largest_transfer_ev


@pytest.mark.parametrize(
    ("element", "voltage_kv", "transfer_ev"),
    [
        ("Ti", 80, 3.9),
        ("Ti", 200, 11.0),
        ("Ti", 300, 17.8),
        ("C", 80, 15.8),
        ("C", 200, 43.7),
        ("S", 80, 5.9),
    ],
)
def test_the_largest_transfer_is_that_of_the_reference(element, voltage_kv, transfer_ev):
    assert largest_transfer_ev(element, voltage_kv) == pytest.approx(transfer_ev, abs=0.06)


@pytest.mark.parametrize("voltage_kv", [60.0, 80.0])
@pytest.mark.parametrize("threshold_ev", [8.0, 20.0])
def test_titanium_is_never_knocked_on_at_low_voltage(voltage_kv, threshold_ev):
    assert displacement_cross_section_a2("Ti", voltage_kv, threshold_ev) == 0.0


def mott(element: str, z: int, voltage_kv: float, threshold_ev: float) -> float:
    """The same by integrating the differential McKinley-Feshbach cross-section over the angle [Å²]."""
    rest = 510.99895
    beta2 = 1 - (1 + voltage_kv / rest) ** -2
    beta = np.sqrt(beta2)
    most = largest_transfer_ev(element, voltage_kv)
    low = 2 * np.arcsin(np.sqrt(threshold_ev / most))
    angle = np.linspace(low, np.pi, 400_001)
    s = np.sin(angle / 2)
    rutherford = (z * 14.399645 / (2 * rest * 1e3)) ** 2 * (1 - beta2) / beta2**2 / s**4
    value = rutherford * (1 - beta2 * s**2 + np.pi * z / 137.035999 * beta * s * (1 - s))
    return float(np.trapezoid(value * 2 * np.pi * np.sin(angle), angle))


@pytest.mark.parametrize(
    ("element", "z", "kv", "ev"),
    [("C", 6, 100, 17.0), ("C", 6, 300, 17.0), ("S", 16, 120, 6.9), ("O", 8, 200, 10)],
)
def test_the_closed_form_is_the_integral(element, z, kv, ev):
    assert displacement_cross_section_a2(element, kv, ev) == pytest.approx(mott(element, z, kv, ev), rel=1e-3)


def test_it_falls_to_nothing_at_the_threshold():
    most = largest_transfer_ev("C", 100)
    near = [displacement_cross_section_a2("C", 100, most * share) for share in (0.9, 0.99, 0.9999, 1.0, 1.1)]
    assert near == sorted(near, reverse=True)
    assert near[2] < 1e-3 * near[0]
    assert near[3:] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: largest_transfer_ev("C", 0), "voltage"),
        (lambda: displacement_cross_section_a2("C", 80, 0), "displacement energy"),
        (lambda: atomic_mass("Xx"), "no cross-section for element"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(BadInput, match=words):
        call()
