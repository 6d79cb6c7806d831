"""Every verb there is, as an explicit tuple. Nothing registers itself."""

from typing import Any

from eucentric.core.errors import NotAvailable
from eucentric.core.text import visible
from eucentric.tools import (
    abort,
    acquire_image,
    acquire_pattern,
    acquire_series,
    autofocus,
    blank_beam,
    boundary_report,
    detect_defects,
    estimate_density,
    get_state,
    go_to_target,
    grid_positions,
    index_diffraction,
    insert_detector,
    list_zone_axes,
    measure_lattice,
    move_stage,
    notebook_add,
    notebook_query,
    query_dose,
    query_log,
    rank_places,
    recommend_acquisition,
    retake_image,
    save_position,
    select_targets,
    set_optics,
    solve_orientation,
    survey,
    tilt_along_band,
    tilt_edge_on,
    tilt_to_zone_axis,
    write_report,
)
from eucentric.tools.base import Tool

CATALOGUE: tuple[Tool[Any, Any], ...] = (
    get_state.TOOL,
    query_log.TOOL,
    query_dose.TOOL,
    notebook_query.TOOL,
    grid_positions.TOOL,
    move_stage.TOOL,
    solve_orientation.TOOL,
    list_zone_axes.TOOL,
    tilt_to_zone_axis.TOOL,
    tilt_along_band.TOOL,
    tilt_edge_on.TOOL,
    boundary_report.TOOL,
    index_diffraction.TOOL,
    set_optics.TOOL,
    insert_detector.TOOL,
    acquire_image.TOOL,
    acquire_pattern.TOOL,
    acquire_series.TOOL,
    autofocus.TOOL,
    retake_image.TOOL,
    survey.TOOL,
    select_targets.TOOL,
    go_to_target.TOOL,
    detect_defects.TOOL,
    measure_lattice.TOOL,
    estimate_density.TOOL,
    recommend_acquisition.TOOL,
    rank_places.TOOL,
    save_position.TOOL,
    notebook_add.TOOL,
    blank_beam.TOOL,
    abort.TOOL,
    write_report.TOOL,
)


def tool_named(name: str) -> Tool[Any, Any]:
    """The tool of exactly that name.

    Raises
    ------
    NotAvailable
        There is none: names are matched exactly, a wrong case is another name.
    """
    for tool in CATALOGUE:
        if tool.name == name:
            return tool
    raise NotAvailable(
        f"there is no tool {visible(name, limit=60)!r}",
        "nothing was sent to the instrument",
        f"there are: {', '.join(tool.name for tool in CATALOGUE)}",
    )
