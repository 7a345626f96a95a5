"""Log lines: events with fields, nothing that looks secret, and no flood."""

import json
import logging
import time
from collections.abc import Iterator

import pytest
from kafka.net.selector import NetworkSelector

from job_trigger_worker import logs
from job_trigger_worker.config import Settings

log = logs.logger("x")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def test_in_text_a_line_is_logfmt(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    log.info("taken", topic="awp.job.triggers.v1", partition=3, is_new=True, owner=None)
    log.warning("wait", reason='a "quoted" word', path="c:\\x", sum="1=1", empty="")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(
        "INFO    action=taken topic=awp.job.triggers.v1 partition=3 is_new=true owner="
    )
    assert second.endswith(
        r'WARNING action=wait reason="a \"quoted\" word" path=c:\x sum="1=1" empty=""'
    )


def test_in_json_each_field_is_a_key_with_its_type(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    log.error("lost_range", topic="t", first=5, reason=ValueError("gone"), is_open=True)
    line = json.loads(capsys.readouterr().err)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "error",
        "logger": "x",
        "action": "lost_range",
        "topic": "t",
        "first": 5,
        "reason": "gone",
        "is_open": True,
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_library_logs_has_its_name(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format=form))
    logging.getLogger("a.library").warning("it took %d s", 3)
    written = capsys.readouterr().err
    if form == "text":
        assert written.endswith('WARNING logger=a.library message="it took 3 s"\n')
    else:
        assert json.loads(written)["message"] == "it took 3 s"
        assert json.loads(written)["logger"] == "a.library"


def test_a_line_is_one_line_whatever_stands_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    name = "a\n2026-01-01 ERROR action=forged\r\x1b[2J\u202e\ud800 每日"
    log.error("refused", name=name, owner="b\nc")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        'action=refused name="a\\n2026-01-01 ERROR action=forged\\r\\x1b[2J\\u202e\\ud800 每日"'
        ' owner="b\\nc"'
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
def test_what_looks_secret_is_hidden(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format=form))
    row = 'Failing row contains (1, {"password": "geheim"}, postgresql://li:geheim@db/x).'
    log.error(
        "fault",
        request=7,
        token="geheim",  # noqa: S106
        nested={"api_key": "geheim", "kept": [{"secret": "geheim"}]},
        reason=ValueError("password=geheim"),
        exc_info=ValueError(row),
    )
    written = capsys.readouterr().err
    assert "geheim" not in written
    assert "fault" in written
    assert "Failing row contains" in written
    if form == "json":
        assert json.loads(written)["request"] == 7


def test_equal_lines_are_limited_and_the_next_one_says_how_many_were_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    handler = logging.StreamHandler()
    handler.addFilter(logs._Repeats(lambda: now_s))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    for _ in range(25):
        log.warning("wait", reason="the database is away")
    log.warning("wait", reason="another reason")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ['action=wait reason="the database is away"'] * 10 + [
        'action=wait reason="another reason"'
    ]
    now_s += 59.0
    log.warning("wait", reason="the database is away")
    assert capsys.readouterr().err == ""
    now_s += 2.0
    log.warning("wait", reason="the database is away")
    log.warning("wait", reason="the database is away")
    assert capsys.readouterr().err.splitlines() == [
        'action=wait reason="the database is away" left_out=16',
        'action=wait reason="the database is away"',
    ]
