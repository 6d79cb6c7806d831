"""A notebook as one JSON-LD document, and back to the last bit.

Entries are nodes of the notebook; a field that names another entry is a link (`"grain": "#grain1"`). Numbers are
JSON numbers in the shortest form that reads back exactly. The document is read as JSON in the very form that is
written here: a processor that rewrites it (expanded, or by way of RDF with its 16 digits) makes another document.
"""

import json
import re
from typing import Any, NoReturn

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.notebook.book import Notebook, Row, checked_rows, ref_fields, stored_form
from eucentric.knowledge.notebook.entries import KINDS
from eucentric.knowledge.notebook.vocabulary import FORMAT, context, named_id, type_name

LARGEST_BYTES = 200_000_000
_KIND_OF = {type_name(str(kind.model_fields["kind"].default)): kind for kind in KINDS}


def to_jsonld(book: Notebook) -> str:
    """The document, one entry a line, UTF-8; the same bytes for the same notebook."""
    base = named_id(book.id)
    head = {
        "@context": {**context(), "@base": base},
        "@id": base,
        "@type": "Notebook",
        "format": FORMAT,
        "convention": "C1",
        "digest": book.sha256,
    }
    lines = (json.dumps(_node(row), ensure_ascii=False, allow_nan=False) for row in book.rows)
    entries = ",\n  ".join(lines)
    opened = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
    return f'{opened},\n "entries": [\n  {entries}\n ]\n}}\n'


def from_jsonld(text: str, where: str) -> Notebook:
    """The notebook in a document that `to_jsonld` wrote.

    Raises
    ------
    BadInput
        It is no such document, of a newer format, or was altered.
    """
    document = _parsed(text, where)
    form = document.get("format")
    if document.get("@type") != "Notebook" or form != FORMAT:
        raise BadInput(
            f"{visible(where, limit=200)} is no notebook in the form {FORMAT}",
            f"it says {visible(str(form), limit=60)!r}",
            "export it with `eucentric notebook export`; a document that a JSON-LD processor rewrote is not read",
        )
    identity = re.fullmatch("urn:uuid:([0-9a-f-]{36})", str(document.get("@id")))
    nodes = document.get("entries")
    if identity is None or not isinstance(nodes, list):
        raise BadInput(f"{visible(where, limit=200)} is incomplete", "it has no id or no entries")
    rows = checked_rows([_taken(node, where) for node in nodes], where)
    book = Notebook(id=identity[1].replace("-", ""), rows=rows)
    check_whole(book, str(document.get("digest")), where)
    return book


def check_whole(book: Notebook, sha256: str, where: str) -> None:
    """BadInput unless the notebook has the digest that the file states."""
    if book.sha256 != sha256:
        raise BadInput(
            f"{visible(where, limit=200)}: entries are missing or in another order",
            "all together do not fit the digest of the notebook",
            "ask for the file again; nothing was taken from it",
        )


def _node(row: Row) -> dict[str, Any]:
    body = stored_form(row.entry)
    kind = body.pop("kind")
    for name in ref_fields(type(row.entry)):
        if name in body:
            body[name] = (
                [f"#{one}" for one in body[name]] if isinstance(body[name], list) else f"#{body[name]}"
            )
    return {"@id": f"#{row.id}", "@type": type_name(kind), **body, "digest": row.sha256}


def _taken(node: Any, where: str) -> tuple[str, Any, str]:
    """(id, plain JSON, digest) of a node."""
    kind = _KIND_OF.get(str(node.get("@type"))) if isinstance(node, dict) else None
    if kind is None or not str(node.get("@id")).startswith("#"):
        raise BadInput(
            f"{visible(where, limit=200)}: one of the entries is none",
            "it has no @id or no @type that is known",
            "read it with the version that wrote it",
        )
    body = {key: value for key, value in node.items() if not key.startswith("@")}
    sha256 = str(body.pop("digest", ""))
    for name in ref_fields(kind):
        if name in body:
            links = body[name]
            body[name] = [_id(one) for one in links] if isinstance(links, list) else _id(links)
    return node["@id"][1:], {"kind": kind.model_fields["kind"].default, **body}, sha256


def _id(link: Any) -> str:
    return str(link).removeprefix("#")


def _parsed(text: str, where: str) -> dict[str, Any]:
    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    try:
        document = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{visible(where, limit=200)} is no JSON", visible(str(error), limit=160), "check the file"
        ) from error
    if not isinstance(document, dict):
        raise BadInput(f"{visible(where, limit=200)} is no notebook", "a JSON object is expected")
    return document
