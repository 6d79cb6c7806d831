"""Measure the lattice of a frame: its scale, cell, grains and strain."""

import math
from pathlib import Path

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Interval
from eucentric.core.instrument import Frame
from eucentric.knowledge.phases import phase
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.detect_defects import QualityFlag
from eucentric.tools.vision import AtomMap, find_atoms
from eucentric.tools.vision.distortion import MeanCell, mean_cell
from eucentric.tools.vision.strain import COMPONENTS, StrainMap, strain_of
from eucentric.tools.vision.strain_picture import write_strain

METHOD = (
    "lattice v1 (ring scale, polynomial lattice of every grain; strain by local least squares of places refined "
    "without the lattice as prior)"
)
_UNREADABLE = ("no_lattice", "out_of_focus")
"""With these flags no strain is stated."""


class Args(Model):
    """Which frame."""

    frame: str = Field("last", min_length=1, max_length=120)
    """A frame id, or 'last'."""
    material: str | None = Field(None, max_length=200)
    """A known phase; None takes it from the specimen card."""


class GrainResult(Model):
    """One lattice of the frame."""

    a_px: float
    b_px: float
    angle_deg: float
    """Between both vectors of the cell."""
    turn_deg: float
    """Direction of the cell against the image's x axis, y down."""
    stretch_percent: float
    """Longer over shorter axis of its distortion, minus 1."""
    drift_px_per_line: tuple[float, float]
    """(x, y): drift that would explain the distortion; one image cannot tell it from a uniform strain."""
    area_percent: float
    residual_pm: float
    """rms distance of the peaks from the lattice."""


class StrainResult(Model):
    """One component of strain against the mean regular lattice of its grain [%], rotation [deg]."""

    component: str
    mean: float
    low: float | None
    high: float | None
    """95 % interval of the mean, by the scatter of blocks of the image; None with too few of them."""
    scatter: float
    """Standard deviation of the local values, noise included."""
    error: float
    """Median standard error of a local value."""


class Result(Model):
    """What the frame's lattice is."""

    frame: str
    material: str
    simulated: bool
    pixel_pm: float | None
    """By the lattice constant of the material."""
    pixel_pm_sigma: float | None
    stated_pixel_pm: float | None
    off_percent: float | None
    """Measured over stated pixel size, minus 1."""
    agrees: bool | None
    """Within 1 %, wider by what drift explains; None without a stated pixel size."""
    lattice_constant: Interval | None
    """a [Å] if the stated pixel size is right."""
    rings: str
    """How the rings of the power spectrum were assigned."""
    columns: int
    coherence: float
    grains: tuple[GrainResult, ...]
    strain: tuple[StrainResult, ...]
    strain_reach_nm: float | None
    """Radius that a local value is averaged over."""
    strain_columns: int
    not_counted: tuple[str, ...]
    flags: tuple[QualityFlag, ...]
    cannot_tell: str
    picture: str
    """File name in the run's folder of pictures; empty where nothing was measured."""
    method: str = METHOD


def run(args: Args, context: Context) -> Result:
    """Read the frame's pixels, fit its lattice, map the strain, and draw both."""
    frame = context.records.frame(args.frame)
    material = phase(args.material or context.specimen.material)
    pixels = np.asarray(context.records.pixels(frame), np.float32) - np.float32(frame.offset_counts)
    context.note(f"measuring the lattice of {material.name} in {frame.id}")
    atoms = find_atoms(pixels, material, pixel_pm=frame.pixel_pm)
    readable = not {code for code, _ in atoms.flags} & set(_UNREADABLE)
    strain = strain_of(atoms) if readable else None
    name = ""
    if atoms.pixel_pm is not None:
        stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in frame.id)[:80]
        path = context.folder / Path(f"{stem}-lattice.png")
        name = write_strain(pixels, atoms, strain, path, simulated=frame.simulated, title=frame.id).name
    return result_of(atoms, strain, frame, name)


def result_of(atoms: AtomMap, strain: StrainMap | None, frame: Frame, picture: str) -> Result:
    """The tool's result from the maps, rounded to what the numbers can mean."""
    stated = atoms.stated_pixel_pm
    off = atoms.pixel_pm / stated - 1 if atoms.pixel_pm and stated else None
    codes = {code for code, _ in atoms.flags}
    return Result(
        frame=frame.id, material=atoms.phase.name, simulated=frame.simulated,
        pixel_pm=_rounded(atoms.pixel_pm, 4), pixel_pm_sigma=_rounded(atoms.pixel_pm_sigma, 4),
        stated_pixel_pm=_rounded(stated, 4), off_percent=None if off is None else round(100 * off, 3),
        agrees=None if off is None else "scale_disagrees" not in codes,
        lattice_constant=_constant(atoms, strain, off), rings=atoms.rings, columns=len(atoms.atoms_xy),
        coherence=round(atoms.coherence, 4), grains=_grains(atoms), strain=_strain(strain),
        strain_reach_nm=None if strain is None else round(strain.reach_nm, 3),
        strain_columns=0 if strain is None else len(strain.xy), not_counted=_left_out(atoms, strain),
        flags=tuple(QualityFlag(code=code, text=text) for code, text in atoms.flags),
        cannot_tell=atoms.cannot_tell if atoms.pixel_pm is None else "", picture=picture,
    )  # fmt: skip


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _constant(atoms: AtomMap, strain: StrainMap | None, off: float | None) -> Interval | None:
    """a by the stated pixel size; its error is that of the mean cell, and half of what drift distorts."""
    if off is None or not atoms.grains:
        return None
    value = atoms.phase.a_angstrom / (1 + off)
    error = 0.25 * mean_cell(atoms.grains[0]).stretch_percent / 100
    if strain is not None:
        halves = [strain.mean[name].high - strain.mean[name].value for name in ("exx", "eyy")]
        error = math.hypot(error, *(0.25 * half for half in halves if math.isfinite(half)))
    return Interval(
        value=round(value, 5),
        low=round(value * (1 - 1.96 * error), 5),
        high=round(value * (1 + 1.96 * error), 5),
    )


def _grains(atoms: AtomMap) -> tuple[GrainResult, ...]:
    return tuple(_grain(mean_cell(grain), grain.area_share, grain.residual_pm) for grain in atoms.grains)


def _grain(cell: MeanCell, share: float, residual_pm: float) -> GrainResult:
    dx, dy = cell.drift_px_per_line
    return GrainResult(
        a_px=round(cell.a_px, 4), b_px=round(cell.b_px, 4), angle_deg=round(cell.angle_deg, 3),
        turn_deg=round(cell.turn_deg, 3), stretch_percent=round(cell.stretch_percent, 3),
        drift_px_per_line=(round(dx, 5), round(dy, 5)), area_percent=round(100 * share, 1),
        residual_pm=round(residual_pm, 2),
    )  # fmt: skip


def _strain(strain: StrainMap | None) -> tuple[StrainResult, ...]:
    if strain is None:
        return ()
    out = []
    for place, name in enumerate(COMPONENTS):
        factor = 180 / math.pi if name == "rotation" else 100.0
        mean = strain.mean[name]
        out.append(
            StrainResult(
                component=name, mean=round(factor * mean.value, 4), low=_finite(factor * mean.low),
                high=_finite(factor * mean.high), scatter=round(factor * float(strain.values[:, place].std()), 4),
                error=round(factor * float(np.median(strain.errors[:, place])), 4),
            )
        )  # fmt: skip
    return tuple(out)


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _left_out(atoms: AtomMap, strain: StrainMap | None) -> tuple[str, ...]:
    if strain is None:
        return atoms.not_counted
    text = "columns without a strain: beside a defect, at an edge or boundary, or with too few neighbours"
    return (*atoms.not_counted, f"{strain.left_out} {text}")


def summary(result: Result) -> str:
    """The result in one line for a person."""
    if result.pixel_pm is None:
        return f"{result.frame}: cannot tell ({result.cannot_tell})"
    parts = [f"{result.pixel_pm:.3f} ± {result.pixel_pm_sigma:.3f} pm/px"]
    if result.off_percent is not None:
        verdict = "agrees" if result.agrees else "DISAGREES"
        parts.append(f"{verdict} with the stated {result.stated_pixel_pm:.3f} ({result.off_percent:+.2f} %)")
    if result.lattice_constant is not None and result.lattice_constant.value is not None:
        parts.append(f"a = {result.lattice_constant.value:.4f} Å by it")
    parts.append(f"{len(result.grains)} grain{'s' if len(result.grains) > 1 else ''}")
    parts += [
        f"{one.component} scatters by {one.scatter:.2f} %" for one in result.strain if one.component == "exx"
    ]
    flags = [flag.code for flag in result.flags]
    return f"{result.frame}: {', '.join(parts)}" + (f"; flagged: {', '.join(flags)}" if flags else "")


TOOL: Tool[Args, Result] = Tool(
    "measure_lattice",
    "Measure the lattice of a known phase in an atomically resolved frame: pixel size with its error, and agreement "
    "with the stated one, cell vectors and angle, rotation, stretch and drift, grains, and maps of strain (exx, eyy, "
    "exy, rotation) with standard errors. It only reads a frame: no exposure, no motion.",
    "analyse",
    Args,
    Result,
    run,
    free,
    summary,
)
