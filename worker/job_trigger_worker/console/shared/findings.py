"""Findings in the language asked for, live or as stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from job_trigger_worker.console.shared.models.executions import Finding as Said
from job_trigger_worker.console.shared.models.values import plain
from job_trigger_worker.console.shared.texts import Words
from job_trigger_worker.domain import messages
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.domain.verdict import Finding

_OURS = frozenset(Said.model_fields)


def live(finding: Finding, words: Words) -> Said:
    """A finding of just now."""
    return Said(
        code=finding.code.value,
        message=messages.sentence(finding, words.language),
        remedy=messages.remedy(finding.code, words.language),
        **_beside(finding.objects),
    )


def stored(found: Mapping[str, Any], words: Words, masker: Masker) -> Said:
    """A finding of a record; one that we cannot say stays as it was stored."""
    code = str(found.get("code", "?"))
    try:
        remedy = messages.remedy(FailureCode(code), words.language)
    except ValueError:
        remedy = ""
    return Said(
        code=code,
        message=messages.localize(found, words.language),
        remedy=remedy,
        **_beside(masker.value(found)),
    )


def _beside(objects: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in plain(objects).items() if name not in _OURS}
