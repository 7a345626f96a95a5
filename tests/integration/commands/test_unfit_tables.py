"""`platform check` and a worker's start name tables that the worker cannot write to any more."""

import pytest
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.platform.check import check
from job_trigger_worker.storage.platform.report import PlatformProblem
from tests.support import sql

CHANGES = {
    "a column that has to be given": (
        (
            "alter table awp_job_execution add created_by text not null default 'x'; "
            "alter table awp_job_execution alter created_by drop default"
        ),
        (
            "awp_job_execution.created_by must not be null and has no default, and the worker does "
            "not write it. Give it a default, or let it be null."
        ),
    ),
    "a foreign key": (
        (
            "alter table awp_job_execution add constraint theirs foreign key (job_id) "
            "references awp_automcation_job"
        ),
        (
            "The foreign key theirs of awp_job_execution refuses the record of a trigger whose job "
            "is gone. Drop it: every trigger has its record."
        ),
    ),
    "a history that lost its key": (
        "alter table awp_workflow_execution drop constraint awp_workflow_execution_pkey",
        (
            "awp_workflow_execution has no unique index on execution_id alone. Make one: create "
            "unique index concurrently on awp_workflow_execution (execution_id)."
        ),
    ),
}


def _unfit(database: str) -> list[str]:
    session = Session(make_engine(Settings(database_url=SecretStr(database))))
    report = check(session.snapshot)
    session.close()
    return [each.message for each in report.problems if each.fault is PlatformProblem.UNFIT_TABLE]


@pytest.mark.parametrize("case", CHANGES)
def test_a_table_that_the_worker_cannot_write_to_is_named(database: str, case: str) -> None:
    change, said = CHANGES[case]
    assert _unfit(database) == []
    sql.execute(database, change)
    assert _unfit(database) == [said]
