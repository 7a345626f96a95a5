"""A topic that is deleted takes with it what nobody has read: the audit says so until it is heard.

On real Kafka, and by a worker that runs: it knows how much was unread when it last looked.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from job_trigger_worker.audit.run import Audit, run
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.admin import TopicAdmin
from tests.conftest import kafka_settings
from tests.support import sql
from tests.support.command import trigger_worker
from tests.support.rig import at, trigger
from tests.support.topics import Broker, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import environment, running

pytestmark = [
    pytest.mark.parametrize("broker", ["kafka"], indirect=True),
    pytest.mark.parametrize("topics", [1], indirect=True),
]
NOTICED_S = 40.0


def _fire(broker: Broker, topics: Topics, first: int, count: int) -> None:
    bodies = [trigger(404, scheduled_at=at(first + n)) for n in range(count)]
    produce_raw(broker, topics.triggers, [("1", json.dumps(body), None) for body in bodies])


def _make_again(settings: Settings, broker: Broker, topics: Topics) -> None:
    with TopicAdmin(kafka_settings(broker, settings.topic_prefix)) as admin:
        admin.delete((topics.triggers,))
        admin.create(topics, partitions=1)


def _audit(settings: Settings, **flags: Any) -> Audit:
    return run(settings, progress=lambda *_: None, **flags)


def _settled(database: str, deliveries: int) -> None:
    wait_until(
        lambda: sql.value(database, "select sum(deliveries) from awp_trigger_ledger") == deliveries,
        NOTICED_S,
        f"{deliveries} deliveries",
    )


def test_a_topic_deleted_with_unread_triggers_is_red_until_a_person_acknowledges_it(
    settings: Settings, topics: Topics, broker: Broker, database: str, tmp_path: Path
) -> None:
    with running(settings, tmp_path / "first.log"):
        _fire(broker, topics, 0, 5)
        _settled(database, 5)
    _fire(broker, topics, 5, 20)
    _make_again(settings, broker, topics)

    # No worker has run since: only the brokers know that it is another topic.
    for flags in ({}, {"is_deep": True}):
        found = _audit(settings, **flags)
        assert not found.closes
        (lost,) = [each for row in found.rows for each in row.lost]
        assert (lost.topic, lost.partition, lost.first, lost.last) == (topics.triggers, 0, 5, None)

    with running(settings, tmp_path / "second.log") as worker:
        _fire(broker, topics, 30, 3)
        _settled(database, 8)
        assert "action=topic_deleted_unread" in worker.words()
    found = _audit(settings, is_offline=True)  # the worker has written it down
    (difference,) = [each for line in found.lines for each in line.differences]
    assert "was deleted, with what stood there unread from offset 5 on" in difference

    ended = trigger_worker(
        *("audit", "--deep", "--acknowledge", "lost", "--reason", "a test topic", "--json"),
        env=environment(settings),
    )
    assert (ended.status, ended.json["acknowledged"]) == (0, 1), ended.stdout
    assert _audit(settings).closes


def test_a_running_worker_knows_how_many_were_unread_at_least(
    settings: Settings, topics: Topics, broker: Broker, database: str, tmp_path: Path
) -> None:
    """It is held up by its database while 20 more arrive, and looks at the log meanwhile."""
    with running(settings, tmp_path / "worker.log") as worker:
        _fire(broker, topics, 0, 5)
        _settled(database, 5)
        _fire(broker, topics, 5, 20)
        _settled(database, 25)
        end = "select max(log_end) from awp_trigger_ledger where deliveries > 0"
        wait_until(lambda: sql.value(database, end) == 25, NOTICED_S, "the end that it has seen")
        worker.stop()
    sql.execute(database, "update awp_trigger_ledger set last_offset = 4 where deliveries > 0")
    _make_again(settings, broker, topics)

    found = _audit(settings)

    (lost,) = [each for row in found.rows for each in row.lost]
    assert (lost.first, lost.last, lost.at_least) == (5, None, 20)


def test_a_topic_that_is_there_no_more_is_red_too(
    settings: Settings, topics: Topics, broker: Broker, database: str, tmp_path: Path
) -> None:
    with running(settings, tmp_path / "worker.log"):
        _fire(broker, topics, 0, 5)
        _settled(database, 5)
    with TopicAdmin(kafka_settings(broker, settings.topic_prefix)) as admin:
        admin.delete((topics.triggers,))

    found = _audit(settings)

    assert not found.closes
    assert [each.first for row in found.rows for each in row.lost] == [5]
