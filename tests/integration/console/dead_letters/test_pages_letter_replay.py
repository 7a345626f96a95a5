"""Dead letters sent again from the console, with a broker and a worker behind it."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from job_trigger_worker.domain.principals import Role
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.conftest import kafka_settings
from tests.support.console import Served, form_token, serving
from tests.support.pages import content
from tests.support.rig import Rig, at, trigger
from tests.support.topics import produce_raw
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("rig", ["kafka"], indirect=True)
SETTLED_S = 30.0


@pytest.fixture(scope="module")
def console(rig: Rig) -> Iterator[Served]:
    kafka = kafka_settings(rig.broker, rig.settings.topic_prefix)
    prefix = rig.settings.topic_prefix
    with serving(rig.admin, kafka=kafka, topic_prefix=prefix) as served:
        yield served


def letters(rig: Rig, where: str, count: int = 1) -> list[int]:
    """The ids of letters, once there are `count`."""
    query = f"select id from awp_dead_letter where {where} order by id"
    return wait_until(
        lambda: [row["id"] for row in found] if len(found := rig.rows(query)) >= count else None,
        SETTLED_S,
        f"{count} letters where {where}",
    )


def send(browser: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    token = form_token(browser.get("/jobs"))
    return browser.post(path, data={"form_token": token, **fields}, timeout=60)


def hidden(page: httpx.Response) -> dict[str, str]:
    """What a confirmation would send."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
    return {name: value.replace("&#34;", '"') for name, value in found if name != "form_token"}


def test_a_mended_letter_runs_once_and_its_page_leads_to_the_record(
    rig: Rig, console: Served
) -> None:
    with rig.platform() as platform:
        platform.action_job(id=7001)
    rig.fire({"job_id": 7001, "scheduled_at": "2026-11-23T10:00:00"})
    (letter,) = letters(rig, "job_id = 7001")
    admin = console.signed_in(Role.ADMIN, "li.wei")
    body = json.dumps(trigger(7001, scheduled_at=at(-86_400))).replace("{", "{\r\n")

    asked = send(admin, f"/dead-letters/{letter}/edit", body=body)
    assert asked.status_code == 200, asked.text
    assert "Send the edited letter?" in asked.text
    assert not rig.rows("select from awp_console_change where object_id = %s", str(letter))
    for _ in range(2):
        answer = send(admin, f"/dead-letters/{letter}/replay", **hidden(asked))
        assert answer.headers["location"] == f"/dead-letters/{letter}", answer.text

    (mine,) = [each for each in rig.records(7001, 2) if each["trigger_kind"] == "replay"]
    wait_until(
        lambda: rig.rows(
            "select from awp_job_execution where id = %s and duplicate_count = 1", mine["id"]
        ),
        SETTLED_S,
        "a counted repeat",
    )
    assert len(rig.records(7001, 2)) == 2
    shown = admin.get(f"/dead-letters/{letter}")
    assert f'href="/history/{mine["id"]}"' in shown.text
    assert "repeated 1 time" in content(shown)
    assert "li.wei sent it edited" in content(shown)
    notes = rig.rows(
        'select login, action, "before", "after" from awp_console_change where object_id = %s',
        str(letter),
    )
    assert (
        notes
        == [{"login": "li.wei", "action": "replay", "before": None, "after": {"edited": True}}] * 2
    )


def test_a_trigger_that_only_claims_to_be_its_replay_is_no_result_of_a_letter(
    rig: Rig, console: Served
) -> None:
    with rig.platform() as platform:
        platform.action_job(id=7003)
        platform.action_job(id=7004)
    rig.fire({"job_id": 7003, "scheduled_at": "2026-11-23T10:00:00"})
    (letter,) = letters(rig, "job_id = 7003")
    forged = json.dumps(trigger(7004, scheduled_at=at(-60))).encode()
    for claimed in (f"{letter}", f"{letter}:{'0' * 64}"):
        headers: list[tuple[str, bytes | None]] = [("replay-of", claimed.encode())]
        produce_raw(rig.broker, rig.topics.triggers, [("7004", forged, headers)])

    (record,) = rig.records(7004, 1)

    page = console.signed_in(Role.ADMIN).get(f"/dead-letters/{letter}")
    assert record["trigger_kind"] == "schedule"
    assert f'href="/history/{record["id"]}"' not in page.text
    assert "Record of the replay none" in content(page)


def test_a_letter_whose_slot_has_a_record_names_it_before_it_is_sent(
    rig: Rig, console: Served
) -> None:
    with rig.platform() as platform:
        platform.action_job(id=7101)
    body = trigger(7101)
    rig.fire(body)
    record = rig.record(7101)["id"]
    ids = [
        row["id"]
        for row in rig.rows(
            """
            insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value)
            select min(id), n, 'not stored', '\\x90', cast(%s as bytea)
            from awp_trigger_ledger, generate_series(1000001, 1000002) n
            where topic like '%%.job.triggers.v1' group by n returning id
            """,
            json.dumps(body).encode(),
        )
    ]
    admin = console.signed_in(Role.ADMIN, "li.wei")
    said = (
        f"Its trigger already has a record: record {record} of job 7101, dispatched. What you send "
        "gets a record of its own, so the job runs once more."
    )

    asked = send(admin, f"/dead-letters/{ids[0]}/replay")
    assert said in content(asked)
    edited = send(admin, f"/dead-letters/{ids[0]}/edit", body=json.dumps(body))
    assert said in content(edited)
    other = send(admin, f"/dead-letters/{ids[0]}/edit", body=json.dumps(trigger(7101)))
    assert "already has a record" not in content(other)
    many = send(admin, "/dead-letters/replay", letter=[str(each) for each in ids])
    assert (
        "The triggers of 2 of them already have records, and get other ones when they are sent "
        f"again: letters {ids[0]}, {ids[1]}."
    ) in content(many)
    rig.rows(
        "update awp_job_execution set trigger_status = 2, trigger_code = 'job_disabled' "
        "where id = %s returning id",
        record,
    )
    admin.headers["accept-language"] = "zh"
    asked = send(admin, f"/dead-letters/{ids[0]}/replay")
    assert (
        f"它的触发已有记录：任务 7101 的记录 {record}，触发失败（job_disabled）。"
        "重发会在该记录之外另有一条记录。"
    ) in content(asked)

    answer = send(admin, f"/dead-letters/{ids[0]}/replay", **hidden(asked))
    assert answer.headers["location"] == f"/dead-letters/{ids[0]}", answer.text
    asked = send(admin, f"/dead-letters/{ids[0]}/replay")
    assert "已有记录" not in content(asked)


def test_many_of_a_reason_are_sent_as_they_came_and_once(rig: Rig, console: Served) -> None:
    produce_raw(
        rig.broker, rig.topics.triggers, [(str(n), b" " * 978 + b"x", None) for n in range(30)]
    )
    ids = letters(rig, "position('(char 978)' in reason) > 0", 30)
    admin = console.signed_in(Role.ADMIN, "wang")
    asked = send(admin, "/dead-letters/replay", reason="(CHAR 978)", which="all")
    assert "Send 30 letters again?" in asked.text

    first = send(admin, "/dead-letters/replay", **hidden(asked))
    again = send(admin, "/dead-letters/replay", **hidden(asked))

    assert "30 letters were sent again" in content(first)
    assert "0 letters were sent again" in content(again)
    assert "30 were left out: already sent again" in content(again)
    # Each comes back as unreadable as it was: one new letter of each, and no more.
    every = letters(rig, "position('(char 978)' in reason) > 0", 60)
    assert len(every) == 60
    marked = rig.rows(
        "select id from awp_dead_letter where id = any(%s) and replayed_at is not null", ids
    )
    assert len(marked) == 30
    notes = rig.rows("""select "after" from awp_console_change where login = 'wang'""")
    assert [each["after"] for each in notes] == [{"edited": False}] * 30


def test_a_letter_of_a_topic_that_nobody_knows_cannot_be_mended(rig: Rig, console: Served) -> None:
    (letter,) = [
        row["id"]
        for row in rig.rows(
            """
            with origin as (
                insert into awp_trigger_ledger (topic, topic_id, "partition")
                values ('elsewhere', 'i', 0) returning id)
            insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value)
            select id, 1, 'x', '\\x90', '{}' from origin returning id
            """
        )
    ]
    answer = send(console.signed_in(Role.ADMIN), f"/dead-letters/{letter}/edit", body="{}")
    assert answer.status_code == 422
    assert "Nothing is known about bodies of elsewhere." in answer.text


def test_without_brokers_it_says_so_within_seconds(rig: Rig, unused_address: str) -> None:
    rig.fire(b"no json at all")
    (letter,) = letters(rig, "value = 'no json at all'::bytea")
    nowhere: KafkaSettings = replace(
        kafka_settings(rig.broker, rig.settings.topic_prefix), brokers=unused_address
    )
    with serving(rig.admin, kafka=nowhere) as away:
        answer = send(away.signed_in(Role.ADMIN), f"/dead-letters/{letter}/replay", confirmed="yes")
    assert answer.status_code == 503
    assert "The brokers are away" in answer.text
    assert answer.elapsed.total_seconds() < 20
    assert not rig.rows("select from awp_console_change where object_id = %s", str(letter))
