"""No character of a stranger's text acts on the screen, and none hides."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucentric.core.canonical import canonical, digest, sha256_text
from eucentric.core.text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ti₃C₂ at 20 Å ± 3 %, µm, 中文, é", "Ti₃C₂ at 20 Å ± 3 %, µm, 中文, é"), ("", ""),
        ("a\nb", "a\\nb"), ("a\r\nb", "a\\r\\nb"), ("a\tb", "a\\tb"), ("a\0b", "a\\x00b"), ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"), ("\x7f\x08", "\\x7f\\x08"), ("\u202eabc", "\\u202eabc"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\u200f\u061c", "\\u200f\\u061c"), ("a\u200bb\u200d", "a\\u200bb\\u200d"), ("\ufeff", "\\ufeff"),
        ("\xad", "\\xad"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\x85"), ("\ud800", "\\ud800"), ("\ue000", "\\ue000"),
        ("\uffff", "\\uffff"),
        ("\U000e0041", "\\U000e0041"), ("a\ufe0fb", "a\\ufe0fb"), ("\u3164", "\\u3164"), ("\u2800", "\\u2800"),
        ("\u115f\u034f", "\\u115f\\u034f"), ("\U000e0100", "\\U000e0100"),
    ],
)  # fmt: skip
def test_what_a_person_sees(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_newlines_stay_only_where_asked_for() -> None:
    assert visible("a\n\tb\x1b\r", one_line=False) == "a\n\tb\\x1b\\r"


@pytest.mark.parametrize(
    ("text", "limit", "shown"), [("abcdef", 3, "abc…"), ("abc", 3, "abc"), ("\x1b" * 9, 1, "\\x1b…")]
)
def test_a_long_text_ends_in_an_ellipsis(text: str, limit: int, shown: str) -> None:
    assert visible(text, limit=limit) == shown


@given(st.text())
def test_nothing_but_ink_and_spaces_comes_out_and_twice_is_once(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert visible(shown, limit=10**6) == shown


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), -float("inf"), [float("nan")], {"x": {"y": float("nan")}}]
)
def test_canonical_json_refuses_what_json_has_not(bad: object) -> None:
    with pytest.raises(ValueError):
        canonical(bad)


@pytest.mark.parametrize("bad", [b"x", {1, 2}, object(), {1: "a", "1": "b"}])
def test_canonical_json_refuses_other_types(bad: object) -> None:
    with pytest.raises(TypeError):
        canonical(bad)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1.5, None, True]}, '{"a":[1.5,null,true],"b":1}'), ("µ Å", '"µ Å"'), ((1, 2), "[1,2]"),
        ("\ud800", '"\\ud800"'), ("a\nb", '"a\\nb"'), (1e22, "1e+22"), (0.1, "0.1"),
    ],
)  # fmt: skip
def test_canonical_json_is_these_bytes(value: object, text: str) -> None:
    assert canonical(value) == text
    canonical(value).encode("utf-8")


def test_digests_do_not_depend_on_the_order_of_keys_and_never_change() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) == sha256_text('{"a":1,"b":2}')
    assert sha256_text("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
