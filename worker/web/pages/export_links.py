"""Where the export of a list is, with the filters in use."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC
from urllib.parse import urlencode

from worker.web.api.parameters import ExecutionsExported, JobsExported
from worker.web.choices import Choices
from worker.web.pages.addresses import Address
from worker.web.words import marked

_TIMES = ("since", "until")
_LABELS = {"csv": marked("CSV for spreadsheets"), "ndjson": marked("NDJSON for programs")}


def of_jobs(address: Address, choices: Choices) -> list[tuple[str, str]]:
    """The exports of the job list: (label, address)."""
    return _links("/api/v1/jobs/export", address, choices, JobsExported.model_fields)


def of_records(address: Address, choices: Choices) -> list[tuple[str, str]]:
    """The exports of the history list: (label, address)."""
    return _links("/api/v1/executions/export", address, choices, ExecutionsExported.model_fields)


def _links(
    path: str, address: Address, choices: Choices, known: Collection[str]
) -> list[tuple[str, str]]:
    """The page's filters as the API has them; none where a filter cannot be read."""
    if choices.faults:
        return []
    query = {
        name: _said(name, value.strip(), choices)
        for name, value in address.values.items()
        if name in known
    }
    return [
        (choices.words.gettext(label), f"{path}?{urlencode({**query, 'format': kind})}")
        for kind, label in _LABELS.items()
    ]


def _said(name: str, value: str, choices: Choices) -> str:
    """A page has `yes` and times of the viewer's zone, the API `true` and times with a zone."""
    if name == "enabled":
        return "true" if choices.is_true(name) else "false"
    at = choices.moment(name) if name in _TIMES else None
    return value if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
