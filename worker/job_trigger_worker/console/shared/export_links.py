"""Where the export of a list is: the filters that the page has read, in the words of the API."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from job_trigger_worker.console.shared.query_params import Asked, PageQuery
from job_trigger_worker.console.shared.texts import Words, gettext_noop

_LABELS = {
    "csv": gettext_noop("CSV for spreadsheets"),
    "ndjson": gettext_noop("NDJSON for programs"),
}


def export_links(
    what: Literal["jobs", "executions"], query: PageQuery[Asked], words: Words
) -> list[tuple[str, str]]:
    """The exports of a list: (label, address); none where a filter cannot be read."""
    if query.faults:
        return []
    said = {name: value for name, value in query.for_api().items() if name != "sort"}
    return [
        (words.gettext(label), f"/api/v1/{what}/export?{urlencode({**said, 'format': kind})}")
        for kind, label in _LABELS.items()
    ]
