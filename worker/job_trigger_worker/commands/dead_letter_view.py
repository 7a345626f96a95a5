"""How a dead letter is shown: for programs whole, for people safe to print."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from job_trigger_worker.commands.database import SENDER
from job_trigger_worker.dead_letters.rendering import Form, hex_row, printable, render
from job_trigger_worker.domain.masking import MASK, Masker
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.storage.read.dead_letters import DeadLetterSummary, StoredMessage

MOST_SHOWN = 64 * 1024
"""Most bytes of a value that people get to see; --json has all of them."""

_LONGEST_LINE = 160


@dataclass(frozen=True, slots=True)
class Whole:
    """A letter with its message and records.

    That of its replay is among them only where the login `knows_replay`: it is found by a secret.
    """

    letter: DeadLetterSummary
    kept: StoredMessage
    records: Sequence[Mapping[str, Any]]
    knows_replay: bool


def described(letter: DeadLetterSummary) -> dict[str, Any]:
    """A letter without its bytes, for programs; ids as text, times RFC 3339."""
    values = asdict(letter)
    for name in ("job_id", "execution_id"):
        values[name] = None if values[name] is None else str(values[name])
    return {name: _in_utc(value) for name, value in values.items()}


def whole(found: Whole) -> dict[str, Any]:
    """A letter with everything: bytes as `{"text": …}`, or `{"base64": …}` where they are none."""
    letter, kept = found.letter, found.kept
    record, replay = _of(letter, found.records)
    return {
        **described(letter),
        "key": _bytes(kept.key),
        "headers": [[name, _bytes(content)] for name, content in kept.headers],
        "value": _bytes(kept.value),
        "record": record,
        "replay_record": replay,
        "replay_record_is_known": found.knows_replay,
    }


def show_list(out: Console, letters: Sequence[DeadLetterSummary], total: int) -> None:
    """A line a letter."""
    for letter in letters:
        mark = " (replayed)" if letter.replayed_at else ""
        job = "" if letter.job_id is None else f" job {letter.job_id}"
        last = "" if letter.last_offset is None else f"-{letter.last_offset}"
        line = (
            f"{letter.id}  {_moment(letter.created_at)}  {letter.topic}/{letter.partition}/"
            f"{letter.offset}{last}{job}  {letter.size:,} bytes{mark}: {printable(letter.reason)}"
        )
        out.print(_cut(" ".join(line.split("\n"))), markup=False, soft_wrap=True)
    if total > len(letters):
        out.print(f"{len(letters):,} of {total:,} dead letters; --limit shows more.")
    elif not total:
        out.print("No dead letters.")


def show_whole(out: Console, found: Whole, masker: Masker) -> None:
    """One letter; secrets are hidden, control characters escaped, a value is cut at 64 KiB."""

    def say(name: str, words: object) -> None:
        out.print(f"{name:<10} {words}", markup=False, soft_wrap=True)

    letter, kept = found.letter, found.kept
    record, replay = _of(letter, found.records)
    say("id", letter.id)
    say("reason", printable(masker.text(letter.reason)))
    offsets = (
        f"offset {letter.offset}"
        if letter.last_offset is None
        else f"offsets {letter.offset} to {letter.last_offset}"
    )
    say("origin", f"{letter.topic} partition {letter.partition} {offsets}")
    say("topic id", letter.topic_id)
    say("sent", _moment(letter.message_at))
    say("kept", _moment(letter.created_at))
    say("job", letter.job_id or "cannot be read")
    say("record", _record(record) if record else "none")
    say("replayed", _moment(letter.replayed_at) if letter.replayed_at else "no")
    if replay:
        say("", _record(replay))
    elif letter.replayed_at and not found.knows_replay:
        say("", f"what became of it is told to {SENDER}")
    say("key", _shown(kept.key, masker))
    for name, content in kept.headers:
        shown = MASK if content and masker.hides(name) else _shown(content, masker)
        say("header", f"{printable(name)}: {shown}")
    say("value", f"{letter.size:,} bytes")
    if letter.sha256 is not None:
        say("", f"of which {len(kept.value or b''):,} are kept")
        say("sha-256", letter.sha256)
    out.print(_shown(kept.value, masker), markup=False, soft_wrap=True)


def _of(
    letter: DeadLetterSummary, records: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The letter's own record, and that of its replay."""
    own, replay = None, None
    for row in records:
        named = {name: _in_utc(value) for name, value in row.items()}
        if letter.execution_id is not None and row["execution_id"] == str(letter.execution_id):
            own = named
        else:
            replay = named
    return own, replay


def _record(record: Mapping[str, Any]) -> str:
    outcome = "dispatched" if record["trigger_status"] == 1 else f"failed, {record['trigger_code']}"
    repeats = record["duplicate_count"]
    again = f", sent again {pluralize(repeats, 'time')}" if repeats else ""
    return f"record {record['id']}, execution {record['execution_id']}: {outcome}{again}"


def _bytes(content: bytes | None) -> dict[str, str] | None:
    if content is None:
        return None
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _shown(content: bytes | None, masker: Masker) -> str:
    if content is None:
        return "none"
    found = render(content, masker, most=MOST_SHOWN, as_hex=hex_row)
    if found.form is Form.SECRET:
        return "not shown: it is not text, and it names something secret; --json has it"
    cut = f"\n… cut at {MOST_SHOWN:,} of {found.size:,} bytes; --json has all of them"
    hidden = "\n… what looks secret is hidden; --json has it" if found.hides else ""
    return found.text + (cut if found.is_cut else "") + hidden


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"


def _moment(at: datetime | None) -> str:
    return "unknown" if at is None else at.astimezone(UTC).isoformat(" ", "seconds")


def _in_utc(value: Any) -> Any:
    """A value for programs; the database tells moments in its own zone."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
