"""The program of schemas/README.md that runs dispatches does what its words say."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from job_trigger_schemas import ExecutionStatus, JobDispatch

FOLDER = Path(__file__).parents[2] / "schemas"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
(*_, PROGRAM) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
EXAMPLE = json.loads((FOLDER / "examples/good/awp.job.dispatch.v1/action.json").read_bytes())


class Runs:
    """Stands for a table with a unique key."""

    def __init__(self) -> None:
        self.begun: set[UUID] = set()

    def add(self, execution_id: UUID) -> bool:
        is_new = execution_id not in self.begun
        self.begun.add(execution_id)
        return is_new


class Sent:
    """Stands for a producer."""

    def __init__(self) -> None:
        self.statuses: list[str] = []

    def produce(self, topic: str, body: str, key: str) -> None:
        status = ExecutionStatus.model_validate_json(body)
        assert (topic, key) == ("awp.execution.status.v1", EXAMPLE["execution_id"])
        self.statuses.append(status.status)


def take(expires_at: datetime | None, runs: Runs) -> tuple[list[str], int]:
    """The statuses that are sent of a dispatch, and how often it is started."""
    when = None if expires_at is None else expires_at.isoformat()
    started: list[JobDispatch] = []
    sent = Sent()
    names: dict[str, Any] = {
        "body": json.dumps(EXAMPLE | {"expires_at": when}),
        "runs": runs,
        "start": started.append,
        "producer": sent,
        "JobDispatch": JobDispatch,
        "ExecutionStatus": ExecutionStatus,
        "datetime": datetime,
        "UTC": UTC,
    }
    exec(PROGRAM, names)  # noqa: S102 - our own document
    return sent.statuses, len(started)


def test_a_dispatch_is_started_once_and_accepted() -> None:
    runs = Runs()
    assert take(None, runs) == (["accepted"], 1)
    assert take(None, runs) == ([], 0)
    assert take(datetime.now(UTC) + timedelta(minutes=5), Runs()) == (["accepted"], 1)


def test_a_dispatch_that_is_over_is_rejected_and_not_started() -> None:
    assert take(datetime.now(UTC) - timedelta(seconds=1), Runs()) == (["rejected"], 0)
