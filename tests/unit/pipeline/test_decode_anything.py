"""Any message is a trigger or a reason: the decoder never raises, and says nothing unstorable."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.trigger import Trigger
from job_trigger_worker.pipeline.decode import decode
from tests.support.decoding import CLAIM, OFFSET, check
from tests.support.hostile import BODIES, HEADERS, JSON, KEYS, MOMENTS, objects

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
UNTIL = datetime(2026, 11, 23, 10, 5, tzinfo=UTC)


@given(body=BODIES, key=KEYS, headers=HEADERS, appended_ms=MOMENTS)
def test_any_message_is_a_trigger_that_can_be_stored_or_a_reason(
    body: bytes | None, key: bytes | None, headers: Any, appended_ms: int
) -> None:
    check(decode(Delivery(0, OFFSET, key, body, headers, appended_ms), CLAIM, NOW, UNTIL))


@given(fields=objects(ids=st.just(7)).map(lambda fields: fields | {"job_id": 7}), more=JSON)
def test_whatever_stands_beside_a_job_id_the_job_is_known(
    fields: dict[str, Any], more: object
) -> None:
    body = json.dumps({**fields, "more": more}).encode()

    found = decode(Delivery(0, 0, None, body, (), 0), CLAIM, NOW, UNTIL)

    assert isinstance(found, Trigger)
    assert found.job_id == 7


@given(body=BODIES, spaces=st.sampled_from([b" ", b"\n\t", b"\r\n"]))
def test_what_a_body_says_does_not_depend_on_space_around_it(
    body: bytes | None, spaces: bytes
) -> None:
    plain, padded = (
        decode(Delivery(0, 0, None, each, (), 0), CLAIM, NOW, UNTIL)
        for each in (body, None if body is None else body + spaces)
    )

    assert type(plain) is type(padded)
    if isinstance(plain, Trigger) and isinstance(padded, Trigger):
        if plain.problem is None:
            assert plain == padded
        else:  # known by its bytes, and these are others
            assert plain.idempotency_key != padded.idempotency_key
            assert plain == padded._replace(
                trigger_id=plain.trigger_id, idempotency_key=plain.idempotency_key
            )
