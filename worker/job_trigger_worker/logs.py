"""One way to log: an event word and fields, on stderr.

`log = logger(__name__)`, then `log.warning("lost_range", topic=…, first=…)`. In text a line is
logfmt (`time level action=lost_range topic=… first=…`), in JSON each field is a key of its own with
its type. docs/logs.md lists every word. Standard `logging` carries the lines, so that libraries'
own and ours go the same way.

What looks secret is hidden in every line, whoever wrote it: an exception of a driver may quote a
row. Equal lines are limited, so that an outage of an hour is no flood.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.masking import Masker

MOST_EQUAL = 10
"""Lines that say the same, in `EQUAL_WITHIN_S`; the next one says how many were left out."""

EQUAL_WITHIN_S = 60.0
_MOST_KNOWN = 1_000
_JSON_TYPES = {str, int, float, bool, type(None), dict, list, tuple}


class Event:
    """A word and its fields, as the message of a log record: a line of logfmt as text."""

    __slots__ = ("fields", "word")

    def __init__(self, word: str, fields: Mapping[str, Any]) -> None:
        self.word = word
        self.fields = fields

    def __str__(self) -> str:
        pairs = (f" {name}={logfmt(value)}" for name, value in self.fields.items())
        return f"action={self.word}{''.join(pairs)}"


class Logger:
    """Logs events under a module's name. `exc_info` is an exception whose traceback is shown."""

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def debug(self, word: str, **fields: Any) -> None:
        """For who looks for a fault of ours."""
        self._event(logging.DEBUG, word, fields)

    def info(self, word: str, **fields: Any) -> None:
        """What the process does."""
        self._event(logging.INFO, word, fields)

    def warning(self, word: str, **fields: Any) -> None:
        """What it copes with, and a person may want to know."""
        self._event(logging.WARNING, word, fields)

    def error(self, word: str, **fields: Any) -> None:
        """What a person has to look at."""
        self._event(logging.ERROR, word, fields)

    def _event(self, level: int, word: str, fields: dict[str, Any]) -> None:
        if self._log.isEnabledFor(level):
            exc_info = fields.pop("exc_info", None)
            self._log.log(level, Event(word, fields), exc_info=exc_info, stacklevel=3)


def logger(name: str) -> Logger:
    """The logger of a module."""
    return Logger(name)


def logfmt(value: object) -> str:
    """A value as logfmt writes it: quoted where it would not end at the next blank."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text and text.isprintable() and not any(each in text for each in ' "='):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_one_line(escaped)}"'


class _Repeats(logging.Filter):
    """Lets equal lines through so often, and has the next one say how many were left out."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._known: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line = record.name, record.levelno, record.getMessage()
        now_s = self._now_s()
        began_s, count = self._known.get(line, (now_s, 0))
        left_out = count - MOST_EQUAL
        if now_s - began_s >= EQUAL_WITHIN_S:
            began_s, count = now_s, 0
            if left_out > 0 and isinstance(record.msg, Event):
                record.msg = Event(record.msg.word, {**record.msg.fields, "left_out": left_out})
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[line] = began_s, count + 1
        return count < MOST_EQUAL


class _Masking(logging.Formatter, ABC):
    """Hides what looks secret in the line that `line` makes."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self.masker = masker

    def format(self, record: logging.LogRecord) -> str:
        return self.masker.text(self.line(record))

    def fields(self, event: Event) -> dict[str, Any]:
        """The fields of an event as JSON has them, with what is secret hidden; all else as text."""
        plain = {
            name: value if type(value) in _JSON_TYPES else str(value)
            for name, value in event.fields.items()
        }
        masked: dict[str, Any] = self.masker.value(plain)
        return masked

    @abstractmethod
    def line(self, record: logging.LogRecord) -> str:
        """A record as a line."""


class _Text(_Masking):
    """`time level action=word field=value …`, for people."""

    def line(self, record: logging.LogRecord) -> str:
        event = record.msg
        if isinstance(event, Event):
            text = str(Event(event.word, self.fields(event)))
        else:
            text = f"logger={record.name} message={logfmt(record.getMessage())}"
        line = f"{_at(record)} {record.levelname:7} {_one_line(text)}"
        return line if not record.exc_info else f"{line}\n{self.formatException(record.exc_info)}"


class _Json(_Masking):
    """One JSON object a line, for collectors."""

    def line(self, record: logging.LogRecord) -> str:
        event = record.msg
        if isinstance(event, Event):
            content = {"action": event.word, **self.fields(event)}
        else:
            content = {"message": record.getMessage()}
        line = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            **content,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(settings: Settings) -> None:
    """Send this process's log to stderr in the form that the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    masker = Masker(settings.masked_parameter_words)
    handler.setFormatter((_Json if settings.log_format == "json" else _Text)(masker))
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in ("kafka", "aiokafka", "faust", "mode", "sqlalchemy"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # It warns of a step of its own that took 0.1 s, which tells and asks nothing of anybody.
    logging.getLogger("kafka.net.selector").setLevel(max(logging.ERROR, root.level))


def _one_line(text: str) -> str:
    """The same with escapes for what could end the line, or turn it: a value may be anybody's."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
