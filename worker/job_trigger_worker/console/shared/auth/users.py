"""Local users and services, in one JSON file that `trigger-worker users` writes.

{"li.wei": {"role": "operator", "name": "Li Wei", "secret": "scrypt:…"},
"common-job": {"role": "service", "name": "common-job", "secret": "sha256:…"}}
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from job_trigger_worker.console.shared.auth import passwords
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.errors import FatalError


@dataclass(frozen=True, slots=True)
class User:
    """One entry of the file. `secret` is a hash: of a password, or of a service's token."""

    role: Role
    name: str
    secret: str = field(repr=False)

    @property
    def stamp(self) -> str:
        """Changes with the password; a session that was begun with another one has ended."""
        return sha256(self.secret.encode()).hexdigest()[:16]


class Users:
    """The file as it is now: read again when it has changed, so that nobody has to restart.

    Without a path there are no local users. Raises `FatalError` for a file that cannot be read or
    used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read_at: tuple[int, ...] | None = None
        self._users: Mapping[str, User] = {}
        self.all()

    def all(self) -> Mapping[str, User]:
        """Every user by login."""
        if self._path is None:
            return {}
        try:
            found = self._path.stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
            if version != self._read_at:
                self._users = read(self._path)
                self._read_at = version
        except OSError as error:
            raise FatalError(
                f"The users file {self._path} cannot be read: {error.strerror}.",
                remedy="Make it with `trigger-worker users add`, or unset "
                "TRIGGER_WORKER_CONSOLE_USERS_FILE.",
            ) from None
        return self._users

    def person(self, login: str) -> User | None:
        """The user of this login, services aside."""
        found = self.all().get(login)
        return None if found is None or found.role is Role.SERVICE else found

    def check(self, login: str, password: str) -> User | None:
        """The user whose password this is; takes as long for a login that does not exist."""
        user = self.person(login)
        is_right = passwords.matches(password, user.secret if user else passwords.NOBODY)
        return user if is_right else None

    def service(self, token: str) -> tuple[str, User] | None:
        """The service that this token belongs to, and its login."""
        given = passwords.token_hash(token)
        found = None
        for login, user in self.all().items():
            if user.role is Role.SERVICE and compare_digest(user.secret, given):
                found = login, user
        return found


def read(path: Path) -> dict[str, User]:
    """The users of a file. Raises `FatalError` for one that holds something else, else OSError."""
    try:
        entries = json.loads(path.read_text("utf-8"))
        return {
            login: User(Role(entry["role"]), str(entry["name"]), str(entry["secret"]))
            for login, entry in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FatalError(
            f"The users file {path} is damaged.",
            remedy="Put back a copy of it, or move it away and run `trigger-worker users add`.",
        ) from None


def write(path: Path, users: Mapping[str, User]) -> None:
    """Replace the file in one step, readable by its owner alone; its folder must be there."""
    content = json.dumps({login: asdict(user) for login, user in users.items()}, indent=1)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
