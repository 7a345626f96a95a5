"""Any message is a trigger or a reason: the decoder never raises, and says nothing unstorable."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile import BODIES, HEADERS, JSON, KEYS, MOMENTS, objects
from worker.decode import decode
from worker.domain.delivery import Delivery
from worker.domain.record import Claim
from worker.domain.trigger import Trigger

CLAIM = Claim(3, "t", "i", 0, 1, -1)
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
_is_uuid = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


@given(body=BODIES, key=KEYS, headers=HEADERS, appended_ms=MOMENTS)
def test_any_message_is_a_trigger_that_can_be_stored_or_a_reason(
    body: bytes | None, key: bytes | None, headers: Any, appended_ms: int
) -> None:
    found = decode(Delivery(0, 41, key, body, headers, appended_ms), CLAIM, NOW)

    if not isinstance(found, Trigger):
        assert _is_storable(found.reason)
        assert 0 < len(found.reason) <= 500
        return
    assert 1 <= found.job_id < 2**63
    assert _is_uuid(found.idempotency_key)
    assert _is_uuid(found.trigger_id)
    for moment in (found.scheduled_at, found.fired_at):
        assert moment.utcoffset() == timedelta(0)
        assert 2000 <= moment.year <= 2200
    for words in (found.triggered_by, found.problem, found.trace_id):
        assert words is None or _is_storable(words)
    assert len(found.triggered_by or "") <= 200
    assert len(found.problem or "") <= 500
    assert (found.origin.ledger_id, found.origin.offset) == (3, 41)


@given(fields=objects(ids=st.just(7)).map(lambda fields: fields | {"job_id": 7}), more=JSON)
def test_whatever_stands_beside_a_job_id_the_job_is_known(
    fields: dict[str, Any], more: object
) -> None:
    body = json.dumps({**fields, "more": more}).encode()

    found = decode(Delivery(0, 0, None, body, (), 0), CLAIM, NOW)

    assert isinstance(found, Trigger)
    assert found.job_id == 7


@given(body=BODIES, spaces=st.sampled_from([b" ", b"\n\t", b"\r\n"]))
def test_what_a_body_says_does_not_depend_on_space_around_it(
    body: bytes | None, spaces: bytes
) -> None:
    plain, padded = (
        decode(Delivery(0, 0, None, each, (), 0), CLAIM, NOW)
        for each in (body, None if body is None else body + spaces)
    )

    assert type(plain) is type(padded)
    if isinstance(plain, Trigger):
        assert plain == padded


def _is_storable(words: str) -> bool:
    return "\0" not in words and not any("\ud800" <= c <= "\udfff" for c in words)
