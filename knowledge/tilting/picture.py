"""The tilt map as PNG or SVG; the same bytes for the same map and version of matplotlib."""

import io
from collections.abc import Sequence
from typing import Any, Literal

from eucentric.knowledge.crystal import Crystal
from eucentric.knowledge.tilting.chart import Chart
from eucentric.knowledge.tilting.drawing import Drawing
from eucentric.knowledge.tilting.theme import DARK, LIGHT, MARKERS, WORDS, Theme

Kind = Literal["png", "svg"]
_WIDTH, _DPI, _COLUMNS = 6.4, 160, 4
_LEFT, _RIGHT, _TOP, _LINE, _TICKS = 0.58, 0.14, 0.12, 0.165, 0.42
"""Margins and the height of a line of text [inch]."""
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "eucentric", "svg.fonttype": "path", "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans", "text.antialiased": True,
}  # fmt: skip


def picture(
    chart: Chart, crystal: Crystal, lines: Sequence[str], kind: Kind = "png", dark: bool = False
) -> bytes:
    """The bytes of a picture.

    Parameters
    ----------
    lines
        What is written below the map.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    theme = DARK if dark else LIGHT
    edge = _WIDTH - _LEFT - _RIGHT
    shapes = _shapes(chart, theme)
    rows = -(-len(shapes) // _COLUMNS)
    below = _TICKS + _LINE * (len(lines) + 1.2 * rows + 0.4)
    height = edge + below + _TOP
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor=theme.paper)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((_LEFT / _WIDTH, below / height, edge / _WIDTH, edge / height))
        Drawing(axes, chart, crystal, theme).draw()
        _titles(figure, chart, theme, below, height)
        _legend(figure, shapes, theme, (below - _TICKS + 0.03) / height)
        for number, line in enumerate(lines):
            y = (below - _TICKS - _LINE * (number + 1.2 * rows + 0.15)) / height
            figure.text(_LEFT / _WIDTH, y, line, fontsize=7.5, color=theme.ink, va="top")
        buffer = io.BytesIO()
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": "eucentric"}
        figure.savefig(buffer, format=kind, metadata=metadata, facecolor=theme.paper)
    return buffer.getvalue()


def _titles(figure: Any, chart: Chart, theme: Theme, below: float, height: float) -> None:
    words = {"fontsize": 8.5, "color": theme.ink}
    middle = (_LEFT + (_WIDTH - _RIGHT - _LEFT) / 2) / _WIDTH
    first = "alpha / ° outward, psi / ° around" if chart.turning else "alpha / °"
    figure.text(middle, (below - 0.23) / height, first, ha="center", va="top", **words)
    if not chart.turning:
        centre = (below + (height - below - _TOP) / 2) / height
        figure.text(0.02, centre, "beta / °", ha="left", va="center", rotation=90, **words)


def _shapes(chart: Chart, theme: Theme) -> list[Any]:
    """What the marks mean, as far as they are on the map."""
    from matplotlib.lines import Line2D

    found = [
        Line2D([], [], linestyle="none", marker=MARKERS[what], markersize=7, markerfacecolor="none",
               markeredgewidth=1.6, color=getattr(theme, what), label=WORDS[what])
        for what in dict.fromkeys(place.what for place in chart.places)
    ]  # fmt: skip
    if chart.outline:
        found.append(Line2D([], [], color=theme.region_edge, linewidth=1.3, label="limits of the holder"))
    return found


def _legend(figure: Any, shapes: list[Any], theme: Theme, top: float) -> None:
    columns = min(_COLUMNS, len(shapes))
    by_row = [
        one for start in range(columns) for one in shapes[start::columns]
    ]  # matplotlib fills columns first
    figure.legend(
        handles=by_row, loc="upper left", bbox_to_anchor=(_LEFT / _WIDTH - 0.01, top), ncols=columns, fontsize=7.5,
        frameon=False, labelcolor=theme.ink, handletextpad=0.3, columnspacing=1.3, labelspacing=0.35, borderpad=0,
        borderaxespad=0,
    )  # fmt: skip
