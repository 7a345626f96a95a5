"""Jobs of which a slot has passed and no trigger came: the mark, the filter and the count agree."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, change_job, writing
from tests.support.pages import page, said

TEN = "*/10 * * * *"
DAY = NOW - timedelta(days=1)


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


@pytest.fixture
def ours(database: str) -> int:
    """Nine jobs, three of them overdue, one of these in our group; the id of the group."""

    def job(
        name: str,
        slot: datetime | None,
        schedule: str | None = TEN,
        updated_at: datetime = DAY,
        **more: Any,
    ) -> None:
        with writing(database) as (p, h):
            made = p.action_job(name=name, **more)
            if slot is not None:
                h.failed(made, slot=slot)
        change_job(database, made, schedule=schedule, updated_at=updated_at)

    with writing(database) as (p, _):
        group = p.group("ours")
        p.user("li.wei", groups=[group])
        owner = p.user("owner", groups=[group])
    job("late", NOW - timedelta(minutes=25), owner_id=owner)
    job("never came", None)
    job("late once a day", DAY, "0 7 * * *", DAY - timedelta(days=1))
    job("in time", NOW - timedelta(minutes=10))
    job("on its way", NOW - timedelta(minutes=10), updated_at=DAY)
    job("switched off", NOW - timedelta(minutes=25), enabled=False)
    job("unreadable", NOW - timedelta(minutes=25), "at tea time")
    job("just changed", NOW - timedelta(minutes=25), updated_at=NOW - timedelta(minutes=5))
    job("by hand only", NOW - timedelta(minutes=25), None)
    return group


LATE = {"late", "never came", "late once a day"}


def names(browser: httpx.Client, **asked: str) -> list[str]:
    """All jobs of a list, two a page."""
    found: list[str] = []
    after: str | None = None
    while True:
        more = {} if after is None else {"after": after}
        answer = browser.get("/api/v1/jobs", params={"limit": "2", **asked, **more})
        assert answer.status_code == 200, answer.text
        found += [each["name"] for each in answer.json()["items"]]
        after = answer.json()["next"]
        if after is None:
            return found


@pytest.mark.usefixtures("ours")
def test_the_filter_finds_those_that_have_the_mark(console: Served) -> None:
    admin = console.signed_in(Role.ADMIN)
    every = admin.get("/api/v1/jobs").json()["items"]
    assert {each["name"] for each in every if each["is_overdue"]} == LATE
    for sort in ("trouble", "newest_slot", "name", "id"):
        found = names(admin, overdue="true", sort=sort)
        assert (len(found), set(found)) == (3, LATE), sort
    assert set(names(admin, overdue="true", status="trigger_failed")) == LATE - {"never came"}
    assert names(admin, overdue="true", status="never_run") == ["never came"]
    assert names(admin, overdue="true", q="once") == ["late once a day"]
    assert names(admin, overdue="true", name="in") == []
    exported = admin.get("/api/v1/jobs/export", params={"format": "ndjson", "overdue": "true"})
    assert exported.text.count("\n") == 3


def test_it_is_counted_for_those_who_may_see(console: Served, ours: int) -> None:
    admin, viewer = console.signed_in(Role.ADMIN), console.signed_in(Role.VIEWER)
    for browser, number in ((admin, 3), (viewer, 1)):
        assert browser.get("/api/v1/jobs/counts").json()["overdue"] == number
    chosen = admin.get("/api/v1/jobs/counts", params={"overdue": "true"}).json()
    assert (chosen["total"]["value"], chosen["overdue"]) == (3, 3)
    assert chosen["by_status"]["trigger_failed"]["value"] == 2
    mine = admin.get("/api/v1/jobs/counts", params={"overdue": "true", "group": str(ours)}).json()
    assert mine["overdue"] == 1
    assert names(viewer, overdue="true") == ["late"]


@pytest.mark.usefixtures("ours")
def test_it_stands_above_the_list_and_leads_there_and_back(console: Served) -> None:
    admin = console.signed_in(Role.ADMIN)

    def counts(answer: httpx.Response) -> str:
        return answer.text.partition('<ul class="counts">')[2].partition("</ul>")[0]

    shown = counts(page(admin, "/jobs"))
    assert said(shown).endswith("Overdue 3")
    assert 'href="/jobs?overdue=yes"' in shown
    chosen = page(admin, "/jobs?overdue=yes")
    assert said(counts(chosen)).endswith("Overdue 3")
    assert 'aria-current="true"' in counts(chosen)
    assert "Remove the filter Overdue: Yes" in chosen.text
    assert 'name="overdue" value="yes"' in chosen.text  # kept when another filter is added
    assert "just changed" not in chosen.text
    assert "逾期" in counts(page(admin, "/jobs", "zh"))


@pytest.mark.usefixtures("ours")
def test_of_too_many_it_says_what_to_do(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", 5)
    admin = console.signed_in(Role.ADMIN)
    assert admin.get("/api/v1/jobs/counts").json()["overdue"] is None
    assert "overdue=yes" not in page(admin, "/jobs").text
    refused = admin.get("/api/v1/jobs", params={"overdue": "true"})
    assert (refused.status_code, refused.json()["remedy"]) == (
        422,
        "Narrow the list first: by name, owner, group or type.",
    )
    answer = admin.get("/jobs?overdue=yes")
    assert answer.status_code == 422
    assert "Narrow the list first: by name, owner, group or type." in answer.text
    assert names(admin, overdue="true", name="late") == ["late", "late once a day"]


def test_a_time_from_ahead_neither_hides_a_missed_slot_nor_makes_one(
    console: Served, database: str
) -> None:
    ahead, minute = NOW + timedelta(days=365 * 150), timedelta(minutes=1)
    with writing(database) as (p, h):
        far = p.action_job(name="far")
        h.failed(far, slot=DAY)
        early: dict[str, Any] = {"trigger_code": "too_early", "decided_at": NOW - 30 * minute}
        h.failed(far, slot=ahead, **early)
        # Its slot of 08:00 was decided four minutes ahead, and somebody ran it between the two.
        soon = p.action_job(name="soon")
        h.dispatched(soon, slot=NOW, decided_at=NOW - 4 * minute)
        h.dispatched(soon, slot=NOW - 3 * minute, trigger_kind="manual")
    for job_id in (far, soon):
        change_job(database, job_id, schedule=TEN, updated_at=DAY)
    console.clock.at = NOW + 2 * minute  # type: ignore[attr-defined]

    assert names(console.signed_in(Role.ADMIN), overdue="true") == ["far"]
