"""A worker that is told to stop ends in time, whatever its clients wait for."""

from collections.abc import Callable

import pytest

from tests.support import sql
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["embedded"], indirect=True)

STUCK = """
import time
from worker.cli import main
from worker.kafka import consumer, producer, topic_ids

def for_ever(*args, **named):
    time.sleep(3600)

consumer.Consumer = type("Stuck", (consumer.Consumer,), {"close": for_ever})
producer.Producer = type("Stuck", (producer.Producer,), {"purge": for_ever})
topic_ids.AdminClient = type("Stuck", (topic_ids.AdminClient,), {"__exit__": for_ever})
main()
"""
"""librdkafka waits so now and then, when brokers have died and come back."""


def test_clients_whose_end_never_comes_are_left_behind(
    start: Callable[..., WorkerProcess], load: Load, judge: Judge
) -> None:
    worker = start(program=STUCK)
    load.fire(10)
    judge.settled(load.sent, 20)
    assert worker.stop() == 0
    left = [line for line in worker.words().splitlines() if "action=close client=" in line]
    for client in ("consumer", "producer", "admin client"):
        assert any(f"client={client}" in line for line in left), worker.words()
    owned = "select count(*) from awp_trigger_ledger where owner is not null"
    assert sql.value(judge.database, owned) == 0
