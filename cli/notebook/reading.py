"""`eucentric notebook add-reading`: one line for what was seen, and at once whether it fits the others."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli.notebook.opening import loading_of, made, opened, said, tell, writing_options

if TYPE_CHECKING:
    from eucentric.knowledge.notebook import Notebook, ReadingEntry


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="\b\nExamples\n  eucentric notebook add-reading '10.9,5=[110]' --grain A\n"
    "  eucentric notebook add-reading '-16.6,-17.3=<111>' --grain A --frame f-00012\n"
    "  eucentric notebook add-reading '0,0=(200)@34.5' --camera-length 100 --kv 200\n"
    "  eucentric notebook add-reading '4,7=?@20,80,140'      # not indexed, azimuths of three bands",
)
@click.argument("readings", nargs=-1, required=True, metavar="ALPHA,BETA=INDEX...")
@click.option("--grain", default="", help="Id or name; a name that is new begins a grain.")
@click.option("--loading", default="", help="Of which loading [the newest].")
@click.option("--sigma", type=float, default=0.2, show_default=True, help="Error, each direction [deg].")
@click.option("--as-written", is_flag=True, help="The sense of the axis is known.")
@click.option("--commanded", help="ALPHA,BETA that was asked for, if the goniometer reported something else.")
@click.option("--mode", default="diffraction", show_default=True, help="In which an azimuth was read.")
@click.option("--camera-length", type=float, metavar="MM", help="In which an azimuth was read.")
@click.option("--kv", type=float, help="High tension.")
@click.option("--spacing", "spacings", type=float, multiple=True, metavar="Å", help="Measured plane spacing.")
@click.option("--method", default="", help="Kikuchi, CBED, spots, FFT …")
@click.option("--frame", default="", help="Id of the frame it was read from.")
@click.option("--replaces", default="", help="The reading that this one corrects.")
@writing_options
def add_reading(
    readings: tuple[str, ...], path: Path | None, by: str, orcid: str, note: str, as_json: bool, **given: Any
) -> None:
    """Write down what was seen: [uvw] or <uvw> on the beam, (hkl)@AZIMUTH a g, band(hkl)@AZIMUTH, ? not indexed."""
    with opened(path) as file:
        book = file.read()
        who = said(by, orcid, note, given["replaces"])
        loading = loading_of(book, given["loading"])
        fresh, grain = _grain(book, given["grain"], loading, who)
        entries = [_entry(text, who, grain, loading, given) for text in readings]
        ids = file.add(*fresh, *entries)[len(fresh) :]
        book = file.read()
    lines = [f"{key}  {told(book, key)}" for key in ids]
    fits = list(_fits(book, grain, loading))
    tell(as_json, [*lines, *fits], ids=list(ids), grain=grain, loading=loading, fits=fits)


def told(book: "Notebook", key: str) -> str:
    """A reading in one line."""
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import GrainEntry, ReadingEntry
    from eucentric.knowledge.tilting.telling import tilt_text

    one = book.get(key, ReadingEntry)
    azimuths = ", ".join(f"{a.azimuth_deg:g}°" for a in one.azimuths)
    seen = {"axis": "", "g": "g ", "band": "band ", "unindexed": "not indexed"}[one.seen]
    grain = (
        f"   grain {visible(book.get(book.latest(one.grain), GrainEntry).name, limit=40)}"
        if one.grain
        else ""
    )
    mode = f" at {azimuths} in {visible(one.azimuths[0].screen.label, limit=60)}" if azimuths else ""
    frame = f"   frame {visible(one.frame, limit=40)}" if one.frame else ""
    where = tilt_text(one.alpha_deg, one.beta_deg)
    return f"{where}   {seen}{visible(one.written, limit=40)}{mode}   ±{one.sigma_deg:g}{grain}{frame}"


def _grain(book: "Notebook", name: str, loading: str, who: dict[str, str]) -> tuple[list[Any], str]:
    """(a new grain to be added or nothing, its id); a name that the notebook does not have begins one."""
    from eucentric.core.errors import BadInput
    from eucentric.knowledge.notebook import GrainEntry, PhaseEntry
    from eucentric.knowledge.tilting.from_notebook import chosen_grain

    try:
        return [], chosen_grain(book, name)
    except BadInput:
        if not name:
            raise
    phases = book.of(PhaseEntry)
    phase = phases[0][0] if len(phases) == 1 else ""
    entry = made(GrainEntry, **{**who, "replaces": ""}, name=name, loading=loading, phase=phase)
    return [entry], book.plus(entry).rows[-1].id


def _entry(text: str, who: dict[str, str], grain: str, loading: str, given: dict[str, Any]) -> "ReadingEntry":
    from eucentric.knowledge.notebook import ReadingEntry, ScreenAzimuth, ScreenMode
    from eucentric.knowledge.tilting.written import reading_of, tilt_of

    written = reading_of(text)
    commanded = tilt_of(given["commanded"]) if given["commanded"] else None
    screen = made(
        ScreenMode, mode=given["mode"], camera_length_mm=given["camera_length"], high_tension_kv=given["kv"]
    )
    entry: ReadingEntry = made(
        ReadingEntry, **who, seen=written.seen, grain=grain, loading=loading, alpha_deg=written.alpha_deg,
        beta_deg=written.beta_deg, commanded_alpha_deg=commanded.alpha_deg if commanded else None,
        commanded_beta_deg=commanded.beta_deg if commanded else None, written=written.written,
        sense="as_given" if given["as_written"] else "either", sigma_deg=given["sigma"],
        azimuths=tuple(ScreenAzimuth(azimuth_deg=a, screen=screen) for a in written.azimuths_deg),
        spacings_angstrom=given["spacings"], method=given["method"], frame=given["frame"],
    )  # fmt: skip
    return entry


def _fits(book: "Notebook", grain: str, loading: str) -> Iterator[str]:
    """Whether the readings of this grain agree: it is the moment to find out."""
    from eucentric.core.errors import EucentricError
    from eucentric.knowledge.notebook import inputs_of, solved

    if sum(one.seen != "unindexed" for _, one in book.readings_of(grain, loading)) < 2:
        return
    try:
        inputs = inputs_of(book, grain, loading)
        solution = solved(book, grain, loading, "check")
    except EucentricError as error:
        yield f"kept, but: {error.what}"
        yield f"  {error.remedy or error.why}"
        return
    count, best = len(solution.candidates), solution.candidates[0]
    found = f"{count} orientations" if count > 1 else "1 orientation"
    yield f"fits      {len(inputs.readings)} readings, residual {best.misfit_deg:.2f}°, {found}"
    yield from (f"not used  {one}" for one in inputs.left_out)
    if solution.next_axis is not None:
        look = solution.next_axis
        axis = " ".join(str(x) for x in look.uvw)
        yield f"look next [{axis}] at alpha {look.alpha_deg:+.2f} beta {look.beta_deg:+.2f}: it tells them apart"
