"""Debian's PgBouncer before a real server: session, transaction or statement pooling."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from job_trigger_worker.embedded import privileges
from job_trigger_worker.embedded.child import Child, free_port, last_lines
from tests.support import services
from tests.support.waiting import wait_until

_START_S = 10.0


class PgBouncer:
    """A pooler that lends sessions of the server of `database`; `url` is the database through it.

    `settings` are lines of its section [pgbouncer].
    """

    def __init__(self, place: Path, database: str, pool_mode: str, **settings: object) -> None:
        program = Path(services.pgbouncer_choice().detail)
        server = make_url(database)
        self._port = free_port()
        self._address = server.set(host="127.0.0.1", port=self._port)
        self._log = place / "pgbouncer.log"
        users = place / "users.txt"
        users.write_text(f'"{server.username}" "{server.password}"\n')
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": self._port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": pool_mode,
            **settings,
        }
        self._config = config = place / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n{server.database} = host={server.host} port={server.port}\n[pgbouncer]\n"
            + "".join(f"{name} = {value}\n" for name, value in lines.items())
        )
        for path in (place, users, config):
            privileges.hand_over(path)
        self._child = Child(
            privileges.command([str(program), str(config)], reads=program, in_=place),
            self._log,
            cwd=Path("/"),
        )

    @property
    def url(self) -> str:
        """The database through the pooler."""
        return self._address.render_as_string(hide_password=False)

    def is_up(self) -> bool:
        """True when it takes connections; raises when it has ended."""
        assert self._child.exit_status() is None, last_lines(self._log)
        return "listening on 127.0.0.1" in self._log.read_text()

    def pool_by(self, pool_mode: str) -> None:
        """Change how it pools, for connections that it has, too."""
        lines = self._config.read_text().splitlines()
        changed = [f"pool_mode = {pool_mode}" if "pool_mode" in each else each for each in lines]
        self._config.write_text("\n".join(changed) + "\n")
        self._child.send(signal.SIGHUP)
        wait_until(
            lambda: "re-reading config" in self._log.read_text(), _START_S, "the new settings"
        )

    def stop(self) -> None:
        """End it at once."""
        self._child.kill()


@contextmanager
def pooled(database: str, pool_mode: str, **settings: object) -> Iterator[PgBouncer]:
    """A pooler before a database, for the length of a block."""
    place = Path(tempfile.mkdtemp(prefix="awp-pgbouncer-"))
    pooler = PgBouncer(place, database, pool_mode, **settings)
    try:
        wait_until(pooler.is_up, _START_S, f"a pooler; its log is {place / 'pgbouncer.log'}")
        yield pooler
    finally:
        pooler.stop()
        shutil.rmtree(place)
