"""English and Chinese: the catalogues, read once from their `.po` files.

There is no compiled form, so that an editable install, a wheel and a checkout behave alike. English
is what stands in the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from job_trigger_worker.config import Language

LOCALE = Path(__file__).parents[1] / "locale"
NAMES: Mapping[Language, str] = {"en": "English", "zh": "中文"}


def gettext_noop(text: str) -> str:
    """A text that is translated where it is shown, not here; marks it for the catalogue."""
    return text


class Words:
    """The texts of one language. A text that its catalogue lacks is shown in English."""

    def __init__(self, language: Language, texts: NullTranslations) -> None:
        self.language = language
        self._texts = texts

    def gettext(self, text: str) -> str:
        """A text in this language, its `%(name)s` still in it."""
        return self._texts.gettext(text) if text else ""  # gettext has the header under ""

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The form for a number, as the language's plural rule says."""
        return self._texts.ngettext(one, many, count)


@cache
def words(language: Language) -> Words:
    """The words of a language."""
    if language == "en":
        return Words("en", NullTranslations())
    compiled = BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return Words(language, GNUTranslations(compiled))


def catalogue(language: Language) -> Catalog:
    """A language's catalogue as it is kept."""
    with (LOCALE / language / "LC_MESSAGES" / "console.po").open("rb") as file:
        return read_po(file, locale=language)


def chosen(cookie: str | None, accepted: str) -> Language:
    """The language to answer in: what was chosen, else what the browser likes best of ours.

    `accepted` is an Accept-Language header, as any browser or program may write it.
    """
    if cookie in NAMES:
        return "zh" if cookie == "zh" else "en"
    liked = []
    for place, entry in enumerate(accepted.split(",")[:20]):
        tag, _, quality = entry.partition(";")
        liked.append((-_quality(quality), place, tag.strip().lower().partition("-")[0]))
    for negative, _, tag in sorted(liked):
        if negative < 0 and tag in NAMES:
            return "zh" if tag == "zh" else "en"
    return "en"


def _quality(text: str) -> float:
    try:
        return float(text.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0
