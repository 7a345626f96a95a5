"""A trigger that is sent again has one record and one event, wherever the repeat arrives."""

from collections.abc import Callable

import pytest

from tests.support import sql
from tests.support.ledgers import Judge, Outcome
from tests.support.load import Load
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]


def _duplicate_counts(database: str) -> list[tuple[int, int]]:
    return sql.rows(
        database,
        "select duplicate_count, count(*) from awp_job_execution group by 1 order by 1",
    )


def test_a_duplicate_in_one_batch_is_counted_on_one_record(
    start: Start, load: Load, judge: Judge
) -> None:
    once = load.fire(30, partition=0)
    load.again(once[:10], partition=0)
    load.again(once[:5], partition=0)
    start()  # the whole backlog is its first batch
    assert judge.settled(load.sent) == Outcome(records=30, duplicates=15, redeliveries=0, repeats=0)
    assert _duplicate_counts(judge.database) == [(0, 20), (1, 5), (2, 5)]


def test_a_duplicate_in_a_later_batch_is_counted_on_the_first_record(
    start: Start, load: Load, judge: Judge
) -> None:
    start()
    once = load.fire(30, partition=0)
    judge.settled(load.sent)
    load.again(once[:10], partition=0)
    load.again(once[20:], partition=1)
    wait_until(lambda: _duplicate_counts(judge.database) == [(0, 10), (1, 20)], 20, "20 repeats")
    assert judge.settled(load.sent) == Outcome(records=30, duplicates=20, redeliveries=0, repeats=0)


@pytest.mark.parametrize("topics", [2], indirect=True)
def test_a_duplicate_in_two_workers_at_once_is_one_record(
    start: Start, load: Load, judge: Judge
) -> None:
    workers = [start(), start()]
    wait_until(
        lambda: [each.partitions(load.topic) for each in workers] == [1, 1], 30, "a partition each"
    )
    for _ in range(10):  # many small batches, side by side
        load.again(load.fire(40, partition=0), partition=1)
    wait_until(lambda: _duplicate_counts(judge.database) == [(1, 400)], 30, "400 repeats")
    assert judge.settled(load.sent) == Outcome(
        records=400, duplicates=400, redeliveries=0, repeats=0
    )
