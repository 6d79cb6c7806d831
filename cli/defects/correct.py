"""`eucentric defects correct`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli.options import debug_option, json_option, writable_file

if TYPE_CHECKING:
    from eucentric.tools.vision.corrections import Label, Said
    from eucentric.tools.vision.saved import Saved


@click.command()
@click.argument("map_", type=click.Path(path_type=Path), metavar="MAP.json")
@click.option("--site", "sites", multiple=True, required=True, metavar="ID=WORD",
              help="full, vacancy, extra or unknown; repeat it.")  # fmt: skip
@click.option("--by", required=True, help="Who says so.")
@click.option("--why", required=True, help="What it rests on.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("corrections.jsonl"),
              show_default=True, help="File of corrections; lines are added, none is changed.")  # fmt: skip
@json_option
@debug_option
def correct(
    map_: Path, sites: tuple[str, ...], by: str, why: str, out: Path, as_json: bool, debug: bool
) -> None:
    """Write down what a person says about sites of one image.

    MAP.json is what `detect` wrote about it; ids stand under the pictures of the page and of the gallery. Each line
    keeps who, when and why, which image, and what the program had said. Use it with `detect --corrections` and
    `train --corrections`.
    """
    from eucentric.core.clock import utc_now
    from eucentric.core.text import plain, visible
    from eucentric.tools.vision.corrections import Correction, add_corrections
    from eucentric.tools.vision.saved import read_saved

    for name, text in (("--by", by), ("--why", why)):
        if not plain(text).strip():
            raise click.BadParameter("a correction without it can't be weighed later", param_hint=name)
    saved, words = read_saved(map_), dict[str, str](by=plain(by), why=plain(why), utc=utc_now())
    writable_file(out)
    rows = [
        Correction(
            **words, image=saved.image, image_sha256=saved.sha256, material=saved.material, method=saved.method,
            site=site, x_px=float(saved.xy[site][0]), y_px=float(saved.xy[site][1]), label=label,
            was=_said(saved, site),
        )
        for site, label in _words(sites, len(saved.p)).items()
    ]  # fmt: skip
    every = add_corrections(out, rows)
    if as_json:
        answer = {"ok": True, "file": str(out), "added": [row.model_dump(mode="json") for row in rows]}
        click.echo(json.dumps(answer | {"entries": len(every.entries), "exit_code": 0}, ensure_ascii=False))
        return
    from eucentric.agent.reporting.quantities import plural

    for row in rows:
        click.echo(
            f"site {row.site} ({row.x_px:.0f}, {row.y_px:.0f})   {row.label}   the program had said "
            f"{visible(row.was.state, limit=40)}, p {row.was.p_vacancy:.2f}"
        )
    click.echo(f"{plural(len(every.entries), 'site')} in {visible(str(out), limit=300)}")


def _words(texts: tuple[str, ...], sites: int) -> "dict[int, Label]":
    from eucentric.core.text import visible
    from eucentric.tools.vision.corrections import LABELS

    words: dict[int, Label] = {}
    known: dict[str, Label] = {label: label for label in LABELS}
    for text in texts:
        name, _, word = text.partition("=")
        shown, label = visible(text, limit=80), known.get(word)
        if not name.isdecimal() or label is None:
            raise _bad(f"{shown!r} is not ID=WORD with a word of {', '.join(LABELS)}")
        if int(name) >= sites:
            raise _bad(f"{shown!r}: the map has sites 0 … {sites - 1}")
        if words.setdefault(int(name), label) != label:
            raise _bad(f"two words about site {int(name)}")
    return words


def _bad(what: str) -> click.BadParameter:
    return click.BadParameter(what, param_hint="--site")


def _said(saved: "Saved", site: int) -> "Said":
    """By the program: where the map holds a person's word, what it had said before."""
    from eucentric.tools.vision.corrections import Said

    for row in saved.corrections:
        if abs(row["x_px"] - saved.xy[site][0]) < 0.01 and abs(row["y_px"] - saved.xy[site][1]) < 0.01:
            return Said.model_validate(row["was"])
    return Said(state=saved.state[site], p_vacancy=float(saved.p[site]))
