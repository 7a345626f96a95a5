"""Failures as they happen: streams that miss nothing, and show nobody what is not theirs."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import httpx
import pytest

from job_trigger_worker.console.failures import stream_html as live_page
from job_trigger_worker.console.failures.live import hub, recent, subscription
from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, form_token, serving
from tests.support.history import FrozenClock, writing
from tests.support.pages import HOSTILE
from tests.support.proxy import proxied
from tests.support.sql import rows
from tests.support.statements import saying
from tests.support.streaming import FAILURES, watching
from tests.support.waiting import wait_until

FILL = """
    insert into awp_job_execution (job_id, execution_id, trigger_status, trigger_code,
        trigger_message, causes, decided_at)
    select {job}, gen_random_uuid(), 2, 'server_not_found', 'gone',
        array(select repeat('x', 80) from generate_series(1, 40)), now()
    from generate_series(1, {count}) returning id
"""


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database) as served:
        yield served


def admin(console: Served) -> httpx.Client:
    return console.signed_in(Role.ADMIN, "wang")


def test_a_failure_appears_in_an_open_stream(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
        h.failed(job)
    with watching(admin(console)) as stream:
        with writing(database) as (_, h):
            one = h.failed(job, job_name="每日对账")
            h.dispatched(job)
            two = h.failed(job)
        stream.wait_for(one, two)
    assert stream.kind == "text/event-stream; charset=utf-8"
    told = json.loads(stream.events[0].data)
    assert {name: told[name] for name in ("id", "job_id", "job_name", "code", "causes", "url")} == {
        "id": str(one),
        "job_id": str(job),
        "job_name": "每日对账",
        "code": "server_not_found",
        "causes": ["server_not_found:server=7"],
        "url": f"/history/{one}",
    }
    assert told["message"] == "Server 7 (10.0.0.7) does not exist."
    assert told["decided_at"] == "2026-11-23T07:55:01+00:00"


def test_whoever_comes_back_misses_nothing_on_any_instance(database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
    with serving(database) as here, serving(database) as there:
        with watching(admin(here)) as stream:
            with writing(database) as (_, h):
                first = [h.failed(job) for _ in range(3)]
            stream.wait_for(*first)
        with writing(database) as (_, h):
            missed = [h.failed(job) for _ in range(450)]  # more than is sent at once
        with (
            watching(admin(there), headers={"Last-Event-ID": str(first[-1])}) as elsewhere,
            watching(admin(here), f"{FAILURES}?after={first[0]}") as again,
        ):
            elsewhere.wait_for(*missed)
            again.wait_for(*first[1:], *missed)
            with writing(database) as (_, h):
                last = h.failed(job)
            elsewhere.wait_for(*missed, last)
            again.wait_for(*first[1:], *missed, last)


def test_what_is_not_ones_own_never_appears(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        ours, theirs = p.group("ours"), p.group("theirs")
        p.user("li.wei", groups=[ours])
        p.user("nobody", groups=[])
        mine = p.action_job(owner_id=p.user("a", groups=[ours]))
        foreign = p.action_job(owner_id=p.user("b", groups=[theirs]))
    with (
        watching(console.signed_in(Role.VIEWER, "li.wei")) as stream,
        watching(console.signed_in(Role.OPERATOR, "nobody")) as without,
        watching(console.signed_in(Role.ADMIN, "wang")) as everything,
    ):
        with writing(database) as (_, h):
            ids = [h.failed(foreign), h.failed(999_999), h.failed(mine), h.failed(foreign)]
        everything.wait_for(*ids)
        stream.wait_for(ids[2])
        with writing(database) as (_, h):
            more = [h.failed(foreign), h.failed(mine)]
        everything.wait_for(*ids, *more)
        stream.wait_for(ids[2], more[1])
        assert without.ids == []
    with (
        watching(console.signed_in(Role.VIEWER, "li.wei"), f"{FAILURES}?after=0") as late,
        watching(console.signed_in(Role.OPERATOR, "nobody"), f"{FAILURES}?after=0") as nothing,
    ):
        late.wait_for(ids[2], more[1])
        assert nothing.ids == []


def test_a_smaller_id_that_is_committed_later_is_not_missed(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job, other = p.action_job(), p.action_job()
    said: list[str] = []
    with (
        watching(admin(console)) as stream,
        saying(console.pool._engine, said.append),
        ExitStack() as slowly,
    ):
        _, slow = slowly.enter_context(writing(database))
        small = slow.failed(job, decided_at=datetime.now(UTC))
        with writing(database) as (_, h):
            great = h.failed(other, decided_at=datetime.now(UTC))
        assert small < great
        del said[:]
        wait_until(lambda: sum("with looked" in each for each in said) > 1, 15, "two looks")
        assert stream.ids == []
        slowly.close()
        stream.wait_for(small, great)


def test_the_database_may_be_away(database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    with (
        proxied(database) as proxy,
        serving(proxy.url) as console,
        watching(admin(console)) as stream,
    ):
        with writing(database) as (_, h):
            before = h.failed(job)
        stream.wait_for(before)
        proxy.refuse()
        with writing(database) as (_, h):
            meanwhile = [h.failed(job) for _ in range(3)]
        wait_until(lambda: console.app.state.live.hub.trouble, 20, "that it is noticed")
        proxy.listen()
        stream.wait_for(before, *meanwhile)


def test_who_does_not_read_is_not_waited_for_and_misses_nothing(
    console: Served, database: str
) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    with (
        watching(admin(console)) as quick,
        watching(console.signed_in(Role.ADMIN, "slow"), is_read=False) as slow,
    ):
        ids = [int(each) for (each,) in rows(database, FILL.format(job=job, count=10_000))]
        quick.wait_for(*ids, deadline_s=60)
        assert console.app.state.live.hub.kept == recent.MOST < len(ids)
        slow.read()
        slow.wait_for(*ids, deadline_s=60)


def test_signing_out_ends_it(console: Served) -> None:
    browser = console.signed_in()
    with patch.object(subscription, "CHECK_S", 0.3), watching(browser) as stream:
        token = form_token(browser.get("/jobs"))
        assert browser.post("/sign-out", data={"form_token": token}).status_code == 303
        wait_until(lambda: stream.has_ended, 10, "the end of the stream")
    wait_until(lambda: not console.app.state.live.hub.viewers, 10, "a free place")


def test_watching_keeps_no_session_alive(database: str) -> None:
    clock = FrozenClock()
    with (
        patch.object(subscription, "CHECK_S", 0.3),
        serving(database, clock=clock, console_idle_s=600) as console,
        saying(console.pool._engine, (said := list[str]()).append),
        watching(admin(console)) as stream,
    ):
        for seconds in (599, 2):
            clock.at += timedelta(seconds=seconds)
            del said[:]
            wait_until(lambda: any("from awp_console_session" in s for s in said), 10, "a check")
        wait_until(lambda: stream.has_ended, 10, "the end of an unused session")


def test_places_are_counted_and_given_back(console: Served) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(watching(admin(console)))
        refused = admin(console).get(FAILURES)
        assert refused.status_code == 429
        assert refused.json()["remedy"] == "Close one of them and try again."
        assert refused.headers["retry-after"] == "5"
        stack.enter_context(patch.object(hub, "MOST_VIEWERS", 11))
        assert stack.enter_context(watching(console.signed_in())).status == 200
        full = console.signed_in(login="a third").get(FAILURES)
        assert (full.status_code, full.json()["title"]) == (503, "The live page is full")
    wait_until(lambda: not console.app.state.live.hub.viewers, 10, "free places")
    with watching(admin(console)) as stream:
        assert stream.status == 200


@pytest.mark.parametrize("given", ["-1", "x", "1" * 30, "١"])
def test_a_position_is_a_number(console: Served, given: str) -> None:
    for path in (FAILURES, "/failures/stream"):
        answer = console.signed_in().get(path, params={"after": given})
        assert answer.status_code == 422, path


def test_a_server_that_stops_ends_streams_at_once(database: str) -> None:
    with ExitStack() as streams, ExitStack() as server:
        console = server.enter_context(serving(database))
        opened = [streams.enter_context(watching(admin(console))) for _ in range(3)]
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 5
        wait_until(lambda: all(each.has_ended for each in opened), 3, "their ends")


def test_the_page_gets_rows_and_sums_in_its_words(console: Served, database: str) -> None:
    with writing(database) as (p, h):
        job = p.action_job()
    browser = admin(console)
    browser.cookies.set("awp-zone", "Asia/Shanghai", domain="127.0.0.1")
    chinese = {"Accept-Language": "zh"}
    with (
        patch.object(live_page, "SUMS_S", 0.2),
        watching(browser, "/failures/stream?span=1h", headers=chinese) as stream,
    ):
        with writing(database) as (_, h):
            ids = [
                h.failed(job, slot=datetime.now(UTC), job_name=HOSTILE if n == 29 else "a")
                for n in range(30)
            ]
        wait_until(lambda: {"rows", "sums"} <= {each.name for each in stream.events}, 15, "both")
        event = next(each for each in stream.events if each.name == "rows")
        shown = json.loads(event.data)
        assert [int(row["id"]) for row in shown] == ids[-15:]  # no more than the list shows
        assert event.id == str(ids[-1])
        assert shown[-1]["job"] == HOSTILE  # text; the script takes it for nothing else
        assert shown[-1]["more"] == f"{job} · 操作"
        assert shown[-1]["kind"] == "定时"
        assert shown[-1]["slot"]["title"].endswith("Asia/Shanghai")
        parts = json.loads(next(each.data for each in stream.events if each.name == "sums"))
        assert "按原因" in parts["sums"]
        assert "按代码" in parts["codes"]
        for html in parts.values():
            assert "<html" not in html
            assert "<script>" not in html


def test_a_beat_costs_two_statements_however_many_watch(console: Served, database: str) -> None:
    with writing(database) as (p, _):
        job = p.action_job()
    said: list[str] = []
    with ExitStack() as stack:
        streams = [stack.enter_context(watching(admin(console))) for _ in range(8)]
        stack.enter_context(saying(console.pool._engine, said.append))
        began = time.monotonic()
        with writing(database) as (_, h):
            one = h.failed(job)
        for stream in streams:
            stream.wait_for(one)
        took_s = time.monotonic() - began
        groups = [each for each in said if "array_agg" in each]
        beats = [each for each in said if "with looked" in each]
    assert len(groups) == 1
    assert len(beats) <= took_s / hub.BEAT_S + 2
