"""The database forgets its last commits: an older copy, a standby without them, early answers.

What is decided again has the ids that it had, which the checker sees; that it went back is said.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from tests.faults.arena import RECOVERY_S, Arena
from tests.faults.scenarios.scenario import Scenario
from tests.support import sql
from tests.support.standby import Standby, let_stream
from tests.support.waiting import wait_until

_SAID = "action=rewound"


def restore_an_older_copy(arena: Arena) -> None:
    """The database of some seconds ago takes the place of the one that is in use."""
    older, newer = f"{arena.name}-older", f"{arena.name}-newer"
    with arena.forgetting():
        with _nobody(arena):
            copy = f'create database "{older}" template "{arena.name}" strategy file_copy'
            _as_admin(arena, copy)
        arena.recovered()
        arena.rest(3.0, 5.0)
        with arena.heard(_SAID):
            with _nobody(arena):
                arena.fault()
                _as_admin(
                    arena,
                    f'alter database "{arena.name}" rename to "{newer}"',
                    f'alter database "{older}" rename to "{arena.name}"',
                )
            arena.recovered()
    arena.ground.drop(newer)


def promote_a_standby(arena: Arena) -> None:
    """The primary dies, and a standby takes over that has not received its last seconds."""
    ground = arena.ground
    primary = ground.postgres
    with arena.forgetting():
        let_stream(primary)
        arena.proxy.lead_to(arena.database)
        standby = Standby(ground.place / f"standby-{arena.name}", primary)
        arena.recovered()
        standby.stop_receiving()
        arena.rest(3.0, 5.0)
        with arena.heard(_SAID):
            arena.fault()
            assert primary.pid is not None, "the server does not run"
            os.kill(primary.pid, signal.SIGKILL)
            ground.postgres = standby.promote()
            primary.stop()
            arena.proxy.lead_to(arena.database)
            arena.recovered()


def answer_early(arena: Arena) -> None:
    """The server is told to answer before a commit is on disk, and dies: ours wait all the same.

    So the ledger may not say that anything was forgotten, which the arena looks at.
    """
    _as_admin(arena, "alter system set synchronous_commit = off", "select pg_reload_conf()")
    arena.proxy.cut()
    arena.recovered()
    for _ in range(2):
        arena.rest(0.5, 1.5)
        postgres = arena.ground.postgres
        assert postgres.pid is not None, "the server does not run"
        os.kill(postgres.pid, signal.SIGQUIT)
        arena.fault()
        wait_until(lambda: not arena.ground.postgres.is_running, RECOVERY_S, "the server's end")
        postgres.stop()
        postgres.start()
        arena.proxy.lead_to(arena.database)
        arena.recovered()
    _as_admin(arena, "alter system reset synchronous_commit", "select pg_reload_conf()")


@contextlib.contextmanager
def _nobody(arena: Arena) -> Iterator[None]:
    """A block during which nobody is connected to the arena's database."""
    arena.proxy.refuse()
    _as_admin(
        arena,
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        f"where datname = '{arena.name}'",
    )
    yield
    arena.proxy.listen()


def _as_admin(arena: Arena, *statements: str) -> None:
    with sql.session(arena.ground.postgres.url) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        for statement in statements:
            cursor.execute(statement)


SCENARIOS = (
    Scenario("older copy restored", restore_an_older_copy, is_short=True),
    Scenario("standby without the last commits", promote_a_standby, mixes=False),
    Scenario("immediate restart, early answers", answer_early),
)
