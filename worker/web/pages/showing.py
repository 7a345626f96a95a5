"""What pages share: the words that stand beside a status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain import messages
from worker.domain.reading import BrokenJob, CauseRow, Findings, RecordRow, Status
from worker.domain.shortening import cut
from worker.web import times
from worker.web.words import Words, marked

TYPES: Mapping[str, str] = {"action": marked("Action"), "workflow": marked("Workflow")}
KINDS: Mapping[str, str] = {
    "schedule": marked("Scheduled"),
    "manual": marked("Manual"),
    "replay": marked("Replay"),
    "canary": marked("Canary"),
}
LONGEST_NAME = 120
LONGEST_SENTENCE = 280


@dataclass(frozen=True, slots=True)
class Told:
    """A record as a list shows it. `word` is the platform's own where we have none for a status."""

    record: RecordRow
    name: str
    type: str
    kind: str
    word: str
    sentence: str

    @property
    def address(self) -> str:
        """The record's page."""
        return f"/history/{self.record.id}"


def told(record: RecordRow, words: Words, now: datetime) -> Told:
    """A record in the words of a language."""
    return Told(
        record,
        name_of(record.job_name, record.job_id, words),
        word(TYPES, record.job_type, words),
        word(KINDS, record.kind, words),
        own_word(record),
        sentence(record, words, now),
    )


def name_of(name: str | None, job_id: int, words: Words) -> str:
    """A job's name, short enough for a list; its id where no name is known."""
    if name is None or not name.strip():
        return words.gettext(marked("Job %(id)s")) % {"id": job_id}
    return short(name, LONGEST_NAME)


def word(labels: Mapping[str, str], key: str | None, words: Words) -> str:
    """A label in a language; what is none of ours as it is called."""
    if key is None:
        return ""
    return words.gettext(labels[key]) if key in labels else short(key, 40)


def own_word(record: RecordRow | None) -> str:
    """What the platform calls a status that we have no word for."""
    if record is None or record.status is not Status.OTHER or record.run is None:
        return ""
    return short(record.run.status or "", 40)


def sentence(record: RecordRow, words: Words, now: datetime) -> str:
    """What to say under a record's status; '' where the status says it all."""
    if record.status is Status.TRIGGER_FAILED:
        return why(record.findings, record.message, words, LONGEST_SENTENCE)
    run = record.run
    if record.status in (Status.NO_ANSWER, Status.DISPATCHED) and record.decided_at is not None:
        ago = times.duration(now - record.decided_at, words)
        if record.status is Status.DISPATCHED:
            return words.gettext(marked("Dispatched %(ago)s ago.")) % {"ago": ago}
        if record.job_type == "workflow":
            text = marked("Dispatched %(ago)s ago; the orch service has not answered.")
        else:
            text = marked("Dispatched %(ago)s ago; the action service has not answered.")
        return words.gettext(text) % {"ago": ago}
    if record.status is Status.RUNNING and run is not None and run.started_at is not None:
        since = times.duration(now - run.started_at, words)
        return words.gettext(marked("Running for %(since)s.")) % {"since": since}
    return short((run.message if run else None) or "", LONGEST_SENTENCE)


def why(found: Findings, message: str | None, words: Words, limit: int) -> str:
    """Why a trigger failed, in a language; as it was stored where no finding stands beside it."""
    if found.first:
        return messages.retold(found.first, found.count, words.language, limit)
    return short(message or "", limit)


def root(cause: CauseRow | BrokenJob, words: Words, limit: int) -> str:
    """What a cause is, in a language; as it was stored where no finding stands beside it."""
    first = cause.findings.first
    return short(messages.of_cause(first[0], words.language) if first else cause.message, limit)


def said(stored: Mapping[str, Any], words: Words) -> str:
    """A stored finding in a language."""
    return short(messages.in_language(stored, words.language), LONGEST_SENTENCE)


def short(text: str, limit: int) -> str:
    """A text that a page has room for."""
    return text if len(text) <= limit else cut(text, limit - 1) + "…"
