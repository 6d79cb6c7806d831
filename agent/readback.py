"""An instrument's read-back in microscopists' units: the one place where a state is converted."""

from eucentric.core.instrument import MicroscopeState, Reading
from eucentric.core.units import OPTICS, STAGE, from_si
from eucentric.instruments.driver import DriverState


def named_state(identity: str, simulated: bool, state: DriverState, held: str | None) -> MicroscopeState:
    """A driver's SI read-back with names that carry units."""
    commanded, reported = from_si(STAGE, state.commanded), from_si(STAGE, state.reported)
    return MicroscopeState(
        instrument=identity,
        simulated=simulated,
        stage={
            key: Reading(commanded=tidy(commanded.get(key, value)), reported=tidy(value))
            for key, value in reported.items()
        },
        optics={key: tidy(value) for key, value in from_si(OPTICS, state.optics).items()},
        blanked=state.blanked,
        held=held,
        holder=state.holder,
        loading=state.loading,
        epoch=state.epoch,
        time_s=state.time_s,
        commands=state.commands,
        inserted=dict(state.inserted),
        touch=state.touch,
        signals={key: tidy(value) for key, value in state.signals.items()},
    )


def tidy(value: float) -> float:
    """Nine digits: what is left after a conversion of units, without its rounding noise."""
    return float(f"{value:.9g}")
