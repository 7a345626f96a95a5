"""Ids are those of the trigger: the same wherever it stands, and however often it is decided.

Through the real intake on a real database, without a broker.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.record import OutboxRow
from job_trigger_worker.pipeline.relay import Relay
from tests.support.brokerless import TOPICS, BrokerlessIntake, feeding
from tests.support.platform import Platform

NOW = datetime.now(UTC)
NOW_MS = int(NOW.timestamp() * 1000)
MANUAL = "b9c33c6e-4c9e-4f39-a1c9-6b6f8d8b1a11"
POISON = b'{"job_id": 5, "scheduled_at": "soon"}'


class Nobody:
    """A publisher to whom nothing is given."""

    def send(self, events: Sequence[Event], tick: Callable[[], None]) -> None:
        raise AssertionError(events)

    def wait(self, tick: Callable[[], None]) -> list[Event]:
        raise AssertionError(tick)

    def abandon(self) -> None:
        raise AssertionError


@pytest.fixture
def feed(database: str) -> Iterator[BrokerlessIntake]:
    with create_engine(database, poolclass=NullPool).begin() as connection:
        Platform(connection).action_job(id=1)
    with feeding(database) as feed:
        yield feed


def _body(job_id: int, **fields: str) -> bytes:
    given: dict[str, Any] = {"job_id": job_id, "scheduled_at": NOW.isoformat(), **fields}
    return json.dumps(given).encode()


def _deliveries(partition: int, first: int, *bodies: bytes) -> list[Delivery]:
    return [
        Delivery(partition, first + place, b"k", body, (), NOW_MS)
        for place, body in enumerate(bodies)
    ]


def _decide(
    feed: BrokerlessIntake, topic_id: str, deliveries: list[Delivery]
) -> set[tuple[str, str, str]]:
    """Topic, execution id and event id of each event of a batch, in a topic of that id."""
    taker = feed.taker()
    partition = deliveries[0].partition
    claim = taker.take(partition, topic_id=topic_id)
    taker.write(deliveries, {partition: claim})
    bodies = [(each.topic, json.loads(each.value or b"")) for each in feed.waiting(claim.ledger_id)]
    return {
        (topic, body["execution_id"], body["event_id"])
        for topic, body in bodies
        if "execution_id" in body
    }


def test_what_is_decided_again_has_the_ids_that_it_had(feed: BrokerlessIntake) -> None:
    bodies = (_body(1), _body(404), _body(1, kind="manual", trigger_id=MANUAL), POISON)

    first = _decide(feed, "id", _deliveries(0, 10, *bodies))
    kept = feed.rows("select execution_id, idempotency_key from awp_job_execution")
    feed.empty()  # the database has forgotten everything
    again = _decide(feed, "id", _deliveries(0, 10, *bodies))

    assert len(first) == 4
    assert again == first
    assert {str(row["execution_id"]) for row in kept} == {each for _, each, _ in first}
    assert all(row["execution_id"] == row["idempotency_key"] for row in kept)


def test_an_unusable_trigger_of_a_topic_that_moved_is_a_repeat(feed: BrokerlessIntake) -> None:
    """Mirrored, the same bytes and time stand in another topic, partition and place."""
    assert len(_decide(feed, "old", _deliveries(0, 10, POISON))) == 1

    assert _decide(feed, "new", _deliveries(2, 77, POISON)) == set()

    assert feed.rows("select job_id, duplicate_count from awp_job_execution") == [
        {"job_id": 5, "duplicate_count": 1}
    ]
    assert feed.rows("select count(*) as letters from awp_dead_letter") == [{"letters": 1}]


def test_ids_of_a_slot_begin_with_its_time(feed: BrokerlessIntake) -> None:
    _decide(feed, "id", _deliveries(0, 0, *(_body(job_id) for job_id in range(500, 520))))

    (row,) = feed.rows(
        "select count(distinct left(execution_id::text, 15)) as heads, "
        "min(left(execution_id::text, 15)) as head from awp_job_execution"
    )
    written = f"{NOW_MS:012x}"
    assert row == {"heads": 1, "head": f"{written[:8]}-{written[8:]}-8"}


def test_an_outbox_row_of_another_partition_under_a_forgotten_id_stays(
    feed: BrokerlessIntake,
) -> None:
    """A worker lives on beside a database that went back and gives the same ids out again."""
    taker = feed.taker()
    claims = {partition: taker.take(partition) for partition in (0, 1)}
    taker.write(_deliveries(1, 0, _body(1)), claims)
    ((row_id,),) = [tuple(row.values()) for row in feed.rows("select id from awp_trigger_outbox")]
    relay = Relay(taker.session, Nobody(), TOPICS, "en")
    relay.acknowledged.append(OutboxRow(row_id, claims[0].ledger_id, 1, ()))

    relay.settle([claims[0]])

    assert relay.acknowledged == []
    assert feed.rows("select id from awp_trigger_outbox") == [{"id": row_id}]
