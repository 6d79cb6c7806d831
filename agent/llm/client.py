"""The one module that speaks HTTP: a chat client for OpenAI-compatible servers.

Nothing leaves for an address that is not on the allow-list (`llm_endpoint`), no redirect is followed, no proxy is
taken from the environment. The key is sent in one header and is nowhere else: not in evidence, errors or a repr; nor
does any other secret that is known travel in a message (`core.redaction`).
"""

import email.utils
import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from eucentric.agent.llm.endpoint import LOOPBACK as LOOPBACK
from eucentric.agent.llm.endpoint import Endpoint, checked, refused
from eucentric.agent.llm.endpoint import check_endpoint as check_endpoint
from eucentric.agent.llm.evidence import clean, encoded, kept_reply, kept_request
from eucentric.agent.llm.wire import Finish, Parsed, ToolRequest, Usage, WireError, parse_body, parse_stream
from eucentric.core.errors import BadInput, EndpointFailed
from eucentric.core.redaction import redact_bytes, redacted, remember
from eucentric.core.text import visible

KEY_VARIABLE = "EUCENTRIC_API_KEY"

_RETRY = {408, 409, 425, 429}
_MOST_BYTES = 8 << 20
_LONGEST_WAIT_S = 60.0
_ENDED = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\]")
_REMEDY = {
    401: f"set {KEY_VARIABLE} to a valid key",
    403: f"set {KEY_VARIABLE} to a key that may use this model",
    404: "check the address (it usually ends in /v1) and the model's name",
}


@dataclass(frozen=True)
class ChatReply:
    """One usable reply, with the bytes that prove it (the key is not in them)."""

    text: str
    calls: tuple[ToolRequest, ...]
    finish: Finish
    usage: Usage
    model: str
    """As the server names it."""
    fingerprint: str
    reasoning: str
    request: bytes
    """JSON body that was sent, a picture by its digest."""
    response: bytes
    """Body that came back, as it came but for secrets."""
    ms: float
    """Wall time of the whole turn, with the tries that failed [ms]."""
    tries: int


class _TryError(Exception):
    """One try gave nothing. `wait_s` is what the server asked for, if it did."""

    def __init__(self, text: str, *, again: bool, wait_s: float | None = None, remedy: str = "") -> None:
        super().__init__(text)
        self.again, self.wait_s, self.remedy = again, wait_s, remedy


class ChatClient:
    """A client for one model at one address.

    Parameters
    ----------
    base_url
        Usually ending in ``/v1``; ``/chat/completions`` is added.
    api_key
        None: taken from the environment variable EUCENTRIC_API_KEY, if it is set.
    allow
        Addresses that may be used; see `check_endpoint`.
    timeout_s
        Longest silence: before the first piece of a reply or between two [s].
    connect_s
        To connect [s].
    turn_s
        For a whole turn, all tries and the waits between them [s]; None: four times `timeout_s`.
    tries
        Attempts of one turn. Asking a model has no effect on the instrument, so a repeat is safe.
    extra
        More fields of the request body; a value of None removes a field (some hosted models refuse
        ``temperature`` or want ``max_completion_tokens``).
    seed
        For the sampling and for the jitter of the waits, so that a test is repeatable.

    Raises
    ------
    EndpointRefused
        The address is not allowed, or a key would travel unencrypted.
    BadInput
        The key can't be a header value.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        allow: Sequence[str] = LOOPBACK,
        timeout_s: float = 120.0,
        connect_s: float = 10.0,
        turn_s: float | None = None,
        tries: int = 4,
        stream: bool = True,
        seed: int = 0,
        extra: Mapping[str, Any] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = checked(base_url, allow)
        self.base_url, self.local = self._endpoint.url, self._endpoint.local
        self.model, self.seed = model, seed
        key = os.environ.get(KEY_VARIABLE) if api_key is None else api_key
        self._key = _checked_key(key, self._endpoint)
        self._targets = self._endpoint.targets()
        self._timeout_s, self._connect_s = timeout_s, connect_s
        self._turn_s = 4 * timeout_s if turn_s is None else turn_s
        self._tries, self._stream = max(1, tries), stream
        self._extra, self._sleep, self._clock = dict(extra or {}), sleep, clock
        self._http = httpx.Client(trust_env=False, follow_redirects=False)

    def __repr__(self) -> str:
        return f"ChatClient({self.base_url!r}, {self.model!r})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> ChatReply:
        """One turn.

        Parameters
        ----------
        messages
            In the chat-completions form.
        tools
            Function declarations in the same form.
        schema
            A JSON schema that the reply's text must follow, for servers that constrain the output.

        Raises
        ------
        EndpointFailed
            No usable reply within the tries and the time of a turn. Bad JSON in the arguments of a call is
            not a failure: it is in the call's `error`.
        """
        body = self._body(messages, tools, schema, max_tokens, temperature)
        sent = encoded(body)
        start, jitter = self._clock(), random.Random(self.seed)
        for number in range(1, self._tries + 1):
            try:
                parsed, raw = self._attempt(sent, start + self._turn_s)
            except _TryError as failed:
                self._wait_or_give_up(failed, number, start, jitter)
                continue
            ms = (self._clock() - start) * 1e3
            return _reply(parsed, kept_request(body), kept_reply(raw, parsed), ms, number)
        raise EndpointFailed("no try was made")  # pragma: no cover  (tries >= 1: the loop returns or raises)

    def _body(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any] | None,
        max_tokens: int,
        temperature: float,
    ) -> dict[str, Any]:
        said = redacted([dict(message) for message in messages])
        body: dict[str, Any] = {"model": self.model, "messages": said, "max_tokens": max_tokens}
        body |= {"temperature": temperature, "seed": self.seed, "stream": self._stream}
        if self._stream:
            body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = list(tools)
        if schema:
            named = {"name": "plan", "strict": True, "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return {key: value for key, value in (body | self._extra).items() if value is not None}

    def _attempt(self, sent: bytes, deadline: float) -> tuple[Parsed, bytes]:
        """One try, at each address of the endpoint: localhost may listen on one family of addresses only."""
        failed: httpx.TransportError = httpx.ConnectError("no address")
        for target in self._targets:
            try:
                return self._post(target, sent, deadline)
            except httpx.TransportError as error:
                failed = error
            if not isinstance(failed, httpx.ConnectError):
                break
        raise _TryError(f"{type(failed).__name__}: {failed}", again=True) from None

    def _post(self, target: str, sent: bytes, deadline: float) -> tuple[Parsed, bytes]:
        left = max(deadline - self._clock(), 0.001)
        timeout = httpx.Timeout(min(self._timeout_s, left), connect=min(self._connect_s, left))
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        headers["host"] = self._endpoint.authority
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        with self._http.stream(
            "POST", f"{target}/chat/completions", content=sent, headers=headers, timeout=timeout,
            extensions={"sni_hostname": self._endpoint.host},
        ) as response:  # fmt: skip
            raw = redact_bytes(self._read(response, deadline))
        return self._understood(response, raw), raw

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        raw = bytearray()
        for piece in response.iter_bytes():
            raw += piece
            if len(raw) > _MOST_BYTES:
                raise _TryError(f"the reply is longer than {_MOST_BYTES} bytes", again=False)
            if self._clock() > deadline:
                raise _TryError(f"no complete reply within {self._turn_s:g} s", again=False)
            if _ENDED.search(raw, max(0, len(raw) - len(piece) - 16)):
                break  # some servers keep the connection open after the end
        return bytes(raw)

    def _understood(self, response: httpx.Response, raw: bytes) -> Parsed:
        status = response.status_code
        if status != 200:
            again = status in _RETRY or status >= 500
            text = f"HTTP {status}" + (" (redirects are not followed)" if 300 <= status < 400 else "")
            raise _TryError(
                f"{text}: {raw[:300].decode('utf-8', 'replace')}",
                again=again, wait_s=_asked_wait(response.headers), remedy=_REMEDY.get(status, ""),
            )  # fmt: skip
        try:
            return parse_body(raw) if raw.lstrip()[:1] == b"{" else parse_stream(raw)
        except WireError as error:
            raise _TryError(str(error), again=error.again) from None

    def _wait_or_give_up(self, failed: _TryError, number: int, start: float, jitter: random.Random) -> None:
        wait_s = failed.wait_s
        if wait_s is None:
            wait_s = min(0.5 * 2 ** (number - 1), 8.0) * (0.75 + 0.5 * jitter.random())
        late = self._clock() - start + wait_s > self._turn_s
        if not failed.again or number >= self._tries or late:
            why = visible(str(failed), limit=400)
            remedy = failed.remedy or "is the model server running? the grammar planner needs none"
            tries = f"{number} {'try' if number == 1 else 'tries'}"
            raise EndpointFailed(
                f"model {self.model} at {self.base_url}: no reply in {tries}", why, remedy
            ) from None
        self._sleep(wait_s)


def _reply(parsed: Parsed, request: bytes, response: bytes, ms: float, tries: int) -> ChatReply:
    said = clean(parsed)
    return ChatReply(
        text=said.text, calls=said.calls, finish=said.finish, usage=said.usage,
        model=visible(said.model, limit=200), fingerprint=visible(said.fingerprint, limit=200),
        reasoning=said.reasoning, request=request, response=response, ms=ms, tries=tries,
    )  # fmt: skip


def _checked_key(key: str | None, endpoint: Endpoint) -> str:
    if not key:
        return ""
    remember(KEY_VARIABLE, key)
    if not re.fullmatch(r"[\x21-\x7e]{8,4096}", key):
        raise BadInput(
            "the API key can't be used", "8 or more printable ASCII characters, no spaces", KEY_VARIABLE
        )
    if not endpoint.local and endpoint.scheme != "https":
        raise refused(endpoint.url, "a key would travel unencrypted")
    return key


def _asked_wait(headers: httpx.Headers) -> float | None:
    """What the server asks for [s]: Retry-After-Ms, or Retry-After as seconds or a date; at most 60 s."""
    for name, factor in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        text = headers.get(name, "")
        if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text):
            return min(float(text) * factor, _LONGEST_WAIT_S)
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (ValueError, TypeError):
        return None
    return min(max(moment - time.time(), 0.0), _LONGEST_WAIT_S)
