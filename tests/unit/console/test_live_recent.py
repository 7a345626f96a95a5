"""The failures in memory: what a viewer gets of them, and how many there are."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from job_trigger_worker.console.failures.live.recent import Batch, Entry, Recent, bounded
from job_trigger_worker.domain.read_models import EVERYTHING, RecordRow, Scope, Status

OURS, THEIRS = Scope((1,)), Scope((2,))
BLANK = RecordRow(
    id=0, job_id=1, job_name=None, job_type=None, status=Status.TRIGGER_FAILED, trigger_status=2,
    code=None, message=None, causes=(), kind=None, triggered_by=None, execution_id=None,
    trigger_id=None, scheduled_at=None, fired_at=None, decided_at=None, duplicate_count=0, run=None,
)  # fmt: skip


def entry(record_id: int, *group_ids: int) -> Entry:
    return Entry(replace(BLANK, id=record_id), frozenset(group_ids))


def ids(batch: Batch) -> list[int]:
    return [row.id for row in batch.rows]


def test_each_gets_what_is_theirs() -> None:
    recent = Recent(10)
    recent.add([entry(12, 1), entry(15, 2), entry(17), entry(18, 1, 2)], 20)
    assert ids(recent.after(10, EVERYTHING, 9)) == [12, 15, 17, 18]
    assert ids(recent.after(10, OURS, 9)) == [12, 18]
    assert ids(recent.after(12, THEIRS, 9)) == [15, 18]
    assert ids(recent.after(10, Scope(()), 9)) == []  # 17: its job is gone
    assert recent.after(10, Scope(()), 9).position == 20
    assert recent.after(25, OURS, 9) == Batch((), 25)  # has read further than we


def test_a_part_says_that_there_is_more() -> None:
    recent = Recent(0)
    recent.add([entry(number, 1) for number in range(1, 6)], 5)
    first = recent.after(0, OURS, 2)
    assert (ids(first), first.position, first.is_all) == ([1, 2], 2, False)
    rest = recent.after(2, OURS, 9)
    assert (ids(rest), rest.position, rest.is_all) == ([3, 4, 5], 5, True)


def test_a_page_gets_the_newest_only() -> None:
    recent = Recent(0)
    recent.add([entry(number, 1 + number % 2) for number in range(1, 10)], 9)
    assert ids(recent.newest(0, THEIRS, 3)) == [5, 7, 9]
    assert ids(recent.newest(6, THEIRS, 3)) == [7, 9]
    assert recent.newest(0, THEIRS, 3).position == 9


def test_no_more_is_kept_than_was_said() -> None:
    recent = Recent(0, most=3)
    recent.add([entry(number) for number in range(1, 6)], 5)
    assert (len(recent), recent.floor) == (3, 2)
    assert not recent.covers(1)
    assert recent.covers(2)
    assert ids(recent.after(2, EVERYTHING, 9)) == [3, 4, 5]


def test_a_record_is_bounded_too() -> None:
    kept = bounded(replace(BLANK, causes=("x",) * 1_000, job_name="名" * 5_000))
    assert len(kept.causes) == 20
    assert len(kept.job_name or "") == 200
    assert bounded(BLANK) == BLANK


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sets(st.integers(1, 3))), max_size=30),
    st.integers(1, 7),
    st.integers(1, 4),
    st.sampled_from([EVERYTHING, OURS, THEIRS, Scope((1, 3)), Scope(())]),
)
def test_whoever_follows_closely_gets_all_once_in_order(
    steps: list[tuple[int, set[int]]], most: int, limit: int, scope: Scope
) -> None:
    recent, last, position = Recent(0, most), 0, 0
    expected, got = [], []
    for step, groups in steps:
        last += step
        recent.add([entry(last, *groups)], last)
        if scope.group_ids is None or groups & set(scope.group_ids):
            expected.append(last)
        assert recent.covers(position)
        while True:
            batch = recent.after(position, scope, limit)
            got += ids(batch)
            position = batch.position
            if batch.is_all:
                break
    assert got == expected
