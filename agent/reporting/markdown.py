"""Blocks as Markdown (GitHub flavour). Every text is escaped here: it came from people, models and devices."""

import re

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
_SPECIAL = re.compile(r"([\\`*_{}\[\]|~!#$])")
_DOMAIN = re.compile(r"(?<=\w)\.(?=[^\W\d])")
_LINE_START = re.compile(r"^(?:([-+=])(?=[-=\s]|$)|(\d+)([.)])(?=\s|$))")


def escaped(text: str) -> str:
    """One line that renders as the text it is: no markup, no HTML, no links, no control characters."""
    plain = visible(text, limit=_LIMIT)
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _SPECIAL.sub(r"\\\1", plain)
    plain = _DOMAIN.sub(r"\.", plain.replace("//", "/&#47;").replace("@", "&#64;"))  # nothing becomes a link
    return _LINE_START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", plain.strip())


def fenced(text: str) -> str:
    """A code block whose fence is longer than any in the text."""
    shown = visible(text, one_line=False, limit=_LIMIT)
    ticks = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}text\n{shown}\n{fence}"


def markdown(document: Document) -> str:
    """The whole document; pictures are files beside it."""
    parts = [f"**{escaped(document.stamp)}**", f"# {escaped(document.title)}"]
    parts += [_block(block) for block in document.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Section(title, blocks):
            return "\n\n".join([f"## {escaped(title)}", *map(_block, blocks)])
        case Claim(what, value, interval, basis, events):
            number = f"**{escaped(what)}: {escaped(value)}** ({escaped(interval)})"
            return f"{number} – {escaped(basis)}; {events_text(events)}"
        case Para(text, tone):
            return f"**{escaped(text)}**" if tone == "caution" else escaped(text)
        case Bullets(items):
            return "\n".join(f"- {escaped(item)}" for item in items)
        case Code(text):
            return fenced(text)
        case Table(head, rows, right):
            return _table(head, rows, right)
        case Picture(name, _, caption):
            return f"![{escaped(caption.partition(':')[0])}](pictures/{name})\n\n*{escaped(caption)}*"
        case Gallery(pictures):
            return "\n\n".join(map(_block, pictures))
        case Fold(title, blocks):
            inner = "\n\n".join(map(_block, blocks))
            return f"<details><summary>{escaped(title)}</summary>\n\n{inner}\n\n</details>"


def _table(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...], right: tuple[int, ...]) -> str:
    rule = " | ".join("---:" if n in right else "---" for n in range(len(head)))
    lines = [" | ".join(map(escaped, head)), rule, *(" | ".join(map(escaped, row)) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)
