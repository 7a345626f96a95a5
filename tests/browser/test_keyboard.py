"""The console by its keys alone."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visiting

_FOCUSED = "document.activeElement.textContent.trim() || document.activeElement.name"
_OUTLINE = "getComputedStyle(document.activeElement).outlineStyle"


def _focused(page: Page) -> str:
    return str(page.evaluate(_FOCUSED))


def test_the_first_key_skips_to_the_content(visiting: Visiting) -> None:
    with visiting() as visitor:
        page = visitor.open("/jobs")
        page.keyboard.press("Tab")
        assert _focused(page) == "Skip to the content"
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")


def test_what_has_the_focus_can_be_seen_and_comes_in_order(visiting: Visiting) -> None:
    with visiting() as visitor:
        page = visitor.open("/history")
        order = []
        for _ in range(25):
            page.keyboard.press("Tab")
            order.append(_focused(page))
            assert page.evaluate(_OUTLINE) != "none", order[-1]
        assert order[1:6] == ["trigger-worker", "Jobs", "History", "Failures live", "Dead letters"]
        assert order[6] == "q"


def test_a_slash_searches(visiting: Visiting) -> None:
    with visiting() as visitor:
        page = visitor.open("/failures")
        page.keyboard.press("/")
        page.keyboard.type("log-backup")
        page.keyboard.press("Enter")
        expect(page.locator("tbody .main").first).to_have_text("log-backup")


def test_a_menu_opens_and_closes(visiting: Visiting) -> None:
    with visiting() as visitor:
        page = visitor.open("/jobs")
        page.locator(".own details.menu summary").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
