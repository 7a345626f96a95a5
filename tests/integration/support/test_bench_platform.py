"""The platform and the past that `make bench` measures on."""

from tests.benchmarks import history, inventory
from tests.support.sql import rows, value

INDEXES = "select indexdef from pg_indexes where tablename = 'awp_job_execution' order by 1"


def test_a_platform_has_as_many_jobs_as_asked_for_and_servers_for_each(database: str) -> None:
    inventory.fill(database, 1200)

    assert rows(
        database,
        "select job_type, count(*), min(jsonb_array_length(coalesce(paramter -> 'servers', "
        "paramter #> '{nodes,0,servers}'))), max(jsonb_array_length(coalesce(paramter -> "
        "'servers', paramter #> '{nodes,0,servers}'))) from awp_automcation_job "
        "group by 1 order by 1",
    ) == [("action", 900, 1, 2), ("workflow", 300, 1, 1)]


def test_a_past_is_filled_up_and_the_table_keeps_its_indexes(database: str) -> None:
    inventory.fill(database, 100)
    before = rows(database, INDEXES)

    history.fill_up(database, records=2000, jobs=100)
    history.fill_up(database, records=5000, jobs=100)

    assert rows(database, INDEXES) == before
    assert len(before) > 5
    assert rows(
        database,
        "select count(*), count(distinct idempotency_key), count(distinct execution_id), "
        "count(distinct job_id), count(*) filter (where trigger_status = 2), "
        "bool_and(scheduled_at < now()) from awp_job_execution",
    ) == [(5000, 5000, 5000, 100, 50, True)]


def test_a_past_that_is_long_enough_stays(database: str) -> None:
    inventory.fill(database, 10)
    history.fill_up(database, records=100, jobs=10)

    history.fill_up(database, records=50, jobs=10)

    assert value(database, "select count(*) from awp_job_execution") == 100
