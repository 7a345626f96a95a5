"""The whole story in a browser: a server is powered off, and a job is edited until it runs again.

Real parts: worker, broker, PostgreSQL, console, and the demo's stand-ins for action and orch.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from job_trigger_worker.config import Settings
from job_trigger_worker.demo.services import Services
from job_trigger_worker.kafka.failure_topic_watcher import FailureTopicWatcher
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.browser.conftest import Visiting
from tests.support.console import Served, serving
from tests.support.history import writing
from tests.support.rig import trigger
from tests.support.sql import execute, value
from tests.support.topics import Broker, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import running

pytestmark = [
    pytest.mark.parametrize("broker", ["kafka"], indirect=True),
    pytest.mark.usefixtures("topics"),
]

SOON_MS = 20_000


@pytest.fixture
def alive(settings: Settings, database: str, tmp_path: Path) -> Iterator[Served]:
    """A console whose triggers a worker takes, and whose dispatches somebody runs."""
    kafka = KafkaSettings.of(settings)
    services = Services(kafka, partitions=3)
    services.start()
    try:
        with (
            running(settings, tmp_path / "worker.log"),
            serving(
                database,
                kafka=kafka,
                tail=FailureTopicWatcher(kafka, settings),
                topic_prefix=settings.topic_prefix,
            ) as console,
        ):
            yield console
    finally:
        services.stop()


def _checked(page: Page) -> Page | None:
    """The page, if the inventory answered within a second: on a busy machine not at first."""
    return None if "Could not check" in page.locator("main").inner_text() else page


def test_a_job_that_broke_is_found_edited_and_runs_again(
    alive: Served, visiting: Visiting, database: str
) -> None:
    with writing(database) as (p, _):
        db_07, web_12 = p.server("db-07", "10.0.0.7"), p.server("web-12", "10.0.1.12")
        job = p.action_job([p.account(db_07)], name="log-backup")
        p.account(web_12)
    execute(database, f"update awp_server set state = 'off' where id = {db_07}")
    sentence = f"Server {db_07} (10.0.0.7, db-07) is powered off."
    with visiting(alive) as watcher, visiting(alive) as visitor:
        live = watcher.open("/failures")
        expect(live.locator("main")).to_contain_text("Nothing failed")
        live.evaluate("window.isTheSamePage = true")

        # It is fired, and its run page says why it did not start.
        page = wait_until(
            lambda: _checked(visitor.open(f"/jobs/{job}")), 20, "a check that is done in time"
        )
        expect(page.locator("main")).to_contain_text("It could not start now")
        page.get_by_role("button", name="Run now").click()
        expect(page.locator(".followed")).to_contain_text(sentence, timeout=SOON_MS)
        expect(page.locator(".followed")).to_contain_text("Trigger failed")
        assert visitor.violations() == []
        page.set_viewport_size({"width": 375, "height": 812})
        assert visitor.sideways_px() <= 0
        page.set_viewport_size({"width": 1280, "height": 900})

        # Somebody else who watches has seen it without a reload.
        expect(live.locator("main")).to_contain_text(sentence, timeout=SOON_MS)
        assert live.evaluate("window.isTheSamePage") is True

        # It stands in both lists, and its record says all of it.
        page = visitor.open("/jobs")
        row = page.get_by_role("row").filter(has_text="log-backup")
        expect(row).to_contain_text("Trigger failed")
        expect(row).to_contain_text(sentence)
        page = visitor.open("/history")
        expect(page.get_by_role("row").filter(has_text="log-backup")).to_contain_text(sentence)
        page.get_by_role("link", name=re.compile("Details of record")).first.click()
        expect(page.locator("main")).to_contain_text("server_powered_off")

        # The dead server goes by one click, another one comes, and preflight passes before saving.
        page = visitor.open(f"/jobs/{job}/edit")
        page.get_by_role("button", name="Remove 1 that is powered off").click()
        expect(page.locator("main")).to_contain_text("With these changes it could not start")
        page.get_by_label("Server id").last.fill(str(web_12))
        page.get_by_label("Account").last.fill("deploy")
        page.get_by_role("button", name="Check this draft").click()
        expect(page.locator("main")).to_contain_text("With these changes it could start")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("main")).to_contain_text("It could start now")
        expect(page.locator("main")).to_contain_text("web-12")

        # It runs, and turns green.
        page.get_by_role("button", name="Run now").click()
        expect(page.locator(".followed")).to_contain_text("Succeeded", timeout=SOON_MS)
        page = visitor.open("/jobs")
        row = page.get_by_role("row").filter(has_text="log-backup")
        expect(row).to_contain_text("Succeeded")
        expect(row).not_to_contain_text("Trigger failed")


def test_a_letter_is_edited_and_its_job_runs(
    alive: Served, visiting: Visiting, database: str, broker: Broker, settings: Settings
) -> None:
    with writing(database) as (p, _):
        job = p.action_job(name="log-backup")
    topic = f"{settings.topic_prefix}.job.triggers.v1"
    whole = json.dumps(trigger(job))
    broken = whole.removesuffix("}")
    produce_raw(broker, topic, [(str(job), broken, None)])
    letters = "select count(*) from awp_dead_letter"
    wait_until(lambda: value(database, letters), SOON_MS / 1000, "a dead letter")
    with visiting(alive, has_scripts=False) as visitor:
        page = visitor.open("/dead-letters")
        expect(page.get_by_role("row").nth(1)).to_contain_text("the body is not JSON")
        page.get_by_role("link", name="1", exact=True).click()
        page.get_by_role("link", name="Edit body").click()
        page.get_by_label("Body").fill(broken)
        page.get_by_role("button", name="Check and continue").click()
        expect(page.get_by_label("Body")).to_have_value(broken)
        expect(page.locator("main")).to_contain_text("not JSON")
        page.get_by_label("Body").fill(whole)
        page.get_by_role("button", name="Check and continue").click()
        expect(page.locator("h1")).to_have_text("Send the edited letter?")
        page.get_by_role("button", name="Send it").click()
        expect(page.locator("main")).to_contain_text("sent it edited")

        # Without a script the page is asked for again.
        def is_green() -> bool:
            visitor.open("/jobs")
            row = page.get_by_role("row").filter(has_text="log-backup")
            return "Succeeded" in row.inner_text()

        wait_until(is_green, SOON_MS / 1000, "a run that succeeded")
