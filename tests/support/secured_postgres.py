"""A PostgreSQL that talks TLS alone: the system's, because the embedded one has no OpenSSL."""

import os
import secrets
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from job_trigger_worker.embedded import privileges
from job_trigger_worker.embedded.child import Child, free_port, last_lines
from tests.support import sql
from tests.support.certificates import Authority, Certificate
from tests.support.postgres import folder

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
HOST = "127.0.0.1"
_ADMIN = "postgres"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",
    "ssl": "on",
}
_WHO_MAY = """\
hostssl all certified 127.0.0.1/32 cert
hostssl all all 127.0.0.1/32 scram-sha-256
"""


class SecuredPostgres:
    """A server whose certificate is of `authority`; it takes no connection without TLS.

    The user `certified` signs in by a client certificate of that name, everybody else by password.
    `programs` is the folder of its programs. With a `language`, a locale and its charset such as
    `("de_DE", "ISO-8859-1")`, it speaks that, in that encoding until somebody has signed in.
    """

    certified = "certified"

    def __init__(
        self, programs: Path, place: Path, *, language: tuple[str, str] | None = None
    ) -> None:
        self._programs = programs
        self._place = place
        self._log = place / "postgres.log"
        self._port = free_port()
        self._password = secrets.token_urlsafe(18)
        self._child: Child | None = None
        self._language = language
        self.authority = Authority(place / "certificates", "authority")
        self._data = place / "data"
        self._own = self.authority.issue("server", hosts=f"IP:{HOST}")

    def url(self, database: str = "postgres", **query: str) -> str:
        """Address of a database for its owner; verifies the server unless `query` differs."""
        return self.url_of(_ADMIN, self._password, database, **query)

    def url_of(
        self, user: str, password: str | None, database: str, *, host: str = HOST, **query: str
    ) -> str:
        """Address of a database for anybody; the server's certificate is for `HOST` alone."""
        trusting = {"sslmode": "verify-full", "sslrootcert": str(self.authority.cert)}
        url = URL.create(
            "postgresql+psycopg2",
            username=user,
            password=password,
            host=host,
            port=self._port,
            database=database,
            query=trusting | query,
        )
        return url.render_as_string(hide_password=False)

    def new_database(self) -> str:
        """Make an empty database; its address for its owner."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        sql.alone(self.url(), f"create database {name}")
        return self.url(name)

    def start(self, certificate: Certificate | None = None) -> "SecuredPostgres":
        """Return when it takes connections; raises with its log's end when it does not.

        With another `certificate` than its own, as soon as it listens.
        """
        shown = certificate or self._own
        privileges.hand_over(shown.key)
        if not self._data.exists():
            self._initialise()
        options = _SETTINGS | {
            "port": str(self._port),
            "ssl_ca_file": str(self.authority.cert),
            "ssl_cert_file": str(shown.cert),
            "ssl_key_file": str(shown.key),
        }
        if self._language:
            options["lc_messages"] = ".".join(self._language)
        listed = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self._data), *listed)
        self._child = Child(command, self._log, cwd=Path("/"), env=self._environment())
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._child.exit_status() is None:
            if self._is_ready():
                return self
            time.sleep(0.02)
        self.stop()
        raise AssertionError(f"PostgreSQL did not start:\n{last_lines(self._log)}")

    def stop(self) -> None:
        """End it at once; its data stays."""
        if self._child:
            self._child.send(signal.SIGINT)
            self._child.wait(STOP_TIMEOUT_S)
            self._child.kill()
            self._child = None

    def _is_ready(self) -> bool:
        status = self._data / "postmaster.pid"
        lines = status.read_text().split("\n") if status.exists() else []
        assert self._child is not None
        return lines[7:8] != [] and lines[0] == str(self._child.pid) and "ready" in lines[7]

    def _environment(self) -> dict[str, str] | None:
        """Where the server finds its language, made here: a machine has few."""
        if self._language is None:
            return None
        name, charset = self._language
        locales = self._place / "locales"
        locales.mkdir(exist_ok=True)
        subprocess.run(
            ["localedef", "-i", name, "-f", charset, str(locales / f"{name}.{charset}")],
            check=True,
            capture_output=True,
            timeout=START_TIMEOUT_S,
        )
        return {**os.environ, "LOCPATH": str(locales)}

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700)
        secret = self._place / "password"
        secret.touch(mode=0o600)
        secret.write_text(self._password)
        for path in (self._data, secret):
            privileges.hand_over(path)
        subprocess.run(
            self._command(
                *("initdb", "-D", str(self._data), "-U", _ADMIN, f"--pwfile={secret}"),
                *("-A", "scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            ),
            check=True,
            capture_output=True,
            timeout=START_TIMEOUT_S,
            cwd="/",
        )
        (self._data / "pg_hba.conf").write_text(_WHO_MAY)

    def _command(self, program: str, *arguments: str) -> list[str]:
        argv = [str(self._programs / program), *arguments]
        return privileges.command(argv, reads=self._programs, in_=self._place)


@contextmanager
def running_secured(
    programs: Path, *, language: tuple[str, str] | None = None
) -> Iterator[SecuredPostgres]:
    """A server for the length of a block."""
    with folder() as place:
        server = SecuredPostgres(programs, place, language=language)
        try:
            yield server.start()
        finally:
            server.stop()
