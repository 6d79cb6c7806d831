"""The terms of the notebook's JSON-LD, made from the models, so that the context can't lag behind them."""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from eucentric.knowledge.crystal import Cell
from eucentric.knowledge.notebook.book import ref_fields
from eucentric.knowledge.notebook.entries import KINDS, Fiducial

NAMESPACE = "urn:eucentric:notebook:1#"
"""Of the terms. Raised with a version of the format that older programs can't read."""
FORMAT = "eucentric-notebook/1"
_SCHEMA_ORG = {
    "at": "schema:dateCreated", "by": "schema:creator", "note": "schema:comment", "name": "schema:name",
    "licence": "schema:license", "sha256": "schema:sha256", "path": "schema:contentUrl",
    "size_bytes": "schema:contentSize", "software": "schema:softwareVersion", "orcid": "schema:identifier",
}  # fmt: skip
"""Terms that schema.org has; all others are ours."""
UNITS = {
    "deg": "degree", "um": "um", "nm": "nm", "mm": "mm", "px": "pixel", "kv": "kV", "angstrom": "angstrom",
    "rad2": "radian^2", "c": "angstrom", "gamma": "degree",
}  # fmt: skip
"""By the last word of a field's name; a_b_c and alpha_beta_gamma are what NeXus calls the edges and angles."""
_UNITLESS = {"Box": "degree", "Superellipse": "degree", "Polygon": "degree"}
"""Models whose numbers have a unit that their names don't say."""


_SCOPED: dict[str, type[BaseModel]] = {"cell": Cell, "fiducials": Fiducial}
"""Properties inside which some names mean something else than in an entry: alpha_deg of a cell is no tilt."""


class Term:
    """One field of one model."""

    def __init__(self, name: str, owner: type[BaseModel], annotation: Any, meaning: str) -> None:
        self.name, self.owner, self.meaning = name, owner, meaning
        self.kind = _kind(annotation)
        self.listed = _listed(annotation)

    @property
    def unit(self) -> str:
        """As in the HDF5 attribute; empty for a name, a count or an index."""
        return unit_of(self.name, self.owner.__name__) if self.kind == "double" else ""


def unit_of(name: str, owner: str = "") -> str:
    """The unit that a field's name states, or that all numbers of its model have; empty if none."""
    return UNITS.get(name.rsplit("_", 1)[-1]) or _UNITLESS.get(owner, "")


def terms() -> Iterator[Term]:
    """Every field of every model that an entry is made of, entries first."""
    seen: list[type[BaseModel]] = list(KINDS)
    for model in seen:
        for name, field in model.model_fields.items():
            yield Term(name, model, field.annotation, field.description or "")
            seen.extend(one for one in _models(field.annotation) if one not in seen)


def context() -> dict[str, Any]:
    """The JSON-LD context: types of terms, which of them name other entries, which are lists."""
    made: dict[str, Any] = {
        "@version": 1.1,
        "nb": NAMESPACE,
        "schema": "https://schema.org/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "entries": {"@id": "nb:entries", "@container": "@list"},
        "format": "nb:format",
        "convention": "nb:convention",
        "digest": "nb:digest",
    }
    made |= {type_name(kind.model_fields["kind"].default): f"nb:{kind.__name__}" for kind in KINDS}
    made["Notebook"] = "nb:Notebook"
    references = {name for kind in KINDS for name in ref_fields(kind)}
    for term in terms():
        if term.name != "kind":
            made.setdefault(term.name, _definition(term, references))
    return made


def type_name(kind: str) -> str:
    """'Reading' for reading: the @type of an entry."""
    return kind.capitalize()


def _definition(term: Term, references: set[str]) -> Any:
    name = _SCHEMA_ORG.get(term.name, f"nb:{term.name}")
    body: dict[str, Any] = {"@id": name, "@type": "@id"} if term.name in references else _typed(name, term)
    if term.listed:
        body["@container"] = "@list"
    if term.name in _SCOPED:
        model = _SCOPED[term.name]
        inside = (Term(n, model, f.annotation, "") for n, f in model.model_fields.items())
        body["@context"] = {
            one.name: _typed(f"nb:{term.name}_{one.name}", one) for one in inside if one.name != "name"
        }
    return body if len(body) > 1 else name


def _typed(name: str, term: Term) -> dict[str, Any]:
    known = term.kind in ("double", "integer", "boolean")
    return {"@id": name, "@type": f"xsd:{term.kind}"} if known else {"@id": name}


def _parts(annotation: Any) -> Iterator[Any]:
    """The plain types inside an annotation."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif origin in (Union, UnionType, tuple):
        for part in get_args(annotation):
            yield from _parts(part)
    elif annotation not in (type(None), Ellipsis):
        yield annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [p for p in _parts(annotation) if isinstance(p, type) and issubclass(p, BaseModel)]


def _kind(annotation: Any) -> str:
    found = {_plain(part) for part in _parts(annotation)}
    return found.pop() if len(found) == 1 else "mixed"


def _plain(part: Any) -> str:
    if get_origin(part) is Literal:
        return _plain(type(get_args(part)[0]))
    names = {float: "double", int: "integer", bool: "boolean", str: "string"}
    return names.get(part, "node")


def _listed(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _listed(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return any(_listed(part) for part in get_args(annotation))
    return origin is tuple


def named_id(notebook_id: str) -> str:
    """The IRI of a notebook: urn:uuid:…"""
    return "urn:uuid:" + "-".join(re.findall("^(.{8})(.{4})(.{4})(.{4})(.{12})$", notebook_id)[0])
