"""Every refusal is one printable line, whatever a stranger's file or file name put into it."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reverie.errors
from reverie.errors import LONGEST, ReverieError, WeightsError, printable, reason_of, shortened

KINDS = [kind for kind in vars(reverie.errors).values() if isinstance(kind, type) and issubclass(kind, ReverieError)]


@pytest.mark.parametrize("kind", KINDS)
def test_controls_are_shown_and_not_obeyed(kind: type[ReverieError]) -> None:
    error = kind("'\x1b[31mred\n\r\t\x85\u2028\u202ecod.png\udcff' came")
    shown = r"'\x1b[31mred\n\r\t\x85\u2028\u202ecod.png\udcff' came"
    assert str(error) == f"{error}" == shown
    assert str(pickle.loads(pickle.dumps(error))) == shown


@pytest.mark.parametrize("text", ["Zoë's 写真 👩‍🚀 2023 at 1.00 PM.png", "می‌خواهم", r"C:\photos", "a … b"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert str(ReverieError(text)) == text


@given(st.text(st.characters(), max_size=50))
def test_any_text_becomes_one_line_that_can_be_sent_and_comes_back_the_same(text: str) -> None:
    line = str(ReverieError(text))
    assert len(line.splitlines()) <= 1 and line.encode().decode() == line
    assert printable(line) == line == str(ReverieError(line))


def test_long_inputs_lose_their_middle() -> None:
    line = str(ReverieError(f"there is no '{'x' * 100_000}'; check the spelling"))
    assert len(line) <= LONGEST and line.startswith("there is no 'xxx") and line.endswith("xxx'; check the spelling")
    assert shortened("abcdefghijklmnop", 9) == "abcd … op" and shortened("abc", 3) == "abc"


def test_words_of_other_libraries_are_one_short_line() -> None:
    assert reason_of(ValueError("line 1\n   line\x1b 2")) == r"line 1 line\x1b 2"
    assert reason_of(KeyError()) == "KeyError" and len(reason_of(ValueError("x" * 999))) <= 150
    assert reason_of(OSError(2, "No such file", "a.png")) == "No such file"
    assert str(WeightsError("gone")) == "gone"
