"""Exports: everything that a filter means, safe in a spreadsheet, never half unnoticed."""

import asyncio
import csv
import html
import io
import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import Any

import httpx
import pytest

from job_trigger_worker.console.export import json as exports
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.domain.read_models import EVERYTHING, AsOf
from job_trigger_worker.storage.read import executions
from tests.support.console import Served, serving
from tests.support.history import NOW, FrozenClock, change_job, writing
from tests.support.sql import execute
from tests.support.waiting import wait_until

EVIL = '=HYPERLINK("http://evil.example","x")'


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def console(database: str, clock: FrozenClock) -> Iterator[Served]:
    with serving(database, clock=clock) as served:
        yield served


@pytest.fixture
def browser(console: Served) -> Iterator[httpx.Client]:
    with console.signed_in(Role.ADMIN) as browser:
        yield browser


def table(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbfid,")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def documents(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_sheet_of_jobs_is_safe_and_whole(browser: httpx.Client, database: str) -> None:
    with writing(database) as (p, h):
        plain = p.action_job(name='每日对账, "night"\nshift')
        evil = p.action_job(name=EVIL, owner_id=p.user("+1 555"))
        h.failed(plain, {"code": "server_not_found", "message": "服务器 7 不存在。"})
        h.failed(evil, {"code": "server_not_found", "message": "@SUM(1)"}, causes=["-a", "b"])
    change_job(database, plain, schedule="*/10 * * * *", timezone="Asia/Shanghai")
    answer = browser.get("/api/v1/jobs/export")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="jobs-2026-11-23T080000Z.csv"'
    )
    one, two = table(answer)
    assert one["name"] == '每日对账, "night"\nshift'
    assert (one["id"], one["status"], one["code"]) == (
        str(plain),
        "trigger_failed",
        "server_not_found",
    )
    assert (one["message"], one["enabled"]) == ("服务器 7 不存在。", "true")
    assert (one["schedule"], one["next_slot_at"]) == ("*/10 * * * *", "2026-11-23T08:10:00Z")
    assert two["name"] == f"'{EVIL}"
    assert (two["owner_name"], two["message"], two["causes"]) == ("'+1 555", "'@SUM(1)", "'-a; b")


def test_lines_are_what_the_list_says(browser: httpx.Client, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job(name="每日对账")
        h.failed(job, slot=NOW - timedelta(hours=1))
        h.dispatched(job, "succeeded")
    for name in ("executions", "failures"):
        listed = browser.get(f"/api/v1/{name}").json()["items"]
        assert documents(browser.get(f"/api/v1/{name}/export?format=ndjson")) == listed
        assert [row["id"] for row in table(browser.get(f"/api/v1/{name}/export"))] == [
            each["id"] for each in listed
        ]
    (line,) = documents(browser.get("/api/v1/jobs/export?format=ndjson"))
    assert line["newest"]["run"]["status"] == "succeeded"


def test_what_is_filtered_is_exported(browser: httpx.Client, database: str) -> None:
    with writing(database) as (p, h):
        one, two = p.action_job(name="one"), p.action_job(name="two", enabled=False)
        h.failed(one)
        h.dispatched(two, "running")
    for query, names in {
        "jobs/export?enabled=false": ["two"],
        "jobs/export?status=trigger_failed": ["one"],
        "jobs/export?q=nothing": [],
    }.items():
        assert [row["name"] for row in table(browser.get(f"/api/v1/{query}"))] == names
    for query, ids in {
        f"executions/export?job={one}": [one],
        "executions/export?status=running": [two],
        "failures/export?code=no_targets": [],
    }.items():
        assert [row["job_id"] for row in table(browser.get(f"/api/v1/{query}"))] == [
            str(each) for each in ids
        ]
    for query in ("jobs/export?format=xlsx", "jobs/export?sort=id", "executions/export?after=x"):
        assert browser.get(f"/api/v1/{query}").status_code == 422


def test_every_row_comes_once_over_many_pages(
    browser: httpx.Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_RECORDS", 4)
    monkeypatch.setattr(exports, "_JOBS", 4)
    with writing(database) as (p, h):
        jobs = [p.action_job(name=f"job-{number}") for number in range(9)]
        records = [
            h.failed(job, slot=NOW - timedelta(minutes=minute))
            for job in jobs
            for minute in (20, 10)
        ]
    assert [row["id"] for row in table(browser.get("/api/v1/jobs/export"))] == [
        str(job) for job in jobs
    ]
    # Where no index serves the filter, a window follows a window to the end.
    monkeypatch.setattr("job_trigger_worker.storage.read.record_scan.WIDE", 5)
    found = documents(browser.get("/api/v1/executions/export?format=ndjson&q=does not exist"))
    assert [row["id"] for row in found] == [str(each) for each in reversed(records)]


def test_a_slow_reader_holds_no_connection(console: Served, database: str) -> None:
    with writing(database) as (_, h):
        for minute in range(6):
            h.failed(404, slot=NOW - timedelta(minutes=minute))

    async def read_slowly() -> list[int]:
        pages = console.app.state.exports.begin(
            "li.wei",
            lambda connection, after: executions.list_records(
                connection, EVERYTHING, AsOf(NOW), after=after, size=2
            ),
            lambda rows: str(len(rows)).encode(),
        )
        return [
            console.pool._engine.pool.checkedout()  # type: ignore[attr-defined]
            async for _ in pages
        ]

    assert asyncio.run(read_slowly()) == [0, 0, 0]


Listing = Callable[..., Any]


def before_each_page(monkeypatch: pytest.MonkeyPatch, do: Callable[[int], None]) -> None:
    """Make pages of one record, and call `do` with a page's number before it is read."""
    number, listed = 0, executions.list_records

    def listing(*given: Any, **named: Any) -> Any:
        nonlocal number
        number += 1
        do(number)
        return listed(*given, **named)

    monkeypatch.setattr(exports, "_RECORDS", 1)
    monkeypatch.setattr(executions, "list_records", listing)


def test_a_file_that_was_broken_off_does_not_look_whole(
    browser: httpx.Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(database) as (_, h):
        for minute in range(3):
            h.failed(404, slot=NOW - timedelta(minutes=minute))

    def lose(page: int) -> None:
        if page == 2:
            execute(database, "drop view console_execution cascade")

    before_each_page(monkeypatch, lose)
    for format_ in ("csv", "ndjson"):
        with browser.stream("GET", f"/api/v1/executions/export?format={format_}") as answer:
            if format_ == "csv":
                assert answer.status_code == 200
                with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                    answer.read()
            else:  # gone from the beginning on: no file at all
                assert answer.status_code == 503


def test_a_client_that_goes_away_ends_it(
    console: Served,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with writing(database) as (_, h):
        for minute in range(60):
            h.failed(404, slot=NOW - timedelta(minutes=minute))
    is_gone, pages = Event(), []

    def wait(page: int) -> None:
        pages.append(page)
        if page == 2:
            assert is_gone.wait(10)

    before_each_page(monkeypatch, wait)
    with caplog.at_level(logging.INFO, "job_trigger_worker.console.shell.error_handlers"):
        with (
            console.signed_in(Role.ADMIN) as browser,
            browser.stream("GET", "/api/v1/executions/export") as answer,
        ):
            next(answer.iter_raw())
        is_gone.set()
        wait_until(lambda: "/executions/export" in caplog.text, 10, "the request's end")
    assert len(pages) < 60


def test_a_user_may_begin_so_many(console: Served, clock: FrozenClock) -> None:
    one, other = console.signed_in(Role.ADMIN), console.signed_in(Role.ADMIN, "zhao.min")
    statuses = [one.get("/api/v1/jobs/export").status_code for _ in range(7)]
    assert statuses == [200] * 6 + [429]
    answer = one.get("/api/v1/failures/export")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "20"
    assert other.get("/api/v1/jobs/export").status_code == 200
    clock.at += timedelta(seconds=21)
    assert one.get("/api/v1/jobs/export").status_code == 200


def test_over_http_1_0_there_is_none(console: Served, browser: httpx.Client) -> None:
    host, port = console.address.removeprefix("http://").split(":")
    cookie = browser.cookies["awp-session"]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"GET /api/v1/jobs/export HTTP/1.0\r\nHost: {host}\r\n"
            f"Cookie: awp-session={cookie}\r\n\r\n".encode()
        )
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 505 " in head.splitlines()[0]
    assert "proxy_http_version 1.1" in json.loads(body)["remedy"]


def test_the_pages_lead_there_with_their_filters(browser: httpx.Client, database: str) -> None:
    with writing(database) as (p, h):
        h.failed(p.action_job(name="on"), slot=NOW - timedelta(hours=3))
        h.failed(p.action_job(name="off", enabled=False), slot=NOW - timedelta(hours=1))
    browser.cookies.set("awp-zone", "Asia/Shanghai", domain="127.0.0.1")
    for page, found in {
        "/jobs?enabled=no&sort=name&q= off ": ["off"],
        "/history?since=2026-11-23T14:00&cause=server_not_found:server=7": ["log-backup"],
    }.items():
        links = re.findall(r'href="(/api/v1/[^"]+)" download', browser.get(page).text)
        assert len(links) == 2
        sheet, lines = (browser.get(html.unescape(link)) for link in links)
        assert [row.get("name") or row["job_name"] for row in table(sheet)] == found
        assert len(documents(lines)) == 1
    assert " download>" not in browser.get("/history?since=yesterday").text
