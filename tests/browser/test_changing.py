"""What people change, most of it without a script: edit, two at once, sign in, letters."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from job_trigger_worker.console.shared.auth import passwords, users
from job_trigger_worker.console.shared.auth.users import User
from job_trigger_worker.domain.principals import Role
from tests.browser.conftest import Visiting
from tests.support.console import Served, serving
from tests.support.history import FrozenClock, writing
from tests.support.sql import value

PASSWORD = "four words in a row"  # noqa: S105 - of nobody
TARGETS = "select jsonb_array_length(paramter -> 'servers') from awp_automcation_job"


@pytest.fixture
def own(database: str, tmp_path: Path) -> Iterator[Served]:
    """A console of this test alone, with a local user."""
    path = tmp_path / "users.json"
    users.write(path, {"li.wei": User(Role.OPERATOR, "Li Wei", passwords.hashed(PASSWORD))})
    with serving(database, clock=FrozenClock(), console_users_file=path) as served:
        yield served


def _job(database: str) -> int:
    """A job on two servers that are gone and one that is powered off."""
    with writing(database) as (p, _):
        off = p.account(p.server("db-08", "10.0.0.8", state="off"))
        return p.action_job([(777, "deploy"), (778, "deploy"), off], name="log-backup")


@pytest.mark.parametrize("has_scripts", [False, True])
def test_what_is_dead_goes_by_one_click_and_a_save_that_fails_asks_once(
    visiting: Visiting, own: Served, database: str, *, has_scripts: bool
) -> None:
    job = _job(database)
    with visiting(own, has_scripts=has_scripts, width=375) as visitor:
        page = visitor.open(f"/jobs/{job}/edit")
        page.get_by_role("button", name="Remove 2 that are gone").click()
        expect(page.locator("main")).to_contain_text("With these changes it could not start")
        expect(page.locator("main")).to_contain_text("(10.0.0.8, db-08) is powered off.")
        assert not has_scripts or visitor.violations() == []
        assert visitor.sideways_px() <= 0
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("h1")).to_have_text("Save it anyway?")
        assert not has_scripts or visitor.violations() == []
        assert visitor.sideways_px() <= 0
        assert value(database, TARGETS) == 3
        page.get_by_role("button", name="Keep editing").click()
        expect(page.locator("main")).to_contain_text("2 are removed when you save")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_role("button", name="Save anyway").click()
        expect(page.locator("main")).to_contain_text("It could not start now")
        assert value(database, TARGETS) == 1


def test_a_field_that_is_wrong_says_so_and_keeps_what_was_typed(
    visiting: Visiting, own: Served, database: str
) -> None:
    job = _job(database)
    with visiting(own, has_scripts=False) as visitor:
        page = visitor.open(f"/jobs/{job}/edit")
        page.get_by_label("Name", exact=True).fill("another name")
        page.get_by_label("Schedule").fill("every tuesday")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_label("Name", exact=True)).to_have_value("another name")
        wrong = page.get_by_label("Schedule")
        expect(wrong).to_have_value("every tuesday")
        expect(wrong).to_have_attribute("aria-invalid", "true")
        said = wrong.get_attribute("aria-describedby")
        expect(page.locator(f"#{said}")).to_contain_text("A schedule has five or six fields")
        stored = f"select name from awp_automcation_job where id = {job}"
        assert value(database, stored) == "log-backup"


def test_the_second_of_two_sees_both_versions(
    visiting: Visiting, own: Served, database: str
) -> None:
    job = _job(database)
    with (
        visiting(own, has_scripts=False, login="li.wei") as first,
        visiting(own, has_scripts=False, login="zhao.min") as second,
    ):
        early, late = first.open(f"/jobs/{job}/edit"), second.open(f"/jobs/{job}/edit")
        for page, name in ((early, "theirs"), (late, "mine")):
            page.get_by_label("Name", exact=True).fill(name)
            page.get_by_role("button", name="Save", exact=True).click()
            if name == "theirs":
                page.get_by_role("button", name="Save anyway").click()
                expect(page.locator("h1")).to_contain_text("theirs")
        expect(late.locator("main")).to_contain_text(
            "Somebody else has changed this job in the meantime"
        )
        row = late.get_by_role("row").filter(has_text="Name").filter(has_text="theirs")
        expect(row).to_contain_text("mine")
        expect(late.get_by_label("Name", exact=True)).to_have_value("mine")
        late.get_by_role("link", name="Take theirs, drop mine").click()
        expect(late.get_by_label("Name", exact=True)).to_have_value("theirs")


def test_a_local_user_signs_in_and_out(visiting: Visiting, own: Served) -> None:
    with visiting(own, role=None, has_scripts=False) as visitor:
        page = visitor.open("/history")
        page.get_by_label("User name").fill("li.wei")
        page.get_by_label("Password").fill("something else")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("main")).to_contain_text("The name or the password is wrong.")
        expect(page.get_by_label("User name")).to_have_value("li.wei")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("h1")).to_have_text("History")
        page.get_by_text("Li Wei").first.click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        visitor.open("/jobs")
        assert "/sign-in" in page.url
        visitor.complaints.clear()  # the refused password's answer


def test_a_link_signs_in_once(visiting: Visiting, own: Served) -> None:
    link = own.link()
    with visiting(own, role=None, has_scripts=False) as visitor:
        page = visitor.open(link)
        expect(page.locator("h1")).to_contain_text("Jobs")
    with visiting(own, role=None, has_scripts=False) as visitor:
        page = visitor.open(link, status=410)
        expect(page.locator("main")).to_contain_text("What you can do")


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_letters_are_asked_about_before_they_are_sent(
    visiting: Visiting, language: str, width: int
) -> None:
    words = {
        "en": ("Select letter 2", "Send the selected again", "Send 1 letter again?"),
        "zh": ("选择死信 2", "重发所选", "重发 1 条死信？"),
    }[language]
    with visiting(language=language, width=width) as visitor:
        page = visitor.open("/dead-letters")
        page.get_by_label(words[0]).check()
        page.get_by_role("button", name=words[1]).click()
        expect(page.locator("h1")).to_have_text(words[2])
        assert visitor.violations() == []
        assert visitor.sideways_px() <= 0
