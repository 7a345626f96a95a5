"""docs/scale.md says what the calculation prints, and the calculation is right by hand."""

import pytest

from tests.benchmarks import scale
from tests.benchmarks.scale import Assumed, Trigger

TRIGGER = Trigger(
    per_s=10_000,
    client_us=40,
    server_us=20,
    broker_us=10,
    statements=0.016,
    wal_bytes=900,
    page_bytes=100,
    trigger_bytes=100,
    event_bytes=400,
    record_bytes=500,
    key_bytes=40,
)
ASSUMED = Assumed(
    used_share=0.5,
    average_share=0.1,
    retention_days=100,
    replicas=2,
    database_cores=20,
    database_memory_gb=100,
    database_wal_mb_s=100,
    database_disk_tb=10,
    broker_cores=4,
    broker_mb_s=50,
)


def test_needs_are_what_one_calculates_by_hand() -> None:
    need = scale.needs(100_000, TRIGGER, ASSUMED)

    assert (need.workers, need.partitions) == (20, 40)
    assert (need.worker_cores, need.database_cores, need.broker_cores) == (4, 2, 2)
    assert (need.wal_mb_s, need.broker_mb_s) == (100, 100)
    assert need.records_a_day == 864e6
    assert need.disk_gb_a_day == 432
    assert need.kept_tb == pytest.approx(43.2)
    assert need.key_gb_a_day == pytest.approx(34.56)


def test_what_is_used_is_compared_with_what_may_be_used() -> None:
    full = scale.loads(scale.needs(100_000, TRIGGER, ASSUMED), ASSUMED)

    assert {name: round(share, 3) for name, share in full.items()} == {
        "one worker": 20,
        "one primary: disk": 8.64,
        "one primary: CPU": 0.2,
        "one primary: write-ahead log": 2,
        "one primary: memory for the keys of two days": 1.382,
        "three brokers: network and disk": 1.333,
        "three brokers: CPU": 0.333,
    }
    assert scale.shards(scale.needs(100_000, TRIGGER, ASSUMED), ASSUMED) == 9
    assert scale.brokers(scale.needs(100_000, TRIGGER, ASSUMED), ASSUMED) == 4


def test_small_rates_need_one_worker_one_primary_and_three_brokers() -> None:
    need = scale.needs(10, TRIGGER, ASSUMED)

    assert (need.workers, need.partitions) == (1, 6)
    assert scale.shards(need, ASSUMED) == 1
    assert scale.brokers(need, ASSUMED) == 3


def test_what_breaks_first_stands_on_top() -> None:
    _, first, *_ = scale.loads_table(TRIGGER, ASSUMED)

    assert first == ("one worker", "**2.00**", "**20**", "**200**")


@pytest.mark.parametrize("name", ["needs", "loads"])
def test_the_page_says_what_is_calculated(name: str) -> None:
    page = scale.PAGE.read_text()
    start, end = scale.marked(page, name)

    assert page[start:end] == scale.tables(*scale.load())[name], "run make scale ARGS=--write"
