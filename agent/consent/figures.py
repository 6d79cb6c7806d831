"""What a rule may ask about a call: its arguments by name, where a move would end, and what it costs.

None stands for a figure that is known only when the call is made (bound to an earlier step's result): a rule that
asks or denies counts it as met, one that lets pass does not.
"""

from collections.abc import Collection
from typing import Any

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import EucentricError
from eucentric.core.instrument import MicroscopeState
from eucentric.tools.base import Tool
from eucentric.tools.catalogue import CATALOGUE
from eucentric.tools.move_stage import target_of
from eucentric.tools.tilting.arrive import TiltArgs

Figure = float | str | None
Figures = dict[str, Figure]
_OF_COST = ("dose_e_per_a2", "elsewhere_e_per_a2", "frames", "seconds", "electrons")
_OF_MOVES = ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg", "step_um", "step_deg")
_OF_STATE = ("voltage_kv", "probe_current_pa")


def known_figures() -> frozenset[str]:
    """Every name that some call has."""
    fields = {name for tool in CATALOGUE for name in tool.args.model_fields}
    return frozenset(fields | {*_OF_COST, *_OF_MOVES, *_OF_STATE})


def figures_of(
    tool: Tool[Any, Any], args: Model, state: MicroscopeState, cost: Cost, later: Collection[str] = ()
) -> Figures:
    """The figures of one call.

    Parameters
    ----------
    state
        Of the instrument before the call: relative moves count from it.
    later
        Arguments that are bound when it is made.
    """
    told = {name: _plain(getattr(args, name, None)) for name in tool.args.model_fields}
    found: Figures = {name: value for name, value in told.items() if value is not None}
    found |= {name: float(getattr(cost, name)) for name in _OF_COST}
    found |= {name: state.optics[name] for name in _OF_STATE if name in state.optics and name not in found}
    if tool.name == "move_stage":
        found |= _move(args, state, later)
    if isinstance(args, TiltArgs):
        found |= _tilt(args, state)
    return found | dict.fromkeys(later)


def _tilt(args: TiltArgs, state: MicroscopeState) -> Figures:
    """Where a tilt would end and how far that is; unknown if nothing tied it to a place."""
    told = {"alpha_deg": args.expect_alpha_deg, "beta_deg": args.expect_beta_deg}
    target = {key: value for key, value in told.items() if value is not None and key in state.stage}
    if not target:
        return dict.fromkeys(("alpha_deg", "beta_deg", "step_deg"))
    return {
        **target,
        "step_deg": max(abs(value - state.stage[key].reported) for key, value in target.items()),
    }


def _plain(value: Any) -> Figure:
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, tuple):
        return ",".join(str(one) for one in value)
    return value if isinstance(value, str) else None


def _move(args: Any, state: MicroscopeState, later: Collection[str]) -> Figures:
    """Where a move would end and how far that is; unknown if its target is."""
    if later or args.mode == "saved":
        return dict.fromkeys(_OF_MOVES)
    try:
        target = target_of(args, state, {})
    except (EucentricError, KeyError):  # an axis that the stage does not have: the call itself is refused
        return dict.fromkeys(_OF_MOVES)
    steps = {
        key: abs(value - state.stage[key].reported) for key, value in target.items() if key in state.stage
    }
    return {
        **target,
        "step_um": max((way for key, way in steps.items() if key.endswith("um")), default=0.0),
        "step_deg": max((way for key, way in steps.items() if key.endswith("deg")), default=0.0),
    }
