"""What the platform knows about a login: the view `console_member`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from job_trigger_worker.errors import FatalError, Unknown
from job_trigger_worker.storage.db.pool import Pool

_MEMBER = text(
    """
    select cast(user_id as bigint) as user_id, cast(group_id as bigint) as group_id, role
    from console_member where login = :login
    """
)


@dataclass(frozen=True, slots=True)
class Member:
    """A user of the platform: `roles` as it names them, `group_ids` in order."""

    user_id: int
    group_ids: tuple[int, ...]
    roles: tuple[str, ...]


def find(pool: Pool, login: str) -> Member | None:
    """The platform's user of this login, None where it has none.

    Raises `Unknown` where the view is absent or raises; an outage is `Transient` as everywhere.
    """
    try:
        with pool.snapshot() as connection:
            rows = connection.execute(_MEMBER, {"login": login}).all()
    except FatalError as error:
        raise Unknown("The view console_member cannot be read.") from error
    if not rows:
        return None
    return Member(
        rows[0].user_id,
        tuple(sorted({row.group_id for row in rows if row.group_id is not None})),
        tuple(sorted({row.role for row in rows if row.role is not None})),
    )
