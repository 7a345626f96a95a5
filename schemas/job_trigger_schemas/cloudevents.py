"""CloudEvents 1.0 on Kafka, binary content mode: the attributes stand in headers.

Source: CloudEvents specification 1.0.2, 'Kafka Protocol Binding', section 3.2. Header values are
UTF-8 text. Readers of our events need no header; it saves them a look into the body.
"""

from __future__ import annotations

SPEC_VERSION = "1.0"
SOURCE = "job-trigger-worker"
CONTENT_TYPE = "application/json"

TYPE_JOB_TRIGGER = "awp.job.trigger.v1"
TYPE_JOB_DISPATCH = "awp.job.dispatch.v1"
TYPE_TRIGGER_FAILURE = "awp.job.trigger-failure.v1"
TYPE_EXECUTION_STATUS = "awp.execution.status.v1"

HEADER_SPEC_VERSION = "ce_specversion"
HEADER_ID = "ce_id"
HEADER_SOURCE = "ce_source"
HEADER_TYPE = "ce_type"
HEADER_TIME = "ce_time"
HEADER_CONTENT_TYPE = "content-type"
HEADER_TRACEPARENT = "traceparent"
"""W3C Trace Context, as the CloudEvents extension 'Distributed Tracing' names it."""


def headers(
    *,
    event_type: str,
    event_id: str,
    time: str,
    source: str = SOURCE,
    traceparent: str | None = None,
) -> list[tuple[str, bytes]]:
    """The headers of one event, in a fixed order, as every Kafka client takes them.

    `time` is an RFC 3339 string; `traceparent` is left out when there is none.
    """
    pairs = [
        (HEADER_SPEC_VERSION, SPEC_VERSION.encode()),
        (HEADER_ID, event_id.encode()),
        (HEADER_SOURCE, source.encode()),
        (HEADER_TYPE, event_type.encode()),
        (HEADER_TIME, time.encode()),
        (HEADER_CONTENT_TYPE, CONTENT_TYPE.encode()),
    ]
    if traceparent is not None:
        pairs.append((HEADER_TRACEPARENT, traceparent.encode()))
    return pairs
