"""`eucentric notebook add-calibration`: what somebody found out about a microscope and a holder."""

import re
from pathlib import Path
from typing import Any

import click

from eucentric.cli.holder import HOLDERS, limits_named, signs_of
from eucentric.cli.notebook.opening import made, opened, restated, said, tell, writing_options

_SCREEN = re.compile(
    r"""\s*(?P<mode>[^,=]+?)\s*(?:,\s*(?P<length>[\d.]+)\s*mm)?\s*(?:,\s*(?P<tension>[\d.]+)\s*kV)?\s*
        =\s*(?P<azimuth>[-+\d.]+)\s*(?P<mirrored>mirrored|m)?\s*(?:±\s*(?P<sigma>[\d.]+))?\s*""",
    re.VERBOSE,
)
_SCREEN_FORM = "'diffraction,100mm,200kV=-18.3', with ' mirrored' and '±0.5' behind it if so"


@click.command()
@click.option("--microscope", default="", help="Which one [as in the newest calibration].")
@click.option("--holder-name", default="", help="Which holder [as in the newest calibration].")
@click.option("--holder", type=click.Choice(list(HOLDERS)))
@click.option(
    "--signs", help="Of alpha and beta: + turns counter-clockwise seen from the rod tip, such as +-."
)
@click.option("--screen", "screens", multiple=True, metavar="MODE=AZIMUTH",
              help="Azimuth of the alpha axis on the screen: 'diffraction,100mm,200kV=-18.3'.")  # fmt: skip
@click.option(
    "--limits", help="35,30 or -35:35,-25:30 or ellipse:A,B,R or outline:A,B;A,B;… or a limits file."
)
@click.option("--repeatability", type=float, help="Error of the goniometer on each axis [deg].")
@click.option("--method", default="", help="How it was found.")
@writing_options
def add_calibration(
    path: Path | None,
    by: str,
    orcid: str,
    note: str,
    as_json: bool,
    microscope: str,
    holder_name: str,
    **given: Any,
) -> None:
    """Add what was calibrated.

    For the microscope and holder of an earlier calibration it is added to that one and takes its place: readings that
    were made before are then read with it, too. For another one it is a calibration of its own.
    """
    from eucentric.knowledge.notebook import CalibrationEntry

    with opened(path) as file:
        book = file.read()
        old = _of(book.of(CalibrationEntry), microscope, holder_name)
        before = restated(old[1]) if old else {}
        words = {**before, **_given(given, microscope, holder_name, before)}
        (key,) = file.add(made(CalibrationEntry, **said(by, orcid, note, old[0] if old else ""), **words))
        entry = file.read().get(key, CalibrationEntry)
    tell(as_json, lines_of(key, entry, old[0] if old else ""), id=key, replaces=old[0] if old else "")


def lines_of(key: str, entry: Any, replaced: str = "") -> list[str]:
    """A calibration in a few lines."""
    from eucentric.core.text import visible

    sign = {1: "+", -1: "-", None: "not known"}
    first = f"{key}  {visible(entry.microscope, limit=60)}, {visible(entry.holder_name, limit=60)} ({entry.holder})"
    lines = [first + (f"   in place of {replaced}" if replaced else "")]
    lines.append(
        f"  signs     alpha {sign[entry.alpha_sign]}, beta {sign[entry.beta_sign]}   "
        f"limits {'none' if entry.limits is None else _limits(entry.limits)}"
    )
    for row in entry.screens:
        mirrored = " mirrored" if row.mirrored else ""
        lines.append(
            f"  screen    {visible(row.screen.label, limit=60)}: alpha axis at {row.azimuth_deg:+.2f}° "
            f"±{row.sigma_deg:g}{mirrored}"
        )
    if not entry.screens:
        lines.append("  screen    not calibrated: azimuths are kept, and used when it is")
    return lines


def _limits(limits: Any) -> str:
    if limits.type == "box":
        return (
            f"alpha {limits.alpha[0]:g} … {limits.alpha[1]:g}, beta {limits.beta[0]:g} … {limits.beta[1]:g}"
        )
    if limits.type == "superellipse":
        return f"ellipse {limits.a:g}, {limits.b:g}, power {limits.r:g}"
    return f"outline of {len(limits.vertices)} corners"


def _of(entries: list[tuple[str, Any]], microscope: str, holder_name: str) -> tuple[str, Any] | None:
    """The newest calibration of that microscope and holder; of any if neither is named."""
    for key, entry in reversed(entries):
        if microscope in ("", entry.microscope) and holder_name in ("", entry.holder_name):
            return key, entry
    return None


def _given(
    given: dict[str, Any], microscope: str, holder_name: str, before: dict[str, Any]
) -> dict[str, Any]:
    """The fields that this call states."""
    from eucentric.core.errors import BadInput

    if not before and not microscope:
        raise BadInput(
            "the notebook has no calibration yet",
            "a new one is of a microscope and a holder",
            "add --microscope NAME",
        )
    words: dict[str, Any] = {"microscope": microscope} if microscope else {}
    if holder_name or not before:
        words["holder_name"] = holder_name or "holder"
    if given["holder"]:
        words["holder"] = HOLDERS[given["holder"]]
    if given["signs"]:
        words["alpha_sign"], words["beta_sign"] = signs_of(given["signs"])
    if given["limits"]:
        holder = words.get("holder") or before.get("holder") or HOLDERS["double"]
        words["limits"] = limits_named(given["limits"], holder)
    if given["repeatability"] is not None:
        words["repeatability_deg"] = given["repeatability"]
    if given["screens"]:
        words["screens"] = [*before.get("screens", ()), *(_screen(text) for text in given["screens"])]
    return words | ({"method": given["method"]} if given["method"] else {})


def _screen(text: str) -> Any:
    from eucentric.core.errors import BadInput
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import ScreenMode, ScreenRow

    found = _SCREEN.fullmatch(text.replace("−", "-"))
    try:
        if found is None:
            raise ValueError
        mode = made(ScreenMode, mode=found["mode"], camera_length_mm=_float(found["length"]),
                    high_tension_kv=_float(found["tension"]))  # fmt: skip
        sigma = {} if found["sigma"] is None else {"sigma_deg": float(found["sigma"])}
        return ScreenRow(
            screen=mode, azimuth_deg=float(found["azimuth"]), mirrored=bool(found["mirrored"]), **sigma
        )
    except ValueError as error:
        raise BadInput(
            f"{visible(text, limit=80)!r} is no azimuth of a mode",
            f"it is written {_SCREEN_FORM}",
            "see --help",
        ) from error


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)
