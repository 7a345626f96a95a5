"""Failures as they arrive in an open page: as text, held back on demand, and none missed."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from job_trigger_worker.embedded.child import free_port
from tests.browser.conftest import Visiting
from tests.support.console import Served, serving
from tests.support.history import writing

SOON_MS = 30_000
NAMES = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "invoice\u202egpj.exe",
    "y" * 10_000,
)


@pytest.fixture
def live(database: str) -> Iterator[Served]:
    """A console of the present: its streams follow what is written."""
    with serving(database) as served:
        yield served


def _fail(database: str, *names: str) -> list[int]:
    """The records of new failed triggers of jobs with these names."""
    records = []
    with writing(database) as (p, h):
        for name in names:
            job = p.action_job(name=name)
            found = {"code": "server_not_found", "message": name[:2_000], "server_id": "7"}
            records.append(h.failed(job, found, job_name=name))
    return records


def _is_there(page: Page, record: int) -> None:
    link = page.get_by_role("link", name=f"Details of record {record}", exact=True)
    expect(link).to_have_count(1, timeout=SOON_MS)


def _mark(page: Page) -> None:
    page.evaluate("window.isTheSamePage = true")


def _is_same(page: Page) -> bool:
    return page.evaluate("window.isTheSamePage") is True


@pytest.mark.parametrize("width", [375, 1280])
def test_hostile_names_arrive_as_text(
    visiting: Visiting, live: Served, database: str, width: int
) -> None:
    _fail(database, "the first")
    with visiting(live, width=width) as visitor:
        page = visitor.open("/failures")
        _mark(page)
        for record in _fail(database, *NAMES):
            _is_there(page, record)
        assert page.locator("tbody bdi").get_by_text(NAMES[0], exact=True).count() >= 1
        assert page.locator("tbody bdi").get_by_text(NAMES[1], exact=True).count() >= 1
        assert page.locator("img").count() == 0
        assert page.title() != "taken"
        assert visitor.sideways_px() <= 0
        assert visitor.violations() == []
        assert _is_same(page)


def test_a_pause_holds_rows_back_and_going_on_brings_them_all(
    visiting: Visiting, live: Served, database: str
) -> None:
    with visiting(live) as visitor:
        page = visitor.open("/failures")
        page.get_by_role("button", name="Pause").click()
        records = _fail(database, "one", "two", "three")
        expect(page.locator("#live")).to_contain_text("paused 3", timeout=SOON_MS)
        assert page.get_by_role("link", name="Details of record").count() == 0
        page.get_by_role("button", name="Go on").click()
        for record in records:
            _is_there(page, record)
        names = page.locator("#newest tbody .main").all_inner_texts()
        assert names == ["three", "two", "one"]
        expect(page.locator("#live")).to_contain_text("live")


def test_what_fails_while_the_console_is_away_is_there_when_it_is_back(
    visiting: Visiting, database: str
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    with ExitStack() as first:
        served = first.enter_context(serving(database, console_listen=listen))
        with visiting(served) as visitor:
            page = visitor.open("/failures")
            _mark(page)
            for record in _fail(database, "before"):
                _is_there(page, record)
            first.close()
            missed = _fail(database, *(f"meanwhile {number}" for number in range(5)))
            expect(page.locator("#live")).to_contain_text("reconnecting", timeout=SOON_MS)
            with serving(database, console_listen=listen):
                for record in missed:
                    _is_there(page, record)
                assert _is_same(page)
                page.goto("about:blank")  # it no longer asks when this console ends, too
            # The browser has said that it lost the console, and nothing else.
            assert [each for each in visitor.complaints if "net::ERR_" not in each] == []
            visitor.complaints.clear()
