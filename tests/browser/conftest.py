"""A browser and a console with a demo's history for each module, a visitor for each test."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser

from tests.support import browse, demo, services
from tests.support.browse import Visitor
from tests.support.console import Served, serving
from tests.support.history import FrozenClock
from tests.support.postgres import PostgresServer


class Visiting(Protocol):
    """Makes a visitor of a console: by default an admin with an English, light, wide window."""

    def __call__(
        self, served: Served | None = None, **how: Any
    ) -> AbstractContextManager[Visitor]: ...


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser a module: Playwright's event loop must be gone before other modules run."""
    with browse.running(services.browser_choice().detail) as browser:
        yield browser


@pytest.fixture(scope="session")
def demo_database(postgres: PostgresServer) -> Iterator[str]:
    """Three hours of the demo platform; to be read only."""
    address = postgres.create("browser_demo")
    demo.fill(address)
    yield address
    postgres.drop("browser_demo")


@pytest.fixture(scope="module")
def console(demo_database: str) -> Iterator[Served]:
    """The demo's console."""
    with serving(demo_database, clock=FrozenClock(), console_timezone=demo.ZONE) as served:
        yield served


@pytest.fixture
def visiting(chromium: Browser, console: Served) -> Visiting:
    """Visitors of the demo's console, or of another one."""

    def visit(served: Served | None = None, **how: Any) -> AbstractContextManager[Visitor]:
        return browse.browse(chromium, served or console, **how)

    return visit
