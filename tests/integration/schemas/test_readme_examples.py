"""The programs of the READMEs do what they are shown to do."""

import json
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from job_trigger_worker.domain.topics import Topics
from tests.support import failures
from tests.support.topics import Broker, produce_raw, read_topic, read_whole
from tests.support.waiting import wait_until

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
PACKAGE = (Path(__file__).parents[3] / "schemas/README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PACKAGE, re.MULTILINE | re.DOTALL)
DISPATCH = json.loads(
    (
        Path(__file__).parents[3] / "schemas/examples/good/awp.job.dispatch.v1/action.json"
    ).read_bytes()
)
READ_S = 30.0
DIED = 9
PREAMBLE = """
import os, pathlib

ALERTED = pathlib.Path({alerted!r})

def alert(cause, job_id, message):
    if job_id == {dies_at}:
        os._exit({died})
    with ALERTED.open("a") as lines:
        lines.write(f"{{job_id}}\\n")

"""
"""What the README leaves to its reader."""


def example(section: str) -> str:
    """The first program of a section of the README."""
    found = re.search(rf"^## {section}\n.*?^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no program under {section}"
    return found[1]


def reader(broker: Broker, topics: Topics, alerted: Path, dies_at: int = 0) -> str:
    """The README's reader of failures on a test's topics; its `alert` writes jobs into a file."""
    where = f'"{broker.address}", topic="{topics.failures}"'
    more = ', client_options={"session_timeout_ms": 6000}'
    return PREAMBLE.format(alerted=str(alerted), dies_at=dies_at, died=DIED) + (
        example("Read the failures").replace('"127.0.0.1:9092"', where + more)
    )


def alerted_jobs(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_reader_that_starts_for_the_first_time_shows_the_failures_that_are_there(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    alerted = tmp_path / "alerted"
    failures.send(broker, topics.failures, range(1, 18))
    source = reader(broker, topics, alerted)
    with failures.program(source, tmp_path):
        wait_until(lambda: len(alerted_jobs(alerted)) == 17, READ_S, "17 failures shown")
    assert alerted_jobs(alerted) == list(range(1, 18))


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_failure_whose_handler_died_is_shown_after_the_next_start(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    alerted = tmp_path / "alerted"
    failures.send(broker, topics.failures, range(1, 18))
    source = reader(broker, topics, alerted, dies_at=5)
    with failures.program(source, tmp_path) as process:
        assert process.wait(READ_S) == DIED
    source = reader(broker, topics, alerted)
    with failures.program(source, tmp_path):
        wait_until(lambda: 17 in alerted_jobs(alerted), READ_S, "the last failure shown")
    assert alerted_jobs(alerted) == list(range(1, 18))


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_trigger_is_sent_as_the_readme_sends_it(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    source = example("Send a trigger").replace(
        '"127.0.0.1:9092"', f'"{broker.address}", topic="{topics.triggers}"'
    )
    with failures.program(source, tmp_path) as process:
        assert process.wait(READ_S) == 0
    (message,) = read_topic(broker, topics.triggers, until=1)
    assert message.key == b"17"
    sent = json.loads(message.value or b"")
    assert (sent["job_id"], sent["scheduled_at"]) == ("17", "2026-11-23T08:00:00Z")


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_the_first_programs_of_the_package_send_a_trigger_and_read_failures_until_ctrl_c(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    send, read, *_ = PROGRAMS
    address = '"127.0.0.1:9092"'
    send = send.replace(address, f'"{broker.address}", topic="{topics.triggers}"')
    with failures.program(send, tmp_path) as process:
        assert process.wait(READ_S) == 0
    (message,) = read_topic(broker, topics.triggers, until=1)
    said = f"Job 17 stands in partition {message.partition} at offset 0.\n"
    log = tmp_path / "program.log"
    assert log.read_text() == said
    failures.send(broker, topics.failures, range(1, 4))
    read = read.replace(address, f'"{broker.address}", topic="{topics.failures}"')
    with failures.program(read, tmp_path) as process:
        wait_until(lambda: log.read_text().count("\n") == 4, READ_S, "three failures shown")
        process.send(signal.SIGINT)
        assert process.wait(READ_S) == 0
    shown = [line.split()[0] for line in log.read_text().removeprefix(said).splitlines()]
    assert shown == ["1", "2", "3"]


def dispatch(run: int, *, expires_in_s: float | None = None) -> tuple[str, bytes, None]:
    """A dispatch of job 102 as the worker sends it."""
    expires_at = None
    if expires_in_s is not None:
        expires_at = (datetime.now(UTC) + timedelta(seconds=expires_in_s)).isoformat()
    changes = {"execution_id": run_id(run), "job_id": "102", "expires_at": expires_at}
    return "102", json.dumps(DISPATCH | changes).encode(), None


def run_id(run: int) -> str:
    return f"0198f3a0-0000-7000-8000-{run:012}"


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_service_begins_each_run_once_and_answers_each_dispatch_also_after_its_death(
    broker: Broker, topics: Topics, topic_prefix: str, tmp_path: Path
) -> None:
    (source,) = (each for each in PROGRAMS if "JobDispatch" in each)
    source = source.replace("127.0.0.1:9092", broker.address).replace('"awp"', f'"{topic_prefix}"')
    source = source.replace('"action",', '"action", session_timeout_ms=6000,')

    def lines(beginning: str) -> list[str]:
        said = (tmp_path / "program.log").read_text().splitlines()
        return [line for line in said if line.startswith(beginning)]

    def statuses() -> list[tuple[str, str]]:
        sent = [json.loads(each.value or b"") for each in read_whole(broker, topics.statuses)]
        return sorted((each["execution_id"], each["status"]) for each in sent)

    two, late, limited = dispatch(2), dispatch(3, expires_in_s=-1), dispatch(4, expires_in_s=600)
    produce_raw(broker, topics.dispatch_action, [dispatch(1), two, two, late, limited], partition=0)
    answers = [
        (run_id(1), "accepted"),
        (run_id(2), "accepted"),
        (run_id(2), "accepted"),
        (run_id(3), "rejected"),
        (run_id(4), "accepted"),
    ]
    with failures.program(source, tmp_path):
        wait_until(lambda: statuses() == answers, READ_S, "an answer for each dispatch")
    begun = [f"begun {run_id(run)} 102" for run in (1, 2, 4)]
    assert lines("begun") == begun
    produce_raw(broker, topics.dispatch_action, [two, dispatch(5)], partition=0)
    with failures.program(source, tmp_path):
        wait_until(lambda: (run_id(5), "accepted") in statuses(), READ_S, "the next run")
    assert set(statuses()) == {*answers, (run_id(5), "accepted")}
    assert lines("begun") == [*begun, f"begun {run_id(5)} 102"]
