"""Status events move runs forward, through the same loop as triggers (R4's other half)."""

import json
from datetime import datetime
from uuid import uuid4

import pytest

from tests.support.rig import Rig
from tests.support.topics import produce_raw
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("rig", ["kafka"], indirect=True)
T = "2026-11-23T10:00:0{}Z"


def test_a_run_goes_forward_and_its_first_end_stands(rig: Rig) -> None:
    run = str(uuid4())

    _report(rig, run, "accepted", 1)
    _report(rig, run, "running", 2)
    _report(rig, run, "succeeded", 3, message="42 files")
    _report(rig, run, "failed", 4, message="too late")
    _report(rig, run, "running", 5)
    _marker(rig)

    found = _run(rig, "awp_action_execution", run)
    assert (found["status"], found["message"]) == ("succeeded", "42 files")
    assert [_second(found[name]) for name in ("accepted_at", "started_at", "ended_at")] == [1, 2, 3]


def test_reports_out_of_order_fill_in_the_times_but_never_go_back(rig: Rig) -> None:
    run = str(uuid4())

    _report(rig, run, "succeeded", 3, job_type="workflow")
    _marker(rig)
    _report(rig, run, "accepted", 1, job_type="workflow")
    _marker(rig)

    found = _run(rig, "awp_workflow_execution", run)
    assert found["status"] == "succeeded"
    assert (_second(found["accepted_at"]), found["started_at"]) == (1, None)


@pytest.mark.parametrize("word", ["rejected", "cancelled", "failed"])
def test_every_end_is_an_end_also_of_a_run_nobody_knows(rig: Rig, word: str) -> None:
    run = str(uuid4())

    _report(rig, run, word, 7, message=None)
    _report(rig, run, "running", 8)
    _marker(rig)

    assert _run(rig, "awp_action_execution", run)["status"] == word


def test_a_status_that_cannot_be_read_is_a_dead_letter_and_stops_nobody(rig: Rig) -> None:
    run = str(uuid4())
    bodies = [
        b"{",
        b"null",
        json.dumps({"execution_id": run, "status": "done"}).encode(),
        json.dumps(_status(run, "running", 2, message="a\0b")).encode(),
    ]

    placed = produce_raw(rig.broker, rig.topics.statuses, [(run, body, None) for body in bodies])
    _report(rig, run, "accepted", 1)
    _marker(rig)

    for (partition, offset), body in zip(placed, bodies, strict=True):
        (letter,) = rig.rows(
            "select d.* from awp_dead_letter d join awp_trigger_ledger l on l.id = d.ledger_id "
            "where l.topic = %s and l.partition = %s and d.origin_offset = %s",
            rig.topics.statuses,
            partition,
            offset,
        )
        assert bytes(letter["value"]) == body
    assert _run(rig, "awp_action_execution", run)["status"] == "accepted"


def test_statuses_are_counted_in_the_ledger(rig: Rig) -> None:
    _marker(rig)

    for row in rig.rows("select * from awp_trigger_ledger where topic = %s", rig.topics.statuses):
        assert row["records"] == row["events"] == 0
        assert row["deliveries"] == row["applied"] + row["dead_letters"] + row["redeliveries"]


def _status(run: str, word: str, second: int, **more: object) -> dict[str, object]:
    body = {"execution_id": run, "job_type": "action", "status": word, "at": T.format(second)}
    return body | more


def _report(rig: Rig, run: str, word: str, second: int, **more: object) -> None:
    body = json.dumps(_status(run, word, second, **more)).encode()
    produce_raw(rig.broker, rig.topics.statuses, [(run, body, None)])


def _marker(rig: Rig) -> None:
    """Wait until a report on every partition, sent now, has been applied."""
    runs = [str(uuid4()) for _ in range(3)]
    for partition, run in enumerate(runs):
        body = json.dumps(_status(run, "accepted", 0)).encode()
        produce_raw(rig.broker, rig.topics.statuses, [(run, body, None)], partition=partition)
    query = "select from awp_action_execution where execution_id = any(cast(%s as uuid[]))"
    wait_until(lambda: len(rig.rows(query, runs)) == len(runs), 20, "the markers")


def _run(rig: Rig, table: str, run: str) -> dict[str, object]:
    (found,) = rig.rows(f"select * from {table} where execution_id = %s", run)
    return found


def _second(moment: object) -> int:
    assert isinstance(moment, datetime)
    return moment.second
