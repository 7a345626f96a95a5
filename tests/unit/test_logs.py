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
