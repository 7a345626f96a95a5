"""What waiting cannot fix is one clear sentence and exit 1; the rest is waited for."""

import signal
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.admin import TopicAdmin
from tests.conftest import kafka_settings
from tests.support import sql
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.topics import Broker, set_topic
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]
WRONG = "open-sesame"


def _last_words(worker: WorkerProcess) -> str:
    """What it said in the end, once it has ended with 1."""
    assert wait_until(worker.child.exit_status, 30, "its end") == 1, worker.words()[-3000:]
    assert "Traceback" not in worker.words()
    return worker.words().splitlines()[-1]


def test_a_wrong_password_is_said_without_the_password(start: Start, database: str) -> None:
    url = make_url(database).set(password=WRONG).render_as_string(hide_password=False)
    worker = start({"database_url": SecretStr(url)}, wait=False)
    assert _last_words(worker).startswith(
        "trigger-worker: The database refuses the connection: the password is wrong (28P01: "
    )
    assert "password authentication failed" in _last_words(worker)
    assert "TRIGGER_WORKER_DATABASE_URL" in _last_words(worker)
    assert WRONG not in worker.words()


def test_a_missing_table_is_named(start: Start, load: Load, database: str) -> None:
    sql.execute(database, "drop table awp_trigger_outbox")
    load.fire(10)
    worker = start(wait=False)
    assert " lacks awp_trigger_outbox (search_path is " in _last_words(worker)
    assert "trigger-worker migrate" in _last_words(worker)
    assert sql.value(database, "select count(*) from awp_job_execution") == 0


def test_views_that_cannot_be_read_are_named_all_at_once(start: Start, database: str) -> None:
    sql.execute(
        database,
        """
        drop view preflight_server, preflight_credential;
        create view preflight_credential as select id as credential_id, kind from awp_credential;
        """,
    )
    worker = start(wait=False)
    assert "The view preflight_server does not exist." in _last_words(worker)
    assert "The view preflight_credential has no column usable" in _last_words(worker)
    assert "trigger-worker platform check" in _last_words(worker)
    assert "action=assigned" not in worker.words()


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", 'database "nowhere" does not exist'), ("postgres", "awp_trigger_ledger")],
)
def test_a_worker_with_another_database_never_joins_its_group(
    start: Start, database: str, name: str, words: str
) -> None:
    url = make_url(database).set(database=name).render_as_string(hide_password=False)
    worker = start({"database_url": SecretStr(url)}, wait=False)
    assert words in _last_words(worker)
    assert "action=assigned" not in worker.words()


def test_a_missing_topic_is_named(
    start: Start, broker: Broker, topic_prefix: str, topics: Topics
) -> None:
    with TopicAdmin(kafka_settings(broker, topic_prefix)) as admin:
        admin.delete((topics.failures,))
    worker = start(wait=False)
    assert _last_words(worker) == (
        f"trigger-worker: The topic {topics.failures} does not exist. "
        "Make the topics with `trigger-worker topics create`."
    )


def test_no_broker_is_waited_for_and_sigterm_ends_the_wait(
    start: Start, unused_address: str
) -> None:
    worker = start({"kafka_brokers": unused_address}, wait=False)
    wait_until(lambda: "action=wait_for_brokers" in worker.words(), 30, "a worker that waits")
    assert worker.get("/livez") == 200
    assert worker.get("/readyz") == 503
    assert worker.stop() == 0


def test_no_database_is_waited_for_and_sigterm_ends_the_wait(
    start: Start, unused_address: str, database: str
) -> None:
    host, port = unused_address.split(":")
    url = make_url(database).set(host=host, port=int(port)).render_as_string(hide_password=False)
    worker = start({"database_url": SecretStr(url)}, wait=False)
    wait_until(lambda: "The database is away" in worker.words(), 30, "a worker that waits")
    assert worker.get("/livez") == 200
    assert worker.get("/readyz") == 503
    assert worker.stop() == 0


def test_a_partition_of_another_group_is_refused_until_that_group_releases_it(
    start: Start, load: Load, judge: Judge, topic_prefix: str
) -> None:
    first = start()
    load.fire(30)
    judge.settled(load.sent)
    other = start({"consumer_group": "night-shift"}, wait=False)
    assert f"belongs to consumer group '{topic_prefix}-worker', not to 'night-shift'" in (
        _last_words(other)
    )
    first.child.send(signal.SIGTERM)
    assert wait_until(lambda: first.child.exit_status() is not None, 20, "its end")
    start({"consumer_group": "night-shift"})
    load.fire(30)
    outcome = judge.settled(load.sent)
    assert (outcome.records, outcome.duplicates, outcome.repeats) == (60, 0, 0)


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_a_compacted_topic_is_refused_before_a_trigger_of_it_is_read(
    start: Start, broker: Broker, topics: Topics, load: Load, database: str, policy: str
) -> None:
    set_topic(broker.address, topics.triggers, "cleanup.policy", policy)
    load.fire(10)
    worker = start(wait=False)
    assert _last_words(worker) == (
        f"trigger-worker: {topics.triggers} cannot be read: cleanup.policy is {policy}: compaction "
        "deletes all but the newest message of a job. "
        f"Set cleanup.policy=delete on {topics.triggers}."
    )
    assert sql.value(database, "select count(*) from awp_trigger_ledger") == 0


def test_a_topic_whose_batches_may_unpack_to_anything_is_said_loudly(
    start: Start, broker: Broker, topics: Topics, load: Load, judge: Judge
) -> None:
    set_topic(broker.address, topics.statuses, "compression.type", "producer")
    worker = start()
    load.fire(3)
    judge.settled(load.sent)
    (said,) = [line for line in worker.words().splitlines() if "action=topic_settings" in line]
    assert "WARNING" in said
    assert f'topic={topics.statuses} problem="compression.type is producer' in said
    assert f'remedy="Set compression.type=uncompressed on {topics.statuses}' in said
