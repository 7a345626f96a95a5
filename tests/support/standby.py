"""A standby of an embedded PostgreSQL: a second real server, which receives the first one's log."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from sqlalchemy import make_url

from job_trigger_worker.embedded import privileges
from job_trigger_worker.embedded.child import Child, free_port
from job_trigger_worker.embedded.postgres import EmbeddedPostgres, programs
from tests.support import sql
from tests.support.waiting import wait_until

_START_S = 20.0
_STREAMING = {"wal_level": "replica", "max_wal_senders": "4"}


def let_stream(primary: EmbeddedPostgres) -> None:
    """Start a server again so that it may have a standby; its address is another one then."""
    primary.stop()
    primary._settings = primary._settings | _STREAMING
    primary.start()


class Standby:
    """A standby made of `primary`, which has to be one of `let_stream`, in a folder of its own."""

    def __init__(self, place: Path, primary: EmbeddedPostgres) -> None:
        self.place = place
        self._primary = primary
        self._data = place / "pgdata"
        place.mkdir()
        shutil.copyfile(primary._root / "password", place / "password")
        self._data.mkdir(mode=0o700)
        privileges.hand_over(self._data)
        self._copy()
        self._port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",
            "max_connections": "200",
            "port": str(self._port),
        }
        listed = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._child = Child(
            self._command("postgres", "-D", str(self._data), *listed),
            place / "standby.log",
            cwd=Path("/"),
        )
        wait_until(self._streams, _START_S, f"a standby; its log is {place / 'standby.log'}")

    def stop_receiving(self) -> None:
        """Cut it off: what the primary commits from now on it does not have."""
        sql.alone(self._url, "alter system set primary_conninfo = ''")
        sql.execute(self._url, "select pg_reload_conf()")
        wait_until(
            lambda: not sql.value(self._url, "select count(*) from pg_stat_wal_receiver"),
            _START_S,
            "a standby that receives nothing",
        )

    def promote(self) -> EmbeddedPostgres:
        """Make it a server of its own and return it, started again."""
        assert sql.value(self._url, "select pg_promote()") is True
        self._child.send(signal.SIGINT)
        assert self._child.wait(_START_S) == 0
        return EmbeddedPostgres(self.place).start()

    @property
    def _url(self) -> str:
        url = make_url(self._primary.url).set(port=self._port)
        return url.render_as_string(hide_password=False)

    def _streams(self) -> bool:
        assert self._child.exit_status() is None, "the standby ended"
        count = "select count(*) from pg_stat_replication where state = 'streaming'"
        return bool(sql.value(self._primary.url, count))

    def _copy(self) -> None:
        url = make_url(self._primary.url)
        copied = subprocess.run(
            self._command(
                "pg_basebackup",
                *("-D", str(self._data), "-h", "127.0.0.1", "-p", str(url.port)),
                *("-U", str(url.username), "-R", "-X", "stream", "-c", "fast", "--no-sync"),
            ),
            env=os.environ | {"PGPASSWORD": str(url.password)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        assert copied.returncode == 0, copied.stderr

    def _command(self, program: str, *arguments: str) -> list[str]:
        binary = programs() / program
        return privileges.command(
            [str(binary), *arguments], reads=binary.parent.parent, in_=self.place
        )
