"""A model's reply becomes a draft, whichever way it was written; what can't be read goes back in words."""

import json
import re
from typing import Any

from pydantic import ValidationError

from eucentric.agent.llm.client import ChatReply
from eucentric.agent.llm.draft import DraftStep, PlanDraft, in_words, read_draft
from eucentric.agent.llm.schema import declaration, obj
from eucentric.agent.llm.wire import strict_json
from eucentric.core.text import visible

_FENCED = re.compile(r"```(?:json)?\s*(\{.*?\})\s*```", re.S)
_TEXT = {"type": "string"}
_ASK = declaration(
    "ask_operator",
    "Ask the person one question, if the request is ambiguous or something is missing.",
    obj({"question": _TEXT, "options": {"type": "array", "items": _TEXT}}, ["question"]),
)
_REFUSE = declaration(
    "refuse", "Refuse what can't or must not be done, and say what works instead.", obj({"reason": _TEXT})
)
_CALLS = {"type": "array", "items": obj({"tool": _TEXT, "args": {"type": "object"}})}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 1000}
_FOR_EACH = declaration(
    "for_each",
    "Repeat steps for each element of a list that an earlier step returns, such as 's2.targets'.",
    obj({"over": _TEXT, "at_most": _COUNT, "do": _CALLS}),
)
PSEUDO_TOOLS = (_ASK, _REFUSE, _FOR_EACH)
"""Words and loops, for models that answer in tool calls."""


def read_reply(
    reply: ChatReply, max_tokens: int, *, must_be_json: bool
) -> tuple[PlanDraft | None, list[str]]:
    """The draft in a reply, or errors for the model. Plain words are a draft without steps."""
    if reply.finish == "length":
        return None, [f"the reply was cut at {max_tokens} tokens; make it shorter"]
    if reply.calls:
        return _from_calls(reply)
    return _from_text(reply.text, must_be_json=must_be_json)


def _from_text(text: str, *, must_be_json: bool) -> tuple[PlanDraft | None, list[str]]:
    """A draft in the text: the whole text, or a fenced block as a last resort."""
    fenced = _FENCED.findall(text)
    source = fenced[0] if len(fenced) == 1 else text.strip()
    try:
        value = strict_json(source)
    except ValueError as error:
        if must_be_json or fenced or source.startswith("{"):
            return None, [visible(f"not one JSON object: {error}", limit=200)]
        return PlanDraft(outcome="answer", say=text), []
    if isinstance(value, dict) and "outcome" not in value:
        value = _bare_call(value)
    return read_draft(value)


def _bare_call(value: dict[str, Any]) -> dict[str, Any]:
    """A single call that a small model wrote as text: {"name" or "tool": …, "arguments" or "args": {…}}."""
    name, args = value.get("name", value.get("tool")), value.get("arguments", value.get("args", {}))
    extra = set(value) - {"name", "tool", "arguments", "args", "reason"}
    if extra or not isinstance(name, str) or not isinstance(args, dict):
        return value
    return {"outcome": "run", "say": "", "steps": [{"tool": name, "args": args}]}


def _from_calls(reply: ChatReply) -> tuple[PlanDraft | None, list[str]]:
    errors = [
        f"call {n} ({visible(c.name, limit=40)}): {c.error}" for n, c in enumerate(reply.calls, 1) if c.error
    ]
    if errors:
        return None, errors
    for call in reply.calls:
        if call.name in ("ask_operator", "refuse"):  # a question or a refusal stands above any step beside it
            return _from_pseudo(call.name, call.args or {})
    try:
        steps = tuple(_step_of(call.name, call.args or {}) for call in reply.calls)
    except ValidationError as error:
        return None, in_words(error, "for_each")
    return PlanDraft(outcome="run", say=reply.text, steps=steps), []


def _from_pseudo(name: str, args: dict[str, Any]) -> tuple[PlanDraft | None, list[str]]:
    if name == "refuse":
        return read_draft({"outcome": "refuse", "say": args.get("reason", "")})
    return read_draft(
        {"outcome": "clarify", "say": args.get("question", ""), "options": args.get("options") or []}
    )


def _step_of(name: str, args: dict[str, Any]) -> DraftStep:
    if name != "for_each":
        return DraftStep(tool=name, args=args)
    renamed = {("for_each" if key == "over" else key): value for key, value in args.items()}
    return DraftStep.model_validate(renamed)


def returned(reply: ChatReply, errors: list[str]) -> list[dict[str, Any]]:
    """The reply and what was wrong with it, for the next try. Arguments that were not JSON are left out."""
    text = (
        "Not accepted:\n"
        + "\n".join(f"- {line}" for line in errors)
        + "\nReply again, corrected and complete."
    )
    if not reply.calls:
        return [{"role": "assistant", "content": reply.text[:4000]}, {"role": "user", "content": text}]
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.args or {})},
        }
        for call in reply.calls
    ]
    answers = [{"role": "tool", "tool_call_id": call.id, "content": text} for call in reply.calls]
    return [{"role": "assistant", "content": reply.text[:4000] or None, "tool_calls": calls}, *answers]
