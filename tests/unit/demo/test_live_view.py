"""The live view on screens of many sizes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len
from rich.console import Console

from job_trigger_worker.audit.equations import Line
from job_trigger_worker.demo.live_view import Scene, clock, line, ms, screen
from job_trigger_worker.demo.measurements import Counts, Measurement, Standstill
from job_trigger_worker.demo.probes import Cause
from job_trigger_worker.storage.read.activity import Failure

GOOD = Line("a promise", "numbers")
BAD = Line("a promise", "numbers", ("partition 3: 4 delivered, 3 in a bin.",))
HOME = "~/.local/share/trigger-worker"
SHELL = f". {HOME}/env && .venv/bin/trigger-worker audit"
LINK = f"http://127.0.0.1:8321/start/{'x' * 43}"
SCENE = Scene(72.4, 4127, 1, LINK, "power off web-01", SHELL, HOME)
AT = datetime(2026, 11, 20, 5, 41, 2, tzinfo=UTC)
READING = Measurement(
    counts=Counts(1284, 1279, 4, 1, 1143, 136, 0),
    lines=(GOOD, GOOD),
    in_topic=0,
    passed_per_s=19.2,
    failed_per_s=1.8,
    p50_ms=4.2,
    p99_ms=31.0,
    is_worker_ready=True,
    causes=tuple(
        Cause(f"c{n}", "server_not_found", f"Server {n} does not exist.", 62, 31)
        for n in range(1, 13)
    ),
    latest=tuple(
        Failure(AT, 118, "每日对账", "account_not_found", "账号“财务”在 db-03 上不存在。")
        for _ in range(20)
    ),
)


def drawn(reading: Measurement, width: int, height: int, scene: Scene = SCENE) -> list[str]:
    console = Console(width=width, height=height, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(screen(reading, scene, width, height))
    return [row.rstrip() for row in capture.get().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 99, 120, 200])
@pytest.mark.parametrize("height", [13, 17, 24, 40, 60])
def test_it_fits_the_screen_and_keeps_ticks_keys_and_data_in_sight(width: int, height: int) -> None:
    rows = drawn(READING, width, height)
    assert len(rows) == height
    assert max(map(cell_len, rows)) <= width
    assert len([row for row in rows if row.endswith("✓")]) == 2
    assert rows[-3].startswith("Try    [p] power off web-01   [k] kill the worker")
    assert rows[-2].startswith("Shell  . ~/.local/share/trigger-worker/env && ")
    assert rows[-1].startswith("Data   ~/.local/share/trigger-worker")


def test_the_link_is_whole_at_80_columns_and_explained_where_there_is_room() -> None:
    assert f"Open   {LINK}" in drawn(READING, 80, 24)
    assert f"Open   {LINK}   signs you in once, as demo-admin" in drawn(READING, 120, 24)


def test_at_80_columns_what_can_be_typed_and_where_data_lies_are_said_whole() -> None:
    assert drawn(READING, 80, 24)[-2:] == [
        "Shell  . ~/.local/share/trigger-worker/env && .venv/bin/trigger-worker audit",
        "Data   ~/.local/share/trigger-worker   logs: worker.log   start over: --fresh",
    ]


def test_at_120_columns_every_word_of_the_count_is_there() -> None:
    rows = drawn(READING, 120, 40)
    assert rows[0].startswith(
        "trigger-worker demo: everything runs on this machine, nothing leaves it"
    )
    assert rows[0].endswith("1:12")
    assert rows[3:5] == [
        "Every trigger has a record  1,284 delivered = 1,279 records + 4 repeats + 1 unreadable  ✓",
        "Every record has its event  1,279 = 1,143 dispatched + 136 failures · 0 waiting         ✓",
    ]
    assert rows[6:9] == [
        "              now      total      topic to event  p50 4 ms   p99 31 ms",
        "passed       19/s      1,143      triggers waiting  0",
        "failed        2/s        136      worker  pid 4127",
    ]


def test_one_of_anything_is_said_in_the_singular() -> None:
    rows = drawn(replace(READING, counts=Counts(2, 1, 1, 0, 0, 1, 0)), 120, 40)
    assert rows[3].split("  ")[1] == "2 delivered = 1 record + 1 repeat"
    assert rows[4].split("  ")[1] == "1 = 0 dispatched + 1 failure · 0 waiting"


def test_causes_stand_with_jobs_and_triggers() -> None:
    rows = drawn(READING, 80, 24)
    assert rows[11].split() == ["Server", "1", "does", "not", "exist.", "31", "62"]
    assert "  8 more causes" in rows
    assert any(row.endswith("每日对账 (job 118)  账号“财务”在 db-03 上不存在。") for row in rows)


def test_a_count_that_does_not_close_has_a_cross() -> None:
    rows = drawn(
        Measurement(counts=READING.counts, lines=(BAD, GOOD), is_worker_ready=True), 120, 24
    )
    assert [row[-1] for row in rows[3:5]] == ["✗", "✓"]


def test_ticks_wait_while_the_worker_is_away_and_something_waits_for_it() -> None:
    away = Measurement(counts=Counts(9, 9, 0, 0, 9, 0, 2), lines=(GOOD, GOOD), in_topic=3)
    rows = drawn(away, 120, 24)
    assert [row[-1] for row in rows[3:5]] == ["…", "…"]
    assert any("joins its group" in row for row in rows)


def test_the_first_tick_is_not_green_while_triggers_wait_for_long() -> None:
    """Whatever the worker says of itself: it may stand still before what it cannot read."""
    rows = drawn(replace(READING, in_topic=3, is_stalled=True), 120, 40)
    assert [row[-1] for row in rows[3:5]] == ["…", "✓"]


def test_a_partition_stands_still_when_its_position_does_and_something_waits() -> None:
    standstill = Standstill()
    assert not standstill.note(0, position=5, waiting=2, now=0)
    assert not standstill.note(0, position=5, waiting=2, now=10)
    assert standstill.note(0, position=5, waiting=2, now=10.5)
    assert not standstill.note(1, position=5, waiting=2, now=10.5)
    assert not standstill.note(0, position=6, waiting=1, now=11)
    assert not standstill.note(0, position=6, waiting=0, now=30)
    assert not standstill.note(0, position=6, waiting=1, now=35)


def test_before_anything_is_read_nothing_is_claimed() -> None:
    rows = drawn(Measurement(), 80, 24)
    assert [row[-1] for row in rows[3:5]] == ["…", "…"]
    assert "  the streams are starting to count" in rows


def test_a_note_stands_above_the_keys() -> None:
    note = "web-01 is off; 24 jobs need it."
    noted = Scene(5, 1, 2, LINK, "power web-01 on again", ". /data/env", "/data", note)
    assert drawn(READING, 80, 24, noted)[-4] == "web-01 is off; 24 jobs need it."


def test_a_pipe_gets_the_same_in_a_line() -> None:
    assert line(READING, SCENE) == (
        "1:12  1,284 delivered = 1,279 records + 4 repeats + 1 unreadable ✓  "
        "1,279 = 1,143 dispatched + 136 failures · 0 waiting ✓  p50 4 ms p99 31 ms  "
        "0 waiting in the topic"
    )


def test_times_are_said_as_people_say_them() -> None:
    assert [clock(s) for s in (0, 59.9, 72, 3600, 3661)] == [
        "0:00",
        "0:59",
        "1:12",
        "1:00:00",
        "1:01:01",
    ]
    assert [ms(v) for v in (None, 3.6, 999, 1500, 150_000)] == [
        "–",
        "4 ms",
        "999 ms",
        "1.5 s",
        "2 min",
    ]
