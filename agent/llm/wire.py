"""The bytes of an OpenAI-compatible chat server, read strictly. Pure functions: no network, no clock.

Servers differ in ways that matter: tool arguments come in fragments or as an object, the index of a call
may be missing or used twice, an error may hide in a stream that began with status 200, usage comes in a
last chunk without choices. What cannot be read is an error text for the model, never a guess.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Finish = Literal["stop", "tools", "length", "refusal", "other"]

_FINISH: dict[str, Finish] = {
    "stop": "stop", "tool_calls": "tools", "function_call": "tools", "length": "length",
    "content_filter": "refusal",
}  # fmt: skip
_PERMANENT = {"400", "401", "403", "404", "413", "422", "invalid_request_error", "authentication_error"}
_MOST_CALLS = 64


class WireError(Exception):
    """The reply can't be used. `again` says whether asking once more may help."""

    def __init__(self, text: str, *, again: bool) -> None:
        super().__init__(text)
        self.again = again


@dataclass(frozen=True)
class ToolRequest:
    """One tool call as the model wrote it: `args`, or `error` if its arguments are not a JSON object."""

    id: str
    name: str
    args: dict[str, Any] | None
    error: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens as the server counted them; 0 where it did not say."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Parsed:
    """What one reply says."""

    text: str
    calls: tuple[ToolRequest, ...]
    finish: Finish
    usage: Usage
    model: str
    fingerprint: str = ""
    reasoning: str = ""


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    fragments: str = ""
    whole: dict[str, Any] | None = None


@dataclass
class _Reply:
    """Grows chunk by chunk; a reply that was not streamed is one chunk."""

    text: str = ""
    reasoning: str = ""
    finish: str = ""
    model: str = ""
    fingerprint: str = ""
    usage: Usage = field(default_factory=Usage)
    calls: list[_Call] = field(default_factory=list)
    by_index: dict[int, _Call] = field(default_factory=dict)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def strict_json(text: str) -> Any:
    """The value of a JSON text; NaN, infinities, 1e999 and repeated keys are refused.

    Raises
    ------
    ValueError
        With a text that can be shown to the model.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_body(raw: bytes) -> Parsed:
    """Read a reply that was not streamed.

    Raises
    ------
    WireError
        Not JSON, an error object, or nothing in it.
    """
    reply = _Reply()
    _take(reply, _chunk(raw.decode("utf-8", "replace")), key="message")
    if not reply.finish and not reply.text and not reply.calls:
        raise WireError("the reply holds no message", again=True)
    return _finished(reply)


def parse_stream(raw: bytes) -> Parsed:
    """Read the server-sent events of a streamed reply, whole.

    Raises
    ------
    WireError
        An error object in the stream, a chunk that is not JSON, or a stream that ends before its end.
    """
    reply, done = _Reply(), False
    for data in _events(raw):
        if data == "[DONE]":
            done = True
            break
        _take(reply, _chunk(data), key="delta")
    if not done and not reply.finish:
        raise WireError("the stream ended before the reply was complete", again=True)
    return _finished(reply)


def _events(raw: bytes) -> Iterator[str]:
    """The data of each event. bytes.splitlines ends lines at CR and LF only, not at U+2028."""
    lines: list[str] = []
    for line in [*raw.removeprefix(b"\xef\xbb\xbf").splitlines(), b""]:
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" ").decode("utf-8", "replace"))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def _chunk(text: str) -> dict[str, Any]:
    try:
        found = strict_json(text)
    except ValueError as error:
        raise WireError(f"not JSON: {error}", again=True) from None
    if not isinstance(found, dict):
        raise WireError("not a JSON object", again=True)
    if found.get("error"):
        raise _server_error(found["error"])
    return found


def _server_error(error: Any) -> WireError:
    entries = error if isinstance(error, dict) else {"message": error}
    marks = {str(entries.get(key)) for key in ("code", "type", "status")}
    return WireError(
        f"the server reports: {str(entries.get('message', error))[:300]}", again=not marks & _PERMANENT
    )


def _take(reply: _Reply, chunk: dict[str, Any], *, key: str) -> None:
    reply.model = _text(chunk.get("model")) or reply.model
    reply.fingerprint = _text(chunk.get("system_fingerprint")) or reply.fingerprint
    if isinstance(chunk.get("usage"), dict):
        reply.usage = _usage(chunk["usage"])
    for choice in _dicts(chunk.get("choices")):
        if choice.get("index") in (0, None):
            reply.finish = _text(choice.get("finish_reason")) or reply.finish
            _take_message(reply, choice.get(key) or choice.get("message"))


def _take_message(reply: _Reply, message: Any) -> None:
    if not isinstance(message, dict):
        return
    reply.text += _text(message.get("content")) or _text(message.get("refusal"))
    reply.reasoning += _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    for part in _dicts(message.get("tool_calls")):
        function = part.get("function")
        _take_call(_call_for(reply, part), part, function if isinstance(function, dict) else {})


def _call_for(reply: _Reply, part: dict[str, Any]) -> _Call:
    """The call that a fragment belongs to, where the index may be missing or shared by two calls."""
    index, ident = part.get("index"), _text(part.get("id"))
    named = bool(_text((part.get("function") or {}).get("name")))
    if isinstance(index, int):
        call = reply.by_index.get(index)
        if call is None or (ident and call.id and ident != call.id):
            call = reply.by_index[index] = _new_call(reply)
        return call
    same = next((call for call in reply.calls if ident and call.id == ident), None)
    if same is None and reply.calls and not ident and not named:
        same = reply.calls[-1]
    return same or _new_call(reply)


def _new_call(reply: _Reply) -> _Call:
    if len(reply.calls) >= _MOST_CALLS:
        raise WireError(f"more than {_MOST_CALLS} tool calls in one reply", again=False)
    reply.calls.append(_Call())
    return reply.calls[-1]


def _take_call(call: _Call, part: dict[str, Any], function: dict[str, Any]) -> None:
    call.id = call.id or _text(part.get("id"))
    call.name = call.name or _text(function.get("name"))
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        call.whole = arguments
    else:
        call.fragments += _text(arguments)


def _finished(reply: _Reply) -> Parsed:
    calls = tuple(_request(call, number) for number, call in enumerate(reply.calls, 1))
    finish: Finish = _FINISH.get(reply.finish, "other")
    if calls and finish in ("stop", "other"):
        finish = "tools"  # several servers say "stop" beside tool calls
    return Parsed(reply.text, calls, finish, reply.usage, reply.model, reply.fingerprint, reply.reasoning)


def _request(call: _Call, number: int) -> ToolRequest:
    ident = call.id or f"call_{number}"
    if call.whole is not None and not call.fragments:
        return ToolRequest(ident, call.name, call.whole)
    try:
        args = strict_json(call.fragments or "{}")
    except ValueError as error:
        return ToolRequest(ident, call.name, None, f"the arguments are not JSON: {error}")
    if not isinstance(args, dict):
        return ToolRequest(ident, call.name, None, "the arguments are not a JSON object")
    return ToolRequest(ident, call.name, args)


def _usage(found: dict[str, Any]) -> Usage:
    prompt, completion = found.get("prompt_tokens_details"), found.get("completion_tokens_details")
    return Usage(
        _count(found.get("prompt_tokens")),
        _count(found.get("completion_tokens")),
        _count(prompt.get("cached_tokens")) if isinstance(prompt, dict) else 0,
        _count(completion.get("reasoning_tokens")) if isinstance(completion, dict) else 0,
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _text(value: Any) -> str:
    """A text, also from a list of parts; anything else is empty."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in _dicts(value))
    return value if isinstance(value, str) else ""


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
