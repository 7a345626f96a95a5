"""Log lines hold nothing that looks secret, whoever wrote it."""

import json
import logging
import time
from collections.abc import Iterator

import pytest
from kafka.net.selector import NetworkSelector

from job_trigger_worker import logs
from job_trigger_worker.config import Settings


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def test_a_line_is_one_line_whatever_stands_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    name = "a\n2026-01-01 ERROR action=forged\r\x1b[2J\u202e\ud800 每日"
    logging.getLogger("x").error("action=refused name=%s", name, extra={"owner": "b\nc"})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "action=refused name=a\\n2026-01-01 ERROR action=forged\\r\\x1b[2J\\u202e\\ud800 每日"
        " owner=b\\nc"
    )


def test_a_slow_step_of_a_client_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """kafka-python warns of 0.1 s in its own event loop, as on any machine that is busy."""

    async def slow() -> None:
        time.sleep(0.15)  # noqa: ASYNC251 - what it warns of

    logs.configure(Settings())
    loop = NetworkSelector()
    loop.call_soon(slow())
    loop.poll(timeout_ms=0)
    loop.close()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_driver_quotes_is_hidden(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format=form))
    row = 'Failing row contains (1, {"password": "geheim"}, postgresql://li:geheim@db/x).'
    logging.getLogger("x").error(
        "action=fault request=7",
        exc_info=ValueError(row),
        extra={"token": "geheim", "job_id": 17},
    )
    written = capsys.readouterr().err
    assert "geheim" not in written
    assert "action=fault request=7" in written
    assert "Failing row contains" in written
    if form == "json":
        assert json.loads(written)["job_id"] == 17
