"""Blocks as one HTML file: pictures inside, no script, nothing from the network. Every text is escaped here."""

import base64
from html import escape
from importlib import resources

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
from eucentric.agent.reporting.quantities import events_text
from eucentric.core.text import visible

_LIMIT = 20_000
_SHORT = 26
_DOSE_UNIT = '<span class="unit">e/Å²</span>'
"""Kept on one line."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def text_of(text: str, *, one_line: bool = True) -> str:
    """Text as text: markup and control characters are shown, not obeyed."""
    shown = escape(visible(text, one_line=one_line, limit=_LIMIT))
    return shown.replace("e/Å²", _DOSE_UNIT) if one_line else shown


def html(document: Document) -> str:
    """The whole document."""
    css = resources.files("eucentric.agent.reporting").joinpath("report.css").read_text(encoding="utf-8")
    kind = "simulated" if document.simulated else "real" if document.simulated is False else "unknown"
    body = "\n".join(map(_block, document.blocks))
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(visible(document.title))}</title>\n<style>\n{css}</style></head>\n<body>\n"
        f'<div class="stamp {kind}" role="note">{text_of(document.stamp)}</div>\n'
        f"<main>\n<h1>{text_of(document.title)}</h1>\n{body}\n</main>\n</body></html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Section(title, blocks, tone):
            inner = "\n".join(map(_block, blocks))
            return f'<section class="{tone}"><h2>{text_of(title)}</h2>\n{inner}</section>'
        case Claim():
            return _claim(block)
        case Para(text, tone):
            return f'<p class="{tone}">{text_of(text)}</p>'
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{text_of(item)}</li>" for item in items) + "</ul>"
        case Code(text, whole_lines):
            mark = ' class="whole"' if whole_lines else ""
            return f"<pre{mark}>{text_of(text, one_line=False)}</pre>"
        case Table(head, rows, right):
            return _table(head, rows, right)
        case Picture():
            return _figure(block)
        case Gallery(pictures):
            return f'<div class="gallery">{"".join(map(_figure, pictures))}</div>'
        case Fold(title, blocks):
            inner = "\n".join(map(_block, blocks))
            return f"<details><summary>{text_of(title)}</summary>\n{inner}</details>"


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    name = escape(visible(picture.caption.partition(":")[0]))
    return (
        f'<figure><img alt="{name}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text_of(picture.caption)}</figcaption></figure>"
    )


def _claim(claim: Claim) -> str:
    return (
        f'<div class="finding"><p class="what">{text_of(claim.what)}</p>'
        f'<p class="value">{text_of(claim.value)}</p>'
        f'<p class="interval">{text_of(claim.interval)}</p>'
        f'<p class="basis">{text_of(claim.basis)} <span class="events">{events_text(claim.events)}</span></p></div>'
    )


def _class(number: bool, value: str) -> str:
    """Short cells keep on one line; long ones may break anywhere."""
    return ' class="number"' if number else ' class="short"' if len(value) <= _SHORT else ""


def _table(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...], right: tuple[int, ...]) -> str:
    def cells(tag: str, values: tuple[str, ...]) -> str:
        marks = (_class(n in right, value) for n, value in enumerate(values))
        return "".join(
            f"<{tag}{mark}>{text_of(value)}</{tag}>" for value, mark in zip(values, marks, strict=True)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells("th", head)}</tr></thead><tbody>\n{body}</tbody></table></div>'
