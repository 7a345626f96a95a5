"""Who is asking, and what they may do (R10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do. The first three include each other; a service only sends triggers."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    SERVICE = "service"

    def includes(self, other: Role) -> bool:
        """True when this role may do what the other may."""
        if Role.SERVICE in (self, other):
            return self is other
        return _ORDER.index(self) >= _ORDER.index(other)


_ORDER = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has signed in, or a service with its token.

    `group_ids` are those of the platform; `are_groups_known` is False where it could not be asked,
    and then only an admin sees jobs.
    """

    login: str
    name: str
    role: Role
    user_id: int | None = None
    group_ids: tuple[int, ...] = ()
    are_groups_known: bool = True

    @property
    def sees_all_jobs(self) -> bool:
        """True for an admin; everybody else sees the jobs of their groups."""
        return self.role is Role.ADMIN


def highest(names: list[str]) -> Role:
    """The highest of the roles that a platform gives, in any case; any other name is a viewer."""
    given = {name.strip().lower() for name in names}
    found = [role for role in _ORDER if role.value in given]
    return found[-1] if found else Role.VIEWER
