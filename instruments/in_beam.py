"""What the beam may fall on: exclusions, and the current and charge that a detector bears."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from eucentric.core.errors import LimitRefused
from eucentric.core.text import visible
from eucentric.core.units import OPTICS, STAGE, from_si
from eucentric.instruments.allowance import source_of
from eucentric.instruments.capabilities import Capabilities, DetectorSpec
from eucentric.instruments.checks import NOTHING_SENT, ROUNDING
from eucentric.instruments.driver import DriverState
from eucentric.instruments.limits import Bounds, Exclusion, Limits
from eucentric.instruments.travel import amount_of, fits, quanta

_DARK = f"{NOTHING_SENT}; nothing was exposed"


@dataclass(frozen=True)
class Setup:
    """Settings by field, and what is in; what is missing is unknown."""

    values: Mapping[str, float]
    inserted: Mapping[str, bool]

    @classmethod
    def of(cls, state: DriverState) -> "Setup":
        """As it reads back."""
        named = from_si(STAGE, state.reported) | from_si(OPTICS, state.optics)
        return cls(named | state.signals, state.inserted)

    def after(
        self, values: Mapping[str, float] | None = None, inserted: Mapping[str, bool] | None = None
    ) -> "Setup":
        """With some of it changed; values in SI."""
        plain = dict(values or {})
        named = from_si(STAGE, plain) | from_si(OPTICS, plain)
        return Setup({**self.values, **named}, {**self.inserted, **(inserted or {})})


class InBeam:
    """Judges setups and scans, and counts the charge of each detector in this lease.

    Parameters
    ----------
    capabilities
        The effective ones.
    """

    def __init__(self, capabilities: Capabilities, limits: Limits) -> None:
        self._capabilities, self._limits = capabilities, limits
        self._charge: dict[str, int] = {}

    def new_lease(self) -> None:
        """Charges begin anew."""
        self._charge = {}

    def check_setup(self, before: Setup, after: Setup, what: str) -> None:
        """LimitRefused if a change would bring about what is excluded, or another case of it."""
        already = {(number, name) for number, _, name in self._excluded(before)}
        for number, row, name in self._excluded(after):
            if (number, name) not in already:
                raise self._excludes(row, name, what, NOTHING_SENT)

    def check_scan(self, setup: Setup, detectors: tuple[str, ...], seconds: float) -> dict[str, int]:
        """What the scan adds to the charge of every detector that the beam may fall on, in quanta.

        Parameters
        ----------
        setup
            With the field of the scan.
        seconds
            Longest time the beam can be on [s].

        Raises
        ------
        LimitRefused
            An exclusion holds, something unlimited is in the beam, or a current or charge would be passed.
        """
        lit = {*detectors, *(one.name for one in self._capabilities.detectors if _may_be_in(one, setup))}
        for _, row, name in self._excluded(setup, lit):
            raise self._excludes(row, name, f"a scan with {', '.join(detectors)}", _DARK)
        current = setup.values.get("probe_current_pa")
        return {name: self._added(name, current, seconds) for name in sorted(lit)}

    def sent(self, charges: Mapping[str, int]) -> None:
        """Count charges that are about to be spent."""
        for name, count in charges.items():
            self._charge[name] = self._charge.get(name, 0) + count

    def _excluded(self, setup: Setup, lit: Collection[str] = ()) -> Iterator[tuple[int, Exclusion, str]]:
        for number, row in enumerate(self._limits.exclusions):
            if not _holds(row, setup):
                continue
            for name in row.detectors:
                detector = self._capabilities.detector(name)
                if name in lit or (detector is not None and _may_be_in(detector, setup)):
                    yield number, row, name

    def _excludes(self, row: Exclusion, name: str, what: str, nothing: str) -> LimitRefused:
        return LimitRefused(
            f"{what}: {name} would be in the beam where it must not be",
            f"{visible(row.reason)}: {_words(row)} ({source_of(self._capabilities)})",
            f"{nothing}. Works: take {name} out, or leave that range; staff may change the limits.",
            code="E-LIMIT-EXCLUDED",
        )

    def _added(self, name: str, current_pa: float | None, seconds: float) -> int:
        limit, spec = self._limits.detector(name), self._capabilities.detector(name)
        if limit is None:
            if (
                spec is not None and not spec.retractable
            ):  # it is built in: staff know that the beam falls on it
                return 0
            raise self._refused(f"{name} is in the beam", "no limit is declared for it", "take it out")
        if current_pa is None and (limit.max_probe_current_pa or limit.max_charge_pc):
            raise self._refused(
                f"{name}: the instrument does not say its probe current",
                "its exposure is limited",
                f"other detectors than {name}",
            )
        self._check_current(name, current_pa or 0.0, limit.max_probe_current_pa)
        count = quanta((current_pa or 0.0) * 1e-12 * seconds)
        self._check_charge(name, count, limit.max_charge_pc)
        return count

    def _check_current(self, name: str, current_pa: float, most_pa: float | None) -> None:
        if most_pa is not None and current_pa > most_pa * (1 + ROUNDING):
            raise self._refused(
                f"{name} under a probe of {current_pa:.6g} pA",
                f"limit {most_pa:.6g} pA",
                f"a probe current of up to {most_pa:.6g} pA",
            )

    def _check_charge(self, name: str, count: int, most_pc: float | None) -> None:
        used = self._charge.get(name, 0)
        if most_pc is not None and not fits(used + count, most_pc * 1e-12):
            left = max(0.0, most_pc - amount_of(used) * 1e12)
            raise self._refused(
                f"{name} under {amount_of(count) * 1e12:.6g} pC more of beam charge",
                f"limit {most_pc:.6g} pC a lease, {amount_of(used) * 1e12:.6g} pC used",
                f"scans of up to {left:.6g} pC; a new lease needs a new approval",
            )

    def _refused(self, what: str, why: str, works: str) -> LimitRefused:
        source = source_of(self._capabilities)
        return LimitRefused(
            what, f"{why} ({source})", f"{_DARK}. Works: {works}; staff may change the limits."
        )


def _may_be_in(detector: DetectorSpec, setup: Setup) -> bool:
    """A built-in one always is; one that is not read back may be."""
    return not detector.retractable or setup.inserted.get(detector.name, True)


def _holds(row: Exclusion, setup: Setup) -> bool:
    """Whether its conditions are met, as far as anybody can tell."""
    return (
        all(setup.inserted.get(name, True) for name in row.with_inserted)
        and not any(setup.inserted.get(name, False) for name in row.with_retracted)
        and all(_within(setup.values.get(field), bounds) for field, bounds in row.when.items())
    )


def _within(value: float | None, bounds: Bounds) -> bool:
    slack = ROUNDING * max(abs(bounds[0]), abs(bounds[1]))
    return value is None or bounds[0] - slack <= value <= bounds[1] + slack


def _words(row: Exclusion) -> str:
    parts = [f"{field} {low:g} … {high:g}" for field, (low, high) in row.when.items()]
    parts += [f"{name} in" for name in row.with_inserted] + [f"{name} out" for name in row.with_retracted]
    return f"excluded at {visible(', '.join(parts))}" if parts else "excluded always"
