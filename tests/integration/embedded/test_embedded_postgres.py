"""The embedded PostgreSQL server: it starts, ends and takes nothing with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from job_trigger_worker.embedded.postgres import EmbeddedPostgres
from job_trigger_worker.errors import FatalError
from tests.support.postgres import folder
from tests.support.sql import execute, rows, session, value
from tests.support.waiting import wait_until

PARENT = """
import sys, time
from pathlib import Path
from job_trigger_worker.embedded.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1])).start()
print(server.pid, server.url, flush=True)
time.sleep(60)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with folder() as made:
        yield made


@pytest.fixture
def server(place: Path) -> Iterator[EmbeddedPostgres]:
    started = EmbeddedPostgres(place / "data").start()
    yield started
    started.stop()


def is_alive(pid: int) -> bool:
    """False also for a process that has ended and that nobody has asked about yet."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def processes_of(folder: Path) -> list[str]:
    """Every process that has the folder on its command line, or works in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode()
            place = str((process / "cwd").readlink())
        except OSError:
            continue
        if str(folder) in line or place.startswith(str(folder)):
            found.append(line)
    return found


def test_it_answers_over_tcp_and_keeps_chinese_text(server: EmbeddedPostgres) -> None:
    assert make_url(server.url).host == "127.0.0.1"
    assert make_url(server.url).drivername == "postgresql+psycopg2"
    assert value(server.url, "select upper('数据库 äö😀')") == "数据库 ÄÖ😀"
    assert value(server.url, "show fsync") == "on"


def test_nobody_connects_without_the_password(server: EmbeddedPostgres) -> None:
    url = make_url(server.url).set(password="guess")  # noqa: S106 - a wrong one
    with pytest.raises(Exception, match="password authentication failed"):
        rows(url.render_as_string(hide_password=False), "select 1")


def test_what_was_committed_is_there_after_a_restart(server: EmbeddedPostgres) -> None:
    execute(server.url, "create table kept (n int); insert into kept values (1)")
    server.stop()
    assert not server.is_running
    server.start()
    assert value(server.url, "select n from kept") == 1


def test_what_was_committed_is_there_after_the_server_was_killed(server: EmbeddedPostgres) -> None:
    execute(server.url, "create table kept (n int); insert into kept values (1)")
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_running, 5, "the server is dead")
    server.stop()
    server.start()
    assert value(server.url, "select n from kept") == 1


def test_it_dies_with_its_parent_and_its_data_does_not(place: Path) -> None:
    data = place / "data"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid, url = parent.stdout.readline().split()
        execute(url, "create table kept (n int); insert into kept values (1)")
        parent.kill()
    wait_until(lambda: not is_alive(int(pid)), 5, "the server is dead")
    with_data = EmbeddedPostgres(data).start()
    try:
        assert value(with_data.url, "select n from kept") == 1
    finally:
        with_data.stop()


def test_a_server_that_outlived_its_parent_is_ended_first(place: Path) -> None:
    """The parent and the shell that should have ended the server were killed both."""
    data = place / "data"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout
        pid, url = parent.stdout.readline().split()
        execute(url, "create table kept (n int); insert into kept values (1)")
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        for child in set(children) - {pid}:
            os.kill(int(child), signal.SIGKILL)
        parent.kill()
    assert is_alive(int(pid))
    again = EmbeddedPostgres(data).start()
    try:
        assert not is_alive(int(pid))
        assert value(again.url, "select n from kept") == 1
    finally:
        again.stop()


def test_two_servers_over_one_folder_are_refused(server: EmbeddedPostgres, place: Path) -> None:
    with pytest.raises(
        FatalError, match=rf"Another embedded PostgreSQL \(process {os.getpid()}\) uses"
    ):
        EmbeddedPostgres(place / "data").start()
    assert value(server.url, "select 1") == 1


def test_it_stops_within_two_seconds_whoever_is_connected(
    server: EmbeddedPostgres, place: Path
) -> None:
    with session(server.url) as idle, idle.cursor() as cursor:
        cursor.execute("create table half (n int)")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2
    assert processes_of(place) == []
    server.stop()


def test_a_stale_pid_file_that_names_another_process_is_no_hindrance(
    server: EmbeddedPostgres, place: Path
) -> None:
    pid_file = place / "data" / "pgdata" / "postmaster.pid"
    text = pid_file.read_text()
    server.stop()
    with subprocess.Popen(["sleep", "60"], user="nobody" if os.geteuid() == 0 else None) as other:
        pid_file.write_text("\n".join([str(other.pid), *text.split("\n")[1:]]))
        server.start()
        other.kill()
    assert value(server.url, "select 1") == 1


def test_half_of_a_data_folder_is_made_anew(place: Path) -> None:
    """The process was killed while it made the folder."""
    half = place / "data" / "pgdata.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(place / "data").start()
    try:
        assert value(server.url, "select 1") == 1
    finally:
        server.stop()


def test_a_server_that_cannot_start_says_why(place: Path) -> None:
    server = EmbeddedPostgres(place / "data").start()
    server.stop()
    (place / "data" / "pgdata" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(FatalError, match=r"(?s)did not start.*version 9\.6"):
        server.start()
    assert processes_of(place) == []
