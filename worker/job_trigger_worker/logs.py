"""Log lines: one stable event word, then fields, on stderr.

What looks secret is hidden in them, whoever wrote it: an exception of a driver may quote a row.
"""

from __future__ import annotations

import json
import logging
import sys
from abc import ABC, abstractmethod
from datetime import UTC, datetime

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.masking import Masker

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _Masking(logging.Formatter, ABC):
    """Hides what looks secret in the line that `line` makes."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        return self._masker.text(self.line(record))

    @abstractmethod
    def line(self, record: logging.LogRecord) -> str:
        """A record as a line."""


class _Text(_Masking):
    """`time level message field=value …`, for people."""

    def line(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_at(record)} {record.levelname:7} {_one_line(record.getMessage() + fields)}"
        return line if not record.exc_info else f"{line}\n{self.formatException(record.exc_info)}"


class _Json(_Masking):
    """One JSON object a line, for collectors."""

    def line(self, record: logging.LogRecord) -> str:
        line = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(settings: Settings) -> None:
    """Send this process's log to stderr in the form that the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    masker = Masker(settings.masked_parameter_words)
    handler.setFormatter((_Json if settings.log_format == "json" else _Text)(masker))
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


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _PLAIN}


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
