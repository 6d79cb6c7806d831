"""Signals that must be good before anything is sent: vacuum, emission, probe current, dose rate, drift.

The rules are data, part of the instrument's limits. What a rule compares:

- a signal that the instrument reports by that name (vacuum_mbar, emission_ua, …) or one of its optics
  (probe_current_pa);
- dose_rate_e_per_a2_s, the peak under the probe, from current, voltage and convergence as read back;
- drift_nm_per_s, the newest drift that a tool of this run measured. It is old as soon as the run has waited, so a
  wait makes it unknown, and the next measurement tells.

A signal of the instrument that it does not report is not good: nobody knows what it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eucentric.core.instrument import MicroscopeState
from eucentric.core.text import visible
from eucentric.core.units import echo
from eucentric.instruments.instrument import Instrument
from eucentric.instruments.limits import Suspender
from eucentric.knowledge.dose import electrons
from eucentric.knowledge.electron_optics import probe_area_a2

DRIFT = "drift_nm_per_s"
DOSE_RATE = "dose_rate_e_per_a2_s"


@dataclass(frozen=True)
class Trip:
    """A rule that is broken now."""

    rule: Suspender
    value: float | None
    """None: the instrument does not report it."""
    bound: float | None
    why: str
    """Such as 'vacuum_mbar 3e-06 is above 1e-06 (column vacuum)'."""

    def body(self) -> dict[str, Any]:
        """For the row."""
        rule = self.rule
        names = ("signal", "low", "high", "drop_fraction", "then", "hold_s", "at_most_s", "words")
        return {
            "signal": rule.signal,
            "value": self.value,
            "bound": self.bound,
            "reason": self.why,
            "rule": {name: getattr(rule, name) for name in names},
        }


class Suspenders:
    """The rules in force during one run, and what they compare with.

    Parameters
    ----------
    rules
        All of them are asked each time, in their order.
    """

    def __init__(self, rules: tuple[Suspender, ...] = ()) -> None:
        self.rules = rules
        self._reference: dict[str, float] = {}
        self._drift: float | None = None

    def refer(self, state: MicroscopeState) -> None:
        """What a drop is measured from: the readings when the approval was taken."""
        readings = {rule.signal: self._reading(rule.signal, state) for rule in self.rules}
        self._reference = {signal: value for signal, value in readings.items() if value is not None}

    def measured(self, value: dict[str, Any]) -> None:
        """Keep the drift that a tool returned, if it measured one [nm/s]."""
        drift = value.get("drift_nm_s")
        if isinstance(drift, int | float) and not isinstance(drift, bool):
            self._drift = float(drift)

    def tripped(self, state: MicroscopeState) -> Trip | None:
        """The first rule that is broken."""
        return next((trip for rule in self.rules if (trip := self.check(rule, state))), None)

    def check(self, rule: Suspender, state: MicroscopeState) -> Trip | None:
        """One rule, by the readings now."""
        value, name = self._reading(rule.signal, state), visible(rule.signal, limit=60)
        words = f" ({visible(rule.words, limit=200)})" if rule.words else ""
        if value is None:
            unknown = f"{name} is not reported by this instrument{words}"
            return None if rule.signal == DRIFT else Trip(rule, None, None, unknown)
        shown = echo(rule.signal, value)
        for bound, broken, text in self._bounds(rule):
            if broken(value):
                return Trip(rule, value, bound, f"{name} {shown} {text} {echo(rule.signal, bound)}{words}")
        return None

    def _bounds(self, rule: Suspender) -> list[tuple[float, Callable[[float], bool], str]]:
        """Each bound of a rule, how it is broken (by a number that is none, too), and the words for it."""
        found: list[tuple[float, Callable[[float], bool], str]] = []
        low, high, reference = rule.low, rule.high, self._reference.get(rule.signal)
        if low is not None:
            found.append((low, lambda value: not value >= low, "is below"))
        if high is not None:
            found.append((high, lambda value: not value <= high, "is above"))
        if rule.drop_fraction is not None and reference is not None:
            least = (1 - rule.drop_fraction) * reference
            text = f"fell by more than {rule.drop_fraction:.0%} since the approval, below"
            found.append((least, lambda value: not value >= least, text))
        return found

    def waited(self, trip: Trip) -> None:
        """The run has begun to wait for this rule: a drift measured before says nothing any more."""
        if trip.rule.signal == DRIFT:
            self._drift = None

    def accepted(self, trip: Trip) -> None:
        """A person let the run go on. A drop is measured from here then; an absolute bound stays what it is."""
        if trip.value is not None and trip.rule.drop_fraction is not None:
            self._reference[trip.rule.signal] = trip.value

    def _reading(self, signal: str, state: MicroscopeState) -> float | None:
        if signal == DRIFT:
            return self._drift
        if signal == DOSE_RATE:
            return dose_rate_e_per_a2_s(state)
        return state.signals.get(signal, state.optics.get(signal))


def dose_rate_e_per_a2_s(state: MicroscopeState) -> float | None:
    """Peak dose rate under the probe at the settings read back [e/Å² s]; None if one is not reported."""
    names = ("probe_current_pa", "voltage_kv", "convergence_mrad")
    current, voltage, convergence = (state.optics.get(name) for name in names)
    if current is None or voltage is None or convergence is None:
        return None
    return electrons(current, 1.0) / probe_area_a2(voltage, convergence)


def suspenders_of(instrument: Instrument) -> Suspenders:
    """The rules in the limits of an instrument."""
    return Suspenders(instrument.limits().suspenders)
