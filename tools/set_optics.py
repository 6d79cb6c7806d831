"""Change probe current, defocus, field of view, beam shift or the stigmator."""

from typing import Annotated

from pydantic import Field, model_validator

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.instrument import MicroscopeState, OpticsChange
from eucentric.core.units import OPTICS, Unit, echo
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.scanning import FovNm

ShiftNm = Annotated[float, Field(ge=-10_000, le=10_000), Unit("nm")]
StigmatorNm = Annotated[float, Field(ge=-5_000, le=5_000), Unit("nm")]


class Args(Model):
    """What to change; what is left out stays."""

    probe_current_pa: Annotated[float, Field(gt=0, le=10_000), Unit("pA")] | None = None
    """Probe current [pA]."""
    defocus_nm: Annotated[float, Field(ge=-50_000, le=50_000), Unit("nm")] | None = None
    """Defocus [nm]."""
    fov_nm: FovNm | None = None
    """Field of view that later images use [nm]."""
    beam_shift_x_nm: ShiftNm | None = None
    """Beam shift along image columns [nm]."""
    beam_shift_y_nm: ShiftNm | None = None
    """Beam shift along image rows [nm]."""
    a1_x_nm: StigmatorNm | None = None
    """Two-fold astigmatism set along image columns [nm]."""
    a1_y_nm: StigmatorNm | None = None
    """Two-fold astigmatism set at 45 degrees to them [nm]."""

    @model_validator(mode="after")
    def _something(self) -> "Args":
        if not self.model_dump(exclude_none=True):
            raise ValueError("nothing to change: give at least one setting")
        return self


class Result(Model):
    """The read-back."""

    state: MicroscopeState
    changed: dict[str, float]


def run(args: Args, context: Context) -> Result:
    """Set and read back."""
    wanted = args.model_dump(exclude_none=True)
    return Result(state=context.microscope.set_optics(OpticsChange(**wanted)), changed=wanted)


def cost(args: Args, setting: Setting) -> Cost:
    """Declared settling time."""
    specs = [setting.capabilities.optic(OPTICS[key].si) for key in args.model_dump(exclude_none=True)]
    return Cost(seconds=max((spec.settle_s for spec in specs if spec), default=0.0))


TOOL: Tool[Args, Result] = Tool(
    "set_optics",
    "Set probe current, defocus, field of view, beam shift or the stigmator and read back. High tension is not "
    "settable.",
    "control",
    Args,
    Result,
    run,
    cost,
    lambda result: "; ".join(
        f"{key.rsplit('_', 1)[0].replace('_', ' ')} {echo(key, result.state.optics[key])}"
        for key in result.changed
    ),
)
