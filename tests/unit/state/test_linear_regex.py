from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftleader.errors import InvalidInputError
from raftleader.state.linear_regex import TEXT_CHARS_MAX, compile_regex

CASES = [
    ("", "", True),
    ("", "a", False),
    ("abc", "abc", True),
    ("abc", "abcd", False),
    ("a|bc", "bc", True),
    ("a|", "", True),
    ("rack-[0-9]+", "rack-12", True),
    ("rack-[0-9]+", "rack-", False),
    (r"\w+\.example\.(org|com)", "h1.example.com", True),
    (r"\w+\.example\.(org|com)", "h1-example.com", False),
    ("a{2,3}", "aa", True),
    ("a{2,3}", "aaaa", False),
    ("a{2}", "aa", True),
    ("a{2,}", "aaaaa", True),
    ("a{,2}", "a{,2}", True),
    ("x{", "x{", True),
    ("(?:ab)*?c", "ababc", True),
    ("^a$", "a", True),
    ("a^b", "ab", False),
    ("a$|b", "a", True),
    ("(^|x)a", "a", True),
    ("[^a-c]", "d", True),
    ("[^a-c]", "b", False),
    ("[]a]", "]", True),
    ("[a-]", "-", True),
    (r"[\d.]+", "1.2", True),
    (r"[\]\\]", "]", True),
    (r"\D", "1", False),
    (r"\S\s", "x ", True),
    (".", "\n", False),
    ("()*", "", True),
    ("(a*)*", "aaa", True),
    ("(){1000}", "", True),
    ("(?i)Rack-[A-C]", "rACK-b", True),
    ("(?i)[a-c]x", "BX", True),
    ("(?i)[^a]", "A", False),
    ("é+", "éé", True),
    (r"\w", "é", False),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), CASES)
def test_regex_matches_whole_texts_as_re2_does(
    pattern: str, text: str, expected: bool
) -> None:
    assert compile_regex(pattern).matches(text) is expected


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "missing )"),
        (")", "unexpected ) at 0"),
        ("[a", "missing ]"),
        ("[", "missing ]"),
        ("[z-a]", "bad range z-a"),
        ("*a", "nothing to repeat at 0"),
        ("a**", "bad repetition"),
        ("a{3,2}", "bad repetition {3,2}"),
        ("a{1001}", "bad repetition {1001}"),
        ("(?P<x>a)", "unsupported group at 0"),
        ("(?=a)", "unsupported group at 0"),
        (r"\1", r"unknown escape \1"),
        (r"\b", r"unknown escape \b"),
        ("\\", "unknown escape \\"),
        ("[[:alpha:]]", "unsupported class"),
        ("a" * 2_000, "longer than 1024 characters"),
        ("(" * 60 + ")" * 60, "nested too deep"),
    ],
)
def test_regex_is_refused_with_its_fault_when_it_is_no_pattern(
    pattern: str, problem: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        compile_regex(pattern)
    assert problem in caught.value.problem


def test_regex_is_refused_when_it_is_too_large() -> None:
    for pattern in ("a{200}", "(a{20}){20}", "((((a{9}){9}){9}){9})", "a" * 101):
        with pytest.raises(InvalidInputError, match="too complex"):
            compile_regex(pattern)


def test_regex_takes_linear_time_when_a_backtracking_one_would_not() -> None:
    began = time.process_time()
    assert not compile_regex("(a+)+b").matches("a" * 1_000)
    assert not compile_regex("(((){1000}){1000}){1000}c").matches("a")
    assert time.process_time() - began < 1.0
    assert not compile_regex("a*").matches("a" * (TEXT_CHARS_MAX + 1))


ATOMS = st.sampled_from(
    ["a", "b", "c", ".", "[ab]", "[^a]", r"\d", r"\w", "1", "^", "$"]
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{0,2}", "{2}"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    )


@given(
    st.recursive(ATOMS, _larger, max_leaves=6),
    st.text(alphabet="abc1-", max_size=8),
)
def test_regex_agrees_with_pythons_on_what_both_know(pattern: str, text: str) -> None:
    try:
        ours = compile_regex(pattern)
    except InvalidInputError as error:
        assert "too complex" in error.problem
        return
    expected = re.fullmatch(pattern, text, re.ASCII) is not None
    assert ours.matches(text) is expected
