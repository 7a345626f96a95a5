"""The programs of the READMEs do what they are shown to do."""

import json
import re
import signal
from pathlib import Path

import pytest

from tests.support import failures
from tests.support.topics import Broker, read_topic
from tests.support.waiting import wait_until
from worker.domain.topics import Topics

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PACKAGE = (Path(__file__).parents[2] / "schemas/README.md").read_text(encoding="utf-8")
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
    send, read, *_ = re.findall(r"^```python\n(.*?)^```", PACKAGE, re.MULTILINE | re.DOTALL)
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
