"""What people see of a dead letter can neither steer their terminal nor flood it."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from job_trigger_worker.commands.dead_letter_view import Whole, show_list, show_whole, whole
from job_trigger_worker.config import Settings
from job_trigger_worker.dead_letters.rendering import printable
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.storage.read.dead_letters import DeadLetterSummary, StoredMessage

MASKER = Masker(Settings().masked_parameter_words)
AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def _letter(reason: str = "no JSON") -> DeadLetterSummary:
    return DeadLetterSummary(
        7, "awp.job.triggers.v1", "id", 2, 40, reason, 2**63 - 1, None, None, AT, None, 5
    )


def _printed(value: bytes | None, key: bytes | None = None) -> str:
    out = io.StringIO()
    kept = StoredMessage(7, "awp.job.triggers.v1", key, [("a", b"\x1b"), ("b", None)], value)
    show_whole(Console(file=out, width=80), Whole(_letter(), kept, [], True), MASKER)
    return out.getvalue()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("plain 每日对账 é\n\t", "plain 每日对账 é\n\t"),
        ("\x1b[2J\x07\r", "\\x1b[2J\\x07\\r"),
        ("a\x9bm\u202eb\u2066\x00\x7f", "a\\x9bm\\u202eb\\u2066\\x00\\x7f"),
    ],
)
def test_what_steers_a_terminal_is_escaped(words: str, shown: str) -> None:
    assert printable(words) == shown


def test_markup_is_shown_as_it_is() -> None:
    assert "[red]x[/nothing]" in _printed(b"[red]x[/nothing]")


def test_bytes_that_are_no_text_are_hex() -> None:
    assert "ff 00 41 (hex)" in _printed(b"\xff\x00A")
    assert "key        fe (hex)" in _printed(b"", b"\xfe")


def test_a_tombstone_is_told_from_an_empty_body() -> None:
    assert _printed(None).endswith("none\n")
    assert _printed(b"").endswith("bytes\n\n")


def test_a_cut_never_splits_a_character() -> None:
    printed = _printed("账".encode() * 30_000)

    assert printed.count("账") == 65_536 // 3
    assert "cut at 65,536 of 90,000 bytes" in printed
    assert "\ufffd" not in printed


def test_programs_get_ids_as_text_and_bytes_whole() -> None:
    kept = StoredMessage(
        7, "awp.job.triggers.v1", None, [("a", b"\xff"), ("b", None)], b"x" * 100_000
    )

    found = whole(Whole(_letter(), kept, [], knows_replay=True))

    assert (found["job_id"], found["created_at"]) == (
        "9223372036854775807",
        "2026-11-23T10:00:00+00:00",
    )
    assert found["headers"] == [["a", {"base64": "/w=="}], ["b", None]]
    assert (found["key"], found["value"]) == (None, {"text": "x" * 100_000})


def test_a_list_has_one_line_a_letter_and_says_how_many_there_are() -> None:
    out = io.StringIO()

    show_list(Console(file=out, width=80), [_letter("bad\nthing " + "x" * 500)], 31)

    first, last = out.getvalue().splitlines()
    assert first.startswith("7  2026-11-23 10:00:00+00:00  awp.job.triggers.v1/2/40 job ")
    assert len(first) == 160
    assert last == "1 of 31 dead letters; --limit shows more."
