"""Write docs/reference/ from the code: `python docs/generate.py`, or `--check` to fail where a page is stale."""

import json
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from eucentric.cli import COMMANDS, cli
from eucentric.core.base import Model
from eucentric.core.errors import EucentricError
from eucentric.core.event import KINDS
from eucentric.knowledge.notebook.entries import KINDS as ENTRIES
from eucentric.knowledge.notebook.entries import Entry
from eucentric.knowledge.notebook.vocabulary import Term, context, terms
from eucentric.tools.base import Tool
from eucentric.tools.catalogue import CATALOGUE

FOLDER = Path(__file__).parent / "reference"
_MADE = "<!-- Made by `python docs/generate.py` from the code: edit the code, not this page. -->\n"
_BOUNDS = (
    ("minimum", "≥ {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "≤ {}"),
    ("exclusiveMaximum", "< {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("pattern", "`{}`"),
)


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _variants(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be, without null."""
    return [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]


def _kind(schema: dict[str, Any]) -> str:
    names = []
    for one in _variants(schema):
        if "$ref" in one:
            names.append(one["$ref"].rsplit("/", 1)[1])
        elif "enum" in one or "const" in one:
            names.append(" · ".join(f"`{value}`" for value in one.get("enum", [one.get("const")])))
        elif one.get("type") == "array":
            inner = one.get("items") or {}
            names.append(f"list of {_kind(inner)}" if inner else "list")
        else:
            names.append(str(one.get("type", "any")))
    return " or ".join(names)


def _bounds(schema: dict[str, Any]) -> str:
    found = [text.format(one[key]) for one in _variants(schema) for key, text in _BOUNDS if key in one]
    return ", ".join(found)


def _unit(schema: dict[str, Any]) -> str:
    return " ".join(dict.fromkeys(one["unit"] for one in _variants(schema) if "unit" in one))


def _default(name: str, schema: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "needed"
    value = schema.get("default")
    return "–" if value is None else f"`{value}`"


def _arguments(args: type[Model]) -> Iterator[str]:
    schema = args.model_json_schema()
    if not schema.get("properties"):
        yield "No arguments.\n"
        return
    yield "| argument | type | unit | bounds | default | meaning |\n|---|---|---|---|---|---|"
    for name, field in schema["properties"].items():
        cells = (
            f"`{name}`",
            _kind(field),
            _unit(field),
            _bounds(field),
            _default(name, field, schema.get("required", [])),
            field.get("description", ""),
        )
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    yield ""


def _results(result: type[Model]) -> Iterator[str]:
    schema = result.model_json_schema(mode="serialization")
    yield "| result | type | meaning |\n|---|---|---|"
    for name, field in schema.get("properties", {}).items():
        yield f"| `{name}` | {_cell(_kind(field))} | {_cell(field.get('description', ''))} |"
    yield ""


def _tool(tool: Tool[Any, Any]) -> Iterator[str]:
    yield f"## {tool.name}\n\n{tool.description}\n\nRisk: **{tool.risk}**\n"
    yield from _arguments(tool.args)
    yield from _results(tool.result)


def tools_page() -> str:
    """Every tool of the catalogue."""
    head = (
        f"{_MADE}\n# Tools\n\nWhat a planner may call. Numbers may also be given as text with a unit that converts, "
        'such as `"200 Å"`; what is out of bounds is refused, never clamped. Risk says what a gate may ask about: '
        "`read` and `analyse` neither move nor expose, `control` moves or sets, `expose` costs dose, `safety` is "
        "never gated.\n"
    )
    return "\n".join([head, *(line for tool in CATALOGUE for line in _tool(tool))])


def _classes(cls: type[EucentricError], depth: int = 0) -> Iterator[tuple[int, type[EucentricError]]]:
    yield depth, cls
    for sub in cls.__subclasses__():
        if sub.__module__ == EucentricError.__module__:
            yield from _classes(sub, depth + 1)


def errors_page() -> str:
    """Every class of the error tree."""
    rows = [
        f"| {'· ' * depth}`{cls.__name__}` | `{cls.code}` | {cls.who} | {cls.exit_code} |"
        for depth, cls in _classes(EucentricError)
    ]
    head = (
        f"{_MADE}\n# Errors\n\nEach error says what, why and what would work; its class says who must act.\n"
    )
    return "\n".join([head, "| class | code | who acts | exit code |", "|---|---|---|---|", *rows, ""])


def _help(command: click.Command, path: str) -> Iterator[str]:
    """Help text at a fixed width; sub-commands follow their group."""
    name = path.rsplit(" ", 1)[-1]
    parent = click.Context(click.Group("group"), info_name=path.rpartition(" ")[0])
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=100, max_content_width=100,
        help_option_names=["-h", "--help"],
    )  # fmt: skip
    lines = [line.rstrip() for line in command.get_help(context).strip().splitlines()]
    yield f"## {path}\n\n```text\n" + "\n".join(lines) + "\n```\n"
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None:
                yield from _help(found, f"{path} {sub}")


def cli_page() -> str:
    """Help of every command."""
    context = click.Context(cli, info_name="eucentric")
    pages = [part for name in COMMANDS for part in _help(cli.get_command(context, name), f"eucentric {name}")]  # type: ignore[arg-type]
    return "\n".join([f"{_MADE}\n# Commands\n\n{(cli.help or '').strip()}\n", *pages])


def events_page() -> str:
    """The kinds of ledger rows."""
    source = (Path(__file__).parents[1] / "core" / "event.py").read_text("utf-8")
    told = dict(_kind_comments(source))
    rows = [f"| `{kind}` | {_cell(told.get(kind, ''))} |" for kind in KINDS]
    head = f"{_MADE}\n# Events\n\nThe ledger is a chain of rows, each of one of these kinds.\n"
    return "\n".join([head, "| kind | meaning |", "|---|---|", *rows, ""])


def _kind_comments(source: str) -> Iterator[tuple[str, str]]:
    """Each kind with the comment behind it: the one place where its meaning is written."""
    for line in source.splitlines():
        word, hash_, comment = line.strip().partition("#")
        if hash_ and word.strip().startswith('"'):
            yield word.strip().strip('",'), comment.strip()


_FIRST = ENTRIES[0].__name__
"""The kind of entry under which the fields of all entries are told."""


def _term_row(term: Term) -> str:
    kind = {"node": "object", "double": "number"}.get(term.kind, term.kind)
    cells = (f"`{term.name}`", f"list of {kind}" if term.listed else kind, term.unit, term.meaning)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def notebook_page() -> str:
    """Every field of a notebook's entries, and the JSON-LD context."""
    head = (
        f"{_MADE}\n# The notebook\n\nWhat an exported notebook holds. Names are the same in SQLite (column `body`), "
        "JSON-LD and HDF5; what is empty is left out. In HDF5 each entry is a group of `/entry` under its id, "
        "`alpha_deg` and `beta_deg` of a reading are `transformations/alpha` and `beta` (NXtransformations), the cell "
        "is `unit_cell` with `a_b_c` and `alpha_beta_gamma`, and `path` is `file_name`; units are attributes. "
        "The context of the JSON-LD is [notebook-context.jsonld](notebook-context.jsonld); it is also in each "
        "file. The first six fields of a `SpecimenEntry` are those of every entry.\n"
    )
    lines = [head]
    common = set(Entry.model_fields)
    for name, group in groupby(terms(), lambda term: term.owner.__name__):
        rows = [
            term for term in group if not name.endswith("Entry") or term.name not in common or name == _FIRST
        ]
        lines += [f"## {name}\n", "| field | type | unit | meaning |", "|---|---|---|---|"]
        lines += [*(_term_row(term) for term in rows if term.name != "kind"), ""]
    return "\n".join(lines)


def context_page() -> str:
    """The JSON-LD context of a notebook."""
    return json.dumps({"@context": context()}, indent=1) + "\n"


PAGES = {
    "notebook.md": notebook_page,
    "notebook-context.jsonld": context_page,
    "tools.md": tools_page,
    "errors.md": errors_page,
    "cli.md": cli_page,
    "events.md": events_page,
}


def stale() -> list[str]:
    """Names of pages that the code no longer says."""
    return [
        name
        for name, page in PAGES.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text("utf-8") != page()
    ]


def main() -> int:
    """Write the pages, or only check them."""
    old = stale()
    if "--check" in sys.argv[1:]:
        if old:
            sys.stderr.write(f"stale: {', '.join(old)}; run: python docs/generate.py\n")
        return 1 if old else 0
    FOLDER.mkdir(exist_ok=True)
    for name in old:
        (FOLDER / name).write_text(PAGES[name](), "utf-8")
        sys.stdout.write(f"wrote docs/reference/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
