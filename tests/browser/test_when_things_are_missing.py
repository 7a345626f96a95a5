"""Sign-in, empty lists, what is not there and what one may not see: each leads on."""

from collections.abc import Iterator

import pytest

from job_trigger_worker.domain.principals import Role
from tests.browser.conftest import Visiting
from tests.support.console import Served, serving
from tests.support.history import FrozenClock
from tests.support.postgres import PostgresServer

AWAY = "postgresql+psycopg2://li:geheim@127.0.0.1:1/gone"


@pytest.fixture(scope="module")
def empty(postgres: PostgresServer) -> Iterator[Served]:
    with serving(postgres.create("browser_empty"), clock=FrozenClock()) as served:
        yield served
    postgres.drop("browser_empty")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_empty_lists_say_what_to_expect(
    visiting: Visiting, empty: Served, language: str, theme: str
) -> None:
    said = {
        "/jobs": ("No jobs yet", "还没有任务"),
        "/history": ("No records yet", "还没有记录"),
        "/failures": ("Nothing failed", "没有失败"),
        "/dead-letters": ("No dead letters", "没有死信"),
    }
    with visiting(empty, language=language, theme=theme) as visitor:
        for path, words in said.items():
            page = visitor.open(path)
            assert words[language == "zh"] in page.locator(".empty h2").inner_text(), path
            assert visitor.violations() == [], path


@pytest.mark.parametrize("width", [375, 1280])
def test_a_problem_says_what_to_do(visiting: Visiting, width: int) -> None:
    with visiting(width=width) as visitor:
        page = visitor.open("/jobs/999999999", status=404)
        assert page.get_by_text("What you can do").is_visible()
        assert visitor.violations() == []
        assert visitor.sideways_px() <= 0
    with visiting(role=Role.VIEWER, login="deng.rui", width=width) as visitor:
        page = visitor.open("/dead-letters", status=403)
        assert page.get_by_text("What you can do").is_visible()
        assert visitor.violations() == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nobody_in_particular_is_led_to_sign_in(visiting: Visiting, language: str) -> None:
    with visiting(role=None, language=language) as visitor:
        page = visitor.open("/jobs")
        assert "/sign-in" in page.url
        assert visitor.violations() == []
        assert page.locator("main code").first.inner_text() == "make run"


def test_the_database_is_away(visiting: Visiting) -> None:
    with serving(AWAY) as served, visiting(served, role=None) as visitor:
        visitor.context.add_cookies([{"name": "awp-session", "value": "x", "url": served.address}])
        page = visitor.open("/jobs", status=503)
        assert page.get_by_role("link", name="Try again").is_visible()
        assert visitor.violations() == []
