"""`trigger-worker run`: everything embedded, as a stranger meets it. Real processes, real ends."""

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.command import TRIGGER_WORKER, trigger_worker
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

START_S = 90.0

KEYS = [
    "triggers",
    "records",
    "succeeded",
    "failed",
    "by_code",
    "duplicates",
    "dead_letters",
    "dispatched",
    "failures_published",
    "outbox_pending",
    "audit_closed",
    "seconds",
    "triggers_per_s",
    "latency_ms",
    "worker_rss_mb",
]

ONE_ROUND = {
    "job_not_found": 1,
    "job_disabled": 3,
    "expired": 1,
    "automation_not_found": 2,
    "parameter_invalid": 2,
    "no_targets": 2,
    "server_not_found": 31,
    "server_offline": 5,
    "server_powered_off": 4,
    "account_not_found": 5,
    "credential_not_found": 3,
    "owner_not_found": 2,
    "owner_disabled": 3,
    "permission_denied": 3,
    "event_invalid": 1,
}
"""What 202 triggers fail for: each job of the demo once, a deleted one, one without a zone."""


ANOTHER_PLATFORM = {
    "TRIGGER_WORKER_DATABASE_URL": "postgresql+psycopg2://me:secret@127.0.0.1:1/elsewhere",
    "TRIGGER_WORKER_KAFKA_BROKERS": "127.0.0.1:1",
    "TRIGGER_WORKER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "TRIGGER_WORKER_TOPIC_PREFIX": "elsewhere",
    "TRIGGER_WORKER_CONSUMER_GROUP": "elsewhere",
}
"""What a person's shell may hold; none of it is meant for a run."""


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """No process of a run outlives it, however it ended: each names the data folder or its log."""
    yield
    wait_until(lambda: not processes_of(tmp_path), 5, "the end of every process of the run")


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes with an open file or an argument under a folder; none of them is ours."""
    found = []
    for process in psutil.process_iter():
        try:
            named = [*process.cmdline(), *(file.path for file in process.open_files())]
            named += [str(Path(f"/proc/{process.pid}/fd/{number}").readlink()) for number in (1, 2)]
        except (psutil.Error, OSError):
            continue
        if process.pid != os.getpid() and any(str(folder) in name for name in named):
            found.append(process)
    return found


def test_n_triggers_are_reported_with_every_failure_code(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ended = trigger_worker(
        "run", "--triggers", "404", "--json", "--data", str(data), env=ANOTHER_PLATFORM
    )
    assert ended.status == 0, ended.stderr
    report = ended.json
    assert list(report) == KEYS
    assert report["by_code"] == {code: 2 * count for code, count in ONE_ROUND.items()}
    assert {name: report[name] for name in KEYS[:4] + KEYS[5:11]} == {
        "triggers": 404,
        "records": 404,
        "succeeded": 268,
        "failed": 136,
        "duplicates": 0,
        "dead_letters": 0,
        "dispatched": 268,
        "failures_published": 136,
        "outbox_pending": 0,
        "audit_closed": True,
    }
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
    assert 20 < report["worker_rss_mb"] < 300
    assert report["triggers_per_s"] == pytest.approx(404 / report["seconds"], rel=0.01)
    assert "published 404 of 404" in ended.stderr
    assert f"for other commands: . {data}/env\n" in ended.stderr
    assert not (data / "env").exists()
    assert "postgresql" not in ended.stderr.lower().replace("postgresql ", "")


def test_a_run_goes_on_with_the_database_of_one_that_was_killed(tmp_path: Path) -> None:
    command = [TRIGGER_WORKER, "run", "--data", str(tmp_path / "data")]
    printed = tmp_path / "printed"
    with printed.open("wb") as out:
        first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            wait_until(lambda: " delivered = " in printed.read_text(), START_S, "a line of counts")
        finally:
            first.kill()
            first.wait()
    assert (tmp_path / "data" / "env").exists()  # and leads nowhere
    ended = trigger_worker("run", "--triggers", "202", "--json", "--data", str(tmp_path / "data"))
    assert ended.status == 0, ended.stderr
    assert ended.json["by_code"] == ONE_ROUND
    assert (ended.json["records"], ended.json["dispatched"]) == (202, 134)
    assert ended.json["audit_closed"] is True
    assert not (tmp_path / "data" / "env").exists()


def test_on_a_terminal_a_killed_worker_comes_back_and_ctrl_c_ends_everything_in_order(
    tmp_path: Path,
) -> None:
    data = str(tmp_path / "data")
    with Terminal([TRIGGER_WORKER, "run", "--data", data]) as terminal:
        wait_until(lambda: ticks(terminal) == "✓✓" and records(terminal), START_S, "both ticks")
        wait_until(lambda: said(terminal, "Server 7 (10.0.0.7) does not exist."), 20, "a cause")

        env = Path(data, "env")
        assert stat.S_IMODE(env.stat().st_mode) == 0o600
        audit = in_a_shell_with(env, "audit")
        assert (audit["closes"], audit["records"] > 0) == (True, True)
        assert in_a_shell_with(env, "topics check")["ok"] is True

        second = trigger_worker("run", "--data", data)
        assert second.status == 1
        assert f"(process {terminal.process.pid}) uses {data}" in second.stderr

        terminal.press("p")
        wait_until(lambda: said(terminal, "web-01 is off; 24 jobs need it."), 20, "power off")
        wait_until(lambda: said(terminal, "web-01) is powered off."), 20, "its cause")
        assert said(terminal, "[p] power web-01 on again")

        before = worker(terminal)
        terminal.press("k")
        wait_until(lambda: worker(terminal) not in ("", before), 20, "another worker")
        wait_until(lambda: not said(terminal, "joins its group"), START_S, "its partitions")
        settled = records(terminal)
        wait_until(
            lambda: ticks(terminal) == "✓✓" and records(terminal) > settled,
            START_S,
            "both ticks and new records",
        )

        terminal.press("\x03")
        status, took_s = terminal.wait(30)
        assert (status, terminal.settings()) == (0, terminal.settings_before)
        assert took_s < 20
        wait_until(lambda: "start over: --fresh" in terminal.text()[-300:], 5, "the summary")
        assert "audit          closes ✓" in terminal.text()
        assert not env.exists()


def test_sigterm_ends_a_start_as_well_as_a_run(tmp_path: Path) -> None:
    command = [TRIGGER_WORKER, "run", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # something has started
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 1
    assert said.decode() == "trigger-worker: Stopped before everything had started.\n"


def test_fresh_refuses_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    ended = trigger_worker("run", "--fresh", "--data", str(tmp_path))
    assert ended.status == 2
    assert f"The folder {tmp_path} holds something that is not ours" in ended.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter"]


def test_json_without_triggers_is_refused() -> None:
    ended = trigger_worker("run", "--json")
    assert ended.status == 2
    assert "--json and --deadline go with --triggers." in ended.stderr


def in_a_shell_with(env: Path, command: str) -> Any:
    """What a command answers with --json in another shell, whose own settings lead elsewhere."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'. "$0" && "$1" {command} --json', env, TRIGGER_WORKER],
        env=os.environ | ANOTHER_PLATFORM,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ticks(terminal: Terminal) -> str:
    """The marks at the ends of both equations."""
    return "".join(
        row[-1] for row in terminal.screen() if row.startswith(("Every trigger", "Every record"))
    )


def records(terminal: Terminal) -> int:
    """How many records the screen says there are."""
    found = re.search(r"([\d,]+) records", "\n".join(terminal.screen()))
    return int(found[1].replace(",", "")) if found else 0


def worker(terminal: Terminal) -> str:
    """The worker's process id on the screen."""
    found = re.search(r"worker  pid (\d+)", "\n".join(terminal.screen()))
    return found[1] if found else ""


def said(terminal: Terminal, words: str) -> bool:
    return any(words in row for row in terminal.screen())
