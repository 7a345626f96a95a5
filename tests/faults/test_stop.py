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
from job_trigger_worker.cli import main
from job_trigger_worker.kafka import consumer, producer, topic_ids

def for_ever(*args, **named):
    time.sleep(3600)

consumer.Consumer = type("Stuck", (consumer.Consumer,), {"close": for_ever})
producer.Producer = type("Stuck", (producer.Producer,), {"close": for_ever})
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
    before = len(worker.words())
    assert worker.stop() == 0
    said = worker.words()[before:]
    for client in ('"consumer of', "producer", '"admin client"'):  # of each loop
        assert said.count(f"action=client_not_closed client={client}") == 2, said
    owned = "select count(*) from awp_trigger_ledger where owner is not null"
    assert sql.value(judge.database, owned) == 0
