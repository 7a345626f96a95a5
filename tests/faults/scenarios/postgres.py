"""The database is killed, away, locked, read-only or full."""

from __future__ import annotations

import contextlib
import operator
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors

from job_trigger_worker.embedded import privileges
from tests.faults.scenario_run import RECOVERY_S, ScenarioRun
from tests.faults.scenarios.scenario import Lane, Scenario
from tests.support import sql
from tests.support.checker import Kind
from tests.support.waiting import wait_until

_REFUSED_S = 30.0
_LOCKED_S = 6.0
_NOBODY_WAITS_S = 10.0
_DEADLOCKS_S = 8.0
_UNSERIALIZABLE_S = 5.0
_READ_ONLY_S = 10.0
_FULL_S = 6.0
_NO_RECORD_S = 10.0
_UNREADABLE_S = 10.0
_DISK_BYTES = 48 * 1024**2

_JOB_COLUMNS = """
    select column_name from information_schema.columns where table_name = 'preflight_job'
    order by ordinal_position
"""
_RAISING = (
    "case when paramter ->> 'unreadable' is not null then concat('no json')::jsonb "
    "else paramter end as paramter"
)
_RECORDED = """
    select coalesce(sum(records), 0) from awp_trigger_ledger where topic like '%.job.triggers.v1'
"""
_BATCHES = """
    select created_at, count(*) from awp_job_execution
    where created_at > '{since}' group by created_at order by created_at
"""
"""When each batch since a moment began to be written, and how many records it has."""
_STARTING = 3
"""Batches that belong to a worker's start."""
_BACKLOG = 60_000
_AGEING = 1_000
_DRAINED_S = 180.0
_LEAST_RATIO = 0.8
_RECORD_INDEXES = "select indexname from pg_indexes where tablename = 'awp_job_execution'"
_BLOCKED = """
    select coalesce(max(pid), 0) from pg_stat_activity
    where datname = current_database() and application_name = 'trigger-worker'
        and wait_event_type = 'Lock'
"""
_LEFT = "select count(*) from awp_job_reprojection"
_DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"
_LOCK_JOBS = "select from awp_automcation_job order by id for update"
_LOCK_A_JOB = "select from awp_automcation_job order by random() limit 1 for update"
_LOCK_TABLE_OF_JOBS = "lock table awp_automcation_job in share mode"
_LOCK_LEDGER = "select from awp_trigger_ledger order by id for update"
_UNSERIALIZABLE = """
    create sequence faults_seen;
    create function faults_unserializable() returns trigger language plpgsql as $$
        begin
            if nextval('faults_seen') % 5 = 0 then
                raise exception 'could not serialize access' using errcode = '40001';
            end if;
            return null;
        end $$;
    create trigger faults_unserializable before insert on awp_job_execution
        for each statement execute function faults_unserializable();
"""
_SERIALIZABLE = """
    drop trigger faults_unserializable on awp_job_execution;
    drop function faults_unserializable;
    drop sequence faults_seen
"""


def kill_a_backend(run: ScenarioRun) -> None:
    """kill -9 of a session's process in the middle of a transaction: the server restarts itself."""
    for _ in range(2):
        run.rest(0.2, 0.8)
        with sql.session(run.database) as foreign, foreign.cursor() as cursor:
            cursor.execute(_LOCK_LEDGER)
            with sql.session(run.database) as seeing, seeing.cursor() as looking:
                seeing.autocommit = True

                def blocked(looking: psycopg2.extensions.cursor = looking) -> int:
                    looking.execute(_BLOCKED)
                    ((pid,),) = looking.fetchall()
                    return int(pid)

                backend = wait_until(blocked, RECOVERY_S, "a transaction in its middle")
            os.kill(backend, signal.SIGKILL)
            run.fault()
        run.recovered()


def restart_at_once(run: ScenarioRun) -> None:
    """Immediate shutdown, recovery from its log, and a start."""
    run.rest(0.2, 1.0)
    postgres = run.environment.postgres
    assert postgres.pid is not None, "the server does not run"
    os.kill(postgres.pid, signal.SIGQUIT)
    run.fault()
    wait_until(lambda: not postgres.is_running, RECOVERY_S, "the server's end")
    postgres.stop()
    postgres.start()
    run.proxy.lead_to(run.database)
    run.recovered()


def refuse_connections(run: ScenarioRun) -> None:
    """Nobody listens for 30 s."""
    run.fault()
    run.proxy.refuse()
    time.sleep(_REFUSED_S)
    run.proxy.listen()
    run.recovered()


def lock_for_long(run: ScenarioRun) -> None:
    """Another session holds locks for longer than the worker waits for one; it says whose."""
    with sql.session(run.database) as foreign, foreign.cursor() as cursor:
        cursor.execute(_LOCK_LEDGER)
        run.fault()
        with (
            run.heard("lock timeout"),
            run.heard(f'holder="session {foreign.info.backend_pid} '),
        ):
            time.sleep(_LOCKED_S)
    run.recovered()


def lock_jobs(run: ScenarioRun) -> None:
    """Another session holds a job, then the table of jobs: no trigger waits, whoever dies then."""
    for lock in (_LOCK_A_JOB, _LOCK_TABLE_OF_JOBS):
        with sql.session(run.database) as foreign, foreign.cursor() as cursor:
            cursor.execute(lock)
            run.fault()
            run.recovered()  # from what was under way when the lock was asked for
            run.rest(1.0, 3.0)
            run.recovered(_NOBODY_WAITS_S)
            run.look_until(_LEFT, lambda found: found > 0)
            run.kill(run.workers[0])
        run.start()
        run.recovered()
        run.look_until(_LEFT, lambda found: found == 0)


def deadlock(run: ScenarioRun) -> None:
    """Another session takes locks the other way round."""
    # Later than the other one asks for its second lock, earlier than the worker's lock_timeout.
    sql.execute(run.database, f"alter database \"{run.name}\" set deadlock_timeout = '400ms'")
    run.proxy.cut()  # sessions that know of it
    run.recovered()
    before = int(sql.value(run.database, _DEADLOCKS))
    end = time.monotonic() + _DEADLOCKS_S
    with sql.session(run.database) as foreign, foreign.cursor() as cursor:
        cursor.execute("set deadlock_timeout = '5s'")
        foreign.commit()
        while time.monotonic() < end:
            with contextlib.suppress(psycopg2.errors.DeadlockDetected):
                cursor.execute(_LOCK_LEDGER)
                time.sleep(0.1)
                cursor.execute(_LOCK_JOBS)
            foreign.rollback()
            run.rest(0.05, 0.2)
    seen = wait_until(
        lambda: int(sql.value(run.database, _DEADLOCKS)) - before,
        RECOVERY_S,
        "a deadlock that was found",
    )
    run.tally.faults += seen
    run.recovered()


def fail_to_serialize(run: ScenarioRun) -> None:
    """Every fifth batch meets a serialization failure."""
    sql.execute(run.database, _UNSERIALIZABLE)
    time.sleep(_UNSERIALIZABLE_S)
    run.look_until("select last_value from faults_seen", lambda seen: seen >= 5)
    run.tally.faults += int(sql.value(run.database, "select last_value / 5 from faults_seen"))
    sql.execute(run.database, _SERIALIZABLE)
    run.recovered()


def read_only(run: ScenarioRun) -> None:
    """Every transaction is refused its writes for 10 s, as while a standby takes over."""
    run.fault()
    _set_read_only(run, is_on=True)
    with run.heard("25006"):
        time.sleep(_READ_ONLY_S)
    _set_read_only(run, is_on=False)
    run.recovered()


def _set_read_only(run: ScenarioRun, *, is_on: bool) -> None:
    value = "on" if is_on else "off"
    setting = f"alter system set default_transaction_read_only = {value}"
    _as_admin(run, setting, "select pg_reload_conf()")


def take_no_record(run: ScenarioRun) -> None:
    """The platform adds a column that has to be filled, and corrects that after 10 s."""
    table = "alter table awp_job_execution"
    with run.heard("(23502)"):
        sql.execute(run.database, f"{table} add column created_by text not null default 'x'")
        sql.execute(run.database, f"{table} alter column created_by drop default")
        run.fault()
        time.sleep(_NO_RECORD_S)
    letters = int(sql.value(run.database, "select count(*) from awp_dead_letter"))
    if letters:
        run.broken(Kind.WRONG_VERDICT, f"{letters} triggers were blamed for the table")
    sql.execute(run.database, f"{table} drop column created_by")
    run.recovered()


def hold_an_unreadable_row(run: ScenarioRun) -> None:
    """One job's parameter makes the view of jobs raise; its neighbours are in the same batches."""
    (definition,) = sql.rows(run.database, "select pg_get_viewdef('preflight_job')")[0]
    names = [name for (name,) in sql.rows(run.database, _JOB_COLUMNS)]
    columns = ", ".join(_RAISING if name == "paramter" else name for name in names)
    sql.execute(
        run.database,
        f"create or replace view preflight_job as select {columns} "
        f"from ({definition.rstrip(';')}) as whole",
    )
    run.add_job("internal_error", unreadable="yes")
    run.fault()
    with run.heard("action=row_unreadable"):
        time.sleep(_UNREADABLE_S)
    run.recovered()


def fill_the_disk(run: ScenarioRun) -> None:
    """The records' disk is full, until somebody makes room."""
    with _small_disk(run) as disk:
        run.fault()
        ballast = disk / "ballast"
        _fill(ballast)
        wait_until(
            lambda: any("53100" in worker.words() for worker in run.workers),
            RECOVERY_S,
            "a worker that was told of the full disk",
        )
        time.sleep(_FULL_S)
        ballast.unlink()
        run.recovered()
        for worker in list(run.workers):
            run.stop(worker)
        _move_records(run, "pg_default")
    run.start()
    run.recovered()


def _fill(ballast: Path) -> None:
    """Take all that is left."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as opened:
        while True:
            opened.write(bytes(4096))


@contextlib.contextmanager
def _small_disk(run: ScenarioRun) -> Iterator[Path]:
    """A file system of its own in memory, on which the records stand meanwhile."""
    disk = run.environment.place / f"disk-{run.name}"
    disk.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=755", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, timeout=10, check=False)
    assert mounted.returncode == 0, f"a small disk needs the right to mount: {mounted.stderr}"
    try:
        space = disk / "space"
        space.mkdir()
        privileges.hand_over(space)
        _as_admin(run, f"create tablespace \"{run.name}\" location '{space}'")
        _move_records(run, run.name)
        yield disk
        _as_admin(run, f'drop tablespace "{run.name}"')
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], timeout=10, check=True)


def _move_records(run: ScenarioRun, tablespace: str) -> None:
    """Let the records and their indexes stand in a tablespace."""
    indexes = sql.rows(run.database, _RECORD_INDEXES)
    moves = [f'alter index "{name}" set tablespace "{tablespace}"' for (name,) in indexes]
    moves.append(f'alter table awp_job_execution set tablespace "{tablespace}"')
    sql.execute(run.database, ";".join(moves))


def _as_admin(run: ScenarioRun, *statements: str) -> None:
    """Run what no transaction may hold, also while transactions are read-only."""
    with sql.session(run.database) as admin, admin.cursor() as cursor:
        admin.set_session(readonly=False, autocommit=True)
        for statement in statements:
            cursor.execute(statement)


def hold_a_transaction_open(run: ScenarioRun) -> None:
    """A foreign transaction that sees the past costs at most a fifth of the throughput.

    Two workers drain as much at the same time, each on a database of its own, and the transaction
    is open in one of the two in turn: whatever else the machine does, both feel it.
    """
    with run.twin() as twin:
        for side in (run, twin):
            for worker in list(side.workers):
                side.stop(worker)
        beside = without = 0
        for held, free in ((run, twin), (twin, run)):
            with sql.session(held.database) as foreign, foreign.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read")
                cursor.execute("select 1")  # it writes nothing: an id would hold both back
                run.fault()
                _drain(held, free, _AGEING, batch_triggers=1)  # many batches, whose dead rows stay
                done = _drain(held, free, _BACKLOG)
                beside, without = beside + done[0], without + done[1]
        if beside < _LEAST_RATIO * without:
            run.broken(Kind.SLOWED, f"{beside:,} beside one in the time of {without:,} without")
        for side in (run, twin):
            side.start()


def _drain(one: ScenarioRun, other: ScenarioRun, backlog: int, **changes: Any) -> tuple[int, int]:
    """How many triggers a worker each gets through while both have some, of so many.

    No worker may run before, and none runs afterwards. `changes` are settings of the workers.
    """
    sides = (one, other)
    for side in sides:
        side.traffic.pause()
        side.traffic.burst(backlog)
    since = [sql.value(side.database, "select clock_timestamp()") for side in sides]
    workers = [side.launch(**changes) for side in sides]
    for side in sides:
        total = side.traffic.slots()
        side.look_until(_RECORDED, partial(operator.le, total), _DRAINED_S)
    for side, worker in zip(sides, workers, strict=True):
        side.stop(worker)
        side.traffic.resume()
    batches = [
        sql.rows(side.database, _BATCHES.format(since=moment))
        for side, moment in zip(sides, since, strict=True)
    ]
    both_work = max(each[_STARTING][0] for each in batches)
    both_worked = min(each[-1][0] for each in batches)
    first, second = (
        sum(records for began, records in each if both_work <= began < both_worked)
        for each in batches
    )
    return first, second


SCENARIOS = (
    Scenario("backend killed in a transaction", kill_a_backend, is_short=True),
    Scenario("immediate restart", restart_at_once),
    Scenario("connections refused 30 s", refuse_connections),
    Scenario("lock timeout", lock_for_long),
    Scenario("jobs locked", lock_jobs),
    Scenario("deadlock", deadlock),
    Scenario("serialization failure", fail_to_serialize),
    Scenario("read-only 10 s", read_only),
    Scenario("disk full", fill_the_disk),
    Scenario("table takes no record 10 s", take_no_record),
    Scenario("row of a view unreadable", hold_an_unreadable_row, mixes=False),
    Scenario("foreign transaction open", hold_a_transaction_open, lane=Lane.ALONE, mixes=False),
)
