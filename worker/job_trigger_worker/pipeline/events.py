"""Rendering the events that leave: dispatch, failure, dead letter (design 3).

By hand, because thousands are made a second; tests hold each against its model in `schemas`. Sizes
are decided here, before anything is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from job_trigger_schemas import cloudevents
from job_trigger_worker.config import Language
from job_trigger_worker.domain import messages
from job_trigger_worker.domain.cause import cause
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.delivery import Event, EventHeaders
from job_trigger_worker.domain.fast_tuples import new
from job_trigger_worker.domain.inventory import JobType
from job_trigger_worker.domain.record import Claim, DeadLetter
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.domain.trigger import EventKind, Trigger, Uuid, event_id
from job_trigger_worker.domain.truncation import truncate
from job_trigger_worker.domain.verdict import Finding, Target, Verdict

MOST_BYTES = 900 * 1024
"""Largest body that is sent; a broker takes 1 MiB with its headers by default."""

_LONGEST_NAME = 500
_TRUNCATED = "truncated"
_HEADER_BYTES = 10
"""What a header costs beside its name and content, at the most: their lengths."""
_ACTION = str(JobType.ACTION)

_FAILURE = cloudevents.TYPE_TRIGGER_FAILURE.encode()
_FIXED = (
    (cloudevents.HEADER_SPEC_VERSION, cloudevents.SPEC_VERSION.encode()),
    (cloudevents.HEADER_SOURCE, cloudevents.SOURCE.encode()),
    (cloudevents.HEADER_CONTENT_TYPE, cloudevents.CONTENT_TYPE.encode()),
)
_OF_DISPATCH = (*_FIXED, (cloudevents.HEADER_TYPE, cloudevents.TYPE_JOB_DISPATCH.encode()))
_OF_FAILURE = (*_FIXED, (cloudevents.HEADER_TYPE, _FAILURE))


def dispatch(
    topics: Topics,
    trigger: Trigger,
    verdict: Verdict,
    decided_at: datetime,
    targets: str,
) -> Event | None:
    """The event that has a job run; None when it would be larger than `MOST_BYTES`.

    `targets` is what `render_targets` made. The parameter, which is JSON, travels exactly as it was
    saved.
    """
    job = verdict.job
    if job is None or job.parameter is None:
        raise ValueError(f"trigger {trigger.trigger_id} has passed without a job")
    if len(job.parameter) + len(targets) > MOST_BYTES:
        return None
    execution_id = trigger.idempotency_key
    outcome_id = event_id(execution_id, EventKind.DISPATCH)
    job_id = str(trigger.job_id)
    sender = ""
    if trigger.triggered_by is not None:
        is_verified = "true" if trigger.triggered_by_verified is True else "false"
        sender = (
            f'"triggered_by":{_quoted(trigger.triggered_by)},"triggered_by_verified":{is_verified},'
        )
    # Ids, digits and our own words need no quoting; a dict and its dump would take twice as long.
    value = (
        f'{{"event_id":"{outcome_id}","execution_id":"{execution_id}",'
        f'"trigger_id":"{trigger.trigger_id}","job_id":"{job_id}",'
        f'"job_type":{_quoted(job.job_type)},"target_id":"{job.target_id}",'
        f'"owner":{{"user_id":"{job.owner_id}","name":{_quoted(_name(verdict.owner_name))}}},'
        f'"kind":"{trigger.kind!s}",{sender}"scheduled_at":{_time(trigger.scheduled_at)},'
        f'"dispatched_at":{_time(decided_at)},"expires_at":{_time(verdict.expires_at)},'
        f'"parameter":{job.parameter},"targets":{targets}}}'
    ).encode()
    if len(value) > MOST_BYTES:
        return None
    topic = topics.dispatch_action if job.job_type == _ACTION else topics.dispatch_orch
    headers = _headers(_OF_DISPATCH, outcome_id, decided_at, trigger.trace_id)
    return new(Event, (topic, job_id.encode(), headers, value))


def failure(
    topics: Topics,
    trigger: Trigger,
    verdict: Verdict,
    decided_at: datetime,
    findings: Sequence[dict[str, Any]],
) -> Event:
    """The event that tells of a failed trigger; findings that do not fit are counted."""
    job = verdict.job
    execution_id = trigger.idempotency_key
    outcome_id = event_id(execution_id, EventKind.FAILURE)
    causes = list(verdict.causes)
    body = {
        "event_id": outcome_id,
        "execution_id": execution_id,
        "trigger_id": trigger.trigger_id,
        "job_id": str(trigger.job_id),
        "job_name": job and _name(job.name),
        "job_type": job and job.job_type,
        "owner": None
        if job is None or job.owner_id is None
        else {"user_id": str(job.owner_id), "name": _name(verdict.owner_name)},
        "kind": str(trigger.kind),
        **_sender(trigger),
        "scheduled_at": trigger.scheduled_at,
        "failed_at": decided_at,
        "code": verdict.findings[0].code,
        "message": findings[0]["message"],
        "findings": list(findings),
        "findings_omitted": verdict.omitted,
        "causes": causes,
        "cause": causes[0],
    }
    value = _fit(body, MOST_BYTES)
    headers = _headers(_OF_FAILURE, outcome_id, decided_at, trigger.trace_id)
    return Event(topics.failures, str(trigger.job_id).encode(), headers, value)


def dead_letter(topics: Topics, letter: DeadLetter, claim: Claim) -> Event:
    """The original bytes, with reason and origin in headers; cut where they are too large.

    A producer's headers by the names of ours are left out: they would say something untrue. A range
    of offsets that could not be unpacked has its last one in a header, and no bytes; a message of
    which less than all is kept has its value's length and SHA-256.
    """
    delivery = letter.delivery
    headers: EventHeaders = [
        *(header for header in delivery.headers if not _is_ours(header[0])),
        ("dead-letter-reason", letter.reason.encode("utf-8", "backslashreplace")),
        ("dead-letter-topic", claim.topic.encode()),
        ("dead-letter-partition", str(claim.partition).encode()),
        ("dead-letter-offset", str(delivery.offset).encode()),
    ]
    if letter.execution_id is not None:
        headers.append(("dead-letter-execution-id", letter.execution_id.encode()))
    if letter.last_offset is not None:
        headers.append(("dead-letter-last-offset", str(letter.last_offset).encode()))
    if letter.sha256 is not None:
        headers.append(("dead-letter-sha256", letter.sha256.hex().encode()))
        headers.append((_TRUNCATED, str(letter.size).encode()))
    event = Event(topics.dead_letters, delivery.key, headers, delivery.value)
    return event if size(event) <= MOST_BYTES else _cut_letter(event, MOST_BYTES)


def render_targets(targets: Sequence[Target]) -> str:
    """Targets as a dispatch and the record hold them: a JSON list."""
    rendered = []
    for server_id, ip, account, credential_id, node_id, action_id in targets:
        # Ids need no quoting; a dict and its dump would take twice as long.
        address = orjson.dumps(ip).decode()
        credential = "null" if credential_id is None else f'"{credential_id}"'
        of_node = ""
        if node_id is not None:
            action = "null" if action_id is None else f'"{action_id}"'
            of_node = f',"node_id":{_short_text(node_id)},"action_id":{action}'
        rendered.append(
            f'{{"server_id":"{server_id}","ip":{address},"account":{_short_text(account)},'
            f'"credential_id":{credential}{of_node}}}'
        )
    return f"[{','.join(rendered)}]"


def size(event: Event) -> int:
    """About how many bytes an event takes, and no fewer than the brokers count."""
    headers = sum(
        len(name.encode()) + len(content or b"") + _HEADER_BYTES for name, content in event.headers
    )
    return len(event.value or b"") + len(event.key or b"") + headers


@dataclass(frozen=True, slots=True)
class Shortened:
    """An event that the broker takes instead of one that it refused.

    `failed` is set when a dispatch became a failure: its record has to say so too.
    """

    event: Event
    failed: FailedDispatch | None


@dataclass(frozen=True, slots=True)
class FailedDispatch:
    """A record whose dispatch the broker refused, and what it says now."""

    execution_id: Uuid
    finding: Finding


def shorten(event: Event, topics: Topics, language: Language) -> Shortened:
    """What the broker takes instead of an event that it refused.

    A dispatch becomes a `parameter_invalid` failure under the id of that failure, a failure loses
    findings, a dead letter is cut: each time to half of what was refused at the most.
    """
    limit = max(size(event) // 2, 1024)
    if event.topic == topics.dead_letters:
        return Shortened(_cut_letter(event, limit), None)
    body = orjson.loads(event.value or b"{}")
    if event.topic == topics.failures:
        return Shortened(event._replace(value=_fit(body, limit)), None)
    finding = too_large(int(body["job_id"]), len(event.value or b""), "refused")
    rendered = messages.as_json(finding, language)
    outcome_id = event_id(body["execution_id"], EventKind.FAILURE)
    failed = {
        "event_id": outcome_id,
        **{name: body[name] for name in _SHARED if name in body},
        "job_name": None,
        "failed_at": body["dispatched_at"],
        "code": finding.code,
        "message": rendered["message"],
        "findings": [rendered],
        "findings_omitted": 0,
        "causes": [finding.cause],
        "cause": finding.cause,
    }
    headers = [(name, _of_failure(name, content, outcome_id)) for name, content in event.headers]
    return Shortened(
        Event(topics.failures, event.key, headers, orjson.dumps(failed)),
        FailedDispatch(body["execution_id"], finding),
    )


def _of_failure(name: str, content: str | bytes | None, outcome_id: Uuid) -> str | bytes | None:
    """A dispatch's header as the failure that follows it carries it."""
    if name == cloudevents.HEADER_TYPE:
        return _FAILURE
    if name == cloudevents.HEADER_ID:
        return outcome_id.encode()
    if name == cloudevents.HEADER_TRACEPARENT and isinstance(content, bytes):
        return _traceparent(content.split(b"-")[1].decode(), outcome_id)
    return content


_SHARED = (
    "execution_id",
    "trigger_id",
    "job_id",
    "job_type",
    "owner",
    "kind",
    "triggered_by",
    "triggered_by_verified",
    "scheduled_at",
)


def too_large(job_id: int, size_bytes: int, reason: str = "too_large") -> Finding:
    """The finding of a job whose dispatch no broker would take, or did not (`refused`)."""
    code = FailureCode.PARAMETER_INVALID
    objects: dict[str, str | int | None] = {
        "job_id": str(job_id),
        "reason": reason,
        "value": size_bytes,
    }
    return Finding(code, objects, cause(code, job=job_id))


def _sender(trigger: Trigger) -> dict[str, Any]:
    """Who had the trigger sent, and whether that is proven; nothing where nobody is named."""
    if trigger.triggered_by is None:
        return {}
    return {
        "triggered_by": trigger.triggered_by,
        "triggered_by_verified": trigger.triggered_by_verified is True,
    }


@lru_cache(maxsize=4096)
def _quoted(value: str | None) -> str:
    """A short text as JSON: owners, accounts, producers and job types, each many times over."""
    return orjson.dumps(value).decode()


def _short_text(value: str) -> str:
    """A text of any length as JSON, as soon made as `_quoted` where it is short."""
    return _quoted(value) if len(value) <= _LONGEST_NAME else orjson.dumps(value).decode()


@lru_cache(maxsize=1024)  # many triggers share a slot, and a batch its moment
def _time(moment: datetime | None) -> str:
    """A moment as an event holds it: RFC 3339 in UTC with Z, or null."""
    return orjson.dumps(moment, option=orjson.OPT_UTC_Z).decode()


def _name(name: str | None) -> str | None:
    """A name as it travels, shortened: a platform may allow one that would fill an event."""
    return name if name is None or len(name) <= _LONGEST_NAME else truncate(name, _LONGEST_NAME)


def _fit(body: dict[str, Any], limit: int) -> bytes:
    """A failure's JSON, with as many findings and causes as the limit leaves room for.

    Where they are too many, a long text in one of them (a platform may allow an address of a
    megabyte) is cut first.
    """
    value = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    if len(value) > limit:
        body = {
            **_short(body),
            "findings": [_short(finding) for finding in body["findings"]],
        }
        value = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    while len(value) > limit and (len(body["findings"]) > 1 or len(body["causes"]) > 1):
        keep = max(len(body["findings"]) // 2, 1)
        body = {
            **body,
            "findings": body["findings"][:keep],
            "findings_omitted": body["findings_omitted"] + len(body["findings"]) - keep,
            "causes": body["causes"][: max(len(body["causes"]) // 2, 1)],
        }
        value = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    return value


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _name(each) if type(each) is str else each for name, each in fields.items()}


def _cut_letter(event: Event, limit: int) -> Event:
    value = (event.value or b"")[: limit // 2]
    own = [header for header in event.headers if _is_ours(header[0])]
    if not any(name == _TRUNCATED for name, _ in own):  # else it says how long it was at first
        own.append((_TRUNCATED, str(len(event.value or b"")).encode()))
    return Event(event.topic, (event.key or b"")[: limit // 4] or None, own, value)


def _is_ours(header: str) -> bool:
    return header.startswith("dead-letter-") or header == _TRUNCATED


def _headers(
    fixed: tuple[tuple[str, bytes], ...], outcome_id: str, at: datetime, trace_id: str | None
) -> EventHeaders:
    headers: EventHeaders = [
        *fixed,
        (cloudevents.HEADER_ID, outcome_id.encode()),
        (cloudevents.HEADER_TIME, _moment(at)),
    ]
    if trace_id is not None:
        headers.append((cloudevents.HEADER_TRACEPARENT, _traceparent(trace_id, outcome_id)))
    return headers


def _traceparent(trace_id: str, outcome_id: str) -> bytes:
    return f"00-{trace_id}-{outcome_id.replace('-', '')[:16]}-01".encode()


@lru_cache(maxsize=8)  # one moment of decision serves a whole batch
def _moment(at: datetime) -> bytes:
    """A UTC time as it travels: RFC 3339, ends in Z."""
    return at.isoformat()[:-6].encode() + b"Z"
