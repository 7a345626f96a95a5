"""Databases that have forgotten something, and wrong ones (design 6.7).

What is decided again has the ids that it had; what went back is said; a wrong database is refused.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from job_trigger_worker.audit.run import Verdict, run
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.domain.trigger import NAMESPACE
from job_trigger_worker.kafka.group_offsets import GroupOffsets
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.storage.write.acknowledgements import Kind
from tests.support import sql
from tests.support.command import Ended, trigger_worker
from tests.support.platform import Platform
from tests.support.postgres import PostgresServer
from tests.support.rig import trigger
from tests.support.topics import Broker, produce_raw, read_whole
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess, environment, running

pytestmark = [
    pytest.mark.parametrize("broker", ["kafka"], indirect=True),
    pytest.mark.parametrize("topics", [1], indirect=True),
]
SETTLED_S = 60
IDS = "select execution_id::text from awp_job_execution order by origin_offset"
REWOUND = (
    "select rewound::text from awp_trigger_ledger where topic like '%.job.triggers.v1' order by id"
)
LOST = "select lost::text from awp_trigger_ledger where topic like '%.job.triggers.v1'"

Serve = Callable[[str, int], WorkerProcess]


@pytest.fixture
def older(postgres: PostgresServer, database: str) -> Iterator[str]:
    """The name of a database beside the one under test, for a copy of it."""
    name = f"{make_url(database).database}_older"
    yield name
    postgres.drop(name)


@pytest.fixture
def fire(broker: Broker, topics: Topics, database: str) -> Callable[[int], None]:
    """Sends so many triggers of a job that passes and of one that does not exist, in turns."""
    with create_engine(database, poolclass=NullPool).begin() as connection:
        job = Platform(connection).action_job(id=1)

    def send(count: int) -> None:
        bodies = [trigger(job if n % 2 else 404) for n in range(count)]
        produce_raw(
            broker, topics.triggers, [("1", json.dumps(body).encode(), None) for body in bodies]
        )

    return send


def _serve(settings: Settings, database: str, records: int, log: Path) -> str:
    """A worker on that database until it has so many records and the group knows; what it said."""
    with running(settings.model_copy(update={"database_url": SecretStr(database)}), log) as worker:
        wait_until(
            lambda: (
                sql.rows(
                    database,
                    "select (select count(*) from awp_job_execution),"
                    " (select count(*) from awp_trigger_outbox)",
                )
                == [(records, 0)]
            ),
            SETTLED_S,
            f"{records} records and an empty outbox",
        )
        end = sql.value(
            database,
            "select max(last_offset) + 1 from awp_trigger_ledger where topic like '%.triggers.v1'",
        )
        with GroupOffsets(KafkaSettings.of(settings), settings.consumer_group) as offsets:
            topic = f"{settings.topic_prefix}.job.triggers.v1"
            wait_until(
                lambda: offsets.read(topic, [0])[0].offset == end, SETTLED_S, f"a copy of {end}"
            )
        page = worker.page("/metrics")
    return worker.words() + page


def _events(broker: Broker, topics: Topics) -> dict[str, set[str]]:
    """Ids of the outcome events that came, by execution, and how often each execution was told."""
    found: dict[str, set[str]] = defaultdict(set)
    for topic in topics.outcomes():
        for message in read_whole(broker, topic):
            body = json.loads(message.value or b"")
            found[body["execution_id"]].add(body["event_id"])
    return found


def _refused(settings: Settings, database: str) -> Ended:
    values = environment(settings.model_copy(update={"database_url": SecretStr(database)}))
    return trigger_worker("worker", env=values)


def _resume(settings: Settings, database: str, source: str, *flags: str) -> Ended:
    values = environment(settings.model_copy(update={"database_url": SecretStr(database)}))
    return trigger_worker("topics", "resume", "--from", source, *flags, env=values)


def test_an_older_dump_under_the_same_topic_decides_again_under_the_same_ids(
    settings: Settings,
    broker: Broker,
    topics: Topics,
    database: str,
    postgres: PostgresServer,
    older: str,
    fire: Callable[[int], None],
    tmp_path: Path,
) -> None:
    fire(20)
    _serve(settings, database, 20, tmp_path / "first.log")
    restored = postgres.create(older, template=make_url(database).database)
    fire(30)
    assert "action=rewound" not in _serve(settings, database, 50, tmp_path / "second.log")
    ids = sql.rows(database, IDS)

    said = _serve(settings, restored, 50, tmp_path / "third.log")

    assert sql.rows(restored, IDS) == ids
    told = _events(broker, topics)
    assert (len(told), {len(event_ids) for event_ids in told.values()}) == (50, {1})
    assert sql.rows(restored, REWOUND) == [("{[20,50)}",)]
    assert f"action=rewound topic={topics.triggers} partition=0 first=20 last=49" in said
    count = f'trigger_worker_rewound_offsets_total{{topic="{topics.triggers}"}} 30.0'
    assert count in said
    assert "action=rewound" not in _serve(settings, restored, 50, tmp_path / "fourth.log")


def test_another_database_is_refused_until_a_person_says_which_of_the_two_is_right(
    settings: Settings,
    broker: Broker,
    topics: Topics,
    database: str,
    postgres: PostgresServer,
    older: str,
    fire: Callable[[int], None],
    tmp_path: Path,
) -> None:
    fire(20)
    other = postgres.create(older, template=make_url(database).database)
    sql.execute(other, "update awp_trigger_database set id = gen_random_uuid()")
    ours, theirs = (
        sql.value(each, "select id::text from awp_trigger_database") for each in (database, other)
    )
    _serve(settings, database, 20, tmp_path / "first.log")

    refused = _refused(settings, other)

    assert refused.status == 1
    sentence = (
        f"trigger-worker: The group {settings.consumer_group} of the topic {topics.triggers} "
        f"stands at offset 20 of partition 0, noted for the database {ours}; "
        f"this is the database {theirs}. "
        "Nothing of it was read."
    )
    assert sentence in refused.stderr
    assert sql.value(other, "select count(*) from awp_trigger_ledger") == 0

    resumed = _resume(settings, other, "group", "--json")
    assert (resumed.status, resumed.json["partitions"][0]["skipped"]) == (0, 20)
    fire(5)
    _serve(settings, other, 5, tmp_path / "second.log")
    assert sql.rows(other, LOST) == [("{[0,20)}",)]
    there = settings.model_copy(update={"database_url": SecretStr(other)})
    unread = f"{topics.triggers} partition 0: offsets 0 to 19 were never read here: "
    unread += "the log deleted them before, or `topics resume` skipped them."
    assert unread in [
        each for line in run(there, progress=lambda *_: None).lines for each in line.differences
    ]
    known = Verdict(Kind.LOST, "li", "the other database has them")
    found = run(there, is_deep=True, words=[known], progress=lambda *_: None)
    assert [line.differences for line in found.lines if not line.holds] == []

    assert _refused(settings, database).status == 1
    resumed = _resume(settings, database, "database", "--json")
    assert (resumed.status, resumed.json["partitions"][0]["offset"]) == (0, 20)
    _serve(settings, database, 25, tmp_path / "third.log")
    told = _events(broker, topics)
    assert (len(told), {len(event_ids) for event_ids in told.values()}) == (25, {1})


def test_offsets_set_by_hand_prove_nothing_and_an_unknown_topic_is_refused(
    settings: Settings,
    broker: Broker,
    topics: Topics,
    database: str,
    postgres: PostgresServer,
    older: str,
    fire: Callable[[int], None],
    tmp_path: Path,
) -> None:
    empty = postgres.create(older, template=make_url(database).database)
    fire(20)
    _serve(settings, database, 20, tmp_path / "first.log")
    group = {"bootstrap.servers": broker.address, "group.id": settings.consumer_group}
    by_hand = Consumer(group)
    by_hand.commit(offsets=[TopicPartition(topics.triggers, 0, 25)], asynchronous=False)
    by_hand.close()

    fire(5)
    said = _serve(settings, database, 25, tmp_path / "second.log")
    assert "action=rewound" not in said

    by_hand = Consumer(group)
    by_hand.commit(offsets=[TopicPartition(topics.triggers, 0, 99)], asynchronous=False)
    by_hand.close()
    refused = _refused(settings, empty)
    assert refused.status == 1
    assert "has never read this topic" in refused.stderr

    resumed = _resume(settings, database, "database", "--json").json["partitions"][0]
    assert (resumed["offset"], resumed["repeated"]) == (25, 0)
    assert sql.rows(database, REWOUND) == [("{}",)]


def test_an_older_database_that_is_resumed_from_went_back_as_one_that_a_worker_meets(
    settings: Settings,
    topics: Topics,
    database: str,
    postgres: PostgresServer,
    older: str,
    fire: Callable[[int], None],
    tmp_path: Path,
) -> None:
    fire(20)
    _serve(settings, database, 20, tmp_path / "first.log")
    restored = postgres.create(older, template=make_url(database).database)
    fire(30)
    _serve(settings, database, 50, tmp_path / "second.log")

    ended = _resume(settings, restored, "database")

    said = ended.stdout.splitlines()
    assert f"{topics.triggers} partition 0: next is offset 20, 30 decided again" in said
    again = "`trigger-worker audit` fails until somebody accepts that (--acknowledge rewound)."
    assert said[-1] == again
    _serve(settings, restored, 50, tmp_path / "third.log")
    assert sql.rows(restored, REWOUND) == [("{[20,50)}",)]
    forgot = (
        f"{topics.triggers} partition 0: the database forgot what was committed of offsets 20 to "
        "49, or `topics resume` put another in its place; they are decided again, under the same "
        "ids."
    )
    there = settings.model_copy(update={"database_url": SecretStr(restored)})
    found = run(there, progress=lambda *_: None)
    assert [each for line in found.lines for each in line.differences] == [forgot]
    assert [line.words for line in found.lines if not line.holds] == ["30 offsets decided again"]


def test_once_a_person_knows_what_an_empty_database_decided_again_the_topics_agree_with_it(
    settings: Settings,
    broker: Broker,
    topics: Topics,
    database: str,
    postgres: PostgresServer,
    older: str,
    fire: Callable[[int], None],
    tmp_path: Path,
) -> None:
    """Its job is disabled by then; and it knows neither the letter that was replayed, nor why."""
    fire(20)
    unread = {"job_id": 1, "scheduled_at": "yesterday"}
    produce_raw(broker, topics.triggers, [("1", json.dumps(unread).encode(), None)])
    empty = postgres.create(older, template=make_url(database).database)
    sql.execute(
        empty,
        "update awp_trigger_database set id = gen_random_uuid(), secret = gen_random_uuid();"
        "update awp_automcation_job set enabled = false",
    )
    _serve(settings, database, 21, tmp_path / "first.log")
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(trigger(1)))
    env = environment(settings.model_copy(update={"database_url": SecretStr(database)}))
    replayed = trigger_worker("dlq", "replay", "1", "--edit", str(edited), "--yes", env=env)
    assert replayed.status == 0, replayed.stderr
    _serve(settings, database, 22, tmp_path / "second.log")
    (replay,) = sql.rows(
        database,
        "select execution_id::text from awp_job_execution where trigger_kind = 'replay'",
    )[0]

    resumed = _resume(settings, empty, "database", "--json").json["partitions"][0]
    assert (resumed["offset"], resumed["repeated"]) == (0, 22)
    _serve(settings, empty, 22, tmp_path / "third.log")

    there = settings.model_copy(update={"database_url": SecretStr(empty)})
    found = run(there, is_deep=True, progress=lambda *_: None)
    assert [line.promise for line in found.lines if not line.holds] == [
        "The database forgot nothing",
        "Every event has its record",
        "No execution is both dispatched and failed",
        "Every event tells what its record says",
    ]
    gone = found.offences["events_without_a_record"]
    assert [each["execution_id"] for each in gone["first"]] == [replay]
    assert found.offences["records_with_two_outcomes"]["total"] == 10

    word = Verdict(Kind.REWOUND, "li", "the database was lost")
    found = run(there, is_deep=True, words=[word], progress=lambda *_: None)
    assert [line.differences for line in found.lines if not line.holds] == []

    late = _sent_later(broker, topics.failures)
    found = run(there, is_deep=True, progress=lambda *_: None)
    gone = found.offences["events_without_a_record"]
    assert [each["execution_id"] for each in gone["first"]] == [late]


def _sent_later(broker: Broker, topic: str) -> str:
    """An event of nobody, sent ten minutes from now by its own time; its execution."""
    stranger = str(uuid4())
    event = {
        "execution_id": stranger,
        "event_id": str(uuid5(UUID(NAMESPACE), f"failure:{stranger}")),
    }
    producer = Producer({"bootstrap.servers": broker.address})
    later_ms = int((datetime.now(UTC) + timedelta(minutes=10)).timestamp() * 1000)
    producer.produce(topic, json.dumps(event).encode(), timestamp=later_ms)
    assert producer.flush(10) == 0
    return stranger


def test_resuming_waits_until_the_workers_have_left(
    settings: Settings, database: str, topics: Topics, tmp_path: Path
) -> None:
    with running(settings, tmp_path / "worker.log") as worker:
        wait_until(lambda: worker.partitions(topics.triggers) == 1, SETTLED_S, "a partition")
        refused = _resume(settings, database, "database")
    assert refused.status == 1
    assert f"The group {settings.consumer_group} has members." in refused.stderr
