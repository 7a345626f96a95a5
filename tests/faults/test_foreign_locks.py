"""Somebody else's locks: R3 goes round them, and what has to wait for them says so."""

import re
from collections.abc import Callable
from functools import partial

import pytest

from job_trigger_worker.domain.topics import Topics
from tests.support import sql
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.locks import locks_an_outbox_row
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

pytestmark = [
    pytest.mark.parametrize("broker", ["kafka"], indirect=True),
    pytest.mark.parametrize("topics", [1], indirect=True),
]
Start = Callable[..., WorkerProcess]
PERSON = "somebody at a prompt"
SHOWN = """
    select j.id from awp_automcation_job j where j.last_execution_id = (
        select max(r.id) from awp_job_execution r where r.job_id = j.id)
    order by j.id
"""


def test_an_open_transaction_on_one_job_stops_no_trigger_and_that_job_is_shown_once_it_ends(
    start: Start, load: Load, judge: Judge
) -> None:
    worker = start()
    locked, *free = load.jobs
    with sql.session(judge.database, application=PERSON) as person, person.cursor() as cursor:
        cursor.execute("select from awp_automcation_job where id = %s for update", (locked,))
        sent = load.fire(120)
        wait_until(lambda: judge.is_published(len(sent)), 10, "the records and events of all jobs")
        assert [job for (job,) in sql.rows(judge.database, SHOWN)] == free
        said = (
            rf'action=jobs_locked jobs=1 job_id={locked} holder="session {person.info.backend_pid} '
        )
        wait_until(lambda: re.search(said, worker.words()), 10, "who holds it, in the log")
        assert PERSON in worker.words()
        assert worker.get("/readyz") == 200
        worker.kill()
        person.rollback()
    start()
    judge.settled(load.sent)


def test_a_locked_table_of_jobs_stops_no_trigger(start: Start, load: Load, judge: Judge) -> None:
    """As while a platform builds an index: the jobs can be read, and none of them changed."""
    start()
    with sql.session(judge.database, application=PERSON) as person, person.cursor() as cursor:
        cursor.execute("lock table awp_automcation_job in share mode")
        sent = load.fire(120)
        wait_until(lambda: judge.is_published(len(sent)), 10, "the records and events of all jobs")
        person.rollback()
    judge.settled(load.sent)


def test_a_locked_outbox_row_stops_no_trigger(start: Start, load: Load, judge: Judge) -> None:
    """It goes when the lock ends: what it held is sent, and is not sent again meanwhile."""
    worker = start()
    with sql.session(judge.database, application=PERSON) as person:
        load.fire(12)
        wait_until(lambda: locks_an_outbox_row(person), 20, "an outbox row", every_s=0.002)
        for count in (24, 36, 48):
            load.fire(12)
            wait_until(partial(_has_events, judge, count), 4, f"{count} events")
        holder = rf'holder="session {person.info.backend_pid} .*{PERSON}'
        wait_until(lambda: re.search(holder, worker.words()), 4, "who holds it, in the log")
        assert worker.words().count("action=outbox_locked ") == 1
        assert worker.get("/readyz") == 200
        person.rollback()
    assert judge.settled(load.sent).repeats == 0


def test_who_holds_what_a_worker_has_to_wait_for_is_said(
    start: Start, load: Load, judge: Judge, topics: Topics
) -> None:
    worker = start()
    load.fire(12)
    judge.settled(load.sent)
    with sql.session(judge.database, application=PERSON) as person, person.cursor() as cursor:
        cursor.execute("select from awp_trigger_ledger where topic = %s for update", (load.topic,))
        load.fire(12)
        holder = f"session {person.info.backend_pid} (application '{PERSON}', role 'postgres', "
        row = f"awp_trigger_ledger, row partition 0 of {topics.triggers}"
        ready = wait_until(lambda: worker.why_not("/readyz"), 10, "that it is not ready")
        wait_until(lambda: holder in worker.why_not("/readyz"), 10, f"{holder}; it said {ready}")
        assert row in worker.why_not("/readyz")
        row_said = f'"partition 0 of {topics.triggers}"'
        said = rf"action=lock_blocked table=awp_trigger_ledger row={row_said} "
        found = re.search(rf"{said}.*holder=\"(.*)\"", worker.words())
        assert found is not None, worker.words()[-2000:]
        assert re.fullmatch(rf"{re.escape(holder)}transaction open for \d+ s\)", found[1])
        person.rollback()
    judge.settled(load.sent)
    wait_until(lambda: worker.get("/readyz") == 200, 10, "that it is ready again")


def _has_events(judge: Judge, count: int) -> bool:
    return judge.events() == count
