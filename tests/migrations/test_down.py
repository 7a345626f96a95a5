"""Going down is one transaction: all of it, or nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from job_trigger_worker.errors import FatalError
from job_trigger_worker.migrations.online import Patience
from job_trigger_worker.storage.schema import going_down, revisions
from tests.support.sql import SHAPE, execute, rows, session, value
from tests.support.waiting import wait_until

HURRIED = Patience(lock_timeout_ms=50, attempts=2, pause_s=0.05)
PATIENT = Patience(lock_timeout_ms=50, attempts=400, pause_s=0.02)
NEEDS = {
    "a column of the records": (
        "create view monthly as select count(*) from awp_job_execution where trigger_code is null",
        "view monthly depends on column trigger_code of table awp_job_execution",
    ),
    "a column of the jobs": (
        "create view failing as select id from awp_automcation_job where failing_since is not null",
        "view failing depends on column failing_since of table awp_automcation_job",
    ),
    "a table": (
        "create view progress as select sum(records) from awp_trigger_ledger",
        "view progress depends on table awp_trigger_ledger",
    ),
    "a view": (
        "create view running as select * from preflight_server where state = 'on'",
        "view running depends on view preflight_server",
    ),
    "a table, by a foreign key": (
        "create table noted (letter bigint references awp_dead_letter)",
        "constraint noted_letter_fkey on table noted depends on table awp_dead_letter",
    ),
}

COLUMNS = """
    select table_name, column_name from information_schema.columns
    join information_schema.tables using (table_schema, table_name)
    where table_schema = 'public' and table_type = 'BASE TABLE'
"""


@pytest.mark.parametrize("to", ["0002", "base"])
@pytest.mark.parametrize("platform", ["ours", "theirs", "other tables"])
def test_what_is_said_to_go_is_what_goes(
    request: pytest.FixtureRequest, platform: str, to: str
) -> None:
    names = {"ours": "filled", "theirs": "stamped", "other tables": "empty"}
    url = request.getfixturevalue(names[platform])
    revisions.upgrade(url, stamp=None if platform == "ours" else "0001")
    before = set(rows(url, COLUMNS))

    going = revisions.going_down(url, to=to)

    assert set(rows(url, COLUMNS)) == before
    assert (going.revision, going.to) == ("0003", to)
    whole = {each.table for each in going.dropped if not each.columns}
    single = {(each.table, column) for each in going.dropped for column in each.columns}
    revisions.downgrade(url, to=to)
    gone = before - set(rows(url, COLUMNS))
    assert gone == {each for each in before if each[0] in whole} | single


def test_what_goes_is_counted_and_a_large_table_only_so_far(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    revisions.upgrade(filled)
    assert _counts(filled)["awp_job_execution"] == 2000
    monkeypatch.setattr(going_down, "MOST_COUNTED", 100)
    assert _counts(filled)["awp_job_execution"] == 101


def _counts(url: str) -> dict[str, int]:
    return {each.table: each.rows for each in revisions.going_down(url).dropped}


@pytest.mark.parametrize("case", NEEDS)
def test_what_is_still_needed_is_named_and_nothing_is_half_done(filled: str, case: str) -> None:
    made, said = NEEDS[case]
    revisions.upgrade(filled)
    execute(
        filled,
        made
        + "; insert into awp_trigger_ledger (topic, topic_id, \"partition\") values ('t', 'i', 0)",
    )
    before = rows(filled, SHAPE)
    steps: list[str] = []

    with pytest.raises(FatalError) as refused:
        revisions.downgrade(filled, to="0002", on_step=steps.append)

    assert said in refused.value.message
    assert refused.value.message.endswith("Nothing was changed.")
    assert "cascade" not in str(refused.value).lower()
    assert rows(filled, SHAPE) == before
    assert value(filled, "select count(*) from awp_trigger_ledger") == 1
    assert revisions.current(filled).revision == "0003"
    assert steps == []


def test_so_is_what_the_last_of_several_revisions_cannot_drop(filled: str) -> None:
    revisions.upgrade(filled)
    execute(filled, "create view servers as select name from awp_server")
    before = rows(filled, SHAPE)

    with pytest.raises(FatalError, match="view servers depends on table awp_server"):
        revisions.downgrade(filled, to="base")

    assert rows(filled, SHAPE) == before
    assert revisions.current(filled).revision == "0003"


def test_a_table_that_stays_in_use_leaves_everything_as_it_was(filled: str) -> None:
    revisions.upgrade(filled)
    before = rows(filled, SHAPE)
    with session(filled, application="nightly report") as holder, holder.cursor() as cursor:
        cursor.execute("select count(*) from awp_automcation_job")
        with pytest.raises(FatalError) as raised:
            revisions.downgrade(filled, patience=HURRIED)
        pid = holder.info.backend_pid
    assert raised.value.message == (
        f"Table awp_automcation_job stayed locked by session {pid} (nightly report): "
        "2 attempts of 50 ms each."
    )
    assert rows(filled, SHAPE) == before


def test_others_pass_while_it_waits_for_a_lock(filled: str) -> None:
    revisions.upgrade(filled)
    waiting = """
        select count(*) from pg_stat_activity where application_name = 'trigger-worker migrate'
            and wait_event_type = 'Lock' and datname = current_database()
    """
    with session(filled) as holder, holder.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("select count(*) from awp_automcation_job")
        running = pool.submit(revisions.downgrade, filled, patience=PATIENT)
        wait_until(lambda: value(filled, waiting), 10, "the migration waits for the lock")
        bounded = "set statement_timeout = '5s'; select count(*) from awp_job_execution"
        assert rows(filled, bounded) == [(2000,)]
        holder.rollback()
        assert running.result(timeout=30).revision == "0002"


def test_columns_that_the_platform_had_before_stay(stamped: str) -> None:
    execute(
        stamped,
        """
        alter table awp_job_execution add trace_id text, add owner_id bigint;
        update awp_job_execution set trace_id = 'theirs', owner_id = 7 where id = 1;
        alter table awp_automcation_job add max_lateness_s int default 60;
        """,
    )
    revisions.upgrade(stamped, stamp="0001")
    revisions.downgrade(stamped, to="base")
    theirs = "select trace_id, owner_id from awp_job_execution where id = 1"
    assert rows(stamped, theirs) == [("theirs", 7)]
    assert value(stamped, "select max_lateness_s from awp_automcation_job where id = 1") == 60
