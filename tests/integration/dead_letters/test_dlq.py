"""`trigger-worker dlq`: a dead letter is kept whole, shown safely, and has a way back."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from job_trigger_worker.config import Settings
from tests.support import sql
from tests.support.command import Ended, trigger_worker
from tests.support.rig import Rig, at, trigger
from tests.support.topics import Received, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import environment

SETTLED_S = 30.0
ON_KAFKA = pytest.mark.parametrize("rig", ["kafka"], indirect=True)
"""What is not the broker's, and needs no second one."""


def _dlq(rig: Rig, *arguments: str) -> Ended:
    return trigger_worker("dlq", *arguments, env=environment(rig.settings))


def _found(rig: Rig, *arguments: str) -> Any:
    ended = _dlq(rig, *arguments, "--json")
    assert ended.status == 0, ended.stdout + ended.stderr
    return ended.json


def _letters(rig: Rig, where: str, *values: object, count: int = 1) -> list[dict[str, Any]]:
    """Letters, in order, once there are `count`."""
    return wait_until(
        lambda: [
            rows
            for rows in [
                rig.rows(f"select * from awp_dead_letter where {where} order by id", *values)
            ]
            if len(rows) >= count
        ],
        SETTLED_S,
        f"{count} letters where {where}",
    )[0]


def _poisoned(rig: Rig, job_id: int) -> dict[str, Any]:
    """A dead letter of a job that can be read, with a record of its own."""
    with rig.platform() as platform:
        platform.action_job(id=job_id)
    body = {"job_id": job_id, "scheduled_at": "2026-11-23T10:00:00"}
    rig.fire(body, headers=[("tenant", b"north"), ("nothing", None)])
    (letter,) = _letters(rig, f"job_id = {job_id}")
    return letter


def test_a_mended_letter_becomes_a_record_and_runs_once_however_often_it_is_replayed(
    rig: Rig, tmp_path: Path
) -> None:
    letter = _poisoned(rig, 3001)
    name = str(letter["id"])
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(trigger(3001, scheduled_at=at(-86_400))))

    assert _found(rig, "replay", name, "--edit", str(edited), "--yes") == {
        "chosen": 1,
        "replayed": 1,
        "skipped": 0,
        "not_whole": 0,
        "failed": [],
        "not_sent": 0,
        "beside": [],
    }

    records = rig.records(3001, 2)
    record = next(each for each in records if each["trigger_code"] is None)
    assert (record["trigger_kind"], record["trigger_status"]) == ("replay", 1)
    rig.event(rig.topics.dispatch_action, record["execution_id"])
    assert sql.value(
        rig.admin, f"select replayed_at is not null from awp_dead_letter where id = {name}"
    )

    skipped = _found(rig, "replay", name, "--edit", str(edited), "--yes")
    assert (skipped["replayed"], skipped["skipped"]) == (0, 1)

    assert _found(rig, "replay", name, "--edit", str(edited), "--yes", "--again")["replayed"] == 1
    wait_until(
        lambda: rig.rows(
            "select from awp_job_execution where id = %s and duplicate_count = 1", record["id"]
        ),
        SETTLED_S,
        "a counted repeat",
    )
    assert len(rig.records(3001, 2)) == 2
    rig.event(rig.topics.dispatch_action, record["execution_id"])
    audit = trigger_worker("audit", "--deep", "--json", env=environment(rig.settings))
    assert audit.status == 0, audit.stdout

    shown = _found(rig, "show", name)
    assert shown["record"]["trigger_code"] == "event_invalid"
    assert shown["replay_record"]["execution_id"] == str(record["execution_id"])
    assert shown["replayed_at"] is not None
    assert str(letter["nonce"]) not in str(shown)
    assert "sent again 1 time\n" in _dlq(rig, "show", name).stdout


@ON_KAFKA
def test_a_replay_whose_slot_has_a_record_names_it_before_it_runs_beside_it(
    rig: Rig, tmp_path: Path
) -> None:
    name = str(_poisoned(rig, 3101)["id"])
    body = trigger(3101)
    rig.fire(body)
    first = next(each for each in rig.records(3101, 2) if each["trigger_code"] is None)
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(body))

    asked = _dlq(rig, "replay", name, "--edit", str(edited))

    assert (asked.status, asked.stderr.splitlines()[0]) == (
        2,
        (
            f"Dead letter {name}: its trigger already has a record, record {first['id']} of job "
            "3101 (dispatched). Its replay gets one of its own."
        ),
    )
    sent = _found(rig, "replay", name, "--edit", str(edited), "--yes")
    assert (sent["replayed"], sent["beside"]) == (
        1,
        [{"id": int(name), "job_id": "3101", "record_id": first["id"], "code": None}],
    )
    found = rig.records(3101, 3)
    assert [each["trigger_kind"] for each in found if each["trigger_status"] == 1] == [
        "schedule",
        "replay",
    ]
    again = _dlq(rig, "replay", name, "--edit", str(edited), "--yes", "--again", "--json")
    assert again.json["beside"] == []  # that is a repeat of the replay, and runs nothing


@ON_KAFKA
def test_a_replay_sends_the_original_key_headers_and_bytes_to_where_they_came_from(
    rig: Rig,
) -> None:
    body = b'{"scheduled_at":"\xff"}'
    produce_raw(
        rig.broker,
        rig.topics.triggers,
        [(b"key \xfe", body, [("a", b"1"), ("a", b"\xff"), ("replay-of", b"77"), ("none", None)])],
    )
    (letter,) = _letters(rig, "key = '\\x6b657920fe'")

    _found(rig, "replay", str(letter["id"]), "--yes")

    again = _again(rig, str(letter["id"]))
    assert (again.key, again.value) == (b"key \xfe", body)
    *headers, (name, signed) = again.headers
    assert headers == [("a", b"1"), ("a", b"\xff"), ("none", None)]
    assert name == "replay-of"
    assert re.fullmatch(rb"[\w+/=-]+/\d/%d:[0-9a-f]{64}" % letter["origin_offset"], signed or b"")
    assert str(letter["nonce"]).encode() not in (signed or b"")


@ON_KAFKA
def test_a_tombstone_without_a_key_is_replayed_too(rig: Rig) -> None:
    (letter_id,) = _kept(rig, [None])

    assert _found(rig, "replay", letter_id, "--yes")["replayed"] == 1

    again = _again(rig, letter_id)
    assert (again.key, again.value) == (None, None)


@ON_KAFKA
def test_a_status_letter_goes_back_to_the_status_topic(rig: Rig, tmp_path: Path) -> None:
    run = str(uuid4())
    status = {"execution_id": run, "job_type": "action", "status": "done", "at": at()}
    produce_raw(rig.broker, rig.topics.statuses, [(run, json.dumps(status), None)])
    (letter,) = _letters(rig, f"key = '{run}'::bytea")
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(status | {"status": "succeeded"}))

    assert _found(rig, "show", str(letter["id"]))["topic"] == rig.topics.statuses
    _found(rig, "replay", str(letter["id"]), "--edit", str(edited), "--yes")

    wait_until(
        lambda: rig.rows(
            "select from awp_action_execution where execution_id = %s and status = 'succeeded'",
            run,
        ),
        SETTLED_S,
        "the status applied",
    )


@ON_KAFKA
def test_a_body_that_is_still_wrong_is_not_sent(rig: Rig, tmp_path: Path) -> None:
    letter = _poisoned(rig, 3002)
    edited = tmp_path / "edited.json"
    for body, words in (
        ('{"job_id":3002,"scheduled_at":"2026-11-23T10:00:00"}', "no zone"),
        ("[]", "the body is a JSON array, not an object"),
        ("{", "the body is not JSON"),
    ):
        edited.write_text(body)
        ended = _dlq(rig, "replay", str(letter["id"]), "--edit", str(edited), "--yes")
        assert (ended.status, words in ended.stderr) == (2, True), ended.stderr
    assert not sql.value(
        rig.admin, f"select replayed_at is not null from awp_dead_letter where id = {letter['id']}"
    )


@ON_KAFKA
def test_letters_are_replayed_by_reason_and_listed_until_they_are(rig: Rig) -> None:
    mark = "(char 977)"
    produce_raw(
        rig.broker, rig.topics.triggers, [(str(n), b" " * 977 + b"x", None) for n in range(1200)]
    )
    _letters(rig, "position(%s in reason) > 0 and replayed_at is null", mark, count=1200)

    found = _found(rig, "list", "--reason", mark.upper(), "--limit", "7")
    assert (found["total"], len(found["dead_letters"])) == (1200, 7)
    assert mark in found["dead_letters"][0]["reason"]

    ended = _dlq(rig, "replay", "--reason", mark)
    assert ended.status == 2
    assert f"This would send 1,200 dead letters to {rig.topics.triggers}." in ended.stderr
    ended = _dlq(rig, "replay", "--reason", mark, "--yes")
    assert ended.stdout == "1,200 of 1,200 dead letters were sent again.\n"
    assert "replayed 1,200 of 1,200" in ended.stderr

    # What came back is as unreadable as before: new letters, each of a letter of its own.
    _letters(rig, "position(%s in reason) > 0 and replayed_at is null", mark, count=1200)
    listed = _found(rig, "list", "--reason", mark, "--limit", "1")
    assert listed["total"] == 1200
    assert _found(rig, "list", "--reason", mark, "--limit", "1", "--all")["total"] == 2400


@ON_KAFKA
def test_what_is_shown_cannot_steer_a_terminal_and_is_cut(rig: Rig) -> None:
    body = b"\x1b[31mred\x07 \xe2\x80\xae " + b"x" * 100_000
    (text_id, hex_id) = _kept(rig, [body, b"\xff" + b"y" * 100_000])

    shown = _dlq(rig, "show", text_id).stdout
    assert "\x1b" not in shown
    assert "\\x1b[31mred\\x07 \\u202e xxx" in shown
    assert "cut at 65,536 of 100,014 bytes" in shown
    assert len(shown) < 70_000
    assert _found(rig, "show", text_id)["value"] == {"text": body.decode()}
    shown = _dlq(rig, "show", hex_id).stdout
    assert "ff 79 79" in shown
    assert len(shown) < 110_000
    assert _found(rig, "show", hex_id)["value"] == {
        "base64": base64.b64encode(b"\xff" + b"y" * 100_000).decode()
    }


@ON_KAFKA
def test_used_wrongly_it_says_so(rig: Rig, tmp_path: Path) -> None:
    edited = tmp_path / "edited.json"
    edited.write_text("{}")
    wrong: tuple[tuple[str, ...], ...] = (
        ("replay", "--yes"),
        ("replay", "1", "--all", "--yes"),
        ("replay", "1", "2", "--edit", str(edited), "--yes"),
        ("replay", "--all", "--edit", str(edited), "--yes"),
        ("replay", "0"),
        ("show", "9223372036854775808"),
    )
    for arguments in wrong:
        assert _dlq(rig, *arguments).status == 2, arguments
    unknown: tuple[tuple[str, ...], ...] = (("show", "999999"), ("replay", "999999", "--yes"))
    for arguments in unknown:
        ended = _dlq(rig, *arguments)
        assert (ended.status, "no dead letter 999999" in ended.stderr) == (1, True)


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_without_a_broker_nothing_is_marked(
    settings: Settings, database: str, unused_address: str
) -> None:
    sql.execute(
        database,
        """
        insert into awp_trigger_ledger (topic, topic_id, "partition")
        values ('t.job.triggers.v1', 'i', 0);
        insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value)
        select id, 1, 'made up', '\\x90', 'x' from awp_trigger_ledger;
        """,
    )

    ended = trigger_worker(
        "dlq", "replay", "--all", "--yes", "--brokers", unused_address, env=environment(settings)
    )

    assert (ended.status, ended.stdout) == (1, "")
    assert unused_address in ended.stderr
    assert (
        sql.value(database, "select count(*) from awp_dead_letter where replayed_at is null") == 1
    )


def _again(rig: Rig, letter_id: str) -> Received:
    """The one message that repeats a letter."""
    (row,) = rig.rows(
        "select l.topic_id, l.partition, d.origin_offset from awp_dead_letter d "
        "join awp_trigger_ledger l on l.id = d.ledger_id where d.id = %s",
        letter_id,
    )
    place = "/".join(map(str, row.values()))
    (found,) = wait_until(
        lambda: [
            each
            for each in rig.collector(rig.topics.triggers).look()
            if (each.header("replay-of") or b"").startswith(f"{place}:".encode())
        ],
        SETTLED_S,
        f"a message that repeats dead letter {letter_id}",
    )
    return found


def _kept(rig: Rig, bodies: Sequence[bytes | None]) -> list[str]:
    """The ids of the letters that these bodies become."""
    placed = produce_raw(rig.broker, rig.topics.triggers, [(None, each, None) for each in bodies])
    ids = []
    for partition, offset in placed:
        (letter,) = _letters(
            rig,
            f"origin_offset = {offset} and ledger_id = (select id from awp_trigger_ledger "
            f"where topic = '{rig.topics.triggers}' and partition = {partition})",
        )
        ids.append(str(letter["id"]))
    return ids
