"""The stand-ins for the action service and orch: what is over is refused, what is not is run."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.demo.services import Services
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support.topics import Broker, Collector, produce_raw
from tests.support.waiting import wait_until

EXAMPLE = Path("schemas/examples/good/awp.job.dispatch.v1/action.json")
ON_EMBEDDED = pytest.mark.parametrize("broker", ["embedded"], indirect=True)


@pytest.fixture
def statuses(broker: Broker, topics: Topics, settings: Settings) -> Iterator[Collector]:
    """What the stand-ins tell."""
    services = Services(KafkaSettings.of(settings), partitions=3)
    services.start()
    collector = Collector(broker, topics.statuses)
    yield collector
    services.stop()
    collector.close()


def dispatch(expires_at: datetime | None) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(EXAMPLE.read_text())
    when = None if expires_at is None else expires_at.isoformat()
    return given | {"execution_id": str(uuid4()), "event_id": str(uuid4()), "expires_at": when}


@ON_EMBEDDED
def test_a_dispatch_that_comes_again_runs_once(
    broker: Broker, topics: Topics, statuses: Collector
) -> None:
    """As after a crash, or from a database that had forgotten it: the same execution."""
    first, last = dispatch(None), dispatch(None)
    produce_raw(
        broker,
        topics.dispatch_action,
        [("4711", json.dumps(each).encode(), None) for each in (first, first, last)],
    )

    def accepted() -> list[str]:
        told = [json.loads(message.value or b"") for message in statuses.look()]
        return [each["execution_id"] for each in told if each["status"] == "accepted"]

    wait_until(lambda: last["execution_id"] in accepted(), 20, "the last run")
    assert sorted(accepted()) == sorted([first["execution_id"], last["execution_id"]])


@ON_EMBEDDED
def test_a_dispatch_that_cannot_be_read_costs_no_other_its_run(
    broker: Broker, topics: Topics, statuses: Collector
) -> None:
    runs = [dispatch(None) for _ in range(4)]
    bodies = [json.dumps(each).encode() for each in runs]
    mixed = [bodies[0], b"{", *bodies[1:3], b"[]", bodies[3]]
    produce_raw(broker, topics.dispatch_action, [("4711", each, None) for each in mixed])

    def accepted() -> list[str]:
        told = [json.loads(message.value or b"") for message in statuses.look()]
        return [each["execution_id"] for each in told if each["status"] == "accepted"]

    wait_until(lambda: len(accepted()) == 4, 20, "four runs")
    assert sorted(accepted()) == sorted(each["execution_id"] for each in runs)


@ON_EMBEDDED
def test_a_dispatch_that_is_over_is_rejected_and_says_since_when(
    broker: Broker, topics: Topics, statuses: Collector
) -> None:
    now = datetime.now(UTC)
    over = dispatch(datetime(2026, 11, 20, 9, tzinfo=UTC))
    soon, never = dispatch(now + timedelta(minutes=5)), dispatch(None)
    produce_raw(
        broker,
        topics.dispatch_action,
        [("4711", json.dumps(each).encode(), None) for each in (over, soon, never)],
    )

    def told() -> list[dict[str, Any]]:
        return [json.loads(message.value or b"") for message in statuses.look()]

    running = wait_until(
        lambda: [each for each in told() if each["status"] == "running"][1:], 20, "two runs"
    )
    assert running
    by_run = {each["execution_id"]: each for each in told() if each["status"] == "rejected"}
    assert list(by_run) == [over["execution_id"]]
    assert by_run[over["execution_id"]]["message"] == (
        "Came too late: it was to start by 2026-11-20 09:00:00 UTC."
    )
    of_over = [each["status"] for each in told() if each["execution_id"] == over["execution_id"]]
    assert of_over == ["rejected"]
