"""Where the export of a list is, with the filters in use."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC
from urllib.parse import urlencode

from job_trigger_worker.console.shared.addresses import Address
from job_trigger_worker.console.shared.api_params import ExecutionsExported, JobsExported
from job_trigger_worker.console.shared.query_params import Choices
from job_trigger_worker.console.shared.texts import gettext_noop

_TIMES = ("since", "until")
_LABELS = {
    "csv": gettext_noop("CSV for spreadsheets"),
    "ndjson": gettext_noop("NDJSON for programs"),
}


def jobs_export(address: Address, choices: Choices) -> list[tuple[str, str]]:
    """The exports of the job list: (label, address)."""
    return _links("/api/v1/jobs/export", address, choices, JobsExported.model_fields)


def records_export(address: Address, choices: Choices) -> list[tuple[str, str]]:
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
