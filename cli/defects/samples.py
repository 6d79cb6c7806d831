"""Folders of `eucentric detect` as samples: which of their images count, and which do not, and why."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from eucentric.tools.vision.saved import Saved

Sample = tuple[str, "Saved"]


def counted(folders: Sequence[Path]) -> "tuple[list[Sample], list[dict[str, str]]]":
    """(sample, image) that count, and {image, why} that do not; each folder or file is one sample.

    Raises
    ------
    BadInput
        If a folder holds no map.
    """
    from eucentric.tools.vision.saved import saved_in

    kept: list[Sample] = []
    out: list[dict[str, str]] = []
    seen: set[str] = set()
    for number, folder in enumerate(folders, 1):
        maps, other = saved_in(folder)
        out += [{"image": name, "why": why} for name, why in other]
        for one in sorted(maps, key=lambda one: (one.series or {"number": 0})["number"]):
            place = f"{number} {one.series['place']}" if one.series else one.sha256
            why = "the same image again" if one.sha256 in seen else one.left_out
            if not why and place in seen:
                why = "a further frame of a place that counts once"
            seen |= {one.sha256} if why else {one.sha256, place}
            if why:
                out.append({"image": one.image, "why": why})
            else:
                kept.append((f"{number}: {folder}", one))
    return kept, out


def alike(samples: "Sequence[Sample]", left: "Sequence[dict[str, str]]" = ()) -> str:
    """What they all count, such as 'Ti vacancy density'.

    Raises
    ------
    BadInput
        If they are of several phases, or were found by several methods.
    """
    from eucentric.core.errors import BadInput
    from eucentric.core.text import visible

    if not samples:
        why = "; ".join(f"{Path(one['image']).name}: {one['why']}" for one in left[:5])
        raise BadInput(
            "no image is left that counts", visible(why, limit=800), "give images that could be read"
        )
    for what, values in (
        ("materials", {one.material for _, one in samples}),
        ("methods", {one.method for _, one in samples}),
        ("kinds of vacancy", {one.finding.what for _, one in samples}),
    ):
        if len(values) > 1:
            shown = "; ".join(visible(value, limit=80) for value in sorted(values))
            raise BadInput(
                f"the images are of {len(values)} {what}",
                shown,
                "run detect on all of them with one material and one version",
            )
    return samples[0][1].finding.what


def flagged(samples: "Sequence[Sample]") -> list[str]:
    """Remarks about images that count and carry a flag all the same, or a person's word."""
    number: dict[str, int] = {}
    for _, one in samples:
        for code in one.flags:
            number[code] = number.get(code, 0) + 1
    hand = sum(int(one.finding.details.get("by_hand", 0)) for _, one in samples)
    said = [f"{hand} of the sites are counted by a person's word"] if hand else []
    runs: dict[str, set[str]] = {}
    for sample, one in samples:
        runs.setdefault(sample, set()).add(one.run)
    said += [
        f"{name} holds maps of {len(some)} runs of detect" for name, some in runs.items() if len(some) > 1
    ]
    return [f"flagged {code}: {n} of {len(samples)} that count" for code, n in number.items()] + said


def say_left_out(left: "Sequence[dict[str, str]]") -> None:
    """One line each, for people."""
    from eucentric.core.text import quoted, visible

    for one in left:
        click.echo(
            f"Left out     {quoted(Path(one['image']).name, limit=80)}: {visible(one['why'], limit=200)}"
        )


def interval_line(finding: dict[str, Any], unit: str = "%") -> str:
    """Value and interval of a finding."""
    interval = finding["interval"]
    if interval["only_upper"] or interval["value"] is None:
        return f"below {interval['high']:.3g} {unit} (95 %)"
    return f"{interval['value']:.3g} {unit} (95 %: {interval['low']:.3g} … {interval['high']:.3g})"
