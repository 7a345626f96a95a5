"""What a batch's header says, and when it is not to be believed."""

import struct

import pytest

from job_trigger_worker.kafka.batch_headers import BatchRange, header_of
from tests.support import batches

THREE = b"\0" * 7 + b"\x14" + batches.batch(b"a", b"b", b"c")[8:]
"""A batch at offsets 20 to 22."""


def test_a_header_says_which_offsets_and_how_new() -> None:
    (newest_ms,) = struct.unpack_from(">q", THREE, 35)
    assert header_of(THREE, 20, end=30) == BatchRange(20, 22, newest_ms)
    assert header_of(THREE, 22, end=23) == BatchRange(20, 22, newest_ms)


@pytest.mark.parametrize(
    ("offset", "end"), [(19, 30), (23, 30), (20, 22)], ids=["before", "behind", "beyond the end"]
)
def test_a_header_that_cannot_be_is_not_believed(offset: int, end: int) -> None:
    assert header_of(THREE, offset, end) is None


def test_an_answer_that_ends_within_a_header_says_nothing() -> None:
    assert header_of(THREE[:40], 20, end=30) is None


def test_a_packed_message_of_the_format_before_has_the_offset_of_its_last() -> None:
    old = struct.pack(">qiIbb", 22, 60, 0, 1, 1) + b"\0" * 54
    assert header_of(old, 20, end=30) == BatchRange(20, 22, 0)
