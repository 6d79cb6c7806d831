"""A chart on matplotlib axes: region, grid, bands, zone axes, the way, and what they are called."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from eucentric.knowledge.crystal import Crystal
from eucentric.knowledge.tilting.chart import AxisMark, BandMark, Chart, Curve, Place, Point
from eucentric.knowledge.tilting.labels import Room, around, math_text, size_of
from eucentric.knowledge.tilting.theme import MARKERS, Theme

_AXIS_GAPS = (7.0, 12.0, 18.0)
_PLACE_GAPS = (13.0, 19.0, 27.0)
_BAND_LABELS = 10
_ALONG = (0.05, 0.95, 0.09, 0.91, 0.14, 0.86, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6)
"""Where on a line its name may be."""


class Drawing:
    """One chart being drawn; labels find their room in the order of what matters."""

    def __init__(self, axes: Any, chart: Chart, crystal: Crystal, theme: Theme) -> None:
        self.axes, self.chart, self.crystal, self.theme = axes, chart, crystal, theme
        self._renderer = axes.figure.canvas.get_renderer()
        self._scale = axes.figure.dpi / 100
        frame = axes.get_window_extent(self._renderer)
        inset = 3 * self._scale
        self._room = Room((frame.x0 + inset, frame.y0 + inset, frame.x1 - inset, frame.y1 - inset))

    def draw(self) -> None:
        """All of it."""
        self._frame()
        self._region()
        self._grid()
        for band in self.chart.bands:
            self._line(band.curve, self.theme.band, max(0.55, 1.5 - 0.09 * band.rank), 2)
        self._way()
        self._dots()
        self._places()
        self._names()

    def _frame(self) -> None:
        half = self.chart.half
        self.axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal", xticks=[], yticks=[])
        self.axes.set_facecolor(self.theme.paper)
        for spine in self.axes.spines.values():
            spine.set_color(self.theme.ink)
            spine.set_linewidth(0.8)

    def _region(self) -> None:
        if not self.chart.outline:
            return
        x, y = zip(*self.chart.outline, strict=True)
        self.axes.fill(x, y, color=self.theme.region, zorder=0, linewidth=0)
        self.axes.plot(x, y, color=self.theme.region_edge, zorder=3, linewidth=1.3)

    def _grid(self) -> None:
        for name, value, curve in self.chart.grid:
            wide = 0.9 if value == 0 else 0.45
            self._line(curve, self.theme.faint, wide, 1, (0, (1, 2)) if value else "-")
            self._tick(name, value, curve)

    def _tick(self, name: str, value: float, curve: Curve) -> None:
        """The reading at the line's lower end below the frame, or at its left end beside it."""
        half, words = self.chart.half, f"{value:+.0f}" if value else "0"
        if self.chart.turning:
            at = curve[0] if name == "alpha" else max(curve, key=lambda p: math.hypot(*p))
            self._settle_at(f"{value:.0f}°" if name == "alpha" else f"psi {words}°", at)
            return
        x, y = min(curve, key=lambda p: p[1] if name == "alpha" else p[0])
        if name == "alpha" and y < -0.97 * half:
            self._outside(x, -half * 1.015, words, "center", "top")
        elif name == "beta" and x < -0.97 * half:
            self._outside(-half * 1.015, y, words, "right", "center")

    def _outside(self, x: float, y: float, words: str, ha: str, va: str) -> None:
        self.axes.text(x, y, words, fontsize=7.5, color=self.theme.ink, ha=ha, va=va)

    def _settle_at(self, words: str, at: Point) -> None:
        """A reading on its own line, just inside the frame."""
        drawn = self._text(words, self.theme.band, 6.5)
        width, height = size_of(drawn, self._renderer)
        pixel = self.axes.transData.transform(at)
        left, bottom, right, top = self._room.frame
        x = min(max(pixel[0], left + width / 2), right - width / 2)
        y = min(max(pixel[1], bottom + height / 2), top - height / 2)
        rect = around((x, y), width, height)
        self._settle(drawn, rect if self._room.free(rect) else None)

    def _line(self, curve: Curve, colour: str, width: float, order: int, style: Any = "-") -> None:
        if curve:
            x, y = zip(*curve, strict=True)
            self.axes.plot(
                x, y, color=colour, linewidth=width, zorder=order, linestyle=style, solid_capstyle="round"
            )

    def _way(self) -> None:
        curve = self.chart.path
        if len(curve) < 2 or math.dist(curve[0], curve[-1]) < 0.02 * self.chart.half:
            return
        self._line(curve, self.theme.now, 1.8, 4)
        middle = len(curve) // 2
        self.axes.annotate(
            "", curve[min(middle + 1, len(curve) - 1)], curve[middle], zorder=4,
            arrowprops={"arrowstyle": "-|>", "color": self.theme.now, "lw": 1.6, "mutation_scale": 13},
        )  # fmt: skip

    def _dots(self) -> None:
        for axis in self.chart.axes:
            size = max(2.0, 5.6 - 0.12 * axis.rank)
            face = self.theme.ink if axis.reachable else self.theme.paper
            self.axes.plot(
                *axis.at, marker="o", markersize=size, color=self.theme.ink, markerfacecolor=face, markeredgewidth=0.8,
                zorder=5,
            )  # fmt: skip
            self._take(axis.at, size)

    def _places(self) -> None:
        for place in self.chart.places:
            self._error(place)
            at, outside = self._on_map(place.at)
            colour = getattr(self.theme, place.what)
            size = {"next": 14.0, "now": 12.5}.get(place.what, 8.0)
            self.axes.plot(
                *at, marker=MARKERS[place.what], markersize=size, color=colour, markerfacecolor="none",
                markeredgewidth=1.7, zorder=7, clip_on=False,
            )  # fmt: skip
            self._take(at, size)
            if outside:
                self._arrow_out(at, colour)

    def _error(self, place: Place) -> None:
        if place.radius > 0.012 * self.chart.half:
            from matplotlib.patches import Circle

            colour = getattr(self.theme, place.what)
            self.axes.add_patch(
                Circle(
                    place.at,
                    place.radius,
                    fill=False,
                    edgecolor=colour,
                    linestyle="--",
                    linewidth=0.9,
                    zorder=6,
                )
            )

    def _on_map(self, at: Point) -> tuple[Point, bool]:
        """The place itself, or where the line to it leaves the map."""
        edge = 0.95 * self.chart.half
        size = max(abs(at[0]), abs(at[1]))
        if size <= self.chart.half:
            return at, False
        return (at[0] * edge / size, at[1] * edge / size), True

    def _arrow_out(self, at: Point, colour: str) -> None:
        tip = (at[0] * 1.055, at[1] * 1.055)
        self.axes.annotate(
            "", tip, at, zorder=7, annotation_clip=False,
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.5, "mutation_scale": 12},
        )  # fmt: skip

    def _names(self) -> None:
        """Numbers of candidates first, then the simplest axes, bands and the rest in turns."""
        for place in self.chart.places:
            if place.text and sum(one.what == "candidate" for one in self.chart.places):
                self._beside(
                    self._on_map(place.at)[0], place.text, getattr(self.theme, place.what), 8.5, _PLACE_GAPS
                )
        bands = self.chart.bands[:_BAND_LABELS]
        first, rest = self.chart.axes[:12], self.chart.axes[12:]
        for axis in first:
            self._axis_name(axis)
        for band, axis in zip_longest(bands, rest):
            if band is not None:
                self._band_name(band)
            if axis is not None:
                self._axis_name(axis)

    def _axis_name(self, axis: AxisMark) -> None:
        size = 8.6 if axis.rank < 12 else 7.0
        self._beside(axis.at, math_text(self.crystal, axis.uvw, "axis"), self.theme.ink, size, _AXIS_GAPS)

    def _beside(self, at: Point, text: str, colour: str, size: float, gaps: Sequence[float]) -> None:
        drawn = self._text(text, colour, size)
        pixel = self.axes.transData.transform(at)
        scaled = [gap * self._scale * 0.72 for gap in gaps]
        rect = self._room.beside((pixel[0], pixel[1]), *size_of(drawn, self._renderer), scaled)
        self._settle(drawn, rect)

    def _band_name(self, band: BandMark) -> None:
        """On the line, from its ends inward, where there is room."""
        drawn = self._text(math_text(self.crystal, band.hkl, "plane"), self.theme.band, 7.0)
        size = size_of(drawn, self._renderer)
        for part in _ALONG:
            pixel = self.axes.transData.transform(band.curve[int(part * (len(band.curve) - 1))])
            rect = around((pixel[0], pixel[1]), *size)
            if self._room.free(rect):
                self._settle(drawn, rect)
                return
        drawn.remove()

    def _text(self, text: str, colour: str, size: float) -> Any:
        from matplotlib.patheffects import withStroke

        drawn = self.axes.text(
            0,
            0,
            text,
            fontsize=size,
            color=colour,
            ha="center",
            va="center",
            zorder=8,
            rotation_mode="default",
        )
        drawn.set_path_effects([withStroke(linewidth=2.4, foreground=self.theme.paper)])
        return drawn

    def _settle(self, drawn: Any, rect: tuple[float, float, float, float] | None) -> None:
        if rect is None:
            drawn.remove()
            return
        self._room.take(rect)
        middle = ((rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2)
        drawn.set_position(self.axes.transData.inverted().transform(middle))

    def _take(self, at: Point, size_points: float) -> None:
        pixel = self.axes.transData.transform(at)
        side = size_points * self.axes.figure.dpi / 72 * 1.15
        self._room.take(around((pixel[0], pixel[1]), side, side))
