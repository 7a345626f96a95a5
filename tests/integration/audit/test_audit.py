"""`trigger-worker audit` proves the count, and names what does not fit (promise 7)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgpack
import pytest
import zstandard
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from job_trigger_worker.audit.run import run
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.db.engine import make_engine
from job_trigger_worker.storage.write.pruning import prune
from tests.support import sql
from tests.support.command import Ended, trigger_worker
from tests.support.rig import Rig, at, trigger
from tests.support.topics import Broker, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import environment, running

ON_KAFKA = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
SETTLED_S = 40.0


@pytest.fixture
def worked(
    broker: Broker, topics: Topics, settings: Settings, database: str, tmp_path: Path
) -> Iterator[Rig]:
    """A worker that a test has for itself."""
    with running(settings, tmp_path / "worker.log") as worker:
        rig = Rig(broker, topics, database, settings, worker)
        yield rig
        rig.close()


def _audit(rig: Rig, *flags: str) -> Ended:
    return trigger_worker("audit", *flags, env=environment(rig.settings))


def _found(rig: Rig, *flags: str, closes: bool = True) -> Any:
    ended = _audit(rig, *flags, "--json")
    assert ended.status == (0 if closes else 1), ended.stdout + ended.stderr
    assert ended.json["closes"] is closes
    return ended.json


def _delivered(rig: Rig, count: int) -> None:
    query = (
        "select coalesce(sum(deliveries), 0) from awp_trigger_ledger "
        f"where topic = '{rig.topics.triggers}'"
    )
    wait_until(lambda: sql.value(rig.admin, query) >= count, SETTLED_S, f"{count} deliveries")
    rig.settle()


def _differences(found: Any) -> list[str]:
    return [each for line in found["lines"] for each in line["differences"]]


def test_the_audit_closes_after_a_normal_run_and_says_its_numbers(worked: Rig) -> None:
    with worked.platform() as platform:
        action, workflow = platform.action_job(id=1), platform.workflow_job(id=2)
    slot = at()
    worked.fire(*(trigger(action, scheduled_at=at(n)) for n in range(40)))
    worked.fire(*(trigger(workflow, scheduled_at=at(n)) for n in range(20)))
    worked.fire(*(trigger(404, scheduled_at=at(n)) for n in range(7)))
    worked.fire(*[trigger(action, scheduled_at=slot)] * 4)
    worked.fire(b"no JSON", None, b'{"job_id":1,"scheduled_at":"yesterday"}')
    worked.fire(trigger(action, scheduled_at=at(3600)))  # too early, and does not come again
    produce_raw(
        worked.broker,
        worked.topics.statuses,
        [
            (None, _status("accepted"), None),
            (None, _status("succeeded"), None),
            (None, b"{}", None),
        ],
    )
    _delivered(worked, 75)
    wait_until(
        lambda: worked.rows("select from awp_trigger_ledger having sum(deliveries) = 78"),
        SETTLED_S,
        "78 deliveries of both topics",
    )

    found = _found(worked, "--deep")

    assert {name: found[name] for name in ("deliveries", "records", "duplicates")} == {
        "deliveries": 75,
        "records": 70,
        "duplicates": 3,
    }
    assert (found["redeliveries"], found["dead_letters"]) == (0, 2)
    assert (found["events"], found["published"], found["waiting"]) == (70, 70, 0)
    assert (found["dispatched"], found["failures"]) == (61, 9)
    assert found["statuses"] == {
        "deliveries": 3,
        "applied": 2,
        "duplicates": 0,
        "redeliveries": 0,
        "dead_letters": 1,
    }
    deep = found["deep"]
    assert (deep["triggers_read"], deep["events_read"], deep["records_judged"]) == (75, 70, 70)
    assert (deep["records_of_old_topics"], deep["records_out_of_reach"]) == (0, 0)

    shown = _audit(worked, "--deep")
    assert shown.status == 0
    assert (
        "75 delivered = 70 records + 3 sent again + 0 delivered again + 2 unreadable  ✓"
        in shown.stdout
    )
    assert "70 = 61 dispatched + 9 failures · 0 waiting  ✓" in shown.stdout
    assert shown.stdout.endswith("The count closes.\n")
    assert f"{worked.topics.triggers}: 75 of 75 offsets" in shown.stderr
    assert "✗" not in shown.stdout


@ON_KAFKA
def test_the_deep_audit_names_what_is_missing_and_what_is_too_much(worked: Rig) -> None:
    with worked.platform() as platform:
        job = platform.action_job(id=1)
    (place, *_) = worked.fire(*(trigger(job, scheduled_at=at(n)) for n in range(30)))
    _delivered(worked, 30)
    ledger_id = worked.rows(
        "select id from awp_trigger_ledger where topic = %s and partition = %s",
        worked.topics.triggers,
        place[0],
    )[0]["id"]
    gone = worked.rows(
        "delete from awp_job_execution where ledger_id = %s and origin_offset = %s "
        "returning execution_id",
        ledger_id,
        place[1],
    )[0]["execution_id"]
    silent, stranger = uuid4(), uuid4()
    worked.rows(
        "insert into awp_job_execution (job_id, job_type, execution_id, idempotency_key, "
        "trigger_status, ledger_id, origin_offset, decided_at) "
        "values (7, 'workflow', %s, %s, 1, %s, %s, now()) returning id",
        str(silent),
        str(silent),
        ledger_id,
        place[1] + 1,
    )
    kept = worked.rows(
        "select execution_id, origin_offset from awp_job_execution where job_id = 1 order by id"
    )
    twice, wrong = str(kept[0]["execution_id"]), str(kept[1]["execution_id"])
    event = worked.event(worked.topics.dispatch_action, twice)
    own_id = json.loads(event.value or b"")["event_id"]
    produce_raw(
        worked.broker,
        worked.topics.dispatch_action,
        [
            (None, _event(wrong, str(uuid4())), None),
            (None, _event(str(stranger), str(uuid4())), None),
            (None, b"not ours", None),
        ],
        partition=0,
    )
    produce_raw(worked.broker, worked.topics.failures, [(None, _event(twice, own_id), None)])

    deep = _found(worked, "--deep", closes=False)["deep"]

    (offender,) = deep["triggers_without_a_record"]["first"]
    assert offender == {
        "topic": worked.topics.triggers,
        "partition": place[0],
        "offset": place[1],
        "job_id": "1",
    }
    (offender,) = deep["records_without_an_event"]["first"]
    assert (offender["execution_id"], offender["job_id"]) == (str(silent), "7")
    assert offender["expected_on"] == worked.topics.dispatch_orch
    assert {each["execution_id"] for each in deep["events_without_a_record"]["first"]} == {
        str(gone),
        str(stranger),
        None,
    }
    assert {each["execution_id"] for each in deep["events_with_a_wrong_id"]["first"]} == {
        wrong,
        str(stranger),
        twice,  # a dispatch's id, on a failure
    }
    (offender,) = deep["records_with_two_outcomes"]["first"]
    assert offender["execution_id"] == twice
    assert offender["topics"] == [worked.topics.dispatch_action, worked.topics.failures]
    (offender,) = deep["events_of_another_outcome"]["first"]
    assert (offender["topic"], offender["execution_id"]) == (worked.topics.failures, twice)

    worked.rows("update awp_trigger_ledger set rewound = '{[0,100)}' returning id")
    accepting = ("--acknowledge", "rewound", "--reason", "a restored dump")
    deep = _found(worked, "--deep", *accepting, closes=False)["deep"]
    assert deep["records_with_two_outcomes"]["total"] == 0
    assert deep["events_of_another_outcome"]["total"] == 0

    shown = _audit(worked, "--deep").stdout
    assert f"{worked.topics.triggers} partition {place[0]} offset {place[1]}, job 1." in shown
    assert shown.endswith("The count does not close.\n")


@ON_KAFKA
def test_twenty_offenders_are_named_and_the_rest_is_counted(worked: Rig) -> None:
    worked.fire(*(trigger(404, scheduled_at=at(n)) for n in range(50)))
    _delivered(worked, 50)
    worked.rows("delete from awp_job_execution returning id")

    offence = _found(worked, "--deep", closes=False)["deep"]["triggers_without_a_record"]

    assert (offence["total"], len(offence["first"])) == (50, 20)
    assert "    and 30 more.\n" in _audit(worked, "--deep").stdout

    word = ("--acknowledge", "deleted", "--reason", "a table was emptied", "--by", "li")
    found = _found(worked, "--deep", *word)  # and with it the events of these triggers
    assert {each["by"] for each in found["acknowledgements"]} == {"li"}
    assert _found(worked, "--deep")["acknowledged"] == 0


@ON_KAFKA
def test_a_repeat_of_a_trigger_whose_record_was_pruned_is_no_offence(worked: Rig) -> None:
    """Sent 8 days ago, sent again 22 hours later; its record is older than what is kept."""
    body = json.dumps(trigger(404))
    producer = Producer({"bootstrap.servers": worked.broker.address})
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    for hours in (8 * 24, 7 * 24 - 2):
        sent_ms = now_ms - hours * 3_600_000
        producer.produce(worked.topics.triggers, body, partition=0, timestamp=sent_ms)
    assert producer.flush(20) == 0
    _delivered(worked, 2)
    worked.rows("update awp_job_execution set decided_at = now() - interval '8 days' returning id")
    engine = make_engine(worked.settings)
    pruned = prune(engine, datetime.now(UTC) - timedelta(days=7), lambda _: None)
    engine.dispose()
    assert pruned.records == 1

    deep = _found(worked, "--deep", closes=False)["deep"]
    assert (deep["triggers_read"], deep["triggers_without_a_record"]["total"]) == (2, 0)
    assert deep["events_without_a_record"]["total"] == 1  # it is of this minute in truth


@ON_KAFKA
@pytest.mark.parametrize("topics", [1], indirect=True)
def test_what_was_passed_as_too_large_is_one_letter_also_where_the_audit_can_read_it(
    worked: Rig,
) -> None:
    """The worker passes a batch that unpacks to too much for it; other clients do unpack it."""
    worked.fire(*(trigger(404, scheduled_at=at(n)) for n in range(4)))
    _delivered(worked, 4)
    worked.worker.stop()
    worked.rows("delete from awp_job_execution where origin_offset in (1, 2) returning id")
    worked.rows(
        "insert into awp_dead_letter (ledger_id, origin_offset, last_offset, reason, headers) "
        "select id, 1, 2, 'it unpacks to more than 67,108,864 bytes', '\\x90' "
        "from awp_trigger_ledger where records = 4 returning id"
    )

    deep = _found(worked, "--deep", "--acknowledge", "letters", "--reason", "seen", closes=False)
    assert deep["deep"]["triggers_without_a_record"]["total"] == 0


TAMPERINGS = {
    "11 delivered, 10 in a bin.": "update awp_trigger_ledger set deliveries = deliveries + 1",
    "10 records, 8 events.": "update awp_trigger_ledger set events = events - 2",
    "so 3 should wait in the outbox, which holds 0.": (
        "update awp_trigger_ledger set published = published - 3"
    ),
    "so 0 should wait in the outbox, which holds 5.": (
        "insert into awp_trigger_outbox (ledger_id, events, payload) "
        "select id, 5, '' from awp_trigger_ledger"
    ),
    "the ledger says 10 records, awp_job_execution holds 9.": (
        "delete from awp_job_execution where origin_offset = 4"
    ),
    "ledger row 77, which is gone: the ledger says 0 records, awp_job_execution holds 4.": (
        "update awp_job_execution set ledger_id = 77 where origin_offset < 4"
    ),
    "0 triggers were sent again, the records' duplicate_count sums to 1.": (
        "update awp_job_execution set duplicate_count = 1 where origin_offset = 4"
    ),
    "says 0 dead letters without a record, awp_dead_letter holds 1.": (
        "insert into awp_dead_letter (ledger_id, origin_offset, reason, headers) "
        "select id, 99, 'made up', '' from awp_trigger_ledger"
    ),
    (
        "offsets 3 to 5 were never read here: the log deleted them before, "
        "or `topics resume` skipped them."
    ): ("update awp_trigger_ledger set lost = '{[3,6)}'"),
}


@pytest.mark.parametrize("words", TAMPERINGS)
def test_tables_that_were_tampered_with_are_named(database: str, words: str) -> None:
    """No worker ran: ten records and their ledger row, as it would have left them."""
    sql.execute(
        database,
        """
        insert into awp_trigger_ledger
            (topic, topic_id, "partition", last_offset, deliveries, records, events, published)
        values ('awp.job.triggers.v1', 'some-id', 0, 9, 10, 10, 10, 10);
        insert into awp_job_execution
            (job_id, execution_id, idempotency_key, trigger_status, ledger_id, origin_offset)
        select 1, id, id, 1, ledger_id, n
        from (select l.id as ledger_id, n, gen_random_uuid() as id
              from awp_trigger_ledger l, generate_series(0, 9) n) as made;
        insert into awp_job_execution (job_id, execution_id) values (1, gen_random_uuid());
        """,
    )
    here = Settings(database_url=SecretStr(database))
    assert run(here, is_offline=True, progress=_quiet).closes

    sql.execute(database, TAMPERINGS[words])

    found = run(here, is_offline=True, progress=_quiet)
    assert not found.closes
    assert [each for line in found.lines for each in line.differences if words in each]


def _quiet(topic: str, behind: int, total: int) -> None:
    """No progress."""


def test_the_deep_audit_closes_again_and_again_beside_a_busy_worker(worked: Rig) -> None:
    with worked.platform() as platform:
        job = platform.action_job(id=1)
    read = 0
    for begin in range(0, 6000, 2000):
        worked.fire(*(trigger(job, scheduled_at=at(begin + n)) for n in range(2000)))
        read = _found(worked, "--deep")["deep"]["triggers_read"]
    _delivered(worked, 6000)

    assert read <= 6000
    assert _found(worked, "--deep")["deep"]["triggers_read"] == 6000


@ON_KAFKA
def test_events_that_wait_in_the_outbox_are_not_missed(worked: Rig) -> None:
    """The events of a worker that died between its commit and its broker."""
    with worked.platform() as platform:
        job = platform.action_job(id=1)
    worked.fire(trigger(job))
    _delivered(worked, 1)
    worked.worker.stop()
    execution_id = uuid4()
    payload = _payload(worked.topics.dispatch_action, _event(str(execution_id), str(uuid4())))
    worked.rows(
        "with l as (update awp_trigger_ledger set deliveries = deliveries + 1, "
        "records = records + 1, events = events + 1 where records = 1 returning id), "
        "o as (insert into awp_trigger_outbox (ledger_id, events, payload) "
        "select id, 1, %s from l) "
        "insert into awp_job_execution (job_id, job_type, execution_id, idempotency_key, "
        "trigger_status, ledger_id, origin_offset, decided_at) "
        "select 1, 'action', %s, %s, 1, id, 0, now() from l returning id",
        payload,
        str(execution_id),
        str(execution_id),
    )

    found = _found(worked, "--deep")

    assert (found["events"], found["published"], found["waiting"]) == (2, 1, 1)
    assert found["deep"]["records_judged"] == 2


@ON_KAFKA
def test_aborted_transactions_leave_gaps_that_nobody_misses(worked: Rig) -> None:
    with worked.platform() as platform:
        job = platform.action_job(id=1)
    producer = Producer(
        {"bootstrap.servers": worked.broker.address, "transactional.id": worked.topics.triggers}
    )
    producer.init_transactions(20)
    for round_, is_aborted in enumerate([False, True, False, True]):
        producer.begin_transaction()
        for n in range(50):
            body = trigger(job, scheduled_at=at(round_ * 50 + n))
            producer.produce(worked.topics.triggers, json.dumps(body), key=str(n))
        producer.flush(20)
        if is_aborted:
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)
    _delivered(worked, 100)

    found = _found(worked, "--deep")

    assert (found["deliveries"], found["deep"]["triggers_read"]) == (100, 100)


@ON_KAFKA
@pytest.mark.parametrize("topics", [1], indirect=True)
def test_a_transaction_s_marker_that_the_log_deletes_is_no_lost_trigger(
    broker: Broker, topics: Topics, settings: Settings, database: str, tmp_path: Path
) -> None:
    """A quiet topic: retention deletes the last trigger, which was read, and what ends its log."""
    rig = Rig(broker, topics, database, settings, None)  # type: ignore[arg-type]
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": topics.triggers})
    producer.init_transactions(20)
    with running(settings, tmp_path / "first.log"):
        producer.begin_transaction()
        producer.produce(topics.triggers, json.dumps(trigger(404)))  # 0, and its marker is 1
        producer.commit_transaction(20)
        _delivered(rig, 1)
        position = f"select last_offset from awp_trigger_ledger where topic = '{topics.triggers}'"
        wait_until(lambda: sql.value(database, position) == 1, SETTLED_S, "a position behind it")
    _delete_before(broker, topics.triggers, 2)

    assert _found(rig)["lost"] == []
    with running(settings, tmp_path / "second.log"):
        rig.fire(trigger(404))
        _delivered(rig, 2)
        assert _found(rig, "--deep")["lost"] == []


@ON_KAFKA
def test_compressed_triggers_are_read(worked: Rig) -> None:
    for place, codec in enumerate(["gzip", "snappy", "lz4", "zstd"]):
        producer = Producer({"bootstrap.servers": worked.broker.address, "compression.type": codec})
        for n in range(200):
            body = trigger(404, scheduled_at=at(place * 200 + n))
            producer.produce(worked.topics.triggers, json.dumps(body), key=str(n))
        assert producer.flush(20) == 0
    _delivered(worked, 800)

    assert _found(worked, "--deep")["deep"]["triggers_read"] == 800


@ON_KAFKA
@pytest.mark.parametrize("topics", [1], indirect=True)
def test_what_the_log_deleted_unread_fails_the_audit_until_a_person_acknowledges_it(
    broker: Broker, topics: Topics, settings: Settings, database: str, tmp_path: Path
) -> None:
    rig = Rig(broker, topics, database, settings, None)  # type: ignore[arg-type]
    with running(settings, tmp_path / "first.log"):
        rig.fire(*(trigger(404, scheduled_at=at(n)) for n in range(10)))
        _delivered(rig, 10)
    rig.fire(*(trigger(404, scheduled_at=at(n)) for n in range(10, 20)))
    _delete_before(broker, topics.triggers, 15)
    with running(settings, tmp_path / "second.log"):
        _delivered(rig, 15)

        found = _found(rig, "--deep", closes=False)
        (lost,) = found["lost"]
        assert (lost["topic"], lost["partition"], lost["first"], lost["last"]) == (
            topics.triggers,
            0,
            10,
            14,
        )
        (difference,) = _differences(found)
        assert difference.startswith(f"{topics.triggers} partition 0: ")
        assert "offsets 10 to 14 were never read here: the log deleted them" in difference
        assert "--acknowledge lost" in _audit(rig).stdout

        word = ("--acknowledge", "lost", "--reason", "retention was too short", "--by", "li")
        shown = _audit(rig, *word)
        assert shown.status == 0
        assert "offsets 10 to 14, acknowledged by li" in shown.stdout
        assert ": retention was too short\n" in shown.stdout
        assert "Nothing was acknowledged: nothing is open of lost." in _audit(rig, *word).stdout
        found = _found(rig, "--deep", *word)
        assert (found["lost"], found["acknowledged"]) == ([], 0)
        assert found["deep"]["triggers_read"] == 5
        assert found["deep"]["records_out_of_reach"] == 10


@ON_KAFKA
@pytest.mark.parametrize("topics", [1], indirect=True)
def test_a_record_is_not_judged_when_its_event_is_beyond_retention(worked: Rig) -> None:
    worked.fire(*(trigger(404, scheduled_at=at(n)) for n in range(10)))
    _delivered(worked, 10)
    _delete_before(worked.broker, worked.topics.failures, 6)

    deep = _found(worked, "--deep")["deep"]

    assert (deep["triggers_read"], deep["events_read"]) == (10, 4)
    assert (deep["records_judged"], deep["records_out_of_reach"]) == (0, 10)


@ON_KAFKA
def test_a_log_that_ends_before_the_ledger_is_named(worked: Rig) -> None:
    worked.fire(trigger(404))
    _delivered(worked, 1)
    worked.rows(
        "update awp_trigger_ledger set last_offset = 500 where topic = %s and records = 1 "
        "returning id",
        worked.topics.triggers,
    )

    found = _found(worked, "--deep", closes=False)

    (difference,) = _differences(found)
    assert "the log ends at offset 1, the ledger has read up to 500." in difference


@ON_KAFKA
def test_records_of_a_topic_that_is_gone_are_left_to_the_ledger(worked: Rig) -> None:
    worked.fire(*(trigger(404, scheduled_at=at(n)) for n in range(5)))
    _delivered(worked, 5)
    worked.worker.stop()
    worked.rows(
        "update awp_trigger_ledger set topic_id = 'of-old' where topic = %s returning id",
        worked.topics.triggers,
    )

    word = ("--acknowledge", "lost", "--reason", "moved to another cluster")
    deep = _found(worked, "--deep", "--max-wait", "1h", *word)["deep"]

    assert (deep["triggers_read"], deep["records_judged"]) == (0, 0)
    assert deep["records_of_old_topics"] == 5


@ON_KAFKA
def test_without_a_database_a_broker_or_a_topic_the_audit_says_so(
    settings: Settings, topics: Topics, broker: Broker, unused_address: str
) -> None:
    rig = Rig(broker, topics, "", settings, None)  # type: ignore[arg-type]
    here = environment(settings)

    nowhere = f"postgresql+psycopg2://nobody@{unused_address}/awp"
    ended = trigger_worker("audit", env={**here, "TRIGGER_WORKER_DATABASE_URL": nowhere})
    assert (ended.status, ended.stdout) == (1, "")
    assert "The database is away" in ended.stderr
    assert _audit(rig, "--deep", "--brokers", unused_address).status == 1
    ended = _audit(rig, "--deep", "--topic-prefix", "elsewhere")
    assert ended.status == 1
    assert "The topic elsewhere.job.triggers.v1 does not exist." in ended.stderr


def _status(word: str) -> bytes:
    return json.dumps(
        {
            "execution_id": "00000000-0000-4000-8000-000000000001",
            "job_type": "action",
            "status": word,
            "at": at(),
        }
    ).encode()


def _event(execution_id: str, event_id: str) -> bytes:
    return json.dumps({"execution_id": execution_id, "event_id": event_id}).encode()


def _payload(topic: str, value: bytes) -> bytes:
    """An outbox row's payload as the first version wrote it: a format byte, zstd, msgpack."""
    frames = msgpack.packb([(topic, b"1", [], value)], use_bin_type=True)
    return b"\x01" + zstandard.ZstdCompressor().compress(frames)


def _delete_before(broker: Broker, topic: str, offset: int) -> None:
    """Have the log of partition 0 begin at `offset`, as retention would."""
    place = TopicPartition(topic, 0, offset)
    admin = AdminClient({"bootstrap.servers": broker.address})
    for answer in admin.delete_records([place]).values():
        assert answer.result(timeout=20).low_watermark == offset
