"""A dead letter of which less is kept than came: said everywhere, and never sent again."""

import hashlib
from collections.abc import Iterator

import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.command import Ended, trigger_worker
from tests.support.console import Served, form_token, serving
from tests.support.history import FrozenClock
from tests.support.letters import keep
from tests.support.pages import content, page
from tests.support.sql import rows

BYTES = b"x" * 1000
DIGEST = hashlib.sha256(b"all of it").digest()
REPLAYED = "select id from awp_dead_letter where replayed_at is not null"


@pytest.fixture
def cut(database: str) -> int:
    """A letter of 200 MB, of which a thousand bytes are kept."""
    return keep(database, BYTES, reason="too large", size=200_000_000, sha256=DIGEST)


@pytest.fixture
def unpackable(database: str) -> int:
    """A range of offsets, 1 to 7."""
    return keep(database, None, reason="cannot be unpacked", key=None, last_offset=7)


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


def dlq(database: str, broker: str, *arguments: str) -> Ended:
    return trigger_worker(
        "dlq",
        *arguments,
        env={
            "TRIGGER_WORKER_DATABASE_URL": database,
            "TRIGGER_WORKER_KAFKA_BROKERS": broker,
        },
    )


def test_the_command_says_what_is_kept(
    database: str, unused_address: str, cut: int, unpackable: int
) -> None:
    listed = dlq(database, unused_address, "list").stdout
    assert "awp.job.triggers.v1/2/0  200,000,000 bytes: too large" in listed
    assert "awp.job.triggers.v1/2/1-7  0 bytes: cannot be unpacked" in listed
    shown = dlq(database, unused_address, "show", str(cut)).stdout
    assert "200,000,000 bytes" in shown
    assert "of which 1,000 are kept" in shown
    assert DIGEST.hex() in shown
    found = dlq(database, unused_address, "show", str(unpackable), "--json").json
    assert (found["offset"], found["last_offset"]) == (1, 7)


def test_the_command_sends_neither_again(
    database: str, unused_address: str, cut: int, unpackable: int
) -> None:
    ended = dlq(database, unused_address, "replay", str(cut), str(unpackable), "--yes")
    assert ended.status == 1
    assert (
        "Not kept whole, so it cannot be sent again: dead letter 2, 1. Have its producer"
        in ended.stderr
    )
    ended = dlq(database, unused_address, "replay", "--all", "--yes", "--json")
    assert (ended.status, ended.json["chosen"], ended.json["not_whole"]) == (0, 0, 2)
    assert rows(database, REPLAYED) == []


def test_pages_say_what_is_kept_and_offer_nothing_more(
    console: Served, database: str, cut: int, unpackable: int
) -> None:
    admin = console.signed_in(Role.ADMIN)
    text = content(page(admin, f"/dead-letters/{cut}"))
    assert "200000000 bytes" in text
    assert "Too large to be kept whole: the first 1,000 bytes are here." in text
    assert DIGEST.hex() in text
    assert "Send again" not in text
    text = content(page(admin, f"/dead-letters/{unpackable}"))
    assert "partition 2, offsets 1 to 7" in text
    assert "could not be unpacked, so nobody knows what it was" in text
    assert "2:1–7" in content(page(admin, "/dead-letters"))
    token = form_token(admin.get("/jobs"))
    for letter in (cut, unpackable):
        assert admin.get(f"/dead-letters/{letter}/edit").status_code == 404
        sent = admin.post(f"/dead-letters/{letter}/replay", data={"form_token": token})
        assert "1 was left out: already sent again, not kept whole, or not reached." in sent.text
    many = admin.post("/dead-letters/replay", data={"form_token": token, "which": "all"})
    assert "Nothing was sent." in many.text
    assert rows(database, REPLAYED) == []
