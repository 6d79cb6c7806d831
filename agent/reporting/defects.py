"""One page about images that `eucentric detect` looked at: pooled density, each image, the sites to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eucentric.agent.reporting.blocks import (
    Block,
    Bullets,
    Claim,
    Code,
    Document,
    Fold,
    Gallery,
    Para,
    Picture,
    Section,
    Table,
)
from eucentric.agent.reporting.html import html
from eucentric.agent.reporting.pictures import smaller
from eucentric.agent.reporting.quantities import (
    basis_text,
    calls_text,
    clustering_text,
    interval_text,
    plural,
    value_text,
)
from eucentric.core.calls import Finding
from eucentric.core.text import quoted

_SIZES = ("isolated", "divacancies", "trivacancies", "pores")
_FIGURES = {
    "pixel [pm]": "pixel_pm", "columns": "columns", "sites examined": "sites_examined", "vacancies": "vacancies",
    "unsure": "unsure", "by hand": "by_hand", "recall": "recall", "false calls expected": "expected_false_calls",
    "counts a column [e]": "counts_per_column", "localisation [pm]": "localisation_pm", "coherence": "coherence",
    "off the lattice [pm]": "residual_pm", "usable area": "usable_fraction",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """One image: what `detect` wrote about it, its overlay, and pictures of its least certain sites."""

    body: Mapping[str, Any]
    overlay: Path
    crops: Mapping[int, bytes]


def defects_page(
    material: str, looks: Sequence[Look], failed: Sequence[Mapping[str, Any]], density: Finding | None,
    statistics: Mapping[str, Any],
) -> str:  # fmt: skip
    """A self-contained HTML page; every text in it is escaped.

    Parameters
    ----------
    material
        Name of the phase.
    looks
        The images that were read, in order.
    failed
        Files that could not be read, each with its error.
    density
        Over all of them.
    statistics
        Dumps of `Topology` ('topology') and `PairCorrelation` ('pair_correlation') over all, where there are any.
    """
    simulated = [bool(look.body["simulated"]) for look in looks]
    title = f"Vacancies in {plural(len(looks), 'image')} of {material}"
    blocks: list[Block] = []
    if density is not None:
        blocks.append(Section("Density", tuple(_density(density)), "claim"))
    if statistics:
        blocks.append(Section("Clusters and distances", tuple(_statistics(statistics))))
    if len(looks) > 1:
        blocks.append(Section("Image by image", (_each(looks),)))
    if failed:
        blocks.append(Section("Not read", (Bullets(tuple(map(_failure, failed))),), "caution"))
    blocks += [_image(look) for look in looks]
    blocks.append(Section("How", tuple(_method(looks))))
    return html(Document(title, _stamp(simulated), any(simulated) or None, tuple(blocks)))


def _stamp(simulated: Sequence[bool]) -> str:
    if all(simulated) and simulated:
        return "SIMULATED"
    if any(simulated):
        return f"SIMULATED: {sum(simulated)} of {len(simulated)} images"
    return "Images from files; none of them says that it is simulated"


def _density(finding: Finding) -> list[Block]:
    blocks: list[Block] = [
        Claim(finding.what, value_text(finding), interval_text(finding), basis_text(finding)),
    ]
    lines = [line for line in (calls_text(finding), clustering_text(finding)) if line]
    if lines and not finding.cannot_tell:
        blocks.append(Bullets(tuple(lines)))
    if finding.excluded:
        blocks.append(Fold("What was not counted", (Bullets(finding.excluded),)))
    return blocks


def _statistics(found: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    if sizes := found.get("topology"):
        head = ("clusters", "called", "95 % by the sites' probabilities", "by chance")
        rows = tuple(
            (name, str(one["called"]), f"{one['low']:.0f} … {one['high']:.0f}", _few(one["by_chance"]))
            for name in _SIZES
            for one in (sizes[name],)
        )
        verdict = "more than" if sizes["p_value"] < 0.05 else "no more than"
        blocks += [
            Table(head, rows, (1, 2, 3)),
            Para(
                f"{sizes['clustered']} vacancies have a vacant neighbour, {verdict} chance explains "
                f"(p = {sizes['p_value']:.2g}); the largest cluster has {sizes['largest']}. "
                "Neighbours are neighbours in the lattice; pores are four and more."
            ),
        ]
    if pairs := found.get("pair_correlation"):
        p = "" if pairs["p_value"] is None else f" (one p-value for the whole curve: {pairs['p_value']:.2g})"
        blocks.append(Para(f"Pair correlation of {pairs['vacancies']} vacancies: {pairs['verdict']}{p}."))
        if pairs["shells"]:
            blocks.append(Fold("g(r) by lattice shell", (_shells(pairs["shells"]),)))
    return blocks


def _few(value: float) -> str:
    """Two digits, and never a power of ten."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _shells(shells: Sequence[Mapping[str, Any]]) -> Table:
    head = ("distance [spacings]", "[nm]", "pairs", "by chance", "g", "95 % envelope of g")
    rows = tuple(
        (
            f"{one['spacings']:.3g}", _number(one["nm"], 3), str(one["pairs"]), f"{one['expected']:.3g}",
            _number(one["g"], 3), f"{_number(one['low'], 3)} … {_number(one['high'], 3)}",
        )
        for one in shells
    )  # fmt: skip
    return Table(head, rows, (0, 1, 2, 3, 4))


def _number(value: Any, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}g}" if isinstance(value, float) else f"{value:,}"


def _each(looks: Sequence[Look]) -> Table:
    head = ("image", "density", "interval", "sites", "vacancies", "recall", "flags")
    rows = []
    for look in looks:
        finding = Finding.model_validate(look.body["findings"][0])
        flags = ", ".join(flag["code"] for flag in look.body["flags"])
        rows.append(
            (
                _name(look.body), value_text(finding), interval_text(finding), f"{look.body['sites_examined']:,}",
                str(look.body["vacancies"]), f"{look.body['recall']:.2f}", flags or "–",
            )
        )  # fmt: skip
    return Table(head, tuple(rows), (3, 4, 5))


def _name(body: Mapping[str, Any]) -> str:
    return quoted(str(body["frame"]), limit=120)


def _failure(one: Mapping[str, Any]) -> str:
    error = one["error"]
    parts = [str(error[key]) for key in ("what", "why", "remedy") if error.get(key)]
    return f"{quoted(Path(str(one['image'])).name, limit=120)}: {error['code']}, {'; '.join(parts)}"


def _image(look: Look) -> Section:
    body = look.body
    blocks: list[Block] = [Para(f"{flag['code']}: {flag['text']}", "caution") for flag in body["flags"]]
    if body["advice"] == "check_scale":
        blocks.append(
            Para("If the lattice's pixel size is the right one, detect --accept-scale counts this image.")
        )
    blocks += _density(Finding.model_validate(body["findings"][0]))
    if (png := smaller(look.overlay)) is not None:
        words = "columns (rings), vacancies (squares), unsure sites (triangles), sites not counted (crosses)"
        blocks.append(Picture(look.overlay.name, png, f"{_name(body)}: {words}."))
    blocks.append(_figures(body))
    if place := body.get("series"):
        words = f"Frame {place['number']} of {place['of']} of one place, which counts once in the density over all."
        blocks.append(Para(words))
    if body["by_hand"] or body["corrections_without_site"]:
        blocks.append(_by_hand(body))
    if look.crops:
        blocks += _gallery(look)
    return Section(f"Image {_name(body)}", tuple(blocks))


def _figures(body: Mapping[str, Any]) -> Table:
    rows = [(name, _number(body[key], 4)) for name, key in _FIGURES.items() if body.get(key) is not None]
    rows[:1] = _pixel(body) or rows[:1]
    rows += [(name.replace("_", " "), _number(value, 4) if not isinstance(value, str) else value)
             for name, value in body["known"].items()]  # fmt: skip
    return Table(("figure", "value"), tuple(rows), (1,))


def _pixel(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The pixel size by the lattice with its error, and what it was held against."""
    lattice = body.get("lattice")
    if not lattice:
        return []
    told, by = lattice["told_pixel_pm"], f"{body['pixel_pm']:.2f} ± {body['pixel_pm_sigma']:.2f}"
    against = (
        "none, so the material is believed"
        if told is None
        else f"{told:.2f} ({lattice['off_percent']:+.1f} %)"
    )
    return [(f"pixel [pm], if it is {body['material']}", by), ("pixel told [pm]", against)]


def _by_hand(body: Mapping[str, Any]) -> Block:
    head = ("site", "the program said", "p", "by hand", "who", "when", "why")
    rows = tuple(
        (str(one["site"]), said["state"], f"{said['p_vacancy']:.2f}", one["label"], one["by"], one["utc"], one["why"])
        for one in body["corrections"]
        for said in (one["was"],)
    )  # fmt: skip
    blocks: list[Block] = [Table(head, rows)]
    if lost := len(body["corrections_without_site"]):
        blocks.append(Para(f"{plural(lost, 'word')} met no site and count for nothing.", "caution"))
    return Fold(f"{plural(body['by_hand'], 'site')} by hand", tuple(blocks))


def _gallery(look: Look) -> list[Block]:
    """The least certain sites, with what a person types to correct them."""
    known = {one["site"]: one for one in look.body["vacancy_candidates"]}
    pictures = []
    for site, png in look.crops.items():
        one = known.get(site)
        said = (
            f"p {one['p']:.2f}, {one['kind']}, ({one['x_px']:.0f}, {one['y_px']:.0f})" if one else "p < 0.05"
        )
        pictures.append(Picture(f"site-{site}.png", png, f"site {site}: {said}"))
    first = next(iter(look.crops))
    command = (
        f"eucentric defects correct {Path(look.body['files']['json']).name} --site {first}=full --by NAME --why TEXT "
        "--out corrections.jsonl"
    )
    words = "The sites that the program is least sure of. Say what you see (full, vacancy, extra, unknown):"
    return [Para(words), Gallery(tuple(pictures)), Code(command)]


def _method(looks: Sequence[Look]) -> list[Block]:
    methods = tuple(dict.fromkeys(str(look.body["method"]) for look in looks))
    digests = tuple((_name(look.body), str(look.body["sha256"])) for look in looks)
    words = (
        "A density is the called share of the examined sites, corrected for what is missed and what is called wrongly "
        "at these counts; its interval is widened for clustering, for scatter between images and for the error of the "
        "correction. The JSON file beside this page holds every site of each image."
    )
    return [Bullets(methods), Para(words), Fold("Files", (Table(("image", "sha256"), digests),))]
