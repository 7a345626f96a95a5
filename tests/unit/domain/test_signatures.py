"""A header proves that we sent a message with just this body."""

import pytest

from job_trigger_worker.domain.signatures import (
    NOTE_HEADER,
    REPLAY_HEADER,
    Note,
    Signature,
    is_genuine,
    read,
    sign,
)

NONCE = "3c9b1f0e-7a41-4a0e-9d0b-3c1f0f7a9e21"
PLACE = "C/O+WIkiQa+ApY/wPqt17g/0/41"
"""Kafka writes topic ids in Base64."""


def test_what_is_signed_is_read_and_genuine() -> None:
    found = read(sign(REPLAY_HEADER, PLACE, NONCE, b"{}"))

    assert found is not None
    assert found.row == PLACE
    assert is_genuine(REPLAY_HEADER, found, NONCE, b"{}")


@pytest.mark.parametrize(
    ("header", "nonce", "body"),
    [
        (NOTE_HEADER, NONCE, b"{}"),
        (REPLAY_HEADER, NONCE.replace("3", "4"), b"{}"),
        (REPLAY_HEADER, NONCE, b"{} "),
        (REPLAY_HEADER, NONCE, b""),
        (REPLAY_HEADER, NONCE, None),
    ],
)
def test_nothing_else_is_genuine(header: str, nonce: str, body: bytes | None) -> None:
    found = read(sign(REPLAY_HEADER, PLACE, NONCE, b"{}"))
    assert found is not None
    assert not is_genuine(header, found, nonce, body)


def test_no_body_is_told_from_an_empty_one_and_a_row_from_another() -> None:
    (_, signed) = Note(17, "li.wei", NONCE).header(b"")
    found = read(signed)
    assert found is not None
    assert found.note_id == 17
    assert is_genuine(NOTE_HEADER, found, NONCE, b"")
    assert not is_genuine(NOTE_HEADER, found, NONCE, None)
    assert not is_genuine(NOTE_HEADER, found._replace(row="18"), NONCE, b"")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b":", b"17", b"17:", b"0:" + b"0" * 64, b"17:" + b"0" * 63, b"17:" + b"G" * 64),
        *(b"17:" + b"0" * 65, b"-1:" + b"0" * 64, b"9" * 20 + b":" + b"0" * 64),
        *(b"a/b/c:" + b"0" * 64, b"\xff:" + b"0" * 64, b"a\0/0/1:" + b"0" * 64),
    ],
)
def test_what_we_do_not_write_is_nothing(content: bytes) -> None:
    assert read(content) is None


def test_a_note_beyond_every_id_is_none() -> None:
    assert Signature("9" * 19, b"").note_id == 0
    assert Signature(PLACE, b"").note_id == 0
