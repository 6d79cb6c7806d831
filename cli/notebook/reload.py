"""`eucentric notebook reload` and `transfer`: in a holder anew, and what that leaves of what was known."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eucentric.cli.notebook.opening import loading_of, made, opened, said, tell, writing_options

if TYPE_CHECKING:
    from eucentric.knowledge.notebook import Fiducial, Notebook

F = TypeVar("F", bound=Callable[..., Any])
FLIPS = {"none": "none", "alpha": "about_alpha", "beta": "about_beta", "beam": "about_beam"}


def _turned_options(command: F) -> F:
    for option in (
        click.option("--flip", type=click.Choice(list(FLIPS)), default="none", show_default=True,
                     help="Turned over about the alpha or beta axis; beam: half a turn in the plane."),
        click.option("--turn", type=float, metavar="DEG", help="Right-handed turn about the beam after the flip."),
        click.option("--fiducial", "fiducials", multiple=True, metavar="BEFORE:AFTER",
                     help="Azimuths of one mark on the screen at zero tilt, before and after; gives the turn."),
        click.option("--mode", default="diffraction", show_default=True, help="In which fiducials were seen."),
        click.option("--camera-length", type=float, metavar="MM"),
        click.option("--kv", type=float),
        click.option("--unknown", is_flag=True, help="Nobody knows how it lay before: nothing carries over."),
        click.option("--turn-sigma", type=float, default=1.0, show_default=True, help="Error of the turn [deg]."),
        click.option("--seat-sigma", type=float, default=0.5, show_default=True, help="How flat it lies again [deg]."),
        click.option("--name", default="", help="As the specimen card calls this loading."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@_turned_options
@writing_options
def reload(path: Path | None, by: str, orcid: str, note: str, as_json: bool, **given: Any) -> None:
    """The specimen was taken out and put back into the same holder and microscope."""
    _load(path, said(by, orcid, note), as_json, "", given)


@click.command()
@click.option(
    "--calibration", required=True, help="Id of the other microscope and holder; see add-calibration."
)
@_turned_options
@writing_options
def transfer(
    path: Path | None, by: str, orcid: str, note: str, as_json: bool, calibration: str, **given: Any
) -> None:
    """The specimen went into another holder or microscope."""
    _load(path, said(by, orcid, note), as_json, calibration, given)


def _load(
    path: Path | None, who: dict[str, str], as_json: bool, calibration: str, given: dict[str, Any]
) -> None:
    from eucentric.knowledge.notebook import CalibrationEntry, LoadingEntry

    with opened(path) as file:
        book = file.read()
        before = loading_of(book)
        same = book.get(before, LoadingEntry).calibration if before else ""
        if calibration:
            book.get(calibration, CalibrationEntry)
        _check(given, before)
        after = {} if given["unknown"] else {
            "after": before, "flip": FLIPS[given["flip"]], "turn_deg": given["turn"],
            "fiducials": tuple(_fiducial(text, given) for text in given["fiducials"]),
        }  # fmt: skip
        entry = made(
            LoadingEntry, **who, name=given["name"], calibration=calibration or same,
            turn_sigma_deg=given["turn_sigma"], seat_sigma_deg=given["seat_sigma"], **after,
        )  # fmt: skip
        (key,) = file.add(entry)
        book = file.read()
    kept = list(_kept(book, key))
    tell(as_json, [*_lines(book, key), *(line for _, line in kept), *_rules()], id=key, after=entry.after,
         carried=[name for name, _ in kept if name])  # fmt: skip


def _check(given: dict[str, Any], before: str) -> None:
    from eucentric.core.errors import BadInput

    known = (given["turn"] is not None) + bool(given["fiducials"]) + given["unknown"]
    if known != 1 or not before:
        raise BadInput(
            "how the specimen lies against before is not said" if known == 0 else "the turn is said twice",
            "--turn DEG, or --fiducial BEFORE:AFTER (once or more), or --unknown",
            "at zero tilt, read the azimuth of one scratch before and after",
        )


def _fiducial(text: str, given: dict[str, Any]) -> "Fiducial":
    from eucentric.core.errors import BadInput
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import Fiducial, ScreenAzimuth, ScreenMode

    parts = text.replace("−", "-").split(":")
    try:
        before, after = (float(part) for part in parts)
    except ValueError as error:
        raise BadInput(
            f"{visible(text, limit=60)!r} is no fiducial",
            "two azimuths in degrees, BEFORE:AFTER",
            "write 12.5:-101",
        ) from error
    screen = made(
        ScreenMode, mode=given["mode"], camera_length_mm=given["camera_length"], high_tension_kv=given["kv"]
    )
    one: Fiducial = made(
        Fiducial, name=f"mark {text}", before=ScreenAzimuth(azimuth_deg=before, screen=screen),
        after=ScreenAzimuth(azimuth_deg=after, screen=screen),
    )  # fmt: skip
    return one


def _lines(book: "Notebook", key: str) -> Iterator[str]:
    from eucentric.core.errors import EucentricError
    from eucentric.knowledge.notebook import LoadingEntry, turn_of

    loading = book.get(key, LoadingEntry)
    if not loading.after:
        yield f"{key}  begins anew: how it lies against before is not known"
        return
    try:
        turn = turn_of(book, key)
    except EucentricError as error:
        yield f"{key}  after {loading.after}, flip {loading.flip}; the turn is not known yet: {error.why or error.what}"
        return
    yield f"{key}  after {loading.after}: flip {loading.flip}, turn {turn.turn_deg:+.2f}° ±{turn.sigma_deg:g}"


def _kept(book: "Notebook", key: str) -> Iterator[tuple[str, str]]:
    """(grain, what becomes of its orientation) of each grain."""
    from eucentric.core.errors import EucentricError
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import carried

    for grain, entry in book.grains():
        name = visible(entry.name, limit=40)
        try:
            found = carried(book, grain, key)
        except EucentricError as error:
            yield "", f"  grain {name}   does not carry over: {error.why or error.what}"
            continue
        count = len(found.candidates)
        yield (
            grain,
            f"  grain {name}   carries over, from {found.source}: {count} orientation{'s' if count > 1 else ''}",
        )


def _rules() -> Iterator[str]:
    from eucentric.knowledge.notebook import STAYS_BEHIND

    for one in STAYS_BEHIND:
        yield f"  not       {one}"
    yield "  then      `eucentric tilt --notebook FILE --to …` gives the new tilts; read one axis to be sure"
