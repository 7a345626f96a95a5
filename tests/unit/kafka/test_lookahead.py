"""What is read in front of a batch that unpacks to too much; tests/faults has it with brokers."""

import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.kafka import inflation_guard
from job_trigger_worker.kafka.read_errors import TRIES
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support import batches
from tests.support.batches import varint

ZEROS = bytes(80 * 1024 * 1024)
POISON = batches.batch(ZEROS, codec="zstd", packed=batches.zstd_of_unknown_size(ZEROS))


@pytest.mark.parametrize(
    ("name", "told"),
    [(b"traceparent", [("traceparent", b"x")]), (b"\xff\xfe", ())],
    ids=["plain", "no UTF-8"],
)
def test_whatever_a_header_is_called_nothing_behind_it_reaches_the_client(
    monkeypatch: pytest.MonkeyPatch, name: bytes, told: object
) -> None:
    fields = b"\0" + varint(0) + varint(0) + varint(1) + b"k" + varint(4) + b"body"
    fields += varint(1) + varint(len(name)) + name + varint(1) + b"x"
    good = batches.batch(b"body", packed=varint(len(fields)) + fields)
    log = good + (1).to_bytes(8, "big") + POISON[8:]
    monkeypatch.setattr(inflation_guard, "records_at", lambda *_, **__: log)

    found = inflation_guard.guard_against_inflation(
        KafkaSettings.of(Settings()), "t", 0, 0, timeout_s=1
    )

    assert found is not None
    (before,), fault = found
    assert (before.offset, before.key, before.value) == (0, b"k", b"body")
    assert before.headers == told
    assert (fault.offset, fault.times) == (1, TRIES)
