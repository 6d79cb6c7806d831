"""Every spelling of a secret goes, and nothing else does."""

import base64
import hashlib
import html
import json
import random
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucentric.core import operators, redaction
from eucentric.core.canonical import canonical
from eucentric.core.errors import ApprovalRefused
from eucentric.core.redaction import may_hold_secret, redact, redact_bytes, redacted

KEY = "Zx9-planted_key/4711+QwErTy"
ODD = 'we"ird\\ key/+ ü&<7'


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(redaction.os.environ):
        if name.endswith(redaction.SUFFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("EUCENTRIC_API_KEY", KEY)
    monkeypatch.setenv("ODD_TOKEN", ODD)


SPELLINGS = {
    "as it is": str,
    "inside a word": lambda key: f"x{key}y",
    "JSON": lambda key: json.dumps({"a": key}),
    "JSON with its letters": lambda key: json.dumps({"a": key}, ensure_ascii=False),
    "JSON in JSON, for a plain key": lambda key: json.dumps(json.dumps({"a": key})) if key == KEY else key,
    "Python": lambda key: repr([key]),
    "URL": lambda key: f"http://h/?q={quote(key)}",
    "URL, all of it": lambda key: quote(key, safe=""),
    "URL, small letters": lambda key: re.sub("%..", lambda one: one[0].lower(), quote(key, safe="")),
    "form": quote_plus,
    "HTML": html.escape,
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a pair": lambda key: base64.b64encode(f"me:{key}".encode()).decode(),
    "base64 of a longer pair": lambda key: base64.urlsafe_b64encode(f"kim:{key}\n".encode()).decode(),
}


@pytest.mark.parametrize("key", [KEY, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_each_spelling_of_a_known_secret_goes(spelled, key) -> None:
    text = f"before {spelled(key)} after"
    clean = redact(text)
    assert f"[secret {'EUCENTRIC_API_KEY' if key == KEY else 'ODD_TOKEN'}]" in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert key not in clean
    assert base64.b64encode(key.encode()).decode()[4:-4] not in clean
    assert may_hold_secret(text)
    assert redact(clean) == clean


@pytest.mark.parametrize("cut", [9, 13, len(KEY) - 1])
@pytest.mark.parametrize("end", ["", "…", "'", "…')"])
def test_a_secret_at_which_a_text_was_cut(cut: int, end: str) -> None:
    assert redact(f"HTTP 401: {KEY[:cut]}{end}") == f"HTTP 401: [secret EUCENTRIC_API_KEY]{end}"
    assert redact(f"{KEY[-cut:]} is wrong") == "[secret EUCENTRIC_API_KEY] is wrong"


SHAPES = [
    ("Authorization: Bearer abc.def-ghi", "Authorization: [secret header]"),
    ("authorization=Basic dXNlcjpwYXNz", "authorization=[secret header]"),
    ('{"Authorization": "Bearer abcdef1"}', '{"Authorization": "[secret header]"}'),
    ("{'authorization': 'Token abcdef1'}", "{'authorization': '[secret header]'}"),
    ('{\\"authorization\\": \\"Bearer x1x1x1x1\\"}', '{\\"authorization\\": \\"[secret header]\\"}'),
    ("the header was Bearer a1b2c3d4e5", "the header was Bearer [secret token]"),
    ("Incorrect API key provided: sk-proj-AbC123dEf456.", "Incorrect API key provided: [secret key]."),
    ("ghp_0123456789abcdefABCD", "[secret key]"), ("AKIAIOSFODNN7EXAMPLE", "[secret key]"),
    ("https://kim:hunter22@host/x?y=1", "https://[secret userinfo]@host/x?y=1"),
    ("https://0123456789abcdef@host/", "https://[secret userinfo]@host/"),
    ("http://127.0.0.1:80@evil", "http://[secret userinfo]@evil"),
    ("OPENAI_API_KEY=abcdefgh", "OPENAI_API_KEY=[secret value]"),
    ("VENDOR_TOKEN: 'abcdefgh'", "VENDOR_TOKEN: '[secret value]'"),
    ('{"password": "hunter22"}', '{"password": "[secret value]"}'),
    ("GET /v1?api_key=abcdef12&x=1", "GET /v1?api_key=[secret value]&x=1"),
    ("GET /v1?token=abcdef12", "GET /v1?token=[secret value]"),
    ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE/+ab\nq==\n-----END RSA PRIVATE KEY-----\nb",
     "a\n[secret private key]\nb"),
    ('{"k": "-----BEGIN PRIVATE KEY-----\\nMIIE\\nab", "n": 1}', '{"k": "[secret private key]", "n": 1}'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "clean"), SHAPES)
def test_shapes_of_secrets_nobody_named(text: str, clean: str) -> None:
    assert redact(text) == clean
    assert redact(clean) == clean
    assert redact_bytes(text.encode()) == clean.encode()


LEGITIMATE = [
    "", "the bearer of this letter", "basic acquisition", "risk-adjusted-2026 and sk-learn", "scikit-image-0.25.1",
    "twin://mxene?seed=7&stage=worn&faults=missed_move@3", "py:my.module:driver?host=10.0.0.1", "j.doe@example.org",
    "an operator needs a name and a secret of at least 8 characters", "press a key: any key",
    "512x512, 8.0 nm, 20000000 e", "E-MODEL-02", "r-0001/s3_2.acquire#4~2", "2026-11-22T02:13:07.412Z",
    "sha256 " + hashlib.sha256(b"x").hexdigest(),
    "0" * 64, base64.b64encode(bytes(range(256)) * 8).decode(), "https://example.org/a@b",
    "g1: approved by kim (pts/1)",
]  # fmt: skip


@pytest.mark.parametrize("text", LEGITIMATE)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) is text
    assert redact_bytes(text.encode()) == text.encode()


def test_digests_and_base64_stay_whatever_passwords_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(7)
    for n, value in enumerate(("00000000", "deadbeef", "12345678", "AAAAAAAA", "3.14159265")):
        monkeypatch.setenv(f"SHY{n}_PASSWORD", value)
    data = [base64.b64encode(rng.randbytes(3000)).decode() for _ in range(20)]
    data += [hashlib.sha256(rng.randbytes(9)).hexdigest() for _ in range(500)]
    data += ["0" * 64, "A" * 100, "ab" + "deadbeef" * 4, "3.1415926535", "12345678.5", "0.12345678"]
    assert all(redact(text) is text for text in data)
    assert redact("it is deadbeef, or 12345678") == "it is [secret SHY1_PASSWORD], or [secret SHY2_PASSWORD]"


def test_a_password_that_is_a_word_of_the_rows_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for n, word in enumerate(("finished", "acquire_image", "approved")):
        monkeypatch.setenv(f"WORD{n}_PASSWORD", word)
    monkeypatch.setenv("REAL_PASSWORD", "correcthorsebattery")
    body = {"act": "acquire_image", "outcome": "finished", "gate": "approved", "say": "correcthorsebattery"}
    assert redacted(body) == {**body, "say": "[secret REAL_PASSWORD]"}


@pytest.mark.parametrize("short", ["", "hunter2", "1234567"])
def test_what_is_shorter_than_eight_is_no_secret(monkeypatch: pytest.MonkeyPatch, short: str) -> None:
    monkeypatch.setenv("SHORT_TOKEN", short)
    assert redact(f"a {short} b") == f"a {short} b"


def test_what_was_typed_is_replaced_until_it_is_forgotten() -> None:
    redaction.remember("operator secret", "open sesame")
    assert redact("she typed open sesame") == "she typed [secret operator secret]"
    redaction.forget("open sesame")
    assert redact("she typed open sesame") == "she typed open sesame"


def test_a_secret_that_was_typed_to_register_or_prove_is_known(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "settings.toml"))
    typed = ("correct horse 7", "battery staple 8")
    try:
        operators.register("kim", typed[0])
        with pytest.raises(ApprovalRefused) as caught:
            operators.prove("kim", typed[1])
        assert [redact(f"she typed {one}!") for one in typed] == ["she typed [secret operator secret]!"] * 2
        assert typed[1] not in str(caught.value)
    finally:
        for one in typed:
            redaction.forget(one)


def test_a_value_taken_from_the_environment_is_known_and_gone() -> None:
    try:
        redaction.take_from_environment("EUCENTRIC_API_KEY")
        assert "EUCENTRIC_API_KEY" not in redaction.os.environ
        assert redact(KEY) == "[secret EUCENTRIC_API_KEY]"
    finally:
        redaction.forget(KEY)


def test_values_inside_a_body_and_its_keys() -> None:
    body = {
        "a": [1, 2.5, None, True, {"b": f"say {KEY}"}], KEY: (KEY, 7), "headers": {"Authorization": "x"},
        "x-api-key": "y", "token": "0f" * 16, "seconds": 1e-9,
    }  # fmt: skip
    assert redacted(body) == {
        "a": [1, 2.5, None, True, {"b": "say [secret EUCENTRIC_API_KEY]"}],
        "[secret EUCENTRIC_API_KEY]": ["[secret EUCENTRIC_API_KEY]", 7],
        "headers": {"Authorization": "[secret value]"}, "x-api-key": "[secret value]", "token": "0f" * 16,
        "seconds": 1e-9,
    }  # fmt: skip


def test_bytes_that_are_no_text_stay() -> None:
    raw = bytes(range(256)) * 4
    assert redact_bytes(raw) == raw
    assert redact_bytes(raw + KEY.encode() + raw) == raw + b"[secret EUCENTRIC_API_KEY]" + raw


PIECES = st.sampled_from(
    [KEY, KEY[:9], ODD, "Authorization: ", "Bearer ", "sk-abc123def456x", "password=", "https://u:p@", '"', "\\", "\n",
     "-----BEGIN PRIVATE KEY-----", "api_key\": \"", "'", ",", "}", " "]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join)


@settings(max_examples=50)
@given(
    st.recursive(
        TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
    )
)
def test_a_json_text_stays_one_and_no_secret_is_left(value: object) -> None:
    """The screen sees JSON as text; the ledger looks at each value: neither lets one through."""
    text = canonical(value)
    json.loads(redact(text))
    clean = canonical(redacted(value))
    assert KEY not in clean
    assert json.dumps(ODD, ensure_ascii=False)[1:-1] not in clean
    if clean != text and '"[secret value]"' not in clean:
        assert may_hold_secret(text)


@given(TEXTS)
def test_twice_is_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)
