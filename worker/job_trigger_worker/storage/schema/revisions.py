"""The schema's revisions: where a database is, up and down (design 5).

Alembic without an ini file: the revisions are those of the installed package `migrations`.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from job_trigger_worker import migrations
from job_trigger_worker.errors import ConnectionLost, FatalError, Transient, UsageError
from job_trigger_worker.migrations import prerequisites
from job_trigger_worker.migrations.online import (
    VERSION_TABLE,
    NotChanged,
    Patience,
    TableLocked,
    stayed_locked,
)
from job_trigger_worker.migrations.views import VIEWS
from job_trigger_worker.storage.db.engine import open_engine
from job_trigger_worker.storage.platform.check import SOME_ROWS, check
from job_trigger_worker.storage.platform.report import Report
from job_trigger_worker.storage.schema.going_down import Going, dropped

_TURN = 7_263_014_899_117_604
"""Key of the advisory lock that a migration holds."""
_TURN_TIMEOUT_S = 1_800.0
_TURN_POLL_S = 0.2
_CONNECT_TIMEOUT_S = 10
_LOOK_MS = 10_000
_is_place = re.compile(r"heads?|base|[+-][0-9]+").fullmatch


@dataclass(frozen=True, slots=True)
class State:
    """Where a database is. `revision` is None before the first; `missing_views` of the thirteen.

    `warnings` are sentences about what a migration has left out.
    """

    revision: str | None
    head: str
    missing_views: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """True when there is nothing to bring up."""
        return self.revision == self.head


def current(url: str) -> State:
    """The state of a database. Raises `FatalError` when it cannot be reached."""
    with _connected(url) as connection:
        return _state(connection)


def look_at_views(url: str) -> Report:
    """What is wrong with the platform's views, by their first rows. Nothing is changed."""

    @contextmanager
    def snapshot() -> Iterator[Connection]:
        with connection.begin():
            connection.execute(text("set transaction isolation level repeatable read, read only"))
            connection.execute(text(f"set local statement_timeout = {_LOOK_MS}"))
            yield connection

    with _connected(url) as connection:
        try:
            return check(snapshot, most_rows=SOME_ROWS)
        except Transient:
            return Report()


def upgrade(
    url: str,
    *,
    to: str = "head",
    stamp: str | None = None,
    patience: Patience | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> State:
    """Bring a database up; `stamp` notes that revision as done first, without running it.

    Two at once wait for each other. `on_step` is told each revision when it is done. Raises
    `FatalError` for a database that does not fit (nothing has changed then), when the database
    refuses, or when a table stayed locked; running it again goes on from there.
    """
    _refuse_unknown(to, stamp)
    with _turn(url) as connection:
        before = _state(connection).revision
        if before != _head(_config(None, None, on_step)):
            _refuse_unfit(connection)
        config = _config(connection, patience, on_step)
        if stamp is not None:
            if before is not None:
                raise FatalError(
                    f"The database is at revision {before} already, so {stamp} is not stamped.",
                    remedy="Run `trigger-worker migrate up` without --stamp.",
                )
            connection.rollback()
            command.stamp(config, stamp)
        elif before is None:
            _refuse_foreign_tables(connection)
        connection.rollback()
        heard = _Warnings(connection)
        command.upgrade(config, to)
        return replace(_state(connection), warnings=tuple(heard.said))


def going_down(url: str, *, to: str = "-1") -> Going:
    """What `downgrade` would drop, and on the way to which revision. Nothing is changed.

    Raises `FatalError` at no revision, `UsageError` for one that does not exist.
    """
    _refuse_unknown(to)
    with _connected(url) as connection:
        before = _at_a_revision(connection)
        scripts = ScriptDirectory.from_config(_config(connection, None, lambda _: None))
        steps = list(scripts.iterate_revisions(before, to, select_for_downgrade=True))
        goes = [each for step in steps for each in step.module.DROPS]
        after = steps[-1].down_revision if steps else before
        return Going(before, str(after or "base"), dropped(connection, goes))


def downgrade(
    url: str,
    *,
    to: str = "-1",
    patience: Patience | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> State:
    """Bring a database down to a revision: one step, or to `base`. What it drops is gone.

    All of it or nothing: one transaction, begun anew while a table is locked. Raises `FatalError`
    when it stayed locked, or when an object of the platform's needs what goes.
    """
    _refuse_unknown(to)
    patience = patience or Patience()
    with _turn(url) as connection:
        _at_a_revision(connection)
        for step in _gone_down(connection, patience, to):
            on_step(step)
        return _state(connection)


def _at_a_revision(connection: Connection) -> str:
    revision = _state(connection).revision
    if revision is None:
        raise FatalError("The database is at no revision, so there is nothing to bring down.")
    return revision


def _gone_down(connection: Connection, patience: Patience, to: str) -> list[str]:
    """Go down in one transaction; the revisions in their order."""
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(patience.pause_s)
        connection.rollback()
        steps: list[str] = []
        config = _config(connection, patience, steps.append, is_down=True)
        try:
            command.downgrade(config, to)
        except TableLocked as locked:
            table = locked.table
        else:
            return steps
    connection.rollback()
    raise stayed_locked(connection, table, patience)


def script(*, to: str | None = None, stamp: str | None = None, is_down: bool = False) -> str:
    """The SQL of going up or down, for a person to run; no database is asked.

    Up starts before the first revision, or at `stamp`; down starts at the newest and goes one back.
    Raises `UsageError` for no such revision.
    """
    _refuse_unknown(to, stamp)
    printed = io.StringIO()
    config = _config(None, None, lambda _: None, is_down=is_down)
    config.output_buffer = printed
    with _named_errors():
        if is_down:
            command.downgrade(config, f"{_head(config)}:{to or _revisions(config)[-2]}", sql=True)
        else:
            printed.write(prerequisites.AS_SCRIPT)
            if stamp:
                command.stamp(config, stamp, sql=True)
            first = f"{stamp}:" if stamp else ""
            command.upgrade(config, f"{first}{to or 'head'}", sql=True)
    return printed.getvalue()


def _revisions(config: Config) -> list[str]:
    return sorted(s.revision for s in ScriptDirectory.from_config(config).walk_revisions())


def _refuse_unknown(*named: str | None) -> None:
    """Before anything is asked. A revision may be shortened, or counted from here (+1, -1)."""
    known = _revisions(_config(None, None, lambda _: None))
    for name in named:
        if name is None or _is_place(name) or any(each.startswith(name) for each in known):
            continue
        raise UsageError(
            f"There is no revision {name}.",
            remedy=f"The revisions are {', '.join(known)}; `base` is before the first.",
        )


def _head(config: Config) -> str:
    return _revisions(config)[-1]


def _state(connection: Connection) -> State:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    missing = connection.execute(
        text(
            "select name from unnest(cast(:names as text[])) name where to_regclass(name) is null"
        ),
        {"names": list(VIEWS)},
    )
    return State(
        context.get_current_revision(),
        _head(_config(None, None, lambda _: None)),
        tuple(missing.scalars()),
    )


def _config(
    connection: Connection | None,
    patience: Patience | None,
    on_step: Callable[[str], None],
    *,
    is_down: bool = False,
) -> Config:
    config = Config()
    folder = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")

    def tell(*, step: Any, **_: Any) -> None:
        if step.is_stamp:
            return
        on_step(step.up_revision_id or step.down_revision_ids[0])

    config.attributes.update(
        connection=connection, patience=patience, on_version_apply=tell, is_down=is_down
    )
    return config


def _refuse_unfit(connection: Connection) -> None:
    """Raise `FatalError` for what must be corrected before a migration changes this database."""
    said: dict[str, list[str]] = {}
    for each in connection.execute(text(prerequisites.PROBLEMS)):
        said.setdefault(each.remedy, []).append(each.message)
    if len(said) == 1:
        ((remedy, messages),) = said.items()
        raise FatalError(f"{' '.join(messages)} Nothing was changed.", remedy=remedy)
    if said:  # each remedy behind what it is for
        told = (f"{' '.join(messages)} {remedy}" for remedy, messages in said.items())
        raise FatalError(f"{' '.join(told)} Nothing was changed.")


def _refuse_foreign_tables(connection: Connection) -> None:
    """An existing platform's first revision is stamped; running it would fail half-way."""
    names = ("awp_automcation_job", "awp_job_execution", "awp_server", *VIEWS)
    rows = connection.execute(
        text("select n from unnest(cast(:names as text[])) n where to_regclass(n) is not null"),
        {"names": list(names)},
    )
    found = rows.scalars().all()
    if found:
        raise FatalError(
            f"The database holds tables or views of a platform already ({', '.join(found)}).",
            remedy="Run `trigger-worker migrate up --stamp 0001`: it keeps them and adds the rest.",
        )


class _Warnings:
    """What the database warns of in a session, as sentences without its word for a warning.

    Takes the place of the driver's list of notices, which SQLAlchemy empties.
    """

    def __init__(self, connection: Connection) -> None:
        self.said: list[str] = []
        driver: Any = connection.connection.dbapi_connection
        driver.notices = self
        major = driver.server_version // 10_000
        if major > prerequisites.NEWEST_SERVER:
            self.said.append(
                f"PostgreSQL {major} is newer than those that this version was tried on "
                f"({prerequisites.OLDEST_SERVER} to {prerequisites.NEWEST_SERVER})."
            )

    def append(self, notice: str) -> None:
        """Called by the driver, with a line or more."""
        self.said.append(notice.splitlines()[0].partition(":")[2].strip())


@contextmanager
def _turn(url: str) -> Iterator[Connection]:
    """A connection, while nobody else migrates.

    The lock is held by a session of its own, and is asked for again and again instead of waited
    for: a waiting statement would hold a snapshot, for which a concurrent index build waits.
    """
    with _connected(url) as connection, _connected(url) as other:
        keeper = other.execution_options(isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + _TURN_TIMEOUT_S
        while not keeper.execute(
            text("select pg_try_advisory_lock(:key)"), {"key": _TURN}
        ).scalar():
            if time.monotonic() > deadline:
                raise FatalError(
                    f"Another migration has been running for {_TURN_TIMEOUT_S / 60:.0f} minutes.",
                    remedy="Look for it in pg_stat_activity (trigger-worker migrate).",
                )
            time.sleep(_TURN_POLL_S)
        yield connection


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = open_engine(
        url,
        application="trigger-worker migrate",
        session={},
        connect_timeout_s=_CONNECT_TIMEOUT_S,
        poolclass=NullPool,
    )
    with _named_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def _named_errors() -> Iterator[None]:
    """Turn what Alembic and the driver raise into one sentence without statements or values."""
    try:
        yield
    except CommandError as error:
        raise UsageError(f"Alembic cannot do that: {error}.") from None
    except ConnectionLost as error:
        raise _unreachable(error.message) from None
    except NotChanged as error:
        raise FatalError(error.message, remedy=error.remedy) from error.__cause__
    except DBAPIError as error:
        diagnosis = getattr(error.orig, "diag", None)
        words = getattr(diagnosis, "message_primary", None) or str(error.orig)
        hint = getattr(diagnosis, "message_hint", None) or ""
        if getattr(error.orig, "pgcode", None) is None:
            said = words.strip().splitlines()[0]
            raise _unreachable(f"The database session broke: {said}.") from None
        raise FatalError(f"The database refused the migration: {words}.", remedy=hint) from None


def _unreachable(message: str) -> FatalError:
    return FatalError(
        message,
        remedy="Start the database or correct TRIGGER_WORKER_DATABASE_URL, and run the command "
        "again.",
    )
