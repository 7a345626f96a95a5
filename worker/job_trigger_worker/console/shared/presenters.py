"""What pages share: the words that stand beside a status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from job_trigger_worker.console.shared import times
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain import messages
from job_trigger_worker.domain.read_models import BrokenJob, CauseRow, Findings, RecordRow, Status
from job_trigger_worker.domain.truncation import truncate

TYPES: Mapping[str, str] = {"action": gettext_noop("Action"), "workflow": gettext_noop("Workflow")}
KINDS: Mapping[str, str] = {
    "schedule": gettext_noop("Scheduled"),
    "manual": gettext_noop("Manual"),
    "replay": gettext_noop("Replay"),
    "canary": gettext_noop("Canary"),
}
LONGEST_NAME = 120
LONGEST_SENTENCE = 280


@dataclass(frozen=True, slots=True)
class PresentedRecord:
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


def present_record(record: RecordRow, words: Words, now: datetime) -> PresentedRecord:
    """A record in the words of a language."""
    return PresentedRecord(
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
        return words.gettext(gettext_noop("Job %(id)s")) % {"id": job_id}
    return shorten(name, LONGEST_NAME)


def word(labels: Mapping[str, str], key: str | None, words: Words) -> str:
    """A label in a language; what is none of ours as it is called."""
    if key is None:
        return ""
    return words.gettext(labels[key]) if key in labels else shorten(key, 40)


def own_word(record: RecordRow | None) -> str:
    """What the platform calls a status that we have no word for."""
    if record is None or record.status is not Status.OTHER or record.run is None:
        return ""
    return shorten(record.run.status or "", 40)


def sentence(record: RecordRow, words: Words, now: datetime) -> str:
    """What to say under a record's status; '' where the status says it all."""
    if record.status is Status.TRIGGER_FAILED:
        return reason_of(record.findings, record.message, words, LONGEST_SENTENCE)
    run = record.run
    if record.status in (Status.NO_ANSWER, Status.DISPATCHED) and record.decided_at is not None:
        ago = times.duration(now - record.decided_at, words)
        if record.status is Status.DISPATCHED:
            return words.gettext(gettext_noop("Dispatched %(ago)s ago.")) % {"ago": ago}
        if record.job_type == "workflow":
            text = gettext_noop("Dispatched %(ago)s ago; the orch service has not answered.")
        else:
            text = gettext_noop("Dispatched %(ago)s ago; the action service has not answered.")
        return words.gettext(text) % {"ago": ago}
    if record.status is Status.RUNNING and run is not None and run.started_at is not None:
        since = times.duration(now - run.started_at, words)
        return words.gettext(gettext_noop("Running for %(since)s.")) % {"since": since}
    return shorten((run.message if run else None) or "", LONGEST_SENTENCE)


def reason_of(found: Findings, message: str | None, words: Words, limit: int) -> str:
    """Why a trigger failed, in a language; as it was stored where no finding stands beside it."""
    if found.first:
        return messages.describe_stored(found.first, found.count, words.language, limit)
    return shorten(message or "", limit)


def cause_text(cause: CauseRow | BrokenJob, words: Words, limit: int) -> str:
    """What a cause is, in a language; as it was stored where no finding stands beside it."""
    first = cause.findings.first
    return shorten(messages.of_cause(first[0], words.language) if first else cause.message, limit)


def shorten(text: str, limit: int) -> str:
    """A text that a page has room for."""
    return text if len(text) <= limit else truncate(text, limit - 1) + "…"
