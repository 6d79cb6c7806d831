"""No character of a stranger's text acts on the screen, and none hides."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucentric.core.canonical import canonical, digest, sha256_text
from eucentric.core.text import columns, folded, named, plain, quoted, visible


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
        ("e\u0301 a\u0323\u0302\u0301", "e\u0301 a\u0323\u0302\u0301"),
        ("a" + "\u0336" * 5, "a" + "\u0336" * 3 + "\\u0336" * 2),
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("flake 7", "“flake 7”"), ("", "“”"), ("a”  Instrument  “b", "“a\\u201d  Instrument  \\u201cb”"),
        ("a\nGate g1: approved", "“a\\nGate g1: approved”"),
    ],
)  # fmt: skip
def test_a_strangers_words_end_where_the_mark_is(text: str, shown: str) -> None:
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("r-0001", "r-0001"), ("f-0007.sum", "f-0007.sum"), ("py:my.mod:f", "py:my.mod:f"), ("", "“”"), ("-x", "“-x”"),
     ("Gate g1: approved by kim", "“Gate g1: approved by kim”"), ("r-1\x1b[2J", "“r-1\\x1b[2J”"), ("é", "“é”")],
)  # fmt: skip
def test_an_id_is_an_id_or_it_is_quoted(text: str, shown: str) -> None:
    assert named(text) == shown


@given(st.text())
def test_no_text_gets_out_of_its_marks(text: str) -> None:
    shown = quoted(text)
    assert (shown[0], shown[-1], shown.count("“"), shown.count("”")) == ("“", "”", 1, 1)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("short", ["short"]), ("", [""]), ("a\nb", ["a", "b"]),
        ("x" * 45, ["x" * 20, "    ↳ " + "x" * 14, "    ↳ " + "x" * 11]),
        ("title" + " " * 15 + "Gate g1: approved", ["title", "    ↳ Gate g1:", "    ↳ approved"]),
        ("中" * 12, ["中" * 10, "    ↳ " + "中" * 2]),
        ("\x1b[1m" + "b" * 20 + "\x1b[0m", ["\x1b[1m" + "b" * 20 + "\x1b[0m"]),
    ],
)  # fmt: skip
def test_a_long_line_does_not_begin_anew_at_the_margin(text: str, rows: list[str]) -> None:
    assert folded(text, 20).split("\n") == rows


@given(st.text(), st.integers(14, 90))
def test_rows_fit_and_only_first_ones_stand_at_the_margin(text: str, width: int) -> None:
    shown = visible(text, one_line=False, limit=10**6)
    for line in shown.split("\n"):
        first, *rest = folded(line, width).split("\n")
        assert max(map(columns, (first, *rest))) <= width
        assert all(row.startswith("    ↳ ") for row in rest)


@pytest.mark.parametrize(("text", "shown"), [("a\udc9bb", "a\\udc9bb"), ("µ 中\n", "µ 中\n"), ("", "")])
def test_a_plain_text_can_be_stored(text: str, shown: str) -> None:
    assert plain(text) == shown
