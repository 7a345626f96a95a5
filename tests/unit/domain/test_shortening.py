"""Texts are cut where a reader sees two characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_trigger_worker.domain.truncation import truncate


@pytest.mark.parametrize(
    ("text", "limit", "shortened"),
    [
        ("short", 5, "short"),
        ("shorter", 5, "short"),
        ("a𠮷b", 2, "a𠮷"),
        ("ae\u0301b", 2, "a"),
        ("ae\u0301b", 3, "ae\u0301"),
        ("a👩\u200d👧b", 2, "a"),
        ("a👩\u200d👧b", 3, "a"),
        ("a👩\u200d👧b", 4, "a👩\u200d👧"),
        ("a👍\U0001f3fdb", 2, "a"),
        ("a❤\ufe0fb", 2, "a"),
        ("a🇨🇳🇩🇪", 2, "a"),
        ("a🇨🇳🇩🇪", 3, "a🇨🇳"),
        ("a🇨🇳🇩🇪", 4, "a🇨🇳"),
        ("e" + "\u0301" * 9, 5, "e" + "\u0301" * 4),
    ],
)
def test_what_belongs_together_stays_together(text: str, limit: int, shortened: str) -> None:
    assert truncate(text, limit) == shortened


@given(text=st.text(), limit=st.integers(1, 50))
def test_it_is_a_beginning_of_the_text_that_fits(text: str, limit: int) -> None:
    shortened = truncate(text, limit)
    assert text.startswith(shortened)
    assert len(shortened) <= limit
    assert shortened or not text
