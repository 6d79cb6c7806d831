"""The client over real HTTP on loopback: what is read, what is retried, what never leaves."""

import base64
import itertools
import json
import socket

import pytest
from scripted_server import DONE, Answer, body, delta, event, part, serving

from eucentric.agent.llm.client import ChatClient, check_endpoint
from eucentric.core.errors import BadInput, EndpointFailed, EndpointRefused

HELLO = [{"role": "user", "content": "hello"}]
KEY = "sk-planted-0123456789"


def client(script, **more):
    waits = []
    made = ChatClient(script.url, "m", sleep=waits.append, **more)
    made.waits = waits
    return made


def ask(*answers, **more):
    with serving(*answers) as script:
        made = client(script, **more)
        try:
            return made.chat(HELLO), script, made
        finally:
            made.close()


def failing(*answers, **more):
    with serving(*answers) as script:
        made = client(script, **more)
        with pytest.raises(EndpointFailed) as caught:
            made.chat(HELLO)
        made.close()
        return caught.value, script, made


STREAMED = {
    "fragments by index": [
        delta(**part("move", '{"x":', "a", 0)), delta(**part(None, "1}", None, 0)),
        delta(**part("acq", "{}", "b", 1)), delta("tool_calls"), DONE,
    ],
    "no index at all": [
        delta(**part("move", '{"x":', "a")), delta(**part(None, "1}", "a")), delta(**part("acq", "{}", "b")),
        delta("stop"), DONE,
    ],
    "no index and no id on later fragments": [
        delta(**part("move", '{"x":', "a")), delta(**part(None, "1}")), delta(**part("acq", "{}", "b")),
        delta("stop"), DONE,
    ],
    "index 0 used twice": [
        delta(**part("move", '{"x":1}', "a", 0)), delta(**part("acq", "{}", "b", 0)), delta("stop"), DONE,
    ],
    "arguments as an object": [
        delta(**part("move", {"x": 1}, "a", 0)), delta(**part("acq", {}, "b", 1)), delta("stop"), DONE,
    ],
    "keep-alive comments and CRLF": [
        b": ping\r\n\r\n", delta(**part("move", '{"x":1}', "a", 0)).replace(b"\n", b"\r\n"),
        delta(**part("acq", "", "b", 1)), delta("tool_calls"), DONE,
    ],
}  # fmt: skip


@pytest.mark.parametrize("pieces", STREAMED.values(), ids=STREAMED.keys())
def test_tool_calls_are_put_together_from_fragments(pieces):
    reply, _, _ = ask(Answer(pieces))
    assert [(c.name, c.args, c.error) for c in reply.calls] == [("move", {"x": 1}, ""), ("acq", {}, "")]
    assert reply.finish == "tools"


def test_text_usage_reasoning_and_line_separators_in_a_stream():
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}
    reply, script, _ = ask(
        Answer([
            delta(role="assistant", reasoning_content="hm "), delta(content="a\u2028b"),
            delta(content=" c", finish="stop"), event({"choices": [], "usage": usage}), DONE,
        ])
    )  # fmt: skip
    assert (reply.text, reply.reasoning, reply.finish, reply.model) == (
        "a\u2028b c",
        "hm ",
        "stop",
        "scripted-1",
    )
    assert (reply.usage.prompt, reply.usage.completion, reply.usage.cached) == (9, 4, 5)
    path, sent = script.requests[0]
    assert path == "/v1/chat/completions"
    assert json.loads(sent)["stream_options"] == {"include_usage": True}
    assert reply.request == sent


def test_a_reply_that_is_not_streamed():
    reply, script, _ = ask(body("hi", usage={"prompt_tokens": 3, "completion_tokens": 1}), stream=False)
    assert (reply.text, reply.finish, reply.usage.prompt, reply.tries) == ("hi", "stop", 3, 1)
    assert json.loads(script.requests[0][1])["stream"] is False
    assert json.loads(reply.response)["choices"]


BAD_ARGUMENTS = {
    "not JSON": ("{bad", "not JSON"),
    "a list": ("[1]", "not a JSON object"),
    "NaN": ('{"x": NaN}', "NaN"),
    "infinite": ('{"x": 1e999}', "too large"),
    "a key twice": ('{"x": 1, "x": 2}', "twice"),
    "deep": ('{"x":' * 5000 + "1" + "}" * 5000, "deep"),
    "huge integer": ('{"x": ' + "9" * 5000 + "}", "not JSON"),
}


@pytest.mark.parametrize(("arguments", "word"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_bad_arguments_are_an_error_text_not_a_guess(arguments, word):
    reply, _, _ = ask(body(None, [("move", arguments)]))
    assert reply.calls[0].args is None
    assert word in reply.calls[0].error


def test_too_many_requests_waits_as_asked_then_succeeds():
    reply, _, made = ask(Answer([b"slow down"], 429, {"Retry-After": "7"}), body("hi"))
    assert (reply.text, reply.tries, made.waits) == ("hi", 2, [7.0])


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [({"Retry-After-Ms": "250"}, 0.25, 0.25), ({"Retry-After": "99999"}, 60, 60), ({}, 0.375, 0.625),
     ({"Retry-After": "soon"}, 0.375, 0.625), ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0)],
)  # fmt: skip
def test_waits_are_what_the_server_asks_within_a_cap(headers, low, high):
    _, _, made = ask(Answer([b""], 503, headers), body("hi"))
    assert low <= made.waits[0] <= high


def test_the_jitter_is_the_same_for_the_same_seed():
    busy = [Answer([b""], 500)] * 3
    runs = [ask(*busy, body("hi"), seed=seed)[2].waits for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


RETRIED = {
    "status 500": Answer([b"boom"], 500),
    "status 529": Answer([b"overloaded"], 529),
    "torn connection": Answer([b"data: {"], torn=True),
    "stream cut": Answer([delta(content="part of ")]),
    "error in the stream": Answer([delta(content="x"), event({"error": {"message": "overloaded"}}), DONE]),
    "error in a 200 body": Answer([b'{"error": {"message": "busy", "code": 503}}']),
    "not JSON": Answer([b"data: <html>\n\n"]),
    "empty": Answer([b""]),
}


@pytest.mark.parametrize("bad", RETRIED.values(), ids=RETRIED.keys())
def test_a_lost_reply_is_asked_for_again_and_the_part_is_dropped(bad):
    reply, script, _ = ask(bad, body("whole"))
    assert (reply.text, reply.tries, len(script.requests)) == ("whole", 2, 2)


@pytest.mark.parametrize("bad", RETRIED.values(), ids=RETRIED.keys())
def test_it_gives_up_after_its_tries(bad):
    error, script, made = failing(bad, tries=3)
    assert len(script.requests) == 3
    assert len(made.waits) == 2
    assert "3 tries" in error.what
    assert error.remedy


PERMANENT = {
    "bad request": (Answer([b"no such field"], 400), "HTTP 400"),
    "no key": (Answer([b"who?"], 401), "HTTP 401"),
    "redirect": (Answer([b""], 302, {"Location": "http://127.0.0.1:9/v1"}), "not followed"),
    "bad request in a stream": (
        Answer([event({"error": {"message": "context too long", "code": 400}})]), "context too long",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "word"), PERMANENT.values(), ids=PERMANENT.keys())
def test_what_will_not_change_is_asked_once(bad, word):
    error, script, _ = failing(bad)
    assert len(script.requests) == 1
    assert word in error.why


def test_a_silent_server_times_out():
    error, script, _ = failing(Answer([b"data: "], pause_s=0.4), tries=2, timeout_s=0.05, turn_s=60.0)
    assert "ReadTimeout" in error.why
    assert len(script.requests) == 2


def test_a_dripping_server_meets_the_deadline_of_the_turn():
    ticks = itertools.count(0.0, 1.0)
    drip = Answer([b": ping\n\n"] * 20, pause_s=0.005)
    error, script, _ = failing(drip, clock=lambda: next(ticks), turn_s=5.0)
    assert "within 5 s" in error.why
    assert len(script.requests) == 1


def test_a_wait_beyond_the_deadline_is_not_begun():
    error, _, made = failing(Answer([b""], 429, {"Retry-After": "30"}), turn_s=10.0)
    assert made.waits == []
    assert "1 try" in error.what


def test_the_end_mark_ends_the_reply_though_the_connection_stays_open():
    with serving(Answer([delta(content="hi"), DONE, b": late\n\n"], pause_s=0.0)) as script:
        made = client(script)
        assert made.chat(HELLO).text == "hi"
        made.close()


def test_nobody_listens():
    with serving(body("x")) as script:
        address = script.url
    made = ChatClient(address, "m", tries=2, sleep=lambda s: None)
    with pytest.raises(EndpointFailed, match="ConnectError"):
        made.chat(HELLO)
    made.close()


REFUSED = [
    "http://example.org/v1", "https://127.0.0.1:8080/v1", "http://127.0.0.2:8080/v1", "http://localhost.example.org/",
    "http://127.0.0.1:80@example.org/v1", "http://user:pw@127.0.0.1:8080/v1", "http://127.0.0.1:80\\@example.org/v1",
    "ftp://127.0.0.1/v1", "127.0.0.1:8080", "", "http://", "file:///etc/passwd", "http://127.0.0.1:8080/v1?x=1",
    "http://127.0.0.1:8080/v1#x", "http://127.0.0.1\u202e:80/", "http://127.0.0.1:99999/v1", "http://[::2]:80/",
    "http://127.0.0.1:8080@example.org", "http://127.0.0.1%2f@example.org/", "http://@127.0.0.1:8080",
    "http://example.org#@127.0.0.1", "http://127.0.0.1:8080?", "http://127.0.0.1:8080#", "http://127.0.0.1.:8080",
    "http://localhost.:8080", "http://127.0.0.1:0", "http://127.0.0.1:80:81", "http://127.0.0.1 .example.org",
    "http://127.0.0.1\t:80", "http://127.0.0.1:80\r\nHost: example.org", "http://[::ffff:127.0.0.1]:80",
    "http://[0:0:0:0:0:0:0:1]:80", "http://[::1%25eth0]:80", "http://127.1:80", "http://2130706433", "http://0x7f.1",
    "http://0.0.0.0:80", "http://127\u30020\u30020\u30021:80", "http://\uff11\uff12\uff17.0.0.1:80",
    "http://\u24dbocalhost:80", "http://b\u00fccher.example", "http:///127.0.0.1", "//127.0.0.1", "http:127.0.0.1",
    "http://127.0.0.1;example.org", "http://127.0.0.1,example.org", "http://127.0.0.1/v1/../..//example.org",
    "https://localhost:443/v1", "http+unix://127.0.0.1", "http://localhost.localdomain:80", "http://127.0.0.1.nip.io",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_listed_is_refused_before_anything_is_sent(address):
    with pytest.raises(EndpointRefused) as caught:
        ChatClient(address, "m")
    assert "nothing was sent" in caught.value.why
    assert caught.value.remedy
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "entry"),
    [("http://127.0.0.1:8080/v1/", "http://127.0.0.1:*"), ("http://[::1]:8080/v1", "http://[::1]:8080"),
     ("https://Models.example.org/v1", "https://models.example.org"), ("http://localhost:1/", "http://localhost:*"),
     ("HTTP://127.0.0.1:8080", "http://127.0.0.1:*"), ("https://models.example.org:443/v1".replace(":443", ""),
      "https://models.example.org:443"), ("https://xn--bcher-kva.example/v1", "https://xn--bcher-kva.example")],
)  # fmt: skip
def test_a_listed_address_is_allowed(address, entry):
    assert check_endpoint(address, [entry]) == address.rstrip("/").lower()


@pytest.mark.parametrize("entry", ["http://*:80", "*", "127.0.0.1", "http://127.0.0.1:80/v1", ""])
def test_a_list_entry_must_name_one_host(entry):
    with pytest.raises(BadInput):
        check_endpoint("http://127.0.0.1:80", [entry])


def test_the_proxy_of_the_environment_is_not_used(monkeypatch):
    with serving(body("from the proxy")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        assert ask(body("direct"))[0].text == "direct"
    assert proxy.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed_not_even_to_a_listed_address(status):
    with serving(body("from the other")) as other:
        error, script, _ = failing(
            Answer([b""], status, {"Location": f"{other.url}/chat/completions"}), api_key=KEY
        )
    assert "redirects are not followed" in error.why
    assert (len(script.requests), other.requests) == (1, [])


def resolving(monkeypatch, *addresses):
    """From now on every name leads to these; a number is itself."""

    def answer(host, port, *args, **more):
        hosts = (host,) if host[0].isdigit() else addresses
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_localhost_is_this_machine_whatever_a_resolver_says(monkeypatch):
    resolving(monkeypatch, "127.0.0.1", "192.0.2.7")
    with pytest.raises(EndpointRefused, match=r"192\.0\.2\.7, which is not this machine"):
        ChatClient("http://localhost:8080/v1", "m")


def test_localhost_is_looked_up_once_and_a_name_that_turns_later_leads_nowhere(monkeypatch):
    with serving(body("at home")) as script:
        address = script.url.replace("127.0.0.1", "localhost")
        made = ChatClient(address, "m")
        resolving(monkeypatch, "192.0.2.7")
        assert made.chat(HELLO).text == "at home"
        made.close()
    assert script.headers[0]["host"] == address.removeprefix("http://").removesuffix("/v1")


def test_localhost_may_listen_on_the_second_address(monkeypatch):
    with serving(body("at home")) as script:
        resolving(monkeypatch, "127.0.0.9", "127.0.0.1")
        made = ChatClient(script.url.replace("127.0.0.1", "localhost"), "m", tries=1)
        assert made.chat(HELLO).text == "at home"
        made.close()


def test_the_key_is_in_the_header_and_nowhere_else():
    reply, script, made = ask(body(f"your key is {KEY}"), api_key=KEY)
    assert script.headers[0]["authorization"] == f"Bearer {KEY}"
    seen = [reply.text, reply.request.decode(), reply.response.decode(), repr(made), repr(reply)]
    assert not [text for text in seen if KEY in text]
    assert reply.text == "your key is [secret EUCENTRIC_API_KEY]"


def test_the_key_of_the_environment_is_used_unless_one_is_given(monkeypatch):
    monkeypatch.setenv("EUCENTRIC_API_KEY", KEY)
    assert ask(body("x"))[1].headers[0]["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in ask(body("x"), api_key="")[1].headers[0]


def test_the_key_is_not_in_an_error():
    error, _, _ = failing(Answer([f"bad key {KEY}".encode()], 401), api_key=KEY)
    assert KEY not in str(error)
    assert KEY not in json.dumps(error.as_dict())
    assert "EUCENTRIC_API_KEY" in error.remedy


PLANTED = "plantedKey0123456789"
IN_PIECES = {
    "text": [delta(content=f"it is {PLANTED[:9]}"), delta(content=f"{PLANTED[9:]}."), delta("stop"), DONE],
    "reasoning": [delta(reasoning_content=PLANTED[:5]), delta(reasoning_content=PLANTED[5:]), delta(content="x"), DONE],
    "arguments": [
        delta(**part("move", '{"x": "' + PLANTED[:11], "a", 0)), delta(**part(None, PLANTED[11:] + '"}', None, 0)),
        delta("tool_calls"), DONE,
    ],
}  # fmt: skip


@pytest.mark.parametrize("pieces", IN_PIECES.values(), ids=IN_PIECES.keys())
def test_a_key_that_a_stream_echoes_in_pieces_is_not_kept(pieces):
    reply, _, _ = ask(Answer(pieces), api_key=PLANTED)
    assert PLANTED[:5] not in repr(reply)
    assert PLANTED[-5:] not in repr(reply)
    assert "[secret EUCENTRIC_API_KEY]" in repr(reply)
    assert b"in pieces" in reply.response


def test_a_key_in_a_sentence_does_not_leave_with_it(monkeypatch):
    monkeypatch.setenv("VENDOR_TOKEN", "vendor-0123456789")
    hello = [{"role": "user", "content": f"use {PLANTED} and vendor-0123456789, sk-abc123def456ghi"}]
    with serving(body("hi")) as script:
        made = client(script, api_key=PLANTED)
        reply = made.chat(hello)
        made.close()
    wanted = "use [secret EUCENTRIC_API_KEY] and [secret VENDOR_TOKEN], [secret key]"
    assert json.loads(script.requests[0][1])["messages"][0]["content"] == wanted
    assert reply.request == script.requests[0][1]


ECHOES = {
    "body": Answer([f"bad header Authorization: Bearer {PLANTED}".encode()], 401),
    "JSON": Answer([json.dumps({"error": {"message": f"got {PLANTED}", "code": 401}}).encode()]),
    "cut": Answer([b"x" * 290 + PLANTED.encode() + b"y" * 300], 400),
    "base64": Answer([b"Basic " + base64.b64encode(b"kim:" + PLANTED.encode())], 403),
    "stream": Answer([delta(content="x"), event({"error": {"message": f"no {PLANTED}", "code": 400}}), DONE]),
}  # fmt: skip


@pytest.mark.parametrize("answer", ECHOES.values(), ids=ECHOES.keys())
def test_an_error_that_echoes_the_header_does_not_hold_the_key(answer):
    error, _, _ = failing(answer, api_key=PLANTED)
    said = json.dumps(error.as_dict())
    assert PLANTED[:9] not in said
    assert base64.b64encode(PLANTED.encode()).decode()[4:16] not in said


def test_a_key_never_travels_unencrypted_or_broken():
    with pytest.raises(EndpointRefused, match="unencrypted"):
        ChatClient("http://models.example.org", "m", api_key=KEY, allow=["http://models.example.org"])
    with pytest.raises(BadInput) as caught:
        ChatClient("http://127.0.0.1:1", "m", api_key="secret\r\nX-Evil: 1")
    assert "secret" not in str(caught.value)


def test_control_characters_of_a_server_do_not_reach_the_error():
    error, _, _ = failing(Answer(["\x1b[2J\u202eAPPROVED".encode()], 400))
    assert "\x1b" not in str(error)
    assert "\u202e" not in str(error)


def test_extra_fields_can_replace_and_remove():
    _, script, _ = ask(body("hi"), extra={"temperature": None, "top_k": 0})
    sent = json.loads(script.requests[0][1])
    assert "temperature" not in sent
    assert sent["top_k"] == 0
