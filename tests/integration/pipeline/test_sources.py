"""Who says so: what a producer of the trigger topic may claim, and what is believed.

On the real database, without a broker: headers and bodies go straight into the intake.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from job_trigger_worker.dead_letters.replay import message
from job_trigger_worker.domain.delivery import Delivery, Event, Headers
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.write import replay_notes
from tests.support.brokerless import BrokerlessIntake, IntakeSession, feeding
from tests.support.platform import Platform
from tests.support.statements import saying

JOBS = range(1, 6)
REPLAYED = "select * from awp_job_execution where trigger_kind = 'replay'"


@pytest.fixture
def feed(database: str) -> Iterator[BrokerlessIntake]:
    with feeding(database) as feed:
        with feed.engine.begin() as connection:
            platform = Platform(connection)
            for job_id in JOBS:
                platform.action_job(id=job_id)
        yield feed


class Topic:
    """One partition, and the worker that owns it."""

    def __init__(self, taker: IntakeSession) -> None:
        self._taker = taker
        self.claim: Claim = taker.take(0)

    def send(self, *messages: tuple[dict[str, Any], Headers]) -> None:
        """Messages, decided and committed as one batch."""
        self.deliver(*[(json.dumps(body).encode(), headers) for body, headers in messages])

    def deliver(self, *messages: tuple[bytes | None, Headers]) -> None:
        first = self.claim.last_offset + 1
        batch = [
            Delivery(0, first + n, None, value, headers, 0)
            for n, (value, headers) in enumerate(messages)
        ]
        self._taker.write(batch, {0: self.claim})
        self.claim = self.claim.at(batch[-1].offset)

    def resend(self, event: Event, value: bytes | None = None) -> None:
        """What the resender sends, perhaps with another body, as the topic delivers it."""
        headers = [
            (name, content.encode() if isinstance(content, str) else content)
            for name, content in event.headers
        ]
        self.deliver((event.value if value is None else value, headers))


@pytest.fixture
def topic(feed: BrokerlessIntake) -> Topic:
    return Topic(feed.taker())


def slot(days_ago: float = 0) -> str:
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days_ago)
    return moment.isoformat()


def poisoned(feed: BrokerlessIntake, topic: Topic, job_id: int) -> int:
    """A dead letter of a job that can be read; its id."""
    topic.send(({"job_id": job_id, "scheduled_at": "2026-11-23T10:00:00"}, ()))
    (row,) = feed.rows("select id from awp_dead_letter where job_id = :id", id=job_id)
    return int(row["id"])


def replay(feed: BrokerlessIntake, letter_id: int, body: dict[str, Any] | None = None) -> Event:
    """The message by which an operator sends a letter again, edited where there is a body."""
    with feed.engine.connect() as connection:
        choice = dead_letters.DeadLetterFilter((letter_id,))
        (kept,) = dead_letters.page(connection, choice, after=0, last=letter_id)
    return message(kept, None if body is None else json.dumps(body).encode())


def test_five_triggers_of_five_jobs_that_claim_one_dead_letter_are_five_records(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    topic.send(*[({"job_id": job, "scheduled_at": slot()}, [("replay-of", b"12")]) for job in JOBS])

    records = feed.rows("select * from awp_job_execution order by job_id")
    assert [(r["job_id"], r["trigger_kind"], r["duplicate_count"]) for r in records] == [
        (job, "schedule", 0) for job in JOBS
    ]


@pytest.mark.parametrize(
    "claimed", [b"{}", b"{}:" + b"0" * 64, b"id/0/0:" + b"0" * 64, b"id/0/0", b"-{}", b"{}:"]
)
def test_a_replay_that_was_claimed_beforehand_takes_nothing_from_the_operators(
    feed: BrokerlessIntake, topic: Topic, claimed: bytes
) -> None:
    letter_id = poisoned(feed, topic, 1)
    forged = claimed.replace(b"{}", str(letter_id).encode())

    topic.send(({"job_id": 2, "scheduled_at": slot()}, [("replay-of", forged)]))
    topic.resend(replay(feed, letter_id, {"job_id": 1, "scheduled_at": slot(days_ago=3)}))

    (record,) = feed.rows(REPLAYED)
    assert (record["job_id"], record["trigger_status"]) == (1, 1)
    assert feed.rows("select from awp_job_execution where duplicate_count > 0") == []


def test_what_was_seen_of_a_replay_serves_for_nothing_but_a_repeat_of_it(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    letter_id = poisoned(feed, topic, 1)
    sent = replay(feed, letter_id, {"job_id": 1, "scheduled_at": slot(days_ago=3)})

    topic.resend(sent, json.dumps({"job_id": 2, "scheduled_at": slot(days_ago=3)}).encode())
    topic.resend(sent)
    topic.resend(sent)

    records = feed.rows("select * from awp_job_execution where job_id = 2")
    assert [(r["trigger_kind"], r["trigger_code"]) for r in records] == [("schedule", "expired")]
    (record,) = feed.rows(REPLAYED)
    assert (record["job_id"], record["trigger_status"], record["duplicate_count"]) == (1, 1, 1)


def test_a_letter_that_is_mended_twice_runs_once(feed: BrokerlessIntake, topic: Topic) -> None:
    letter_id = poisoned(feed, topic, 1)

    topic.resend(replay(feed, letter_id, {"job_id": 1, "scheduled_at": slot(days_ago=3)}))
    topic.resend(replay(feed, letter_id, {"job_id": 1, "scheduled_at": slot(days_ago=4)}))

    (record,) = feed.rows(REPLAYED)
    assert (record["trigger_status"], record["duplicate_count"]) == (1, 1)


def test_a_database_that_forgot_a_letter_decides_its_replay_under_the_same_id(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    poisoned(feed, topic, 2)
    sent = replay(feed, poisoned(feed, topic, 1), {"job_id": 1, "scheduled_at": slot(0.01)})
    topic.resend(sent)
    (before,) = feed.rows(REPLAYED)

    feed.empty()
    again = Topic(feed.taker())
    again.resend(sent)  # from another partition, and so before the letter itself
    poisoned(feed, again, 1)

    (after,) = feed.rows(REPLAYED)
    assert after["execution_id"] == before["execution_id"]
    assert after["trigger_status"] == 1


def test_a_replay_that_nobody_has_noted_is_refused_and_not_run(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    mine = "7d444840-9dc0-41d1-b245-5ffdce74fad2"
    body = {"job_id": 1, "kind": "replay", "trigger_id": mine, "scheduled_at": slot(days_ago=300)}

    topic.send((body, ()), (body, ()))

    records = feed.rows("select * from awp_job_execution")
    assert {(r["trigger_code"], r["trigger_kind"]) for r in records} == {
        ("event_invalid", "replay")
    }
    assert "kind 'replay'" in records[0]["trigger_message"]
    letter_id = feed.rows("select id from awp_dead_letter order by id limit 1")[0]["id"]
    topic.resend(replay(feed, letter_id))
    (record,) = feed.rows(f"{REPLAYED} and trigger_status = 1")
    assert record["job_id"] == 1


def test_a_canary_runs_only_jobs_that_the_platform_marks(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    ids = ("7d444840-9dc0-41d1-b245-5ffdce74fad2", "7d444840-9dc0-41d1-b245-5ffdce74fad3")
    with feed.engine.begin() as connection:
        connection.exec_driver_sql("update awp_automcation_job set is_canary = true where id = 2")

    topic.send(
        *[
            ({"job_id": job, "kind": "canary", "trigger_id": ids[0], "scheduled_at": slot()}, ())
            for job in (1, 2)
        ]
    )

    refused, run = feed.rows("select * from awp_job_execution order by job_id")
    assert (refused["trigger_status"], refused["trigger_code"]) == (2, "event_invalid")
    assert "is_canary" in refused["trigger_message"]
    assert (run["trigger_status"], run["trigger_code"]) == (1, None)


def test_on_a_platform_that_marks_no_job_there_is_no_canary(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    with feed.engine.begin() as connection:
        connection.exec_driver_sql(
            "drop view preflight_job; create view preflight_job as select id as job_id, name, "
            "job_type, target_id, owner_id, enabled, paramter, max_lateness_s, version "
            "from awp_automcation_job"
        )
    mine = "7d444840-9dc0-41d1-b245-5ffdce74fad2"

    topic.send(({"job_id": 1, "kind": "canary", "trigger_id": mine, "scheduled_at": slot()}, ()))

    (record,) = feed.rows("select * from awp_job_execution")
    assert record["trigger_code"] == "event_invalid"


def test_whoever_names_somebody_in_a_body_only_claims_it(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    topic.send(
        ({"job_id": 1, "scheduled_at": slot(), "triggered_by": "root"}, ()),
        ({"job_id": 2, "scheduled_at": slot()}, ()),
    )

    first, second = feed.rows("select * from awp_job_execution order by job_id")
    assert (first["triggered_by"], first["triggered_by_verified"]) == ("root", False)
    assert (second["triggered_by"], second["triggered_by_verified"]) == (None, None)
    told, nobody = (json.loads(e.value or b"") for e in feed.waiting(topic.claim.ledger_id))
    assert (told["triggered_by"], told["triggered_by_verified"]) == ("root", False)
    assert "triggered_by" not in nobody


def test_what_the_console_noted_is_verified_and_cannot_be_moved_to_another_trigger(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    with feed.engine.begin() as connection:
        note = replay_notes.write_note(connection, "li.wei", 1)
    mine = {"job_id": 1, "scheduled_at": slot(), "triggered_by": "li.wei"}
    header = note.header(json.dumps(mine).encode())

    topic.send(
        (mine, [header]),
        (mine | {"job_id": 2}, [header]),  # another job, with a header that was seen
        (mine | {"job_id": 3, "triggered_by": "root"}, [header]),
        (mine | {"job_id": 4}, [("console-note", b"%d" % note.id)]),
        (mine | {"job_id": 5}, [("console-note", b"9" * 19 + b":" + b"0" * 64)]),
    )

    records = feed.rows("select * from awp_job_execution order by job_id")
    assert [r["triggered_by_verified"] for r in records] == [True, False, False, False, False]


def test_a_note_that_is_old_is_swept_when_others_are_written(feed: BrokerlessIntake) -> None:
    with feed.engine.begin() as connection:
        old = [replay_notes.write_note(connection, "li.wei", 1).id for _ in range(3)]
        connection.exec_driver_sql("update awp_trigger_note set at = now() - interval '31 days'")
        replay_notes.write_note(connection, "wang", 1)
        connection.exec_driver_sql("select 1")
        new = replay_notes.write_note(connection, "wang", 1).id

    left = {row["id"] for row in feed.rows("select id from awp_trigger_note")}
    assert new in left
    assert not left & set(old)


def test_signed_headers_cost_a_batch_one_statement_for_each_kind(
    feed: BrokerlessIntake, topic: Topic
) -> None:
    with feed.engine.begin() as connection:
        note = replay_notes.write_note(connection, "li.wei", 1)
    forged = ("replay-of", b"id/0/12:" + b"0" * 64)
    body = {"job_id": 1, "triggered_by": "li.wei"}
    batches = []
    for hour in range(2):
        bodies = [body | {"scheduled_at": slot(days_ago=hour + n / 86_400)} for n in range(50)]
        signed = [[note.header(json.dumps(each).encode()), forged] for each in bodies]
        batches.append(list(zip(bodies, signed, strict=True)))
    said: list[str] = []

    topic.send(*[(each, ()) for each, _ in batches[0]])
    with saying(feed.engine, said.append):
        topic.send(*batches[1])

    looked = [each for each in said if "nonce" in each]
    assert [("as place" in each, "awp_trigger_note" in each) for each in looked] == [
        (True, False),
        (False, True),
    ]
