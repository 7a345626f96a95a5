"""A position that stands before the end of its log is said: in figures, and by `/readyz`."""

import json
import re
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.error import HTTPError

import pytest
from confluent_kafka import Producer

from job_trigger_worker.domain.topics import Topics
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.topics import Broker, quiet_client
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

Start = Callable[..., WorkerProcess]
HASTY = """
from job_trigger_worker.cli import main
from job_trigger_worker.domain import backlog
backlog.STANDSTILL_S = 2
main()
"""
"""The worker, with two seconds in place of a minute."""


def figure(worker: WorkerProcess, name: str, topic: str, partition: int = 0) -> float | None:
    found = re.search(
        rf'^trigger_worker_{name}{{partition="{partition}",topic="{topic}"}} (\S+)$',
        worker.page("/metrics"),
        re.MULTILINE,
    )
    return None if found is None else float(found[1])


def why_not_ready(worker: WorkerProcess) -> str:
    """What `/readyz` says with a 503; nothing with a 200."""
    address = re.findall(r"action=listening address=(\S+)", worker.words())[-1]
    try:
        urllib.request.urlopen(f"http://{address}/readyz", timeout=5).close()
    except HTTPError as refused:
        return str(json.loads(refused.read())["status"])
    return ""


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
@pytest.mark.parametrize("topics", [1], indirect=True)
def test_triggers_behind_an_open_transaction_are_said_to_wait_until_it_is_aborted(
    start: Start, broker: Broker, topics: Topics, load: Load, judge: Judge
) -> None:
    """Other producers' triggers stand behind it, acknowledged, and nobody can read them."""
    worker = start(program=HASTY)
    load.fire(5)
    judge.settled(load.sent)
    opened = Producer({**quiet_client(broker.address), "transactional.id": topics.triggers})
    opened.init_transactions(20)
    opened.begin_transaction()
    at = datetime.now(UTC).isoformat()
    opened.produce(topics.triggers, json.dumps({"job_id": load.jobs[0], "scheduled_at": at}))
    opened.flush(20)
    load.fire(3)
    said = wait_until(lambda: why_not_ready(worker), 20, "that it is not ready")
    assert re.fullmatch(
        rf"partition 0 of {topics.triggers} has stood at offset 5 since \S+ and 4 wait: "
        "the brokers hand out nothing behind a transaction that is still open",
        said,
    )
    assert figure(worker, "unread_messages", topics.triggers) == 4
    age_s = figure(worker, "oldest_unread_age_seconds", topics.triggers)
    assert age_s is not None
    assert 2 < age_s < 60
    opened.abort_transaction(20)
    judge.settled(load.sent)
    wait_until(lambda: not why_not_ready(worker), 10, "that it is ready again")
    opened.begin_transaction()  # this time the log ends with what is taken back
    opened.produce(topics.triggers, b"{}")
    opened.flush(20)
    opened.abort_transaction(20)
    wait_until(lambda: figure(worker, "unread_messages", topics.triggers) == 0, 10, "nothing left")


@pytest.mark.parametrize("broker", ["kafka", "embedded"], indirect=True)
@pytest.mark.parametrize("topics", [1], indirect=True)
def test_an_idle_worker_has_nothing_waiting_and_says_so(
    start: Start, topics: Topics, load: Load, judge: Judge
) -> None:
    worker = start(program=HASTY)
    load.fire(20)
    judge.settled(load.sent)
    names = (
        *("unread_messages", "oldest_unread_age_seconds"),
        *("outbox_rows", "oldest_outbox_row_age_seconds"),
    )
    begun = datetime.now(UTC)

    def has_rested() -> bool:
        assert why_not_ready(worker) == ""
        return (datetime.now(UTC) - begun).total_seconds() > 4

    wait_until(has_rested, 10, "longer than a position may stand still")
    for topic in topics.consumed():
        assert [figure(worker, name, topic) for name in names] == [0, 0, 0, 0]
