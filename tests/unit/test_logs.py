"""Log lines hold nothing that looks secret, whoever wrote it."""

import json
import logging
from collections.abc import Iterator

import pytest

from worker import logs
from worker.config import Settings


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
