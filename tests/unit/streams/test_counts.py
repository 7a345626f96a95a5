"""Windows: what is in, what is out, what is bounded."""

import json
from typing import Any

import pytest

from job_trigger_worker.streams import window_counts
from job_trigger_worker.streams.failures import Cause, CountedFailure
from job_trigger_worker.streams.window_counts import CountResult, Counts, Table

NOW = 1_795_161_600.0  # 2026-11-20T08:00:00Z
DB_07 = "server_not_found:server=7"


class Stream:
    """One partition's events, offsets counted by themselves."""

    def __init__(self, table: Table | None = None) -> None:
        self.table: Table = {} if table is None else table
        self.counts = Counts(self.table)
        self.offset = -1

    def add(
        self,
        age_s: float = 0.0,
        job: str = "1",
        cause: str = DB_07,
        message: str = "Server 7 does not exist.",
        partition: int = 0,
        *,
        offset: int | None = None,
        causes: int = 1,
    ) -> CountResult:
        self.offset += 1
        code = cause.partition(":")[0]
        roots = [Cause(cause if n == 0 else f"{cause}{n}", code, message) for n in range(causes)]
        failure = CountedFailure(job, NOW - age_s, code, tuple(roots))
        where = self.offset if offset is None else offset
        fate, keys = self.counts.add(failure, partition, where, NOW)
        assert all(key in self.table for key in keys)
        return fate

    def window(self, name: str, now: float = NOW) -> dict[str, Any]:
        found: dict[str, Any] = self.counts.windows(now, {0, 1, 2})["windows"][name]
        return found

    def totals(self, now: float = NOW) -> list[int]:
        return [self.window(name, now)["total"] for name in ("1m", "15m", "60m")]


def test_a_failure_is_in_each_window_that_reaches_back_to_it() -> None:
    stream = Stream()
    for age_s in (0, 59, 61 + 5, 14 * 60, 15 * 60 + 6, 59 * 60):
        assert stream.add(age_s) is CountResult.COUNTED
    assert stream.totals() == [2, 4, 6]
    assert stream.totals(NOW + 30) == [1, 4, 6]
    assert stream.totals(NOW + 3600) == [0, 0, 1]
    assert stream.totals(NOW + 3606) == [0, 0, 0]


def test_a_failure_leaves_a_window_at_most_five_seconds_late() -> None:
    stream = Stream()
    stream.add(0)
    assert stream.totals(NOW + 60)[0] == 1
    assert stream.totals(NOW + 65)[0] == 0


def test_what_is_older_than_an_hour_or_far_ahead_is_not_counted() -> None:
    stream = Stream()
    assert stream.add(3600) is CountResult.LATE
    assert stream.add(-61) is CountResult.AHEAD
    assert stream.add(-59) is CountResult.COUNTED
    assert stream.totals() == [1, 1, 1]


def test_an_answer_has_causes_with_jobs_sentence_and_time_most_triggers_first() -> None:
    stream = Stream()
    stream.add(20, job="1", message="Server 7 (db-07) does not exist.", partition=0)
    stream.add(10, job="2", message="Node 2: Server 7 (db-07) does not exist.", partition=1)
    stream.add(30, job="1", message="An older sentence.", partition=0)
    for age_s in (1.5, 2, 3, 4):
        stream.add(age_s, job="3", cause="expired:job=3", message="Too late.", partition=2)
    assert stream.counts.windows(NOW, {0, 1, 2})["as_of"] == "2026-11-20T08:00:00.000Z"
    assert stream.window("1m") == {
        "total": 7,
        "by_code": [
            {"code": "expired", "triggers": 4},
            {"code": "server_not_found", "triggers": 3},
        ],
        "by_cause": [
            {
                "cause": "expired:job=3",
                "code": "expired",
                "message": "Too late.",
                "triggers": 4,
                "jobs": 1,
                "last_at": "2026-11-20T07:59:58.500Z",
            },
            {
                "cause": DB_07,
                "code": "server_not_found",
                "message": "Node 2: Server 7 (db-07) does not exist.",
                "triggers": 3,
                "jobs": 2,
                "last_at": "2026-11-20T07:59:50.000Z",
            },
        ],
        "omitted": 0,
    }


def test_jobs_are_distinct_within_the_window_that_counts_them() -> None:
    stream = Stream()
    for minute in range(30):
        stream.add(minute * 60, job=str(minute % 3), partition=minute % 3)
    stream.add(20 * 60, job="only long ago")
    assert [stream.window(name)["by_cause"][0]["jobs"] for name in ("1m", "15m", "60m")] == [
        2,
        3,
        4,
    ]


def test_a_trigger_with_two_causes_is_one_trigger_and_two_causes() -> None:
    stream = Stream()
    stream.add(causes=2)
    window = stream.window("1m")
    assert window["total"] == 1
    assert [each["triggers"] for each in window["by_cause"]] == [1, 1]


def test_at_most_a_hundred_causes_are_shown_and_the_rest_counted() -> None:
    stream = Stream()
    for number in range(130):
        stream.add(cause=f"expired:job={number}")
    stream.add(cause="expired:job=129")
    window = stream.window("15m")
    assert (len(window["by_cause"]), window["omitted"], window["total"]) == (100, 30, 131)
    assert window["by_cause"][0]["cause"] == "expired:job=129"


def test_messages_read_again_after_a_crash_are_not_counted_again() -> None:
    before = Stream()
    for offset in range(5):
        before.add(offset=offset)
    table = {key: json.loads(json.dumps(bucket)) for key, bucket in before.table.items()}
    after = Stream(table)
    assert [after.add(offset=offset) for offset in (3, 4, 5)] == [
        CountResult.REPEATED,
        CountResult.REPEATED,
        CountResult.COUNTED,
    ]
    assert after.totals() == [6, 6, 6]


def test_a_partition_that_another_process_counts_is_left_out() -> None:
    stream = Stream()
    stream.add(partition=0)
    stream.add(partition=1)
    assert stream.counts.windows(NOW, {1})["windows"]["1m"]["total"] == 1


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    stream = Stream()
    for minute in range(60):
        stream.add(minute * 60, job=str(minute))
    stream.counts.prune(NOW)
    assert (len(stream.table), stream.counts.jobs) == (120, 60)
    stream.counts.prune(NOW + 30 * 60)
    assert (len(stream.table), stream.counts.jobs) == (62, 31)
    stream.counts.prune(NOW + 2 * 3600)
    assert (len(stream.table), stream.counts.jobs) == (0, 0)


def test_a_full_table_counts_codes_and_known_causes_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window_counts, "MOST_BUCKETS", 4)
    stream = Stream()
    for number in range(3):
        assert stream.add(cause=f"expired:job={number}") is CountResult.COUNTED
    assert stream.counts.windows(NOW, {0})["is_cut"] is True
    assert stream.add(cause="expired:job=9") is CountResult.CUT
    assert stream.add(cause="expired:job=0") is CountResult.COUNTED
    assert stream.add(cause="no_targets:job=4") is CountResult.CUT
    window = stream.window("1m")
    assert window["by_code"] == [
        {"code": "expired", "triggers": 5},
        {"code": "no_targets", "triggers": 1},
    ]
    assert [each["triggers"] for each in window["by_cause"]] == [2, 1, 1]


def test_beyond_the_most_jobs_triggers_are_counted_and_jobs_no_longer_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window_counts, "MOST_JOBS", 3)
    stream = Stream()
    fates = [stream.add(job=str(number)) for number in range(5)]
    assert fates == [CountResult.COUNTED] * 3 + [CountResult.CUT] * 2
    assert stream.add(job="0") is CountResult.COUNTED
    cause = stream.window("1m")["by_cause"][0]
    assert (cause["triggers"], cause["jobs"]) == (6, 3)
