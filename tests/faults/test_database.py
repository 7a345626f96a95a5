"""The database is away, answers too late, or cannot answer: no verdict, no loss, no restart."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
from pydantic import SecretStr

from tests.support import sql
from tests.support.ledgers import Judge, Outcome
from tests.support.load import Load
from tests.support.proxy import proxied
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
Start = Callable[..., WorkerProcess]
OUTAGE_S = 10.0


@contextmanager
def _broken_view(database: str) -> Iterator[None]:
    """`preflight_server` divides by zero, for as long as the block lasts."""
    (definition,) = sql.rows(database, "select pg_get_viewdef('preflight_server')")[0]
    raising = "case when 1 / (server_id - server_id) = 0 then state end as state"
    sql.execute(
        database,
        f"create or replace view preflight_server as select server_id, name, ip, {raising} "
        f"from ({definition.rstrip(';')}) as whole",
    )
    yield
    sql.execute(database, f"create or replace view preflight_server as {definition}")


def _clean(load: Load) -> Outcome:
    return Outcome(records=len(load.sent), duplicates=0, redeliveries=0, repeats=0)


@pytest.mark.parametrize(
    "statement",
    [b"insert into awp_job_execution", b"delete from awp_trigger_outbox"],
    ids=["records", "delete of what is published"],
)
def test_a_commit_whose_answer_is_lost_happened_once(
    start: Start, load: Load, judge: Judge, statement: bytes
) -> None:
    with proxied(judge.database) as proxy:
        worker = start({"database_url": SecretStr(proxy.url)})
        proxy.lose_answer(statement)
        load.fire(60)
        wait_until(lambda: proxy.lost_answers == 1, 20, "a lost answer")
        load.fire(60)
        assert judge.settled(load.sent) == _clean(load)
        assert worker.stop() == 0


@pytest.mark.parametrize("topics", [1], indirect=True)
def test_a_way_on_which_a_full_batch_takes_too_long_lets_smaller_ones_through(
    start: Start, load: Load, judge: Judge
) -> None:
    load.fire(1000)
    with proxied(judge.database) as proxy:
        proxy.bytes_per_s = 100_000  # a full batch needs 5 s, a session may be idle for 1.8 s
        worker = start({"database_url": SecretStr(proxy.url)})
        assert judge.settled(load.sent, 60) == _clean(load)
        assert " batch=500 " in worker.words()


def test_on_a_way_with_long_round_trips_a_batch_is_decided_while_another_is_written(
    start: Start, load: Load, judge: Judge
) -> None:
    load.fire(5000)
    with proxied(judge.database) as proxy:
        proxy.delay_s = 0.07  # each way: a batch takes longer than a loop may go without a poll
        start({"database_url": SecretStr(proxy.url)}, wait=False)
        assert judge.settled(load.sent, 90) == _clean(load)
    waits = (
        "select decided_at - lag(min(created_at)) over (order by decided_at) as waited "
        "from awp_job_execution group by decided_at"
    )
    overlaps = f"select count(*) from ({waits}) as found where waited < interval '0.5 s'"
    assert sql.value(judge.database, overlaps) >= 3


def test_a_database_away_for_10_s_is_waited_for_as_a_member_of_the_group(
    start: Start, load: Load, judge: Judge
) -> None:
    with proxied(judge.database) as proxy:
        worker = start({"database_url": SecretStr(proxy.url)})
        load.fire(60)
        judge.settled(load.sent)
        proxy.refuse()
        load.fire(300)
        began = monotonic()
        wait_until(
            lambda: worker.get("/livez") == 200 and monotonic() - began > OUTAGE_S,
            OUTAGE_S + 5,
            "an outage that it lives through",
        )
        assert worker.get("/readyz") == 503
        proxy.listen()
        assert judge.settled(load.sent) == _clean(load)
        assert "action=revoked" not in worker.words().partition("action=wait")[2]
        assert "action=lost" not in worker.words()
        assert worker.stop() == 0


def test_a_read_that_is_never_answered_costs_the_membership_and_not_the_stop(
    start: Start, load: Load, judge: Judge
) -> None:
    with proxied(judge.database) as proxy:
        stuck = start({"database_url": SecretStr(proxy.url)})
        proxy.fall_silent(b"from preflight_job")
        load.fire(60)
        wait_until(lambda: stuck.get("/livez") == 503, 25, "a loop that turns no more")
        start()
        load.fire(60)
        assert judge.settled(load.sent) == _clean(load)
        assert stuck.stop() == 0
        load.fire(60)
        assert judge.settled(load.sent) == _clean(load)


def test_sessions_ended_by_the_server_cost_nothing(start: Start, load: Load, judge: Judge) -> None:
    start({"batch_triggers": 50})
    ended = 0
    for _ in range(5):
        load.fire(200)
        sessions = sql.rows(
            judge.database,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name = 'trigger-worker'",
        )
        ended += len(sessions)
    assert ended > 0
    outcome = judge.settled(load.sent)
    assert (outcome.records, outcome.duplicates, outcome.redeliveries) == (1000, 0, 0)


def test_a_view_that_raises_is_unknown_until_it_is_mended(
    start: Start, load: Load, judge: Judge
) -> None:
    worker = start()
    with _broken_view(judge.database):
        load.fire(60)
        wait_until(lambda: "attempt=4 " in worker.words(), 20, "four tries")
        said = wait_until(lambda: worker.why_not("/readyz"), 5, "that it is not ready")
        assert "The view preflight_server cannot be read (22012): division by zero" in said
        assert judge.records() == 0
    assert judge.settled(load.sent) == _clean(load)
    assert sql.value(judge.database, "select count(*) from awp_dead_letter") == 0
    failed = "select count(*) from awp_job_execution where trigger_status = 2"
    assert sql.value(judge.database, failed) == 15  # those on the dead server, no other
    words = worker.words()
    taken = re.findall(r"action=taken topic=\S+triggers\S+ partition=(\d+)", words)
    assert sorted(taken) == ["0", "1", "2"], "partitions were taken again"
    pauses = [float(each) for each in re.findall(r"attempt=\d+ pause_s=([0-9.]+)", words)]
    assert pauses[3] >= 4 * pauses[0]
    wait_until(lambda: worker.get("/readyz") == 200, 5, "that it is ready again")


def test_a_table_that_takes_no_record_is_waited_for_and_said(
    start: Start, load: Load, judge: Judge
) -> None:
    worker = start()
    load.fire(20)
    judge.settled(load.sent)
    table = "alter table awp_job_execution"
    sql.execute(judge.database, f"{table} add column created_by text not null default 'x'")
    sql.execute(judge.database, f"{table} alter column created_by drop default")
    load.fire(100)
    wait_until(lambda: "attempt=3 " in worker.words(), 20, "three tries")
    said = worker.why_not("/readyz")
    for words in ("(23502)", "table awp_job_execution, column created_by", "column a default"):
        assert words in said
    assert " ERROR " in worker.words()
    assert judge.records() == 20
    assert sql.value(judge.database, "select count(*) from awp_dead_letter") == 0
    sql.execute(judge.database, f"{table} alter column created_by drop not null")
    assert judge.settled(load.sent) == _clean(load)
    assert worker.stop() == 0


def test_a_view_that_is_not_there_stops_the_worker_with_one_sentence(
    start: Start, load: Load, judge: Judge
) -> None:
    worker = start()
    sql.execute(judge.database, "drop view preflight_server")
    load.fire(10)
    assert wait_until(worker.child.exit_status, 20, "its end") == 1
    last = worker.words().splitlines()[-1]
    assert last.startswith("trigger-worker: The view preflight_server cannot be read (42P01)")
    assert "Define it over the platform's tables" in last
    assert judge.records() == 0
