"""`eucentric calc`: arithmetic a microscopist does on paper, with no instrument."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eucentric.cli import options

F = TypeVar("F", bound=Callable[..., Any])
LARGEST = 1e12
"""Beyond it (and its inverse) a quantity is a slip of the keyboard, and squares of it overflow."""
if TYPE_CHECKING:
    _Floats = click.ParamType[float]
else:
    _Floats = click.ParamType  # generic only in newer versions


class Quantity(_Floats):
    """A number in a unit, or a text with any convertible unit ('200 Å', '0.05 nA')."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.name = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number in the unit; usage error otherwise."""
        from eucentric.core.errors import UnitProblem
        from eucentric.core.units import Unit, parse

        try:
            plain = float(value)
        except ValueError:
            try:
                plain = parse(str(value), self.unit)
            except UnitProblem as problem:
                self.fail(str(problem), param, ctx)
        try:
            number = Unit(self.unit).read(plain)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if abs(number) > LARGEST:
            self.fail(f"{number:g} {self.unit} is beyond {LARGEST:g}", param, ctx)
        return number


def positive(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """A usage error unless it is more than 0; an option left out stays so."""
    if value is not None and value < 1 / LARGEST:
        raise click.BadParameter(f"must be more than 0 (at least {1 / LARGEST:g})", ctx, param)
    return value


def _not_negative(ctx: click.Context, param: click.Parameter, value: float) -> float:
    if value < 0:
        raise click.BadParameter("must not be negative", ctx, param)
    return value


def quantity(flag: str, unit: str, default: float | None, text: str) -> Callable[[F], F]:
    """An option that takes a quantity."""
    # A default of None would count as a value given (click 8.3 and later): leave it out.
    known: dict[str, Any] = (
        {"required": True} if default is None else {"default": default, "show_default": True}
    )
    return click.option(
        flag, type=Quantity(unit), callback=positive, help=f"{text} [{unit}].", metavar=unit, **known
    )


def _show(rows: list[tuple[str, str, float, str]], as_json: bool, note: str = "") -> None:
    if as_json:
        click.echo(json.dumps({key: value for key, _, value, _ in rows} | ({"note": note} if note else {})))
        return
    for _, words, value, unit in rows:
        click.echo(f"{words:<46} {value:>12.5g} {unit}")
    if note:
        click.echo(note)


@click.group()
def calc() -> None:
    """Dose, frame time, counts per column, depth of focus, drift blur. Quantities may carry units: '200 Å'."""


@calc.command()
@quantity("--current", "pA", 30.0, "Probe current")
@quantity("--dwell", "us", 2.0, "Dwell time")
@quantity("--fov", "nm", None, "Field of view")
@click.option(
    "--pixels", default=512, show_default=True, type=click.IntRange(1, 65536), help="Pixels along the field."
)
@click.option(
    "--frames", default=1, show_default=True, type=click.IntRange(1, 100000), help="Frames at this place."
)
@quantity("--voltage", "kV", 60.0, "High tension")
@quantity("--convergence", "mrad", 30.0, "Convergence semi-angle")
@options.json_option
def dose(
    current: float,
    dwell: float,
    fov: float,
    pixels: int,
    frames: int,
    voltage: float,
    convergence: float,
    as_json: bool,
) -> None:
    """Dose of a scan: mean over the frame, and the bound at any atom (they differ when undersampled)."""
    from eucentric.knowledge.dose import scan_dose

    result = scan_dose(
        current_pa=current, dwell_us=dwell, pixel_nm=fov / pixels, columns=pixels, voltage_kv=voltage,
        convergence_mrad=convergence,
    )  # fmt: skip
    rows = [
        ("pixel_pm", "pixel", fov / pixels * 1e3, "pm"),
        ("electrons_per_pixel", "electrons per pixel", result.electrons_per_pixel * frames, "e"),
        ("mean_e_per_a2", "mean dose", result.mean_e_per_a2 * frames, "e/Å²"),
        (
            "bound_e_per_a2",
            "upper bound at any atom (current error 3 % in)",
            result.bound_e_per_a2 * frames,
            "e/Å²",
        ),
        ("rate_e_per_a2_s", "dose rate under the probe", result.rate_e_per_a2_s, "e/Å² s"),
    ]
    undersampled = result.bound_e_per_a2 > 2 * result.mean_e_per_a2
    _show(rows, as_json, "undersampled: the pixel is larger than the probe" if undersampled else "")


@calc.command()
@click.option(
    "--pixels", default=512, show_default=True, type=click.IntRange(1, 65536), help="Pixels along each edge."
)
@quantity("--dwell", "us", 2.0, "Dwell time")
@click.option(
    "--flyback",
    type=Quantity("us"),
    default=20.0,
    show_default=True,
    callback=_not_negative,
    help="Flyback per line [us].",
)
@click.option("--frames", default=1, show_default=True, type=click.IntRange(1, 100000))
@options.json_option
def time(pixels: int, dwell: float, flyback: float, frames: int, as_json: bool) -> None:
    """Time of a square frame."""
    from eucentric.knowledge.dose import frame_seconds

    one = frame_seconds(rows=pixels, columns=pixels, dwell_us=dwell, flyback_us=flyback)
    _show([("frame_s", "one frame", one, "s"), ("total_s", f"{frames} frames", one * frames, "s")], as_json)


@calc.command()
@quantity("--dose", "e/angstrom^2", None, "Dose")
@click.option("--element", default="Ti", show_default=True, help="Heaviest atom of the column.")
@quantity("--voltage", "kV", 60.0, "High tension")
@quantity("--inner", "mrad", 60.0, "Inner detector angle")
@quantity("--outer", "mrad", 140.0, "Outer detector angle")
@options.json_option
def counts(dose: float, element: str, voltage: float, inner: float, outer: float, as_json: bool) -> None:
    """Electrons that one atom column adds to an annular dark-field image, and what that allows."""
    from eucentric.knowledge.dose import counts_per_column
    from eucentric.knowledge.scattering import haadf_cross_section_a2

    section = haadf_cross_section_a2(element, voltage, inner, outer)
    number = counts_per_column(dose, section)
    rows = [
        ("cross_section_a2", "cross-section onto the detector", section, "Å²"),
        ("counts", f"counts per {element} atom", number, ""),
        ("dose_for_95", "dose for 95 counts (95 % recall of a vacancy)", 95 / section, "e/Å²"),
    ]
    _show(rows, as_json)


@calc.command()
@quantity("--voltage", "kV", 60.0, "High tension")
@quantity("--convergence", "mrad", 30.0, "Convergence semi-angle")
@click.option("--defocus", type=Quantity("nm"), default=0.0, show_default=True, help="Defocus [nm].")
@options.json_option
def focus(voltage: float, convergence: float, defocus: float, as_json: bool) -> None:
    """Wavelength, probe size, depth of focus, blur by defocus."""
    from eucentric.knowledge import electron_optics as optics

    rows = [
        ("wavelength_a", "wavelength", optics.wavelength_a(voltage), "Å"),
        (
            "probe_fwhm_a",
            "probe FWHM with a 0.8 Å source image",
            optics.probe_fwhm_a(voltage, convergence),
            "Å",
        ),
        (
            "depth_of_focus_nm",
            "depth of focus (all of it, 80 % on axis)",
            optics.depth_of_focus_nm(voltage, convergence),
            "nm",
        ),
        (
            "blur_nm",
            "geometric blur disc at that defocus",
            optics.defocus_blur_nm(defocus, convergence),
            "nm",
        ),
    ]
    _show(rows, as_json)


@calc.command()
@quantity("--rate", "nm/s", None, "Drift rate")
@click.option("--pixels", default=512, show_default=True, type=click.IntRange(1, 65536))
@quantity("--dwell", "us", 2.0, "Dwell time")
@quantity("--fov", "nm", 8.0, "Field of view")
@options.json_option
def drift(rate: float, pixels: int, dwell: float, fov: float, as_json: bool) -> None:
    """How far drift shears one frame, and how long a frame may last for a blur below one pixel."""
    from eucentric.knowledge.dose import frame_seconds

    seconds = frame_seconds(rows=pixels, columns=pixels, dwell_us=dwell)
    rows = [
        ("frame_s", "one frame", seconds, "s"),
        ("shear_pm", "drift during the frame", rate * seconds * 1e3, "pm"),
        ("pixels", "the same in pixels", rate * seconds / (fov / pixels), "px"),
        ("longest_frame_s", "longest frame for one pixel of drift", fov / pixels / rate, "s"),
    ]
    _show(rows, as_json)
