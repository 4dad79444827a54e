"""Text of others made visible, and JSON that a terminal does not act on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opskit.escaping import (
    ERASE_LINE,
    ControlCharacter,
    for_terminal,
    to_json,
    visible,
    visible_lines,
)

HIDDEN = {
    "escape": ("\x1b[2J", r"\x1b[2J"),
    "carriage return": ("a\rb", r"a\rb"),
    "line feed": ("a\nb", r"a\nb"),
    "tab": ("a\tb", r"a\tb"),
    "C1 control": ("\x9b31m", r"\x9b31m"),
    "right to left": ("a\u202eb", r"a\u202eb"),
    "isolate": ("a\u2066b", r"a\u2066b"),
    "zero width": ("a\u200bb", r"a\u200bb"),
    "byte order mark": ("\ufeffa", r"\ufeffa"),
    "hangul filler": ("a\u3164", r"a\u3164"),
    "braille blank": ("a\u2800", r"a\u2800"),
    "tag letter": ("a\U000e0041", r"a\U000e0041"),
    "variation selector": ("a\U000e0100", r"a\U000e0100"),
    "half of a pair": ("a\ud800", r"a\ud800"),
    "no-break space": ("a\xa0b", r"a\xa0b"),
}


@pytest.mark.parametrize(("text", "shown"), HIDDEN.values(), ids=list(HIDDEN))
def test_what_is_hidden_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert for_terminal(text) == (text if text in ("a\nb", "a\tb") else shown)


@pytest.mark.parametrize("text", ["", "plain text", "Straße 東京 🙂", r"a\x1b", "'$(rm)'"])
def test_what_is_visible_stays(text: str) -> None:
    assert visible(text) == text


@settings(max_examples=40)
@given(st.text())
def test_it_is_always_one_visible_line(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)


def test_only_a_line_feed_ends_a_line() -> None:
    assert visible_lines("a\r\nb\x0bc\u2028d\n") == [r"a\r", r"b\x0bc\u2028d", ""]


@pytest.mark.parametrize("style", ["\033[0m", "\033[1m", "\033[32m", "\033[31;1m"])
def test_opskit_s_own_colours_pass(style: str) -> None:
    assert for_terminal(f"{style}text\033[0m\n\t.") == f"{style}text\033[0m\n\t."


@pytest.mark.parametrize(
    "style", ["\033[8m", "\033[30m", "\033[31m", "\033[0;1m", "\033[2K", "\033]0;x\a"]
)
def test_other_sequences_do_not(style: str) -> None:
    assert "\033" not in for_terminal(f"a{style}b")


def test_a_sequence_of_opskit_s_own_is_told_by_its_type() -> None:
    assert isinstance(ERASE_LINE, ControlCharacter)
    assert not isinstance(f"{ERASE_LINE}x", ControlCharacter), "text that holds one is text"


class TestJson:
    @settings(max_examples=40)
    @given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
    def test_it_parses_to_exactly_the_document(self, document: object) -> None:
        for ascii_only in (False, True):
            text = to_json(document, ascii_only=ascii_only)
            assert json.loads(text) == document
            assert text.isprintable()
            assert not ascii_only or text.isascii()

    @pytest.mark.parametrize(("text", "_"), HIDDEN.values(), ids=list(HIDDEN))
    def test_nothing_hidden_is_in_it(self, text: str, _: str) -> None:
        shown = to_json({"text": text})
        assert shown.isascii()
        assert json.loads(shown) == {"text": text}

    def test_letters_stay_readable(self) -> None:
        assert to_json("Straße 🙂") == '"Straße 🙂"'
        assert to_json("Straße 🙂", ascii_only=True) == r'"Stra\u00dfe \ud83d\ude42"'

    def test_lines_are_kept_where_they_are_wanted(self) -> None:
        assert to_json(["a\nb"], indent=1) == '[\n "a\\nb"\n]'
