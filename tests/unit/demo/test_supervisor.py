"""A supervised process comes back, until it is told to stop."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from job_trigger_worker.demo.supervisor import SupervisedChild
from tests.support.waiting import wait_until

STAYS = "import os, time; print('at', os.environ['AT'], flush=True); time.sleep(60)"
ENDS = "raise SystemExit('no such table')"
Starting = Callable[[str], SupervisedChild]


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Starting]:
    started: list[SupervisedChild] = []

    def start(program: str) -> SupervisedChild:
        child = SupervisedChild(
            [sys.executable, "-c", program],
            tmp_path / "child.log",
            lambda listen: {**os.environ, "AT": listen},
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.stop(2)


def test_a_killed_process_comes_back_with_another_pid_and_is_not_called_failing(
    starting: Starting,
) -> None:
    child = starting(STAYS)
    for kills in range(1, 5):
        before = child.pid
        child.kill()
        wait_until(lambda before=before: child.pid != before, 5, "another process")  # type: ignore[misc]
        assert child.starts == kills + 1
    assert not child.is_failing


def test_each_start_is_told_where_to_listen(starting: Starting) -> None:
    child = starting(STAYS)
    wait_until(lambda: child.last_words() == f"at {child.listen}", 5, "its address in its log")


def test_a_process_that_ends_by_itself_again_and_again_is_called_failing_with_its_words(
    starting: Starting,
) -> None:
    child = starting(ENDS)
    wait_until(lambda: child.is_failing, 10, "three short lives")
    assert child.last_words(1) == "no such table"


def test_a_stopped_process_does_not_come_back(starting: Starting) -> None:
    child = starting(STAYS)
    pid = child.pid
    child.stop(5)
    child.stop(5)
    assert child.starts == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
