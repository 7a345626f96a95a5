"""The database forgets its last commits: an older copy, a standby without them, early answers.

What is decided again has the ids that it had, which the checker sees; that it went back is said.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from tests.faults.scenario_run import RECOVERY_S, ScenarioRun
from tests.faults.scenarios.scenario import Scenario
from tests.support import sql
from tests.support.standby import Standby, let_stream
from tests.support.waiting import wait_until

_SAID = "action=rewound"


def restore_an_older_copy(run: ScenarioRun) -> None:
    """The database of some seconds ago takes the place of the one that is in use."""
    older, newer = f"{run.name}-older", f"{run.name}-newer"
    with run.forgetting():
        with _nobody(run):
            copy = f'create database "{older}" template "{run.name}" strategy file_copy'
            _as_admin(run, copy)
        run.recovered()
        run.rest(3.0, 5.0)
        with run.heard(_SAID):
            with _nobody(run):
                run.fault()
                _as_admin(
                    run,
                    f'alter database "{run.name}" rename to "{newer}"',
                    f'alter database "{older}" rename to "{run.name}"',
                )
            run.recovered()
    run.environment.drop(newer)


def promote_a_standby(run: ScenarioRun) -> None:
    """The primary dies, and a standby takes over that has not received its last seconds."""
    environment = run.environment
    primary = environment.postgres
    with run.forgetting():
        let_stream(primary)
        run.proxy.lead_to(run.database)
        standby = Standby(environment.place / f"standby-{run.name}", primary)
        run.recovered()
        standby.stop_receiving()
        run.rest(3.0, 5.0)
        with run.heard(_SAID):
            run.fault()
            assert primary.pid is not None, "the server does not run"
            os.kill(primary.pid, signal.SIGKILL)
            environment.postgres = standby.promote()
            primary.stop()
            run.proxy.lead_to(run.database)
            run.recovered()


def answer_early(run: ScenarioRun) -> None:
    """The server is told to answer before a commit is on disk, and dies: ours wait all the same.

    So the ledger may not say that anything was forgotten, which the run looks at.
    """
    _as_admin(run, "alter system set synchronous_commit = off", "select pg_reload_conf()")
    run.proxy.cut()
    run.recovered()
    for _ in range(2):
        run.rest(0.5, 1.5)
        postgres = run.environment.postgres
        assert postgres.pid is not None, "the server does not run"
        os.kill(postgres.pid, signal.SIGQUIT)
        run.fault()
        wait_until(lambda: not run.environment.postgres.is_running, RECOVERY_S, "the server's end")
        postgres.stop()
        postgres.start()
        run.proxy.lead_to(run.database)
        run.recovered()
    _as_admin(run, "alter system reset synchronous_commit", "select pg_reload_conf()")


@contextlib.contextmanager
def _nobody(run: ScenarioRun) -> Iterator[None]:
    """A block during which nobody is connected to the run's database."""
    run.proxy.refuse()
    _as_admin(
        run,
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        f"where datname = '{run.name}'",
    )
    yield
    run.proxy.listen()


def _as_admin(run: ScenarioRun, *statements: str) -> None:
    with sql.session(run.environment.postgres.url) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        for statement in statements:
            cursor.execute(statement)


SCENARIOS = (
    Scenario("older copy restored", restore_an_older_copy, is_short=True),
    Scenario("standby without the last commits", promote_a_standby, mixes=False),
    Scenario("immediate restart, early answers", answer_early),
)
