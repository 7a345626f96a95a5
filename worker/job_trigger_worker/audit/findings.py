"""What a deep audit found, in sentences that name the objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from job_trigger_worker.audit.deep import DeepResult
from job_trigger_worker.audit.equations import Line
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.read.audit import LedgerRow
from job_trigger_worker.storage.read.deep_audit import Offence

_PROMISES = {
    "triggers_without_a_record": "Every trigger in its topic that was read has a record",
    "records_without_an_event": "Every record has its event on a topic",
    "events_without_a_record": "Every event has its record",
    "events_with_a_wrong_id": "Every event carries the id of its execution",
    "records_with_two_outcomes": "No execution is both dispatched and failed",
    "events_of_another_outcome": "Every event tells what its record says",
}


class NameSource:
    """Turns the columns of an offender into the names of topics."""

    def __init__(self, topics: Topics, rows: Sequence[LedgerRow]) -> None:
        self._outcomes = topics.outcomes()
        self._rows = {row.id: row for row in rows}

    def of(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """An offender for programs: `topic`, `partition`, `offset`, `job_id`, `execution_id`."""
        named = dict(columns)
        if "ledger_id" in named:
            row = self._rows[named.pop("ledger_id")]
            named = {"topic": row.topic, "partition": row.partition, **named}
        elif "topic" in named:
            named["topic"] = self._outcomes[named["topic"]]
        if "expected_on" in named:
            named["expected_on"] = self._outcomes[named["expected_on"]]
        if "topics" in named:
            named["topics"] = [self._outcomes[place] for place in named["topics"]]
        return {
            name: str(value) if name.endswith("_id") and value is not None else value
            for name, value in named.items()
        }


def deep_lines(deep: DeepResult, names: NameSource) -> tuple[Line, ...]:
    """Every promise that the topics themselves were asked about.

    That a log ends before the ledger is said by whoever asked the brokers for its end.
    """
    return tuple(_line(deep, offence, names) for offence in deep.offences)


def _line(deep: DeepResult, offence: Offence, names: NameSource) -> Line:
    if offence.kind == "triggers_without_a_record":
        words = f"{deep.triggers_read:,} read"
    elif offence.kind == "records_without_an_event":
        words = f"{deep.judged_records:,} judged"
    else:
        words = f"{deep.events_read:,} read"
    differences = [_sentence(names.of(each)) for each in offence.first]
    if offence.total > len(differences):
        differences.append(f"and {offence.total - len(differences):,} more.")
    if offence.total:
        words += f", {offence.total:,} not so"
    return Line(_PROMISES[offence.kind], words, tuple(differences))


def _sentence(offender: Mapping[str, Any]) -> str:
    parts = []
    if "topic" in offender:
        parts.append(
            f"{offender['topic']} partition {offender['partition']} offset {offender['offset']}"
        )
    if "job_id" in offender:
        parts.append(f"job {offender['job_id'] or 'unreadable'}")
    if "execution_id" in offender:
        parts.append(f"execution {offender['execution_id'] or 'unreadable'}")
    if "event_id" in offender:
        parts.append(f"event id {offender['event_id'] or 'unreadable'}")
    if "expected_on" in offender:
        parts.append(f"expected on {offender['expected_on']}")
    if "topics" in offender:
        parts.append(f"on {' and '.join(offender['topics'])}")
    return ", ".join(parts) + "."
