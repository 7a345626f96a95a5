"""Findings in the language asked for, live or as stored: for pages, and for answers of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from job_trigger_worker.console.shared.models.executions import Finding as Said
from job_trigger_worker.console.shared.models.values import plain
from job_trigger_worker.console.shared.presenters import LONGEST_SENTENCE, shorten
from job_trigger_worker.console.shared.texts import Words
from job_trigger_worker.domain import messages
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.domain.verdict import Finding

MOST_FINDINGS = 25
"""On a page, of one record."""

_LONGEST_CODE = 40
_OURS = frozenset(Said.model_fields)


@dataclass(frozen=True, slots=True)
class PresentedFinding:
    """A finding in a language, with what to do about it; '' where nothing is known."""

    code: str
    message: str
    remedy: str

    def shortened(self, limit: int = LONGEST_SENTENCE) -> PresentedFinding:
        """The same as a page has room for it."""
        code, message = shorten(self.code, _LONGEST_CODE), shorten(self.message, limit)
        return PresentedFinding(code, message, self.remedy)

    def answer(self, objects: Mapping[str, Any]) -> Said:
        """The same as it travels, with the objects that it names beside."""
        beside = {name: each for name, each in plain(objects).items() if name not in _OURS}
        return Said(code=self.code, message=self.message, remedy=self.remedy, **beside)


def present(finding: Finding, words: Words) -> PresentedFinding:
    """A finding of just now."""
    message = messages.sentence(finding, words.language)
    return PresentedFinding(finding.code.value, message, remedy_of(finding.code, words))


def present_stored(stored: Mapping[str, Any], words: Words) -> PresentedFinding:
    """A finding of a record; one that we cannot say stays as it was stored."""
    code = str(stored.get("code", "?"))
    return PresentedFinding(code, messages.localize(stored, words.language), remedy_of(code, words))


def present_all(stored: Sequence[Mapping[str, Any]], words: Words) -> list[PresentedFinding]:
    """The first findings of a record as a page shows them."""
    return [present_stored(each, words).shortened() for each in stored[:MOST_FINDINGS]]


def answer_live(finding: Finding, words: Words) -> Said:
    """A finding of just now as it travels."""
    return present(finding, words).answer(finding.objects)


def answer_stored(stored: Mapping[str, Any], words: Words, masker: Masker) -> Said:
    """A finding of a record as it travels, with what looks secret hidden."""
    return present_stored(stored, words).answer(masker.value(stored))


def remedy_of(code: str, words: Words) -> str:
    """What to do about a code; nothing for one that we do not know."""
    try:
        return messages.remedy(FailureCode(code), words.language)
    except ValueError:
        return ""
