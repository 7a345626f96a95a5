"""The quick reading of a usual trigger says what `JobTrigger` says, or leaves it to it."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from job_trigger_schemas import JobTrigger
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.trigger import Origin, Trigger, TriggerKind
from job_trigger_worker.pipeline.decode import _usual, decode
from job_trigger_worker.pipeline.sources import NO_SOURCE, Source

NOW = datetime(2026, 11, 20, 8, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 20, 8, 6, tzinfo=UTC)

ORIGIN = Origin(3, 41)
ID = "0198f3a0-0000-7000-8000-000000000001"
SLOT = "2026-11-20T08:00:00Z"
ODD: list[Any] = [None, True, 0, -1, 1.0, 1.5, 2**63, 2**70, "", " ", "x", [], {}, [1], {"a": 1}]
FIELDS: dict[str, list[Any]] = {
    "job_id": [7, "7", "007", "+7", "7 ", "٧", 2**63 - 1, str(2**63), "9" * 19, 7.0, *ODD],
    "scheduled_at": [
        SLOT,
        "2026-11-20T16:00:00.123456789+08:00",
        "2026-11-20",
        "2026-13-01T",
        *ODD,
    ],
    "fired_at": [SLOT, "2026-11-20t08:00:03z", "2026-11-20T08:00:03", *ODD],
    "trigger_id": [ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"{ID}0", *ODD],
    "kind": ["schedule", "manual", "replay", "canary", "SCHEDULE", *ODD],
    "triggered_by": ["common-job", "每日", "n" * 200, "n" * 201, "a\0b", "\ud800", *ODD],
    "unknown": [float("nan"), "\0", "\ud800", *ODD],
}
OBJECTS = st.fixed_dictionaries(
    {"job_id": st.sampled_from(FIELDS["job_id"])},
    optional={name: st.sampled_from(some) for name, some in FIELDS.items() if name != "job_id"},
)


@given(fields=OBJECTS | st.sampled_from([1, None, [], "text", [{"job_id": 1}]]))
def test_a_quick_reading_is_never_another_one(fields: object) -> None:
    body = json.dumps(fields).encode()
    quick = _usual(body, ORIGIN, NO_SOURCE)
    if quick is None:
        return
    wire = JobTrigger.model_validate_json(body)
    assert wire.kind == "schedule"
    assert quick.kind is TriggerKind.SCHEDULE
    assert (quick.job_id, quick.triggered_by) == (wire.job_id, wire.triggered_by)
    assert (quick.scheduled_at, quick.fired_at) == (wire.scheduled_at, wire.fired_at)
    assert quick.trigger_id == (str(wire.trigger_id) if wire.trigger_id else quick.idempotency_key)


def test_what_a_scheduler_sends_is_read_quickly() -> None:
    full = {
        "trigger_id": ID,
        "job_id": "17",
        "scheduled_at": SLOT,
        "fired_at": "2026-11-20T08:00:03+00:00",
        "kind": "schedule",
        "triggered_by": "common-job",
        "sent_by": {"host": "cj-1"},
    }
    read = _usual(json.dumps(full).encode(), ORIGIN, Source("trace"))
    assert read is not None
    assert (read.job_id, read.trigger_id, read.triggered_by) == (17, ID, "common-job")
    assert read.scheduled_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert read.fired_at == datetime(2026, 11, 20, 8, 0, 3, tzinfo=UTC)
    assert (read.origin, read.trace_id, read.problem) == (ORIGIN, "trace", None)
    assert _usual(json.dumps({"job_id": 17, "scheduled_at": SLOT}).encode(), ORIGIN, NO_SOURCE)


def test_of_a_field_that_stands_twice_the_last_counts_in_either_reading() -> None:
    twice = '{"job_id": 1, "job_id": 2, "scheduled_at": "%s"%s}'
    claim = Claim(3, "t", "i", 0, 1, -1)
    for more in ("", ', "kind": null'):  # null is the slow reading's
        body = (twice % (SLOT, more)).encode()
        found = decode(Delivery(0, 41, None, body, (), 0), claim, NOW, UNTIL)
        assert isinstance(found, Trigger)
        assert found.job_id == 2
