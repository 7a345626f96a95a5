"""Coverage-guided fuzzing of the decoder: `python -m tests.fuzz [--seconds S]`.

Mutates messages (body and headers) so that they reach new branches of what reads a trigger,
from the golden examples of `schemas/` on. Fails and keeps the message when the decoder
raises, finds what cannot be stored, or when its quick way and `JobTrigger` disagree. The corpus
grows from run to run.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import atheris

with atheris.instrument_imports():
    import json  # noqa: F401 - so that branches of the reader count, too

    from job_trigger_schemas import JobTrigger  # noqa: F401
    from job_trigger_worker.pipeline import decode

from job_trigger_worker.domain.delivery import Delivery
from tests.support.decoding import CLAIM, OFFSET, check

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "examples"
_MOST_BYTES = 4096
_NAMES = ("traceparent", "replay-of", "console-note", "dead-letter-reason", "ce_id", "é")
_BY_HAND = (
    b'{"job_id": "9223372036854775807", "scheduled_at": "2026-11-23T10:00:00.123456+08:00"}',
    b'\xef\xbb\xbf{"job_id": 7, "scheduled_at": "2026-11-23t10:00:00z", "x": NaN}',
    b'{"job_id": 7, "kind": "manual", "trigger_id": null, "triggered_by": "\\ud800"}',
    b'{"a": ' + b"[" * 300 + b"]" * 300 + b', "job_id": 7}',
)


def one(data: bytes) -> None:
    """Read one message, in both ways."""
    given = atheris.FuzzedDataProvider(data)
    headers = _headers(given)
    body = given.ConsumeBytes(given.remaining_bytes())
    delivery = Delivery(0, OFFSET, None, body, headers, 1_795_600_000_000)
    found = decode.decode(delivery, CLAIM, NOW, NOW)
    check(found)
    with patch.object(decode, "_usual", lambda *_: None):
        slowly = decode.decode(delivery, CLAIM, NOW, NOW)
    assert found == slowly, f"{found} is not {slowly}"


def _headers(given: Any) -> tuple[tuple[str, bytes | None], ...]:
    return tuple(
        (
            given.PickValueInList(list(_NAMES)),
            given.ConsumeBytes(64) if given.ConsumeBool() else None,
        )
        for _ in range(given.ConsumeIntInRange(0, 2))
    )


def main() -> None:
    """Fuzz for so long; the exit status is libFuzzer's."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, metavar="S", help="how long (60)")
    asked = parser.parse_args()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    corpus = cache / "job-trigger-worker" / "fuzz"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(_seeds()):
        (corpus / f"seed-{number}").write_bytes(body)
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-max_total_time={asked.seconds}",
            f"-max_len={_MOST_BYTES}",
            f"-dict={Path(__file__).with_name('trigger.dict')}",
            "-timeout=10",
            f"-artifact_prefix={corpus.parent}/fuzz-",
            "-print_final_stats=1",
        ],
        one,
    )
    atheris.Fuzz()


def _seeds() -> list[bytes]:
    """Bodies to begin with; what counts headers is read from a message's end, and is 0 here."""
    examples = [path.read_bytes() for path in sorted(EXAMPLES.rglob("*")) if path.is_file()]
    return [body + b"\0" for body in (*examples, *_BY_HAND) if len(body) < _MOST_BYTES]


if __name__ == "__main__":
    main()
