"""What is wrong with the fields of an edit. A value that stays as it was is never wrong."""

from __future__ import annotations

from datetime import datetime

from job_trigger_worker.console.jobs.edit.draft import Edits, Place, Row, ServerList, as_id
from job_trigger_worker.console.jobs.edit.view import RequestedEdit
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain import slots
from job_trigger_worker.domain.parameter import MAX_NAME
from job_trigger_worker.storage.write.job_edits import Editable

LONGEST_NAME = 200
_NAME = gettext_noop("A name has 1 to 200 characters, all of them visible.")
_CRON = gettext_noop(
    "A schedule has five or six fields and at least one future slot, such as */10 * * * * or 0 "
    "2 * * MON."
)
_ZONE = gettext_noop("A time zone looks like Asia/Shanghai or UTC.")
_SERVER = gettext_noop("A server's id is a whole number, such as 17.")
_ACCOUNT = gettext_noop("An account has 1 to 1,024 characters.")
TWICE = gettext_noop("This server and account are listed twice, so the job would run there twice.")
_NO_LIST = gettext_noop("There is no list of servers here to add a row to.")


def of_fields(
    saved: Editable, wanted: RequestedEdit, now: datetime, words: Words
) -> dict[str, str]:
    """A sentence for each of `name`, `schedule` and `timezone` that cannot be saved."""
    found = {}
    if wanted.name != saved.name and not _is_text(wanted.name, LONGEST_NAME):
        found["name"] = words.gettext(_NAME)
    if wanted.timezone != (saved.timezone or "") and not slots.is_zone(wanted.timezone):
        found["timezone"] = words.gettext(_ZONE)
    is_new = bool(wanted.schedule) and wanted.schedule != saved.schedule
    if is_new and not slots.next_slots(wanted.schedule, "UTC", now):
        found["schedule"] = words.gettext(_CRON)
    return found


def of_row(row: Row, words: Words) -> tuple[str | None, str | None]:
    """What is wrong with server and account of a row that was typed."""
    server = None if as_id(row.server) else words.gettext(_SERVER)
    account = None if _is_text(row.account, MAX_NAME) else words.gettext(_ACCOUNT)
    return server, account


def misplaced(lists: tuple[ServerList, ...], edits: Edits, words: Words) -> dict[Row, str]:
    """A sentence for each typed row that its list already has, or that has no list to be in."""
    growing = {each.place for each in lists if each.can_grow}
    found = {row: words.gettext(_NO_LIST) for row in edits.added if row.list not in growing}
    seen: set[tuple[int, str, str]] = set()
    for row in remaining(lists, edits).values():
        key = (row.list, row.server, row.account)
        if key in seen and (row.place is None or row.place in edits.changed):
            found[row] = words.gettext(TWICE)
        seen.add(key)
    return found


def remaining(lists: tuple[ServerList, ...], edits: Edits) -> dict[Place | Row, Row]:
    """Every row as it would be: saved ones by their place, new ones by themselves."""
    found: dict[Place | Row, Row] = {
        row.place: edits.changed.get(row.place, row)
        for each in lists
        for row in each.rows
        if row.place is not None and row.place not in edits.removed
    }
    return found | {row: row for row in edits.added}


def _is_text(value: str, longest: int) -> bool:
    """Whether a text says something, and can be stored."""
    return 0 < len(value) <= longest and bool(value.strip()) and "\0" not in value
