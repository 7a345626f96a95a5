"""A failure in bytes, made once for everybody who reads the same language."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from job_trigger_worker.clock import Clock
from job_trigger_worker.config import Language
from job_trigger_worker.console.shared import times
from job_trigger_worker.console.shared.presenters import present_record
from job_trigger_worker.console.shared.texts import Words, words
from job_trigger_worker.domain.read_models import RecordRow

_MOST = 4_096
"""Texts that are kept; beyond, all are made anew."""


class EventSerializer:
    """Puts failures into JSON and keeps it for the next who asks. Used by one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Hashable, bytes] = {}

    def for_programs(self, record: RecordRow, language: Language) -> bytes:
        """One failure as the API has it (`web.api.stream.FailureEvent`)."""
        return self._once(
            (record.id, language), lambda: _event(record, words(language), self._clock)
        )

    def for_page(self, record: RecordRow, language: Language, zone: ZoneInfo) -> bytes:
        """One failure as a row of the list that `static/live.js` fills."""
        return self._once(
            (record.id, language, zone.key),
            lambda: _row(record, words(language), zone, self._clock),
        )

    def _once(self, key: Hashable, make: Callable[[], dict[str, Any]]) -> bytes:
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            found = self._kept[key] = orjson.dumps(make())
        return found


def _event(record: RecordRow, language: Words, clock: Clock) -> dict[str, Any]:
    it = present_record(record, language, clock.now())
    return {
        "id": str(record.id),
        "job_id": str(record.job_id),
        "job_name": record.job_name,
        "job_type": record.job_type,
        "kind": record.kind,
        "triggered_by": record.triggered_by,
        "triggered_by_verified": record.triggered_by_verified,
        "code": record.code,
        "message": it.sentence,
        "causes": list(record.causes),
        "scheduled_at": _in_utc(record.scheduled_at),
        "decided_at": _in_utc(record.decided_at),
        "execution_id": _text(record.execution_id),
        "trigger_id": _text(record.trigger_id),
        "duplicate_count": record.duplicate_count,
        "url": it.address,
    }


def _row(record: RecordRow, language: Words, zone: ZoneInfo, clock: Clock) -> dict[str, Any]:
    now = clock.now()
    it = present_record(record, language, now)
    late = record.lateness_s
    shown: dict[str, Any] = {"id": str(record.id), "to": it.address, "kind": it.kind}
    shown |= {"job": it.name, "job_to": f"/jobs/{record.job_id}", "sentence": it.sentence}
    shown["more"] = f"{record.job_id} · {it.type}" if it.type else str(record.job_id)
    shown["repeats"] = str(record.duplicate_count or "")
    for name, at in (("slot", record.scheduled_at), ("decided", record.decided_at)):
        moment = times.moment(at, zone, now) if at else None
        shown[name] = moment and {"text": moment.text, "title": moment.title, "iso": moment.iso}
    if late is not None:
        shown["late"] = ("+" if late >= 0 else "") + times.duration(late, language)
    return shown


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _in_utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
