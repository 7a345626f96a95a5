"""Committed limits: what is said where a figure and its limit do not fit."""

from pathlib import Path

import pytest

from tests.support.costs import Limit, complaints, load

EXACT = Limit("statements on the wire", 0, {1: 16, 1000: 16})
LOOSE = Limit("write-ahead log", 0.05, {1000: 1050})


def test_figures_within_their_limits_are_fine() -> None:
    assert complaints({"a": {1: 16, 1000: 16}}, {"a": EXACT}) == []
    assert complaints({"w": {1000: 1050}}, {"w": LOOSE}) == []
    assert complaints({"w": {1000: 945}}, {"w": LOOSE}) == []


def test_a_figure_above_its_limit_is_named_with_both_numbers() -> None:
    assert complaints({"a": {1: 16, 1000: 1016}}, {"a": EXACT}) == [
        "a of a batch of 1,000: measured 1,016, at most 16 (statements on the wire)"
    ]
    assert complaints({"w": {1000: 1051}}, {"w": LOOSE}) == [
        "w of a batch of 1,000: measured 1,051, at most 1,050 (write-ahead log)"
    ]


def test_what_is_gained_is_written_down() -> None:
    assert complaints({"a": {1: 15, 1000: 16}}, {"a": EXACT}) == [
        "a of a batch of 1: measured 15, so lower the limit of 16 (statements on the wire)"
    ]
    assert complaints({"w": {1000: 944}}, {"w": LOOSE}) == [
        "w of a batch of 1,000: measured 944, so lower the limit of 1,050 (write-ahead log)"
    ]


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"a": {1: 16}}, "a of a batch of 1,000: at most 16, and nothing measured"),
        ({"a": {1: 16, 7: 3, 1000: 16}}, "a of a batch of 7: measured 3, and no limit"),
        ({"a": {1: 16, 1000: 16}, "b": {1: 2}}, "b of a batch of 1: measured 2, and no limit"),
    ],
)
def test_neither_figure_nor_limit_is_alone(
    figures: dict[str, dict[int, int]], sentence: str
) -> None:
    (said,) = complaints(figures, {"a": EXACT})

    assert said.startswith(sentence)


def test_limits_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    path.write_text('[rows]\nwhat = "rows"\nmargin = 0.1\nmost = { 1 = 5, 100 = 203 }\n')

    assert load(path) == {"rows": Limit("rows", 0.1, {1: 5, 100: 203})}
