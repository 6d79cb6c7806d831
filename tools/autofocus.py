"""Find focus by contrast, from coarse to fine, and never by moving the stage.

1. Edges in a field of 2 µm, over the whole range: blur by defocus is 2·α·|Δf|, 60 nm at 1 µm and 30 mrad.
2. The same in a field of 1.5 µm, with both flanks of the curve equally long.
3. The lattice itself, on a small field that may lie beside the target: it is visible only within some
   5 nm of focus, but a few electrons per column suffice to see it.
4. If that field lay beside the target, once more as far on its other side, over a short range: a specimen slopes by
   some nanometres over such a distance, and the target lies half-way.

On the twin (good stage, 60 suspended monolayers, starts up to ± 700 nm off): after step 1 95 % within 63 nm, after
step 2 within 40 nm, and a lattice was found at all but one. Error of the result at a target 60 nm away from both
areas 0.4 nm rms, 95 % within 0.7 nm; 110 nm away 0.5 and 0.9; with one area only, 60 nm away, 1.3 and 3.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import Unsupported
from eucentric.core.instrument import Frame, OpticsChange, Scan
from eucentric.core.units import Unit
from eucentric.instruments.capabilities import Capabilities
from eucentric.knowledge.electron_optics import depth_of_focus_nm
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.scanning import frames_cost, settling_s
from eucentric.tools.vision.focus import LatticeFocus, edge_focus, edge_sharpness, lattice_focus

_WIDE = Scan(width_px=256, height_px=256, fov_nm=2000.0, dwell_us=0.3, purpose="focus")
_MIDDLE = Scan(width_px=256, height_px=256, fov_nm=1500.0, dwell_us=0.3, purpose="focus")
_SMALL = Scan(width_px=256, height_px=256, fov_nm=13.0, dwell_us=0.2, purpose="focus")
_LATTICE_BAND = (2.5, 7.5)
_COARSE_STEP_NM, _MIDDLE_STEP_NM, _FINE_STEP_NM = 200.0, 130.0, 5.0
_MIDDLE_COUNT, _FINE_COUNT, _OPPOSITE_COUNT = 9, 29, 13
_OTHER_SETTINGS = 5
"""Beam shift there, to the other side and back, and the chosen defocus."""
_MIN_CONTRAST = 8.5
"""Peak height over noise below which no lattice was seen. On the twin noise alone stays below 7.2 and a
monolayer gives at least 10 (50 places each)."""


class Args(Model):
    """Where and how far to look."""

    range_nm: Annotated[float, Field(ge=150, le=5000), Unit("nm")] = 1200.0
    """Half-range of the coarse sweep [nm]."""
    beside_nm: Annotated[float, Field(ge=-2000, le=2000), Unit("nm")] = 0.0
    """Focus on an area this far beside the field, so that the field is spared [nm]."""


class Result(Model):
    """What was found."""

    defocus_nm: float
    """The setting that was chosen and is now set [nm]."""
    change_nm: float
    sharpness_before: float
    sharpness_after: float
    found: bool
    """False if no maximum was found: the old setting was put back."""
    dose_e_per_a2: float
    """Spent on the small focus area (upper bound); on its opposite, if there was one, it was less [e/Å²]."""
    frames: tuple[str, ...]
    note: str = ""


def _offsets(count: int, step_nm: float) -> NDArray[np.float64]:
    return np.asarray((np.arange(count) - count // 2) * step_nm, np.float64)


def _coarse_count(range_nm: float) -> int:
    return 2 * int(np.ceil(range_nm / _COARSE_STEP_NM)) + 1


class _Sweep:
    """One autofocus in progress: which frames were taken and what they cost."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.frames: list[Frame] = []

    def images(self, places_nm: NDArray[np.float64], scan: Scan) -> list[NDArray[np.float32]]:
        """One image at each defocus."""
        microscope = self.context.microscope
        taken = []
        for place in places_nm:
            microscope.set_optics(OpticsChange(defocus_nm=float(place)))
            frame = microscope.acquire(scan)[0]
            self.frames.append(frame)
            taken.append(microscope.pixels(frame))
        return taken

    @property
    def small(self) -> list[Frame]:
        """Frames of the lattice, the first side's first."""
        return [frame for frame in self.frames if (frame.pixel_pm or 0.0) < 1.01e3 * _SMALL.pixel_nm]

    def by_edges(self, places_nm: NDArray[np.float64], scan: Scan) -> tuple[float, bool]:
        """Focus by edges, and whether it lies inside the sweep."""
        values = edge_sharpness(self.images(places_nm, scan))
        mrad = self.context.microscope.state().optics["convergence_mrad"]
        return edge_focus(places_nm, values, scan.pixel_nm, mrad, wide=scan is _WIDE)

    def by_lattice(self, places_nm: NDArray[np.float64]) -> LatticeFocus:
        """Focus by the lattice."""
        taken = self.images(places_nm, _SMALL)
        optics = self.context.microscope.state().optics
        depth = depth_of_focus_nm(optics["voltage_kv"], optics["convergence_mrad"])
        return lattice_focus(places_nm, taken, _SMALL.pixel_nm, _LATTICE_BAND, 0.47 * depth)


def run(args: Args, context: Context) -> Result:
    """Sweep coarse, then fine; set the best defocus. Only the defocus changes, never the stage height.

    Raises
    ------
    Unsupported
        If the instrument declares that its image does not respond to defocus.
    """
    microscope = context.microscope
    if "defocus" not in microscope.capabilities().responds_to.get("haadf", ()):
        raise Unsupported("autofocus", "this instrument's HAADF image does not respond to defocus")
    before = microscope.state().optics
    sweep = _Sweep(context)
    edges, seen = _edge_focus(sweep, before["defocus_nm"], args.range_nm)
    try:
        fine, focus = _lattice_focus(sweep, edges, before["beam_shift_x_nm"], args.beside_nm)
    finally:
        _shift(context, before["beam_shift_x_nm"])
    found = _seen(fine)
    chosen = focus if found else before["defocus_nm"]
    microscope.set_optics(OpticsChange(defocus_nm=chosen))
    return Result(
        defocus_nm=chosen,
        change_nm=chosen - before["defocus_nm"],
        sharpness_before=float(np.median(fine.heights)),
        sharpness_after=float(fine.heights.max()),
        found=found,
        dose_e_per_a2=sum(frame.dose_e_per_a2 or 0.0 for frame in sweep.small[:_FINE_COUNT]),
        frames=tuple(frame.id for frame in sweep.frames),
        note="" if found else _why_not(fine, seen, args.range_nm),
    )


def _seen(fine: LatticeFocus) -> bool:
    return fine.inside and fine.contrast >= _MIN_CONTRAST


def _lattice_focus(
    sweep: _Sweep, edges_nm: float, shift_nm: float, beside_nm: float
) -> tuple[LatticeFocus, float]:
    """The sweep over the lattice, and the focus of the field: half-way between what its two sides need."""
    _shift(sweep.context, shift_nm + beside_nm)
    fine = sweep.by_lattice(edges_nm + _offsets(_FINE_COUNT, _FINE_STEP_NM))
    if abs(beside_nm) < _SMALL.fov_nm or not _seen(fine):
        return fine, fine.defocus_nm
    _shift(sweep.context, shift_nm - beside_nm)
    opposite = sweep.by_lattice(fine.defocus_nm + _offsets(_OPPOSITE_COUNT, _FINE_STEP_NM))
    return fine, (fine.defocus_nm + opposite.defocus_nm) / 2 if _seen(opposite) else fine.defocus_nm


def _why_not(fine: LatticeFocus, seen: bool, range_nm: float) -> str:
    old = "the old defocus was put back"
    if not seen:
        return f"no sharpest edges within ± {range_nm:g} nm: {old}; try a larger range_nm"
    if fine.contrast < _MIN_CONTRAST:
        return f"no lattice seen at any defocus of the fine sweep ({fine.contrast:.1f} × noise): {old}"
    return f"the lattice is sharpest at the end of the fine sweep: {old}"


def _edge_focus(sweep: _Sweep, start_nm: float, range_nm: float) -> tuple[float, bool]:
    """Focus by edges, to a few tens of nanometres, and whether the range held it."""
    best, inside = sweep.by_edges(start_nm + _offsets(_coarse_count(range_nm), _COARSE_STEP_NM), _WIDE)
    best, _ = sweep.by_edges(best + _offsets(_MIDDLE_COUNT, _MIDDLE_STEP_NM), _MIDDLE)
    return best, inside


def _shift(context: Context, x_nm: float) -> None:
    if x_nm != context.microscope.state().optics["beam_shift_x_nm"]:
        context.microscope.set_optics(OpticsChange(beam_shift_x_nm=x_nm))


_CLEAR_S = 20.0
"""From the lattice sweep to the end of the image [s]."""


def clear_nm(capabilities: Capabilities, fov_nm: float) -> float:
    """How far beside a field of that width to focus so that drift and creep can't bring the two together [nm]."""
    errors = capabilities.position_errors
    creep = errors.creep_m * np.exp(-settling_s(capabilities) / errors.creep_s)
    return float(1e9 * (errors.drift_m_per_s * _CLEAR_S + creep) + (fov_nm + _SMALL.fov_nm) / 2 + 2.0)


def cost(args: Args, setting: Setting) -> Cost:
    """The wide sweeps fall on the target, the lattice sweep on a neighbouring area if `beside_nm` clears the field."""
    coarse = frames_cost(_WIDE, setting, _coarse_count(args.range_nm))
    middle = frames_cost(_MIDDLE, setting, _MIDDLE_COUNT)
    beside = abs(args.beside_nm) >= _SMALL.fov_nm
    small = frames_cost(_SMALL, setting, _FINE_COUNT, beside=beside)
    opposite = frames_cost(_SMALL, setting, _OPPOSITE_COUNT if beside else 0, beside=True)
    defocus = setting.capabilities.optic("defocus")
    wide_frames = coarse.frames + middle.frames
    wide_dose = coarse.dose_e_per_a2 + middle.dose_e_per_a2
    wide_mean = coarse.mean_dose_e_per_a2 + middle.mean_dose_e_per_a2
    settings = wide_frames + small.frames + opposite.frames + _OTHER_SETTINGS
    return Cost(
        seconds=coarse.seconds
        + middle.seconds
        + small.seconds
        + opposite.seconds
        + (defocus.settle_s if defocus else 0.0) * settings,
        mean_dose_e_per_a2=wide_mean + (0.0 if beside else small.mean_dose_e_per_a2),
        dose_e_per_a2=wide_dose + small.dose_e_per_a2,
        elsewhere_e_per_a2=small.elsewhere_e_per_a2,
        electrons=coarse.electrons + middle.electrons + small.electrons + opposite.electrons,
        frames=wide_frames + small.frames + opposite.frames,
        megabytes=coarse.megabytes + middle.megabytes + small.megabytes + opposite.megabytes,
    )


def summary(result: Result) -> str:
    """Change, sharpness before and after, dose."""
    if not result.found:
        return f"focus NOT found ({result.note}); {result.dose_e_per_a2:.3g} e/Å² spent there"
    return (
        f"focus {result.change_nm:+.1f} nm → defocus {result.defocus_nm:.1f} nm, sharpness "
        f"{result.sharpness_before:.3g} → {result.sharpness_after:.3g}, {result.dose_e_per_a2:.3g} e/Å² spent there"
    )


TOOL: Tool[Args, Result] = Tool(
    "autofocus",
    "Find focus from image contrast by changing the defocus only (never the stage height), optionally on an area "
    "beside the field. Costs dose on that area. If no maximum is found the old defocus is put back.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
)
