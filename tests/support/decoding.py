"""What holds of every message, whatever its bytes: it is a trigger to store, or a reason."""

import re
from datetime import timedelta

from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.trigger import Trigger
from job_trigger_worker.pipeline.decode import Unreadable

CLAIM = Claim(ledger_id=3, topic="t", topic_id="i", partition=0, epoch=1, last_offset=-1)
OFFSET = 41

_is_uuid = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def check(found: Trigger | Unreadable) -> None:
    """Raise AssertionError unless what `decode` found in a message at `OFFSET` can be stored."""
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
    assert (found.origin.ledger_id, found.origin.offset) == (CLAIM.ledger_id, OFFSET)


def _is_storable(words: str) -> bool:
    return "\0" not in words and not any("\ud800" <= c <= "\udfff" for c in words)
