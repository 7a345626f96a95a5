"""Every page and every form without a script."""

import re

from playwright.sync_api import expect

from job_trigger_worker.domain.principals import Role
from tests.browser.conftest import Visiting


def test_a_search_a_filter_and_a_page_forward(visiting: Visiting) -> None:
    with visiting(has_scripts=False) as visitor:
        page = visitor.open("/jobs")
        page.get_by_role("searchbox").fill("log-backup")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("q=log-backup"))
        expect(page.locator("tbody tr").first).to_contain_text("log-backup")
        page = visitor.open("/jobs")
        page.get_by_text("More filters").click()
        page.get_by_label("Type").select_option("workflow")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("link", name="Remove the filter Type: Workflow")).to_be_visible()
        assert "Action" not in page.locator("tbody").inner_text()
        page = visitor.open("/jobs?sort=name")
        first = page.locator("tbody .main").first.inner_text()
        page.get_by_role("link", name="Older").click()
        expect(page.locator("tbody .main").first).not_to_have_text(first)


def test_from_the_list_to_the_record_and_back(visiting: Visiting) -> None:
    with visiting(has_scripts=False) as visitor:
        page = visitor.open("/jobs?status=trigger_failed")
        name = page.locator("tbody .main").first.inner_text()
        page.locator("tbody .main a").first.click()
        expect(page.locator("h1")).to_contain_text(name)
        page.get_by_role("link", name="Details of record").first.click()
        expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
        page.get_by_role("link", name="Record before").click()
        expect(page.get_by_role("link", name="Record after")).to_be_visible()


def test_language_theme_zone_and_leaving(visiting: Visiting) -> None:
    with visiting(has_scripts=False, role=Role.VIEWER, login="li.wei") as visitor:
        page = visitor.open("/failures")
        page.get_by_role("link", name="中文").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        page.get_by_role("link", name="English").click()
        page.locator(".theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.get_by_text("li.wei").first.click()
        page.get_by_role("link", name="Times in").click()
        page.get_by_label("Time zone").select_option("Europe/Berlin")
        page.get_by_role("button", name="Choose").click()
        expect(page.locator("footer")).to_contain_text("Europe/Berlin")
        page.get_by_text("li.wei").first.click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
