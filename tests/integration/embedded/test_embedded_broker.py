"""The embedded broker and the leash of every embedded process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from job_trigger_worker.embedded.broker import EmbeddedBroker
from job_trigger_worker.embedded.child import Child, last_lines
from job_trigger_worker.errors import FatalError
from job_trigger_worker.kafka.admin import answers
from tests.support.waiting import wait_until


def state_of(pid: int) -> str:
    """The kernel's letter for a process's state; Z, or nothing, when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def is_alive(pid: int) -> bool:
    return state_of(pid) not in ("", "Z")


def test_the_broker_answers_when_start_returns_and_ends_within_two_seconds(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "broker.log").start()
    address, pid = broker.address, broker.pid
    assert answers(address, timeout_s=2)
    assert pid is not None
    began = time.monotonic()
    broker.stop()
    assert time.monotonic() - began < 2
    assert not is_alive(pid)
    assert not broker.is_running
    broker.stop()


def test_a_broker_that_does_not_start_is_one_sentence_and_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "tansu"
    broken.write_text("#!/bin/sh\necho 'no such storage engine'\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(broken))
    with pytest.raises(FatalError, match="no such storage engine"):
        EmbeddedBroker(tmp_path / "broker.log").start()


def test_a_child_ends_with_its_parent_even_when_the_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from job_trigger_worker.embedded.child import Child\n"
        f"child = Child(['sleep', '600'], Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_alive(pid), 5, "the child ends after its parent")


def test_a_frozen_child_can_be_stopped(tmp_path: Path) -> None:
    child = Child(["sleep", "600"], tmp_path / "log")
    child.send(signal.SIGSTOP)
    wait_until(lambda: state_of(child.pid) == "T", 5, "the child is frozen")
    assert child.exit_status() is None
    assert child.stop(timeout_s=0.1) == -signal.SIGKILL


def test_a_child_that_ended_says_with_what_and_leaves_its_words_in_the_log(tmp_path: Path) -> None:
    child = Child(
        ["sh", "-c", 'echo "$WORD"; exit 7'], tmp_path / "log", env=os.environ | {"WORD": "bye"}
    )
    assert wait_until(child.exit_status, 5, "the child ends") == 7
    assert last_lines(tmp_path / "log") == "bye"


def test_a_child_that_was_found_dead_by_a_signal_leaves_no_leash_behind(tmp_path: Path) -> None:
    child = Child(["true"], tmp_path / "log")
    wait_until(lambda: not is_alive(child.pid), 5, "the child ends")
    child.send(signal.SIGTERM)  # finds that it has ended
    assert child.exit_status() == 0
    assert not is_alive(child._leash.pid)
