"""The outgoing event of a record, made again by `pipeline.events` of what the record keeps (R8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.inventory import Job
from job_trigger_worker.domain.read_models import RecordDetail
from job_trigger_worker.domain.record import FAILED, SUCCEEDED
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.domain.trigger import Origin, Trigger, TriggerKind
from job_trigger_worker.domain.verdict import Finding, Verdict
from job_trigger_worker.pipeline import events


@dataclass(frozen=True, slots=True)
class EventPreview:
    """What was sent, as far as the record knows; `missing` names what it does not keep."""

    topic: str
    key: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    missing: tuple[str, ...]


def preview_event(detail: RecordDetail, topics: Topics) -> EventPreview | None:
    """The event of a record; None for one that was written without us."""
    decided_at = detail.record.decided_at
    if detail.record.execution_id is None or decided_at is None:
        return None
    decided_at = decided_at.astimezone(UTC)
    missing: tuple[str, ...] = ()
    if detail.record.trigger_status == SUCCEEDED:
        event = _dispatch(detail, topics, decided_at)
        missing = ("expires_at", "parameter")
    elif detail.record.trigger_status == FAILED:
        event = _failure(detail, topics, decided_at)
    else:
        return None
    if event is None:
        return None
    body = orjson.loads(event.value or b"{}")
    for name in missing:
        del body[name]
    body |= {name: None for name in _unknown(detail) if name in body}
    if detail.owner_id is not None:
        del body["owner"]["name"]
        missing += ("owner.name",)
    headers = {name: _text(content) for name, content in event.headers}
    return EventPreview(event.topic, _text(event.key), headers, body, missing)


def _unknown(detail: RecordDetail) -> list[str]:
    """The fields of an event that this record has nothing for."""
    known = {
        "trigger_id": detail.record.trigger_id,
        "target_id": detail.target_id,
        "owner": detail.owner_id,
        "cause": detail.record.causes or None,
    }
    return [name for name, value in known.items() if value is None]


def _dispatch(detail: RecordDetail, topics: Topics, decided_at: datetime) -> Event | None:
    targets = orjson.dumps([dict(target) for target in detail.targets]).decode()
    verdict = Verdict((), (), _job(detail))
    return events.dispatch(topics, _trigger(detail), verdict, decided_at, targets)


def _failure(detail: RecordDetail, topics: Topics, decided_at: datetime) -> Event:
    record = detail.record
    # A record of another version may have a code that we do not know: it is shown as stored.
    code = cast(FailureCode, record.code)
    verdict = Verdict(
        tuple(Finding(code, {}, cause) for cause in record.causes or ("",)),
        (),
        _job(detail),
        omitted=detail.findings_omitted,
    )
    # So may a finding that says nothing: then the record's own message stands for it.
    first = {"code": record.code, "message": record.message, **dict(*detail.findings[:1])}
    findings = [first, *map(dict, detail.findings[1:])]
    return events.failure(topics, _trigger(detail), verdict, decided_at, findings)


def _trigger(detail: RecordDetail) -> Trigger:
    record = detail.record
    return Trigger(
        job_id=record.job_id,
        trigger_id=str(record.trigger_id),
        idempotency_key=str(record.execution_id),
        kind=cast(TriggerKind, record.kind),
        scheduled_at=cast(datetime, record.scheduled_at),
        fired_at=cast(datetime, record.fired_at),
        triggered_by=record.triggered_by,
        origin=Origin(detail.partition or 0, detail.offset or 0),
        trace_id=detail.trace_id,
        triggered_by_verified=record.triggered_by_verified,
    )


def _job(detail: RecordDetail) -> Job:
    record = detail.record
    return Job(
        job_id=record.job_id,
        name=cast(str, record.job_name),
        job_type=cast(str, record.job_type),
        target_id=detail.target_id,
        owner_id=detail.owner_id,
        enabled=True,
        parameter="null",
        max_lateness_s=None,
        version=0,
    )


def _text(content: str | bytes | None) -> str:
    return content.decode() if isinstance(content, bytes) else content or ""
