"""The outgoing event of a record, built again from what the record keeps (R8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from job_trigger_schemas import cloudevents
from job_trigger_worker.domain.read_models import RecordDetail
from job_trigger_worker.domain.record import FAILED, SUCCEEDED
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.domain.trigger import EventKind, event_id


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
    record = detail.record
    missing: list[str] = []
    if record.execution_id is None or record.decided_at is None:
        return None
    if record.trigger_status == SUCCEEDED:
        is_action = record.job_type == "action"
        topic = topics.dispatch_action if is_action else topics.dispatch_orch
        of, kind, body = EventKind.DISPATCH, cloudevents.TYPE_JOB_DISPATCH, _dispatch(detail)
        missing += ["expires_at", "parameter"]
    elif record.trigger_status == FAILED:
        topic, of, kind = topics.failures, EventKind.FAILURE, cloudevents.TYPE_TRIGGER_FAILURE
        body = _failure(detail)
    else:
        return None
    if detail.owner_id is not None:
        missing.append("owner.name")
    outcome_id = event_id(str(record.execution_id), of)
    headers = {
        cloudevents.HEADER_SPEC_VERSION: cloudevents.SPEC_VERSION,
        cloudevents.HEADER_SOURCE: cloudevents.SOURCE,
        cloudevents.HEADER_CONTENT_TYPE: cloudevents.CONTENT_TYPE,
        cloudevents.HEADER_TYPE: kind,
        cloudevents.HEADER_ID: outcome_id,
        cloudevents.HEADER_TIME: _time(record.decided_at) or "",
    }
    if detail.trace_id is not None:
        traceparent = f"00-{detail.trace_id}-{outcome_id.replace('-', '')[:16]}-01"
        headers[cloudevents.HEADER_TRACEPARENT] = traceparent
    return EventPreview(
        topic, str(record.job_id), headers, {"event_id": outcome_id, **body}, tuple(missing)
    )


def _dispatch(detail: RecordDetail) -> dict[str, Any]:
    return {
        **_shared(detail),
        "target_id": None if detail.target_id is None else str(detail.target_id),
        "dispatched_at": _time(detail.record.decided_at),
        "targets": [dict(target) for target in detail.targets],
    }


def _failure(detail: RecordDetail) -> dict[str, Any]:
    record = detail.record
    first = detail.findings[0] if detail.findings else {}
    return {
        **_shared(detail),
        "job_name": record.job_name,
        "failed_at": _time(record.decided_at),
        "code": record.code,
        "message": first.get("message", record.message),
        "findings": [dict(finding) for finding in detail.findings],
        "findings_omitted": detail.findings_omitted,
        "causes": list(record.causes),
        "cause": record.causes[0] if record.causes else None,
    }


def _shared(detail: RecordDetail) -> dict[str, Any]:
    record = detail.record
    owner = None if detail.owner_id is None else {"user_id": str(detail.owner_id)}
    sender = {}
    if record.triggered_by is not None:
        sender = {
            "triggered_by": record.triggered_by,
            "triggered_by_verified": record.triggered_by_verified is True,
        }
    return {
        "execution_id": str(record.execution_id),
        "trigger_id": None if record.trigger_id is None else str(record.trigger_id),
        "job_id": str(record.job_id),
        "job_type": record.job_type,
        "owner": owner,
        "kind": record.kind,
        **sender,
        "scheduled_at": _time(record.scheduled_at),
    }


def _time(at: datetime | None) -> str | None:
    """A time as it travels: UTC, ends in Z."""
    return None if at is None else at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
