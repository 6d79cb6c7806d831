"""Read the instrument: where it is, what is set, whether the beam is on."""

from eucentric.core.base import Model
from eucentric.core.instrument import MicroscopeState
from eucentric.tools.base import Context, Tool, free


class Args(Model):
    """No arguments."""


class Result(Model):
    """The read-back."""

    state: MicroscopeState


def run(args: Args, context: Context) -> Result:
    """Read everything once."""
    return Result(state=context.microscope.state())


def summary(result: Result) -> str:
    """Stage with units, beam and field of view."""
    stage, optics = result.state.stage, result.state.optics
    places = ", ".join(
        f"{name.split('_')[0]} {stage[name].reported:+.2f} {'µm' if name.endswith('um') else 'deg'}"
        for name in ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg")
        if name in stage
    )
    beam = "beam blanked" if result.state.blanked else "BEAM ON"
    held = f" and held ({result.state.held})" if result.state.held else ""
    return (
        f"stage {places} (as reported); defocus {optics['defocus_nm']:.1f} nm, field {optics['fov_nm']:g} nm, "
        f"{optics['probe_current_pa']:g} pA, {optics['voltage_kv']:g} kV; {beam}{held}"
    )


TOOL: Tool[Args, Result] = Tool(
    "get_state",
    "Read the stage position (commanded and reported), optics, blanker and holder. Changes nothing.",
    "read",
    Args,
    Result,
    run,
    free,
    summary,
)
