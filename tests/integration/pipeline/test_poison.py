"""A poison trigger stops nobody (promise 5): each among 100 good ones, on both brokers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.rig import Rig, at, trigger
from tests.support.sql import execute
from tests.support.topics import Received, produce_raw
from tests.support.waiting import wait_until

GOOD = b'{"job_id":"JOB","scheduled_at":"%s"' % at().encode()

POISON: dict[str, tuple[bytes | None, str, bool]] = {
    "no_json": (b"job 7 please", "not JSON", False),
    "cut_off": (b'{"job_id":"JOB","sched', "not JSON", False),
    "no_object": (b'["JOB"]', "a JSON array, not an object", False),
    "only_nan": (b"NaN", "a number, not a JSON object", False),
    "no_utf8": (b'{"job_id":"JOB","triggered_by":"\xff"}', "not UTF-8", False),
    "empty": (b"", "empty", False),
    "tombstone": (None, "tombstone", False),
    "no_job_id": (b'{"scheduled_at":"2026-11-23T10:00:00Z"}', "job_id", False),
    "job_id_out_of_range": (b'{"job_id":"9223372036854775808"}', "job_id", False),
    "job_id_zero": (b'{"job_id":0}', "job_id", False),
    "job_id_of_5000_digits": (b'{"job_id":' + b"7" * 5000 + b"}", "job_id", False),
    "job_id_nan": (b'{"job_id":NaN}', "job_id", False),
    "10000_brackets": (b"[" * 10_000 + b"]" * 10_000, "a JSON array, not an object", False),
    "nul_in_a_stored_field": (GOOD + b',"triggered_by":"a\\u0000b"}', "NUL", True),
    "lone_surrogate_in_a_stored_field": (GOOD + b',"triggered_by":"\\ud800"}', "unicode", True),
    "no_zone": (b'{"job_id":"JOB","scheduled_at":"2026-11-23T10:00:00"}', "no zone", True),
    "a_number_as_time": (b'{"job_id":"JOB","scheduled_at":1700000000}', "scheduled_at", True),
    "year_1": (b'{"job_id":"JOB","scheduled_at":"0001-01-01T00:00:00+14:00"}', "2200", True),
    "nan_as_time": (b'{"job_id":"JOB","scheduled_at":NaN}', "scheduled_at", True),
    "brackets_in_a_known_field": (
        b'{"job_id":"JOB","scheduled_at":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        "scheduled_at",
        True,
    ),
    "more_than_256_kib": (GOOD + b',"note":"' + b"x" * 262_144 + b'"}', "262144", True),
    "nul_in_the_trigger_id": (GOOD + b',"trigger_id":"a\\u0000b"}', "trigger_id", True),
    "manual_without_an_id": (GOOD + b',"kind":"manual"}', "trigger_id", True),
}
"""Name: body (JOB stands for a job of its own), words of the reason, whether it has a record."""

LENIENT = {
    "nul_in_a_field_of_others": GOOD + b',"note":"a\\u0000b"}',
    "lone_surrogate_in_a_field_of_others": GOOD + b',"note":"\\ud800"}',
    "nan_in_a_field_of_others": GOOD + b',"note":NaN}',
    "5000_digits_in_a_field_of_others": GOOD + b',"note":' + b"7" * 5000 + b"}",
    "brackets_in_a_field_of_others": GOOD + b',"note":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "a_number_as_job_id": GOOD.replace(b'"JOB"', b"JOB") + b"}",
    "a_float_as_job_id": GOOD.replace(b'"JOB"', b"JOB.0") + b"}",
    "a_byte_order_mark": b"\xef\xbb\xbf" + GOOD + b"}",
}


@pytest.mark.parametrize("rig", ["kafka"], indirect=True)
@pytest.mark.parametrize("name", POISON)
def test_poison_among_100_good_triggers_is_dead_lettered_and_the_good_go_on(
    rig: Rig, name: str
) -> None:
    template, words, has_record = POISON[name]
    first = 20_000 + 200 * list(POISON).index(name)
    body = None if template is None else template.replace(b"JOB", str(first).encode())
    with rig.platform() as platform:
        jobs = [platform.action_job(id=first + number) for number in range(101)]
    good = [trigger(job_id) for job_id in jobs[1:]]

    placed = rig.fire(*good[:50], body, *good[50:])

    partition, offset = placed[50]
    letter = wait_until(lambda: _letter(rig, partition, offset), 20, f"the dead letter of {name}")
    assert words in str(letter["reason"])
    assert letter["value"] == body
    event = _letter_event(rig, partition, offset)
    assert event.value == body
    assert event.header("dead-letter-topic") == rig.topics.triggers.encode()
    assert words.encode() in (event.header("dead-letter-reason") or b"")
    if has_record:
        record = rig.record(first)
        assert (record["trigger_code"], record["trigger_status"]) == ("event_invalid", 2)
        assert words in record["trigger_message"]
        assert letter["execution_id"] == record["execution_id"]
        rig.event(rig.topics.failures, record["execution_id"])
    else:
        assert letter["execution_id"] is None
        assert rig.rows("select from awp_job_execution where job_id = %s", first) == []
    for job_id in jobs[1:]:
        assert rig.record(job_id)["trigger_status"] == 1


@pytest.mark.parametrize("rig", ["kafka"], indirect=True)
@pytest.mark.parametrize("name", LENIENT)
def test_what_fields_of_others_hold_is_nobodys_business(rig: Rig, name: str) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job(id=26_000 + list(LENIENT).index(name))

    rig.fire(LENIENT[name].replace(b"JOB", str(job_id).encode()))

    assert rig.record(job_id)["trigger_status"] == 1


def test_headers_that_are_no_utf8_and_a_key_of_any_bytes_do_no_harm(rig: Rig) -> None:
    with rig.platform() as platform:
        job_id = platform.action_job(id=26_100)
    headers = [("traceparent", b"\xff\xfe"), ("replay-of", b"\xff"), ("x", None)]

    produce_raw(
        rig.broker,
        rig.topics.triggers,
        [(b"\x00\xff", json.dumps(trigger(job_id)).encode(), headers)],
    )

    assert rig.record(job_id)["trigger_status"] == 1


def test_a_record_that_the_database_refuses_becomes_event_invalid_alone(rig: Rig) -> None:
    with rig.platform() as platform:
        jobs = [platform.action_job(id=27_000 + number) for number in range(100)]
    refused = 27_042
    rule = f"job_id <> {refused} or coalesce(trigger_code, '') = 'event_invalid'"

    with _constraint(rig, rule):
        rig.fire(*(trigger(job_id) for job_id in jobs))
        record = rig.record(refused)

    assert record["trigger_code"] == "event_invalid"
    assert "unlucky" in record["trigger_message"]
    (letter,) = rig.rows("select * from awp_dead_letter where job_id = %s", refused)
    assert letter["execution_id"] == record["execution_id"]
    for job_id in set(jobs) - {refused}:
        assert rig.record(job_id)["trigger_status"] == 1


def test_what_the_database_refuses_in_any_form_waits_and_is_recorded_when_it_is_mended(
    rig: Rig,
) -> None:
    with rig.platform() as platform:
        jobs = [platform.action_job(id=27_200 + number) for number in range(20)]
    refused = 27_207

    with _constraint(rig, f"job_id <> {refused}"):
        rig.fire(*(trigger(job_id) for job_id in jobs))
        said = wait_until(
            lambda: rig.worker.why_not("/readyz"), 20, "that it says what is in the way"
        )
        assert "constraint unlucky, table awp_job_execution" in said

    for job_id in jobs:
        assert rig.record(job_id)["trigger_status"] == 1
    assert rig.rows("select from awp_dead_letter where job_id = %s", refused) == []


def test_the_count_closes_over_all_of_this(rig: Rig) -> None:
    """Last in this module: every delivery of it is in exactly one bin (promise 7)."""
    rig.settle()
    for row in rig.rows("select * from awp_trigger_ledger"):
        bins = ("records", "applied", "duplicates", "redeliveries", "dead_letters")
        assert row["deliveries"] == sum(row[name] for name in bins)
        assert row["events"] == row["records"] == row["published"]
    (sums,) = rig.rows(
        "select sum(records) as records, sum(dead_letters) as letters from awp_trigger_ledger"
    )
    assert rig.rows("select count(*) from awp_job_execution") == [{"count": sums["records"]}]
    assert rig.rows("select count(*) from awp_dead_letter where execution_id is null") == [
        {"count": sums["letters"]}
    ]


@contextmanager
def _constraint(rig: Rig, rule: str) -> Iterator[None]:
    execute(
        rig.admin, f"alter table awp_job_execution add constraint unlucky check ({rule}) not valid"
    )
    yield
    execute(rig.admin, "alter table awp_job_execution drop constraint unlucky")


def _letter(rig: Rig, partition: int, offset: int) -> dict[str, object] | None:
    found = rig.rows(
        "select d.* from awp_dead_letter d join awp_trigger_ledger l on l.id = d.ledger_id "
        "where l.topic = %s and l.partition = %s and d.origin_offset = %s",
        rig.topics.triggers,
        partition,
        offset,
    )
    if not found:
        return None
    value = found[0]["value"]
    return found[0] | {"value": None if value is None else bytes(value)}


def _letter_event(rig: Rig, partition: int, offset: int) -> Received:
    place = (str(partition).encode(), str(offset).encode())
    (event,) = wait_until(
        lambda: [
            message
            for message in rig.collector(rig.topics.dead_letters).look()
            if (message.header("dead-letter-partition"), message.header("dead-letter-offset"))
            == place
        ],
        20,
        "the dead letter's event",
    )
    return event
