"""The figures of a report, drawn from stored frames: the way in from the survey to the atoms, findings, sites."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.agent.reporting.blocks import Picture
from eucentric.agent.reporting.dosepicture import dose_picture
from eucentric.agent.reporting.panels import Mark, Panel, draw
from eucentric.agent.reporting.png import new_figure, png_of, png_of_figure
from eucentric.agent.reporting.quantities import plural, unit_of
from eucentric.agent.reporting.record import CallRecord, FindingRecord, FrameRecord, RunRecord
from eucentric.core.store import Readable
from eucentric.tools.vision.lettering import lettered

_MAX_LADDERS = 4
_MAX_IMAGES = 6
_MAX_OVERLAYS = 6
_OVERLAY_PX = 760
_DRAWN = {
    "overlay": "columns (rings), vacancies (squares), unsure sites (triangles), sites not counted (crosses)",
    "gallery": "the least certain sites, p = probability that the site is vacant",
    "picture": "the cell of every grain (arrows) and the maps of strain",
}
"""Pictures that the tools of `_DRAWING` name in their results."""
_DRAWING = ("detect_defects", "measure_lattice")


def ladder(record: RunRecord, store: Readable) -> Picture | None:
    """Survey tile, overview and atomic image of each target, side by side; other images where there is no target."""
    rows = [
        panels for call in record.calls if call.tool == "go_to_target" and (panels := _approach(record, call))
    ]
    if not rows:
        return _images(record, store)
    shown = rows[:_MAX_LADDERS]
    rest = f" {len(rows) - len(shown)} more are not shown here." if len(rows) > len(shown) else ""
    caption = (
        f"From the overview to the atoms, {plural(len(shown), 'place')}: boxes show the field of the next image (drawn "
        f"no smaller than can be seen), squares are vacancies with p > 0.5.{rest}"
    )
    return Picture("report-ladder.png", _grid(shown, store, 3.05), caption)


def _images(record: RunRecord, store: Readable) -> Picture | None:
    """The newest images, or tiles of a survey if there is nothing else; None if there is no frame."""
    images = [one for one in record.frames if one.frame.purpose == "image"]
    parents = {name for one in images for name in one.frame.parents}
    whole = [one for one in images if one.frame.id not in parents] or list(record.frames)
    newest = [_atomic(record, one) for one in reversed(whole[-_MAX_IMAGES:])]
    if not newest:
        return None
    rows = [newest[n : n + 3] for n in range(0, len(newest), 3)]
    what = "Recorded images" if images else "Recorded frames"
    caption = f"{what}, the newest first: {len(newest)} of {len(whole)}."
    return Picture("report-images.png", _grid(rows, store, 5.2 if len(newest) == 1 else 3.05), caption)


def _grid(rows: list[list[Panel]], store: Readable, panel_in: float) -> bytes:
    columns = max(len(row) for row in rows)
    figure = new_figure(panel_in * columns, (panel_in + 0.2) * len(rows) + 0.1)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_row, row in zip(grid, rows, strict=True):
        for axes in axes_row[len(row) :]:
            axes.set_axis_off()
        for axes, panel in zip(axes_row, row, strict=False):
            draw(axes, panel, store)
    return png_of_figure(figure, pad=0.4, w_pad=0.6, h_pad=0.7)


def _approach(record: RunRecord, call: CallRecord) -> list[Panel]:
    """Panels of one target, as far as it got."""
    target = call.args.get("target")
    if not isinstance(target, dict) or "x_um" not in target:
        return []
    name = str(target.get("id", ""))
    tile = record.frame(str(target.get("frame", "")))
    looks = [one for one in record.frames_of(call.id) if one.fov_nm]
    overview = max(looks, key=lambda one: (one.fov_nm, one.seq), default=None)
    atomic = _image_of_round(record, call)
    panels = []
    if tile:
        fov_um = (overview.fov_nm if overview else 1000.0) * 1e-3
        box = Mark(float(target["x_um"]), float(target["y_um"]), fov_um, name)
        panels.append(Panel(tile.frame, f"{name}  survey tile", (box,)))
    if overview:
        # The overview is centred where the stage stood; the target lies off by what the beam shift corrected.
        panels.append(Panel(overview.frame, f"{name}  overview", _target_box(call, overview, atomic)))
    if atomic:
        panels.append(_atomic(record, atomic, f"{name}  "))
    return panels


def _target_box(call: CallRecord, overview: FrameRecord, atomic: FrameRecord | None) -> tuple[Mark, ...]:
    value = call.value
    if "measured_x_um" not in value or overview.frame.x_um is None or overview.frame.y_um is None:
        return ()
    target = call.args["target"]
    x = overview.frame.x_um + float(target["x_um"]) - float(value["measured_x_um"])
    y = overview.frame.y_um + float(target["y_um"]) - float(value["measured_y_um"])
    fov_um = (atomic.fov_nm if atomic else 50.0) * 1e-3
    return (Mark(x, y, fov_um),)


def _image_of_round(record: RunRecord, approach: CallRecord) -> FrameRecord | None:
    """The image that was read in the same round of the loop: the one a finding rests on, else the newest."""
    calls = {call.id for call in record.calls if call.round == approach.round and call.round}
    images = [one for one in record.frames if one.call in calls and one.frame.purpose == "image"]
    read = {name for one in record.findings for name in one.finding.evidence}
    return next((one for one in reversed(images) if one.frame.id in read), images[-1] if images else None)


def _atomic(record: RunRecord, one: FrameRecord, lead: str = "") -> Panel:
    frames = len(one.frame.parents)
    what = f"sum of {plural(frames, 'frame')}" if frames else one.frame.purpose
    return Panel(one.frame, f"{lead}{what}, {one.frame.detector.upper()}", _defects(record, one.frame.id))


def _defects(record: RunRecord, frame: str) -> tuple[Mark, ...]:
    for call in reversed(record.calls):
        if call.tool == "detect_defects" and call.value.get("frame") == frame:
            found = call.value.get("defects", ())
            return tuple(
                Mark(float(one["x_px"]), float(one["y_px"]), on_stage=False)
                for one in found
                if isinstance(one, dict) and float(one.get("p_vacancy", 0)) > 0.5
            )
    return ()


# --- numbers ----------------------------------------------------------------------------------------------


def intervals(record: RunRecord) -> Picture | None:
    """Each finding of the same kind with its interval, the combined one last; None for fewer than two.

    What is said of the same frames again is one finding, the last.
    """
    told = [one for one in record.findings if not one.finding.cannot_tell]
    rows = list({(one.finding.what, one.finding.evidence): one for one in told}.values())
    kinds = {(one.finding.what, one.finding.unit) for one in rows}
    if len(rows) < 2 or len(kinds) != 1:
        return None
    rows = sorted(rows, key=lambda one: (len(one.finding.evidence) > 1, one.seq))
    figure = new_figure(7.2, 0.34 * len(rows) + 0.75)
    axes = figure.subplots()
    for n, one in enumerate(rows):
        _interval_row(axes, len(rows) - 1 - n, one)
    names = [_row_name(one) for one in reversed(rows)]
    axes.set_yticks(range(len(rows)), names, fontsize=8, parse_math=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    first = rows[0].finding
    axes.set_xlabel(lettered(f"{first.what} / {unit_of(first)[1]}", limit=80), fontsize=8.5, parse_math=False)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if record.simulated:
        figure.text(
            0.995, 0.985, "SIMULATED", ha="right", va="top", fontsize=7.5, color="#a11212", weight="bold"
        )
    caption = (
        "Value and 95 % interval of each frame, and of all together (diamond); an arrow is an upper bound."
    )
    return Picture("report-intervals.png", png_of_figure(figure, pad=0.6), caption)


def _row_name(one: FindingRecord) -> str:
    names = one.finding.evidence
    lead = names[0] if len(names) == 1 else f"all {len(names)} frames"
    return lettered(f"{lead}  (n = {one.finding.of:,})", limit=60)


def _interval_row(axes: Any, y: float, one: FindingRecord) -> None:
    scale, interval = unit_of(one.finding)[0], one.finding.interval
    together = len(one.finding.evidence) > 1
    colour = "#0b3c5d" if together else "#3b6f91"
    low, high = interval.low * scale, interval.high * scale
    axes.plot([low, high], [y, y], color=colour, linewidth=2.6 if together else 1.6, solid_capstyle="butt")
    if interval.only_upper or interval.value is None:
        axes.plot([high], [y], marker="<", color=colour, markersize=6)
        return
    axes.plot([interval.value * scale], [y], marker="D" if together else "o", color=colour, markersize=6)


def doses(record: RunRecord) -> Picture | None:
    """Where this run put its dose; None if it exposed nothing."""
    spots = [(one.charge, (one.charge.x_um, one.charge.y_um)) for one in record.charges]
    budget = record.specimen.dose_budget_e_per_a2 if record.specimen else None
    png = dose_picture(spots, budget, record.simulated)
    if png is None:
        return None
    caption = (
        f"Dose of this run by the reported positions, upper bound at any atom: {plural(len(spots), 'exposure')}. Left "
        "all of it, right the most exposed place. Stage errors are not drawn; the budget is checked with them."
    )
    return Picture("report-dose.png", png, caption)


# --- pictures that tools drew --------------------------------------------------------------------------------


def drawn(record: RunRecord, folder: Path) -> tuple[Picture, ...]:
    """Pictures that tools drew of frames, made smaller; what is missing is left out."""
    found: list[Picture] = []
    calls = [call for call in record.calls if call.tool in _DRAWING and call.value][:_MAX_OVERLAYS]
    for key, words in _DRAWN.items():
        for call in calls:
            name = Path(str(call.value.get(key) or "")).name
            png = smaller(folder / name) if name.endswith(".png") else None
            if png:
                said = f" {call.result.summary}" if call.result and key != "gallery" else ""
                plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)  # a link in Markdown must not end in it
                found.append(Picture(f"report-{plain}", png, f"{call.value.get('frame')}: {words}.{said}"))
    return tuple(found)


def smaller(path: Path) -> bytes | None:
    """The picture at a size for reading; None if it is not there or no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError):
        return None
    if image.width > _OVERLAY_PX:
        size = (_OVERLAY_PX, round(image.height * _OVERLAY_PX / image.width))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return png_of(np.asarray(image))
