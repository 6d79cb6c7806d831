"""What a model is told about the tools: a trimmed JSON schema, one line of text, and the schema of a draft.

A quantity is offered to the model as a text with a unit ("250 nm"), never as a bare number in a unit that
the model would have to convert to: units are parsed by code.
"""

import re
from collections.abc import Sequence
from typing import Any, get_origin

from eucentric.core.base import Model
from eucentric.tools.base import Tool

AnyTool = Tool[Any, Any]

REFERENCE = r"^(item|item\.[a-z_]{1,30}|s[0-9_]{1,6}\.[a-z_]{1,30})$"
"""A value that is known only when the plan runs: a result of an earlier step, or the item of the loop."""

# Every spelling that people write: a grammar without "Å" once made a model turn 15 Å into 15 nm.
_FAMILIES = (
    ("pm", "nm", "um", "µm", "mm", "Å", "angstrom"),
    ("ns", "us", "µs", "ms", "s", "min"),
    ("mrad", "rad", "deg", "°"),
    ("pA", "nA"),
)
_NUMBER = r"-?[0-9]{1,7}([.][0-9]{1,6})?"
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_KEPT = (
    "type", "enum", "const", "items", "minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "unit",
)  # fmt: skip


def fields(args: type[Model]) -> dict[str, dict[str, Any]]:
    """The trimmed schema of each argument: no titles, no null, references resolved, bounds as in JSON."""
    schema = args.model_json_schema()
    shared = schema.get("$defs", {})
    return {name: _trimmed(found, shared) for name, found in schema.get("properties", {}).items()}


def _trimmed(found: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    merged = {**found, **shared.get(str(found.get("$ref", "")).rpartition("/")[2], {})}
    branches = [entry for entry in merged.get("anyOf", ()) if entry.get("type") != "null"]
    if len(branches) == 1:
        merged = {**merged, **_trimmed(branches[0], shared)}
    merged |= {_BOUNDS[key]: merged[key] for key in _BOUNDS if key in merged}
    kept = {key: merged[key] for key in _KEPT if key in merged}
    if isinstance(kept.get("items"), dict):
        kept["items"] = _trimmed(kept["items"], shared)
    if merged.get("type") == "object" and "properties" in merged:
        inner = {name: _trimmed(entry, shared) for name, entry in merged["properties"].items()}
        kept |= obj(inner, merged.get("required", []))
    if len(branches) > 1:
        kept["anyOf"] = [_trimmed(entry, shared) for entry in branches]
    return kept


def _family(unit: str) -> tuple[str, ...]:
    return next((family for family in _FAMILIES if unit in family), (unit,))


def _offered(found: dict[str, Any]) -> dict[str, Any]:
    """The schema a model must follow for one argument: a quantity becomes a text with a unit."""
    unit = found.get("unit")
    if not unit:
        return found
    names = "|".join(re.escape(name) for name in _family(unit))
    return {"type": "string", "pattern": f"^({_NUMBER} ({names})|item[.][a-z_]{{1,30}})$"}


def parameters(tool: AnyTool) -> dict[str, Any]:
    """The arguments of a tool for native tool calling; a text with a unit or a reference is welcome."""
    required = tool.args.model_json_schema().get("required", [])
    shown = {name: _hinted(found) for name, found in fields(tool.args).items()}
    return obj(shown, required)


def _hinted(found: dict[str, Any]) -> dict[str, Any]:
    if not found.get("unit"):
        return found
    return {"type": "string", "description": f"number and unit, as the person said it: {_shown(found)}"}


def declaration(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A function declaration of the chat-completions form."""
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": schema},
    }


def signature(tool: AnyTool) -> str:
    """One line for a prompt: ``move_stage(mode?: absolute|relative, dx_um?) what it does``; without details."""
    schema = tool.args.model_json_schema()
    required = set(schema.get("required", []))
    details = {name for name, found in schema.get("properties", {}).items() if found.get("detail")}
    parts = [
        name + ("" if name in required else "?") + _kind(found)
        for name, found in fields(tool.args).items()
        if name not in details
    ]
    results = ", ".join(_usable(tool.result))
    gives = f" -> {results};" if results else ""
    return f"{tool.name}({', '.join(parts)}){gives} {first_sentence(tool.description)}"


def _usable(result: type[Model]) -> list[str]:
    """Results that a later step can refer to: lists, and texts such as the id of a frame."""
    kinds = {name: entry.annotation for name, entry in result.model_fields.items()}
    return [name for name, kind in kinds.items() if kind is str or get_origin(kind) in (list, tuple)][:3]


def _kind(found: dict[str, Any]) -> str:
    """Nothing for a quantity, whose name carries the unit, and for a text."""
    if found.get("unit") or (found.get("type") == "string" and "enum" not in found):
        return ""
    return f": {_shown(found)}"


def first_sentence(text: str, *, limit: int = 90) -> str:
    """The first sentence, cut at a comma, colon or bracket if it is long: a prompt must stay short."""
    sentence = " ".join(text.split()).partition(". ")[0].rstrip(".")
    if len(sentence) <= limit:
        return sentence
    return re.split(r"[,;:(](?=\s|\w)", sentence[:limit])[0].strip()


def _shown(found: dict[str, Any]) -> str:
    choices = found.get("enum") or ([found["const"]] if "const" in found else [])
    if choices:
        return "|".join(str(choice) for choice in choices)
    low = found.get("minimum", found.get("exclusiveMinimum"))
    high = found.get("maximum", found.get("exclusiveMaximum"))
    span = f" {'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
    unit = f" {found['unit']}" if "unit" in found else ""
    kind = "quantity" if unit else str(found.get("type", "value"))
    return f"{kind}{'' if low is None and high is None else span}{unit}"


def draft_schema(tools: Sequence[AnyTool], *, most_steps: int = 12) -> dict[str, Any]:
    """The JSON schema of a draft, for servers that constrain the output by a grammar from the first token.

    Grammars do not bound numbers, and not every server constrains at all: everything is validated again.
    """
    calls = [_call_schema(tool) for tool in tools]
    do = {"type": "array", "items": {"anyOf": calls}, "minItems": 1, "maxItems": most_steps}
    count = {"type": "integer", "minimum": 1, "maximum": 1000}
    over = obj({"for_each": {"type": "string", "pattern": REFERENCE}, "at_most": count, "do": do})
    repeat = obj({"times": count, "do": do})
    steps = {"type": "array", "items": {"anyOf": [*calls, over, repeat]}, "maxItems": most_steps}
    texts = {"type": "array", "items": {"type": "string", "maxLength": 100}, "maxItems": 4}
    outcome = {"enum": ["run", "answer", "clarify", "refuse", "safety"]}
    say = {"type": "string", "maxLength": 300}
    return obj({"outcome": outcome, "say": say, "options": texts, "steps": steps})


def obj(properties: dict[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    """The schema of a closed object; all properties are required unless `required` names some."""
    needed = list(properties if required is None else required)
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _call_schema(tool: AnyTool) -> dict[str, Any]:
    """One call; an argument that may be bound to a result accepts a reference in its place."""
    required = tool.args.model_json_schema().get("required", [])
    reference = {"type": "string", "pattern": REFERENCE}
    shown = {}
    for name, found in fields(tool.args).items():
        free = "enum" not in found and not found.get("unit")
        bindable = free and found.get("type") in ("array", "object", "string")
        only = name in required and found.get("type") in ("array", "object")  # nobody knows these beforehand
        choices = [reference] if only else [_offered(found), reference] if bindable else [_offered(found)]
        shown[name] = {"anyOf": choices} if len(choices) > 1 else choices[0]
    reason = {"type": "string", "maxLength": 120}
    return obj({"tool": {"const": tool.name}, "args": obj(shown, required), "reason": reason})
