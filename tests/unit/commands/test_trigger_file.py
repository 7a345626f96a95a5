"""Files of triggers: whole and valid, or not at all."""

import io
import json
import sys
from pathlib import Path

import pytest

from job_trigger_worker.commands.trigger_file import TriggerFile
from job_trigger_worker.errors import UsageError

GOOD = b'{"job_id": 7, "scheduled_at": "2026-11-20T08:00:00Z"}'


def written(folder: Path, *lines: bytes) -> str:
    path = folder / "triggers.ndjson"
    path.write_bytes(b"\n".join(lines))
    return str(path)


def test_triggers_come_in_order_and_in_batches_with_or_without_a_last_newline(
    tmp_path: Path,
) -> None:
    lines = [GOOD.replace(b"7", b"%d" % job) for job in (1, 2, 3)]
    for end in ([], [b""]):
        with TriggerFile(written(tmp_path, *lines, *end)) as file:
            assert file.count == 3
            batches = [[each.job_id for each in batch] for batch in file.batches(2)]
        assert batches == [[1, 2], [3]]


def test_empty_lines_are_passed_over_and_windows_line_ends_accepted(tmp_path: Path) -> None:
    with TriggerFile(written(tmp_path, GOOD + b"\r", b"", b"   \r", GOOD)) as file:
        assert file.count == 2


def test_each_fault_is_named_by_its_line_and_ten_are_shown(tmp_path: Path) -> None:
    lines = [GOOD, b"", b'{"job_id": 0, "scheduled_at": "2026-11-20T08:00:00Z"}', b"no json"]
    with pytest.raises(UsageError) as caught:
        TriggerFile(written(tmp_path, *lines, *[b"[]"] * 12))
    said = str(caught.value)
    assert "14 lines that are not triggers; nothing was sent" in said
    assert "line 3: job_id" in said
    assert "line 4:" in said
    assert "line 12:" in said
    assert "line 13:" not in said
    assert "and 4 more" in said


def test_a_time_without_zone_is_explained(tmp_path: Path) -> None:
    line = b'{"job_id": 7, "scheduled_at": "2026-11-20T08:00:00"}'
    with pytest.raises(UsageError, match="line 1: scheduled_at: the time has no zone"):
        TriggerFile(written(tmp_path, line))


def test_a_replay_is_a_fault_because_nobody_would_believe_it(tmp_path: Path) -> None:
    replay = GOOD[:-1] + b', "kind": "replay", "trigger_id": "%b"}'
    replay = replay.replace(b"%b", b"7d444840-9dc0-41d1-b245-5ffdce74fad2")
    with pytest.raises(UsageError, match=r"line 2: kind 'replay' is for dead letters"):
        TriggerFile(written(tmp_path, GOOD, replay))


def test_a_line_too_long_for_the_topic_is_a_fault_and_the_lines_after_keep_their_numbers(
    tmp_path: Path,
) -> None:
    long = b'{"job_id": 7, "scheduled_at": "2026-11-20T08:00:00Z", "x": "' + b"a" * 600_000 + b'"}'
    with pytest.raises(UsageError) as caught:
        TriggerFile(written(tmp_path, GOOD, long, GOOD, b"no json"))
    assert "2 lines that are not triggers" in str(caught.value)
    assert "line 2: longer than 262,144 bytes" in str(caught.value)
    assert "line 4:" in str(caught.value)


def test_a_file_that_is_empty_or_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no trigger"):
        TriggerFile(written(tmp_path, b"", b""))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        TriggerFile(str(tmp_path / "nowhere"))


def test_standard_input_is_read_once_and_sent_as_it_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD + b"\n" + GOOD)))
    with TriggerFile("-") as file:
        assert [len(batch) for batch in file.batches(10)] == [2]


def test_a_line_is_read_as_the_worker_reads_a_message(tmp_path: Path) -> None:
    structured = b'{"specversion": "1.0", "id": "a", "data": %b}' % GOOD.replace(b"7", b"8")
    framed = b"\x00\x00\x00\x00\x07" + GOOD.replace(b"7", b"9")
    with TriggerFile(written(tmp_path, b"\xef\xbb\xbf" + GOOD, structured, framed)) as file:
        (batch,) = file.batches(10)
    assert [trigger.job_id for trigger in batch] == [7, 8, 9]


def test_a_line_that_is_something_else_is_called_what_it_is(tmp_path: Path) -> None:
    lines = {
        json.dumps(GOOD.decode()).encode(): "the line is double-encoded JSON",
        b"[" + GOOD + b"]": "the line is a JSON array, not an object: send each event by itself",
        b'{"scheduled_at": "2026-11-20T08:00:00Z"}': "job_id is missing in the line",
        b"\x02\x31\x28": "the line is not JSON but binary (perhaps Avro or Protobuf)",
        b"{": "only the beginning of JSON: a trigger stands in one line",
    }
    with pytest.raises(UsageError) as caught:
        TriggerFile(written(tmp_path, *lines))
    for number, words in enumerate(lines.values(), 1):
        assert f"line {number}: {words}" in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_as_windows_shells_write_it_is_called_what_it_is(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "triggers.ndjson"
    path.write_bytes(f"{GOOD.decode()}\n{GOOD.decode()}\n".encode(encoding))
    with pytest.raises(UsageError) as caught:
        TriggerFile(str(path))
    assert "line 1: the line is text in UTF-16: send JSON in UTF-8" in str(caught.value)
