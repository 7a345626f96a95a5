"""Any mix of good and bad in a batch: all is accounted for, and neighbours are untouched.

Through the real intake on a real database, without a broker, so that thousands can be tried.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_trigger_schemas import JobDispatch, TriggerFailure
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim
from tests.support.brokerless import TOPICS, BrokerlessIntake, IntakeSession, feeding
from tests.support.hostile import BODIES, HEADERS, KEYS, MOMENTS, NEARLY
from tests.support.platform import Platform
from tests.support.postgres import PostgresServer
from tests.support.properties import examples, patient

GOOD_JOBS = range(1, 9)
BAD_JOB = 5_001
"""A job that what is bad may happen to name; no good trigger does."""

Good = tuple[int, int, str | None]
"""Job id, slot in minutes before now, and who fired it."""

GOOD = st.tuples(
    st.sampled_from(GOOD_JOBS), st.integers(0, 4), st.sampled_from([None, "common-job", "每日"])
)
BAD = st.tuples(KEYS, NEARLY | BODIES, HEADERS, MOMENTS)
Bad = tuple[bytes | None, bytes | None, tuple[Any, ...], int]

_ROWS = """
    select r.job_id, r.scheduled_at, r.fired_at, r.trigger_status, r.trigger_code, r.trigger_kind,
        r.trigger_message, r.findings, r.causes, r.triggered_by, r.trigger_id, r.idempotency_key,
        r.targets, r.job_name, r.duplicate_count, r.trace_id, r.origin_offset, l."partition"
    from awp_job_execution r join awp_trigger_ledger l on l.id = r.ledger_id
    where r.job_id between 1 and 8 order by r.job_id, r.scheduled_at
"""


@pytest.fixture(scope="module")
def feed(postgres: PostgresServer) -> Iterator[BrokerlessIntake]:
    database = postgres.create("hostile_batches")
    with feeding(database) as feed:
        with feed.engine.begin() as connection:
            platform = Platform(connection)
            for job_id in (*GOOD_JOBS, BAD_JOB):
                platform.action_job(id=job_id)
        yield feed
    postgres.drop("hostile_batches")


@pytest.fixture(scope="module")
def taker(feed: BrokerlessIntake) -> IntakeSession:
    return feed.taker()


@patient
@examples(60)
@given(
    messages=st.lists(GOOD | BAD, min_size=1, max_size=30),
    places=st.lists(st.integers(0, 1), min_size=30, max_size=30),
    cuts=st.sets(st.integers(1, 29), max_size=3),
    again=st.integers(0, 10),
)
def test_any_mix_is_accounted_for_and_its_good_triggers_have_the_records_that_they_have_alone(
    feed: BrokerlessIntake,
    taker: IntakeSession,
    messages: Sequence[Good | Bad],
    places: Sequence[int],
    cuts: set[int],
    again: int,
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    batch = _placed(messages, places, now)

    feed.empty()
    claims = _claims(taker)
    _deliver(taker, [d for d, good in batch if good], claims, cuts=set())
    alone = {(row["job_id"], row["scheduled_at"]): row for row in feed.rows(_ROWS)}

    feed.empty()
    claims = _claims(taker)
    _deliver(taker, [d for d, _ in batch], claims, cuts)
    late = [d for d, _ in batch][-again:] if again else []
    _deliver(taker, late, _at_their_positions(feed, claims), cuts=set())

    assert {(row["job_id"], row["scheduled_at"]): row for row in feed.rows(_ROWS)} == alone
    assert all(_is_as_sent(row, batch, now) for row in alone.values())
    _count_closes(feed, len(batch), len(late))
    _each_is_in_one_bin(feed, [d for d, _ in batch], claims)
    _each_record_has_its_event(feed, claims)


def _placed(
    messages: Sequence[Good | Bad], places: Sequence[int], now: datetime
) -> list[tuple[Delivery, Good | None]]:
    offsets: Counter[int] = Counter()
    batch: list[tuple[Delivery, Good | None]] = []
    for message, partition in zip(messages, places, strict=False):
        offset = offsets[partition]
        offsets[partition] += 1
        if len(message) == 3:
            delivery = Delivery(partition, offset, None, _body(message, now), (), 0)
            batch.append((delivery, message))
        else:
            key, value, headers, appended_ms = message
            batch.append((Delivery(partition, offset, key, value, headers, appended_ms), None))
    return batch


def _body(good: Good, now: datetime) -> bytes:
    job_id, minutes, by = good
    fields = {"job_id": job_id, "scheduled_at": _slot(minutes, now).isoformat()}
    return json.dumps(fields | ({"triggered_by": by} if by else {})).encode()


def _slot(minutes: int, now: datetime) -> datetime:
    return now - timedelta(minutes=minutes)


def _claims(taker: IntakeSession) -> dict[int, Claim]:
    return {partition: taker.take(partition) for partition in (0, 1)}


def _at_their_positions(feed: BrokerlessIntake, claims: Mapping[int, Claim]) -> dict[int, Claim]:
    found = {row["id"]: row["last_offset"] for row in feed.rows("select * from awp_trigger_ledger")}
    return {partition: claim.at(found[claim.ledger_id]) for partition, claim in claims.items()}


def _deliver(
    taker: IntakeSession, batch: Sequence[Delivery], claims: dict[int, Claim], cuts: set[int]
) -> None:
    """Take a batch in pieces, as they would come."""
    claims = dict(claims)
    ends = sorted({cut for cut in cuts if cut < len(batch)} | {len(batch)})
    begin = 0
    for end in ends:
        if begin == end:
            continue
        handled = taker.write(batch[begin:end], claims)
        for partition, position in handled.positions.items():
            claims[partition] = claims[partition].at(position)
        begin = end


def _is_as_sent(
    row: Mapping[str, Any], batch: Sequence[tuple[Delivery, Good | None]], now: datetime
) -> bool:
    """A good trigger's record, by hand: passed, as first delivered, its repeats counted."""
    same = [
        (delivery, good)
        for delivery, good in batch
        if good and (good[0], _slot(good[1], now)) == (row["job_id"], row["scheduled_at"])
    ]
    first, good = same[0]
    return (
        (row["trigger_status"], row["trigger_code"], row["trigger_message"]) == (1, None, None)
        and (row["findings"], row["causes"], row["trace_id"]) == (None, None, None)
        and row["triggered_by"] == good[2]
        and row["duplicate_count"] == len(same) - 1
        and row["fired_at"] == row["scheduled_at"]
        and first.partition == row["partition"]
    )


def _count_closes(feed: BrokerlessIntake, deliveries: int, again: int) -> None:
    (row,) = feed.rows(
        "select sum(deliveries) d, sum(records) r, sum(duplicates) u, sum(redeliveries) e, "
        "sum(dead_letters) l, sum(events) n, sum(published) p from awp_trigger_ledger"
    )
    assert row["d"] == deliveries + again
    assert row["e"] == again
    assert row["d"] == row["r"] + row["u"] + row["e"] + row["l"]
    assert row["n"] == row["r"]
    (stored,) = feed.rows(
        "select (select count(*) from awp_job_execution) r, "
        "(select coalesce(sum(duplicate_count), 0) from awp_job_execution) u, "
        "(select count(*) from awp_dead_letter where execution_id is null) l, "
        "(select coalesce(sum(events), 0) from awp_trigger_outbox) n"
    )
    assert (stored["r"], stored["u"], stored["l"]) == (row["r"], row["u"], row["l"])
    assert stored["n"] == row["n"] - row["p"]


def _each_is_in_one_bin(
    feed: BrokerlessIntake, batch: Sequence[Delivery], claims: Mapping[int, Claim]
) -> None:
    """Each place of the log has a record or a letter, or is one of the repeats counted."""
    sent = {(claims[d.partition].ledger_id, d.offset): d for d in batch}
    records = feed.rows("select * from awp_job_execution")
    letters = feed.rows("select * from awp_dead_letter")
    of_records = {(row["ledger_id"], row["origin_offset"]) for row in records}
    alone = {
        (row["ledger_id"], row["origin_offset"]) for row in letters if row["execution_id"] is None
    }
    assert not of_records & alone
    assert (of_records | alone) <= sent.keys()
    assert len(sent) == len(of_records) + len(alone) + sum(r["duplicate_count"] for r in records)
    invalid = {str(r["execution_id"]) for r in records if r["trigger_code"] == "event_invalid"}
    assert invalid == {str(row["execution_id"]) for row in letters if row["execution_id"]}
    for row in letters:
        delivery = sent[row["ledger_id"], row["origin_offset"]]
        assert _whole(row["value"]) == delivery.value
        assert _whole(row["key"]) == delivery.key
        headers = msgpack.unpackb(_whole(row["headers"]) or b"")
        assert [tuple(header) for header in headers] == list(delivery.headers)
        # No producer can make the database refuse a row: too many of those stop a worker.
        assert "database refused" not in row["reason"]
        assert "cannot be sent" not in row["reason"]


def _each_record_has_its_event(feed: BrokerlessIntake, claims: Mapping[int, Claim]) -> None:
    records = {str(r["execution_id"]): r for r in feed.rows("select * from awp_job_execution")}
    seen: list[str] = []
    for claim in claims.values():
        order: list[int] = []
        for event in feed.waiting(claim.ledger_id):
            if event.topic == TOPICS.dead_letters:
                continue
            model = TriggerFailure if event.topic == TOPICS.failures else JobDispatch
            body = model.model_validate_json(event.value or b"")
            record = records[str(body.execution_id)]
            assert record["trigger_status"] == (2 if model is TriggerFailure else 1)
            assert event.key == str(record["job_id"]).encode()
            seen.append(str(body.execution_id))
            order.append(record["origin_offset"])
        assert order == sorted(order)
    assert sorted(seen) == sorted(records)


def _whole(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
