"""At most 1 MiB is kept of a message that cannot be used; of the rest, length and SHA-256."""

import hashlib
from datetime import UTC, datetime

from job_trigger_worker.domain.delivery import Delivery, Headers
from job_trigger_worker.domain.record import Claim, DeadLetter
from job_trigger_worker.pipeline.decode import Unreadable, decode

MIB = 1_048_576
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def bounded(key: bytes | None, headers: Headers, value: bytes | None) -> DeadLetter:
    return DeadLetter(1, Delivery(0, 5, key, value, headers, 0), "why").bounded()


def held(letter: DeadLetter) -> int:
    delivery = letter.delivery
    headers = sum(len(name) + len(content or b"") for name, content in delivery.headers)
    return len(delivery.key or b"") + headers + len(delivery.value or b"")


def test_a_message_of_a_mebibyte_is_kept_as_it_came() -> None:
    value = b"v" * (MIB - 9)
    letter = bounded(b"key", [("name", b"ab")], value)
    assert letter.delivery == Delivery(0, 5, b"key", value, [("name", b"ab")], 0)
    assert (letter.size, letter.sha256) == (None, None)


def test_of_a_larger_one_the_beginning_is_kept_with_length_and_hash() -> None:
    value = b"v" * MIB
    letter = bounded(b"key", [("name", b"ab"), ("none", None)], value)
    assert held(letter) == MIB
    assert letter.delivery.key == b"key"
    assert letter.delivery.headers == [("name", b"ab"), ("none", None)]
    assert letter.delivery.value == b"v" * (MIB - 13)
    assert (letter.size, letter.sha256) == (MIB, hashlib.sha256(value).digest())


def test_key_and_headers_leave_the_value_half_of_the_room() -> None:
    headers = [("large", b"h" * MIB), ("small", b"h"), ("null", None)]
    letter = bounded(b"k" * MIB, headers, b"v" * MIB)
    assert letter.delivery.key == b"k" * (MIB // 4)
    assert letter.delivery.headers == [("small", b"h"), ("null", None)]
    assert len(letter.delivery.value or b"") > MIB // 2
    assert held(letter) == MIB


def test_a_tombstone_with_a_large_key_stays_one() -> None:
    letter = bounded(b"k" * 2 * MIB, [], None)
    assert letter.delivery.value is None
    assert (letter.size, letter.sha256) == (0, hashlib.sha256(b"").digest())


def test_a_body_of_more_than_a_mebibyte_is_not_looked_into() -> None:
    claim = Claim(1, "awp.job.triggers.v1", "id", 0, 1, -1)
    body = b'{"job_id": "17", "more": "' + b"x" * MIB + b'"}'
    found = decode(Delivery(0, 5, None, body, [], 0), claim, NOW, NOW)
    assert found == Unreadable("the body has 1048604 bytes, and of more than 1048576 none is read")
