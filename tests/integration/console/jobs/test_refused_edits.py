"""An edit that the platform refuses is told as that, with what it says for people, and logged."""

import logging
import re
from collections.abc import Iterator

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, form_token, serving
from tests.support.history import FrozenClock, writing
from tests.support.pages import content
from tests.support.sql import execute, rows

NOT_TAKEN = "urn:trigger-worker:problem:not-taken"
REFUSED = "urn:trigger-worker:problem:refused"
SAID = "It says: In a freeze, nothing changes: 100% of it."
UNSAID = "It gives no reason that can be shown; the console's log has it."


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database, clock=FrozenClock()) as served:
        yield served


def refusing(database: str, body: str) -> int:
    """A job whose platform does this on each edit before it is saved."""
    with writing(database) as (p, _):
        job = p.action_job(name="nightly")
    execute(
        database,
        f"""
        create function refuse() returns trigger language plpgsql as $f$ begin
            {body}
            return new;
        end $f$;
        create trigger a_refuse instead of update on console_job_write
            for each row execute function refuse()
        """,
    )
    return job


def asking(console: Served, language: str = "en") -> httpx.Client:
    api = console.signed_in(Role.ADMIN)
    api.headers["Accept-Language"] = language
    api.headers["X-Form-Token"] = form_token(api.get("/jobs"))
    return api


RAISED = [
    pytest.param(
        "raise exception 'In a freeze, nothing changes: 100%% of it.';", "P0001", id="P0001"
    ),
    *(
        pytest.param(
            "raise exception 'In a freeze, nothing changes: 100%% of it' "
            f"using errcode = '{state}', detail = 'row (hunter2)';",
            state,
            id=state,
        )
        for state in ("P0004", "23514", "42501", "22023", "55000", "ZZ001")
    ),
]


@pytest.mark.parametrize(("body", "state"), RAISED)
def test_what_the_platform_raises_is_said(
    console: Served, database: str, caplog: pytest.LogCaptureFixture, body: str, state: str
) -> None:
    job = refusing(database, body)
    api = asking(console)
    with caplog.at_level(logging.WARNING):
        edited = api.patch(f"/api/v1/jobs/{job}", json={"name": "x"}, headers={"If-Match": "*"})
    told = edited.json()
    assert (edited.status_code, told["type"]) == (422, NOT_TAKEN), told
    assert told["title"] == "The platform refused this change"
    assert told["detail"] == f"Nothing was changed. {SAID}"
    assert "hunter2" not in edited.text
    (line,) = [each.getMessage() for each in caplog.records if "edit_refused" in each.getMessage()]
    assert f"sqlstate={state} " in line
    assert "In a freeze, nothing changes: 100% of it" in line
    assert "hunter2" not in caplog.text
    disabled = api.post(f"/api/v1/jobs/{job}/disable")
    assert (disabled.status_code, disabled.json()["detail"]) == (
        422,
        f"Nothing was changed. {SAID}",
    )
    assert rows(database, "select name, enabled from console_job_write") == [("nightly", True)]
    assert rows(database, "select from awp_console_change") == []


def test_pages_say_it_in_both_languages(console: Served, database: str) -> None:
    job = refusing(database, "raise exception 'Frozen until Monday.';")
    browser = asking(console)
    fields = {"form_token": form_token(browser.get(f"/jobs/{job}/edit"))}
    for language, title, said in (
        ("en", "The platform refused this change", "It says: Frozen until Monday."),
        ("zh", "平台不接受这项更改", "平台的说明：Frozen until Monday."),
    ):
        browser.headers["Accept-Language"] = language
        page = browser.get(f"/jobs/{job}/edit")
        fields = _fields(page) | {"name": "other", "confirm": "yes"}
        for answer in (
            browser.post(f"/jobs/{job}/edit", data=fields),
            browser.post(f"/jobs/{job}/disable", data=fields),
        ):
            assert answer.status_code == 422
            assert title in content(answer)
            assert said in content(answer)


def _fields(page: httpx.Response) -> dict[str, str]:
    found = re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', page.text)
    return dict(found)


CONSTRAINTS = {
    "check": ("alter table awp_automcation_job add check (name <> 'hunter2')", "", "23514"),
    "unique": (
        """
        create unique index on awp_automcation_job (name);
        insert into awp_automcation_job (name, job_type) values ('hunter2', 'action')
        """,
        "",
        "23505",
    ),
    "deferred": (
        """
        create function late() returns trigger language plpgsql as $f$ begin
            raise exception 'Late.'; end $f$;
        create constraint trigger late after update on awp_automcation_job
            deferrable initially deferred for each row execute function late()
        """,
        "Late.",
        "P0001",
    ),
    "cast": (
        """
        create function cast_it() returns trigger language plpgsql as $f$ begin
            perform new.name::int; return new; end $f$;
        create trigger a_cast instead of update on console_job_write
            for each row execute function cast_it()
        """,
        "",
        "22P02",
    ),
    "strict": (
        """
        create function strict() returns trigger language plpgsql as $f$
        declare x int; begin
            select 1 into strict x where false; return new; end $f$;
        create trigger a_cast instead of update on console_job_write
            for each row execute function strict()
        """,
        "",
        "P0002",
    ),
}


@pytest.mark.parametrize("which", CONSTRAINTS)
def test_a_constraint_says_no_values(
    console: Served, database: str, caplog: pytest.LogCaptureFixture, which: str
) -> None:
    made, said, state = CONSTRAINTS[which]
    with writing(database) as (p, _):
        job = p.action_job(name="nightly")
    execute(database, made)
    with caplog.at_level(logging.WARNING):
        answer = asking(console).patch(
            f"/api/v1/jobs/{job}", json={"name": "hunter2"}, headers={"If-Match": "*"}
        )
    assert (answer.status_code, answer.json()["type"]) == (422, NOT_TAKEN), answer.text
    expected = f"It says: {said}" if said else UNSAID
    assert answer.json()["detail"] == f"Nothing was changed. {expected}"
    assert "hunter2" not in answer.text
    assert "action=edit_refused" in caplog.text
    assert f"sqlstate={state} " in caplog.text


def test_a_value_that_is_too_long_stays_one(
    console: Served, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with writing(database) as (p, _):
        job = p.action_job(name="nightly")
    execute(
        database,
        """
        create table short (name varchar(3));
        create function keep() returns trigger language plpgsql as $f$ begin
            insert into short values (new.name); return new; end $f$;
        create trigger a_keep instead of update on console_job_write
            for each row execute function keep()
        """,
    )
    with caplog.at_level(logging.WARNING):
        answer = asking(console).patch(
            f"/api/v1/jobs/{job}", json={"name": "longer"}, headers={"If-Match": "*"}
        )
    assert (answer.status_code, answer.json()["type"]) == (422, REFUSED)
    assert "(22001): value too long for type character varying(3)" in caplog.text


def test_a_missing_grant_names_the_view_and_not_the_worker(
    console: Served, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with writing(database) as (p, _):
        job = p.action_job(name="nightly")
    execute(
        database,
        """
        create function denied() returns trigger language plpgsql as $f$ begin
            perform * from pg_authid; return new; end $f$;
        create role nobody_at_all;
        grant usage on schema public to nobody_at_all;
        alter function denied() owner to nobody_at_all;
        alter function denied() security definer;
        create trigger a_denied instead of update on console_job_write
            for each row execute function denied()
        """,
    )
    try:
        with caplog.at_level(logging.WARNING):
            answer = asking(console).patch(
                f"/api/v1/jobs/{job}", json={"name": "x"}, headers={"If-Match": "*"}
            )
    finally:
        execute(
            database,
            "drop function denied() cascade; drop owned by nobody_at_all; drop role nobody_at_all",
        )
    assert answer.status_code == 503
    assert (
        "The view console_job_write does not save an edit (42501): permission denied" in caplog.text
    )
    assert "the worker" not in caplog.text.split("action=request_unavailable")[1]


def test_a_view_that_raises_is_no_refusal_of_the_switch(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job(name="nightly")
    api = asking(console)
    execute(
        database,
        """
        create function broken() returns text language plpgsql as $f$ begin
            raise exception 'no'; end $f$;
        alter view console_job_write rename to whole;
        create view console_job_write as select job_id, broken() as name, schedule, timezone,
            enabled, paramter, version from whole
        """,
    )
    answer = api.post(f"/api/v1/jobs/{job}/disable")
    assert answer.status_code == 503, answer.text
