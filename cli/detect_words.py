"""What `eucentric detect` says of an image in words: one block, a density and its clusters in a line each."""

from pathlib import Path
from typing import Any

import click


def shown(path: str | Path) -> str:
    """The name of a file in quotes: it could be that of a gate that was approved."""
    from eucentric.core.text import quoted

    return quoted(Path(path).name, limit=80)


def told_words(lattice: dict[str, Any], material: str) -> str:
    """What the file says of the pixel size, and more grains than one."""
    told, grains = lattice["told_pixel_pm"], lattice["grains"]
    by = f", {told:.2f} told ({lattice['off_percent']:+.1f} %)" if told is not None else (
        f" if it is {material}: none is told to check it by"
    )  # fmt: skip
    several = ", ".join(f"{one['area_share']:.0%} at {one['turn_deg']:.1f}°" for one in grains)
    return by + (f"   {len(grains)} grains: {several}" if len(grains) > 1 else "")


def say_image(body: dict[str, Any]) -> None:
    """All that is known of one image, for people."""
    from eucentric.core.text import quoted, visible
    from eucentric.tools.detect_defects import kinds_text

    place = body["series"]
    click.echo(f"image {quoted(body['frame'], limit=80) if place else shown(body['image'])}")
    if body["pixel_pm"] is not None:
        kinds = kinds_text(
            one["kind"] for one in body["defects"] if one["examined"] and one["p_vacancy"] > 0.5
        )
        hand = f"   by hand {body['by_hand']}" if body["by_hand"] else ""
        told = told_words(body["lattice"], body["material"])
        click.echo(f"  pixel      {body['pixel_pm']:.2f} ± {body['pixel_pm_sigma']:.2f} pm{told}")
        click.echo(
            f"  columns    {body['columns']:,}   vacancies {body['vacancies']}{kinds}   unsure {body['unsure']}   "
            f"of {body['sites_examined']:,} sites examined{hand}"
        )
        click.echo(
            f"  quality    coherence {body['coherence']:.2f}, {body['residual_pm']:.0f} pm off the lattice, recall "
            f"{body['recall']:.2f}, {body['expected_false_calls']:.1f} false calls expected"
        )
    click.echo(f"  density    {density_line(body['findings'][0])}")
    for flag in body["flags"]:
        click.echo(f"  flag       {flag['code']}: {visible(flag['text'], limit=300)}")
    if body["advice"] == "check_scale":
        click.echo(
            "  help       if the lattice's pixel size is the right one, --accept-scale counts the image"
        )
    click.echo(f"  files      {visible(body['files']['overlay'], limit=300)}")


def density_line(finding: dict[str, Any]) -> str:
    """A density with its interval and denominator in one line."""
    if finding["cannot_tell"]:
        return f"cannot tell: {finding['cannot_tell']}"
    interval, of = finding["interval"], finding["of"]
    if interval["only_upper"]:
        return f"below {interval['high']:.2g} % of {of:,} sites (95 %): nothing above the expected false calls was seen"
    return (
        f"{interval['value']:.2f} % of {of:,} sites (95 %: {interval['low']:.2f} … {interval['high']:.2f}), "
        f"recall {finding['details']['recall']:.2f} applied"
    )


_SIZES = {
    "isolated": "isolated", "divacancies": "divacancy", "trivacancies": "trivacancy", "pores": "pore"
}  # fmt: skip
"""Clusters by size: what several are called, and what one is."""


def _singular(name: str, number: int) -> str:
    return _SIZES[name] if number == 1 else name


def clusters_line(found: dict[str, Any]) -> str:
    """Clusters by size and the verdict on distances in one line."""
    sizes, pairs = found["topology"], found["pair_correlation"]
    parts = [f"{sizes[name]['called']} {_singular(name, sizes[name]['called'])}" for name in _SIZES]
    p = "" if pairs["p_value"] is None else f" (p {pairs['p_value']:.2g})"
    return f"{', '.join(parts)}; distances: {pairs['verdict']}{p}"
