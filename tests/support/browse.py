"""Debian's Chromium, driven by Playwright: pages as people get them, and what they complain of.

Playwright's own browser is never downloaded: `services.browser_choice` says which one there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served

FLAGS = (
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # Nothing but what a test asks for leaves this machine.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
)
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
WAIT_MS = 10_000
_AXE = "axe.run(document, {resultTypes: ['violations']})"


@contextmanager
def running(program: str) -> Iterator[Browser]:
    """A browser with an empty profile, for the length of the block.

    In a thread where no event loop runs: Playwright keeps one of its own there until the end.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """Somebody with a browser of their own. `complaints` is what must stay empty."""

    served: Served
    context: BrowserContext
    page: Page
    has_scripts: bool = True
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str, *, status: int = 200) -> Page:
        """Go to a page, which answers with a status; returned when it is loaded."""
        answer = self.page.goto(self.served.address + path, wait_until="load")
        assert answer is not None
        assert answer.status == status, f"{path} answered {answer.status}"
        return self.page

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page, a line a finding, the element in it.

        It is a script itself: a visitor without scripts would wait for it for ever.
        """
        assert self.has_scripts, "axe needs a visitor with scripts"
        session = self.context.new_cdp_session(self.page)
        # As a debugger does: no script of the page's own, which its policy would refuse.
        session.send("Runtime.evaluate", {"expression": AXE_SCRIPT})
        result: dict[str, Any] = session.send(
            "Runtime.evaluate",
            {"expression": _AXE, "awaitPromise": True, "returnByValue": True},
        )["result"]["value"]
        session.detach()
        assert len(result["passes"]) > 5, "axe has looked at nothing"
        return [
            f"{found['id']}: {found['help']}: {node['html'][:200]}"
            for found in result["violations"]
            for node in found["nodes"]
        ]

    def sideways_px(self) -> int:
        """By how much the page is wider than its window."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def _heard(self, message: ConsoleMessage) -> None:
        # A page that answers 404 is an 'error' to the console; a test says that it expects it.
        is_status = message.text.startswith("Failed to load resource: the server responded")
        if message.type in ("error", "warning") and not (
            is_status and message.location.get("url") == self.page.url
        ):
            self.complaints.append(f"{self.page.url} {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.served.address + "/"):
            self.complaints.append(f"{self.page.url} asked for {request.url}")

    def watch(self) -> None:
        """Begin to note what goes wrong."""
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._asked)


@contextmanager
def browse(
    browser: Browser,
    served: Served,
    *,
    role: Role | None = Role.ADMIN,
    login: str = "demo-admin",
    language: str = "en",
    theme: str = "light",
    width: int = 1280,
    height: int = 900,
    has_scripts: bool = True,
    scale: float = 1,
) -> Iterator[Visitor]:
    """A visitor in a fresh context, signed in with a role or not at all.

    Fails at the end when the browser's console showed an error or a warning, a policy was violated,
    or a request went anywhere but to the console.
    """
    context = browser.new_context(
        locale=LANGUAGES[language],
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": height},
        java_script_enabled=has_scripts,
        device_scale_factor=scale,
        reduced_motion="reduce",
    )
    context.set_default_timeout(WAIT_MS)
    if role is not None:
        with served.signed_in(role, login) as client:
            token = client.cookies["awp-session"]
        context.add_cookies([{"name": "awp-session", "value": token, "url": served.address}])
    visitor = Visitor(served, context, context.new_page(), has_scripts)
    visitor.watch()
    try:
        yield visitor
    finally:
        context.close()
    assert visitor.complaints == []
