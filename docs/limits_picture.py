"""Draw docs/images/detection-limits.png from runs of the bench: `python docs/limits_picture.py FILE.json …`."""

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

IMAGE = Path(__file__).parent / "images" / "detection-limits.png"
_NAMES = ("Ti3C2", "MoS2")
_COLOURS = {"true": "#111111", "tool": "#0072b2", "physics": "#d55e00", "claimed": "#888888"}


def main() -> None:
    """One row for each material: recall by dose, and recall by pixel size."""
    runs = [json.loads(Path(name).read_text(encoding="utf-8"))["figures"] for name in sys.argv[1:]]
    figure = Figure(figsize=(10.5, 7.2), layout="constrained")
    for row, name in enumerate(_NAMES):
        left, right = (figure.add_subplot(2, 2, 2 * row + column) for column in (1, 2))
        _by_dose(left, runs[0][name], [run[name] for run in runs[1:]])
        _by_pixel(right, runs[0][name])
    FigureCanvasAgg(figure).print_png(str(IMAGE))


def _by_dose(axes: Axes, told: dict[str, Any], others: list[dict[str, Any]]) -> None:
    rows = [row for row in told["dose"] if row["recall"] is not None]
    dose = [row["dose_e_per_a2"] for row in rows]
    recall = [row["recall"] for row in rows]
    error = [
        [max(row["recall"] - row["low"], 0) for row in rows],
        [max(row["high"] - row["recall"], 0) for row in rows],
    ]
    true = {"color": _COLOURS["true"], "label": f"found of {told['vacancies']} known {told['kind']}"}
    axes.errorbar(dose, recall, error, fmt="o", capsize=3, **true)
    for other in others:
        shown = [(row["dose_e_per_a2"], row["recall"]) for row in other["dose"] if row["recall"] is not None]
        axes.plot(
            *zip(*shown, strict=True),
            "s",
            mfc="none",
            color="#009e73",
            label=f"the same on the twin, of {other['vacancies']}",
        )
    curves = told["curves"]
    for by, words in (
        ("tool", "said by the tool, thinning the frames"),
        ("physics", "predicted without a frame"),
    ):
        axes.plot(curves["dose_e_per_a2"], curves[by], color=_COLOURS[by], label=words)
    axes.plot(
        dose,
        [row["claimed"] for row in rows],
        ":",
        color=_COLOURS["claimed"],
        label="claimed by the map, all kinds",
    )
    axes.axhline(0.95, lw=0.6, color="#bbbbbb")
    axes.set(xscale="log", xlim=(8e2, 6e4), ylim=(-0.03, 1.05), xlabel="mean dose, e/Å²", ylabel="recall")
    axes.set_title(f"{told['kind']}: where it works, and where it breaks", fontsize=10, loc="left")
    axes.legend(fontsize=7, loc="lower right")


def _by_pixel(axes: Axes, told: dict[str, Any]) -> None:
    doses = sorted({row["dose_e_per_a2"] for row in told["pixel"]})
    for dose, mark in zip(doses, ("o", "s", "^"), strict=False):
        rows = [row for row in told["pixel"] if row["dose_e_per_a2"] == dose]
        pixel = [row["pixel_pm"] for row in rows]
        recall, columns = [row["recall"] for row in rows], [row["atom_f1"] for row in rows]
        alpha = 0.5 if dose < 1e4 else 1.0
        axes.plot(
            pixel, recall, f"-{mark}", color=_COLOURS["tool"], alpha=alpha, label=f"recall, {dose:,.0f} e/Å²"
        )
        axes.plot(
            pixel,
            columns,
            f"--{mark}",
            color=_COLOURS["true"],
            alpha=alpha,
            label=f"columns, F1, {dose:,.0f}",
        )
        for row in rows:
            if row["cannot_tell"] and dose == doses[-1]:
                text = f"{row['cannot_tell']:.0%} cannot tell"
                axes.annotate(
                    text, (row["pixel_pm"] + 0.4, (row["recall"] or 0) + 0.03), fontsize=6, ha="right"
                )
    axes.set(ylim=(-0.03, 1.05), xlabel="pixel size, pm", ylabel="share")
    axes.set_title(f"{told['kind']}: coarser pixels at the same dose", fontsize=10, loc="left")
    axes.legend(fontsize=7, loc="lower left")


if __name__ == "__main__":
    main()
