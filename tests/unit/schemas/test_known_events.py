"""What was handled is known, for as long as it is kept."""

import threading
import uuid
from pathlib import Path

import pytest

from job_trigger_schemas.known_events import KnownEventsFile, RecentEvents

FIRST, SECOND, THIRD = (uuid.UUID(int=each) for each in (1, 2, 3))


def test_in_memory_the_oldest_is_forgotten_first() -> None:
    known = RecentEvents(most=2)
    for each in (FIRST, SECOND, THIRD):
        known.add(each)
    assert (FIRST in known, SECOND in known, THIRD in known) == (False, True, True)


def test_a_file_remembers_after_it_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "已处理 events.db"
    with KnownEventsFile(path) as known:
        known.add(FIRST)
        known.add(FIRST)
        assert FIRST in known
        assert SECOND not in known
    with KnownEventsFile(path) as known:
        assert FIRST in known


def test_a_file_forgets_what_is_older_than_it_is_to_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    with KnownEventsFile(tmp_path / "events.db", keep_days=1) as known:
        known.add(FIRST)
    now += 86_401
    with KnownEventsFile(tmp_path / "events.db", keep_days=1) as known:
        assert FIRST in known
        known.add(SECOND)
        assert FIRST not in known
        assert SECOND in known


def test_a_file_is_used_by_another_thread_than_the_one_that_opened_it(tmp_path: Path) -> None:
    with KnownEventsFile(tmp_path / "events.db") as known:
        thread = threading.Thread(target=known.add, args=(FIRST,))
        thread.start()
        thread.join(10)
        assert FIRST in known
