"""Every text of the console is there in every language."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from job_trigger_worker.config import Language
from job_trigger_worker.console.shared.texts import catalogue, chosen, words
from job_trigger_worker.console.shell import catalogues

TEMPLATES = sorted((catalogues.WEB / "templates").glob("**/*.html"))


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_every_text_is_translated_and_none_is_left_over(language: Language) -> None:
    assert (
        catalogues.faults(language) == []
    )  # else: python -m job_trigger_worker.console.shell.catalogues


def test_a_missing_an_empty_and_a_fuzzy_text_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    short = Catalog(locale="zh")
    for message in catalogue("zh"):
        if message.id == "Jobs":
            continue
        kept = "" if message.id == "History" else message.string
        short.add(message.id, kept, flags={"fuzzy"} if message.id == "Failures" else ())
    short.add("Old words", "旧词")
    monkeypatch.setattr(catalogues, "catalogue", lambda _: short)
    found = catalogues.faults("zh")
    for expected in (
        "'Jobs' is not in the catalogue",
        "'History' is not translated",
        "'Failures' is fuzzy",
        "'Old words' is shown nowhere",
    ):
        assert expected in found


def test_the_file_is_what_the_code_says() -> None:
    wanted = {message.id for message in catalogues.extracted() if message.id}
    assert {"Trigger failed", "Sign in", "The database is away", "Dead letters"} <= wanted
    assert len(wanted) > 80


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_outside_of_the_catalogue(template: Path) -> None:
    text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", template.read_text(), flags=re.DOTALL)
    for name in ("placeholder", "title", "aria-label", "alt"):
        assert not re.search(rf'{name}="[^"]*[A-Za-z]', text)
    words_left = re.findall(r"[A-Za-z]{2,}", re.sub(r"<[^>]*>", " ", text))
    assert set(words_left) <= {"trigger", "worker"}  # the name of the program


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_only_texts_of_the_template_itself_are_taken_for_markup(template: Path) -> None:
    for argument in re.findall(r"(?<![\w.])(?:_|gettext|ngettext)\((.)", template.read_text()):
        assert argument in "'\""  # a variable goes through the filter `said`


def test_the_platforms_own_words_are_used() -> None:
    assert words("zh").gettext("Trigger failed") == "触发失败"


def test_a_text_that_is_not_there_is_shown_in_english() -> None:
    assert words("zh").gettext("No such text") == "No such text"
    assert words("zh").ngettext("%(num)s x", "%(num)s xs", 2) == "%(num)s xs"


def test_the_language_is_the_best_of_ours() -> None:
    assert chosen(None, "de;q=0.9, zh-Hans-CN;q=0.8, *;q=0.1") == "zh"
    assert chosen(None, "zh;q=0") == "en"
    assert chosen("zh", "en") == "zh"
