"""Each page in both languages and both themes: its words, its look, its weight."""

import pytest

from tests.browser.conftest import Visiting

PAGES = {
    "job list": ("/jobs", "Jobs", "任务"),
    "job that cannot start": ("/jobs/17", "log-backup", "log-backup"),
    "job with a Chinese name": ("/jobs/118", "每日对账", "每日对账"),
    "job edit": ("/jobs/17/edit", "log-backup", "log-backup"),
    "changes of a job": ("/jobs/17/changes", "log-backup", "log-backup"),
    "newest record": ("/history/3700", "Record 3700", "记录 3700"),
    "first record": ("/history/1", "Record 1", "记录 1"),
    "history list": ("/history", "History", "历史"),
    "history of a job": ("/history?job=17", "History", "历史"),
    "failures": ("/failures", "Failures", "失败"),
    "causes": ("/failures/causes", "Causes", "原因"),
    "dead letters": ("/dead-letters", "Dead letters", "死信"),
    "dead letter": ("/dead-letters/1", "Dead letter 1", "死信 1"),
    "editing": ("/dead-letters/2/edit", "letter 2", "死信 2"),
    "time zone": ("/time-zone", "Time zone", "时区"),
}
WIDTHS = (375, 768, 1280, 2560)
MOST_BYTES = 100_000


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh", "dark")])
def test_pages_say_the_right_words_and_axe_finds_nothing(
    visiting: Visiting, language: str, theme: str
) -> None:
    with visiting(language=language, theme=theme) as visitor:
        for path, *headings in PAGES.values():
            page = visitor.open(path)
            heading = page.locator("h1").inner_text()
            assert headings[language == "zh"] in heading, path
            assert visitor.violations() == [], path


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_scrolls_sideways(visiting: Visiting, width: int) -> None:
    with visiting(width=width, language="zh") as visitor:
        for path, *_ in PAGES.values():
            visitor.open(path)
            assert visitor.sideways_px() <= 0, path


def test_every_page_is_light(visiting: Visiting) -> None:
    with visiting() as visitor:
        for path, *_ in PAGES.values():
            page = visitor.open(path)
            assert len(page.content().encode()) <= MOST_BYTES, path
