"""Events as rendered by hand hold to their models, and stay within what a broker takes."""

from datetime import UTC, datetime, timedelta

import orjson
from hypothesis import given
from hypothesis import strategies as st

from job_trigger_schemas import JobDispatch, TriggerFailure
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.inventory import Job
from job_trigger_worker.domain.record import Claim, DeadLetter
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.domain.trigger import Origin, Trigger, TriggerKind
from job_trigger_worker.domain.verdict import Finding, Target, Verdict
from job_trigger_worker.pipeline import events
from job_trigger_worker.pipeline.outcome import OutcomeBuilder

NOW = datetime(2026, 11, 23, 10, 0, 1, tzinfo=UTC)
ID = "0f2c0b0e-9f0a-4b5e-8a53-0b8a4c1f6a01"
TOPICS = Topics.under("awp")
TRIGGER = Trigger(17, ID, ID, TriggerKind.SCHEDULE, NOW, NOW, None, Origin(1, 2), "a" * 32)


def _job(name: str = "log-backup", parameter: str = '{"servers":[]}') -> Job:
    return Job(17, name, "workflow", 4, 5, True, parameter, None, 1)


def test_a_dispatch_holds_to_its_model() -> None:
    target = Target(7, "10.0.0.7", "财务", 3, "2", 9)
    end = NOW + timedelta(hours=1)
    job = _job(parameter='{"n": 12345678901234567890}')
    verdict = Verdict((), (target,), job, "li.wei", end)

    event = OutcomeBuilder(TOPICS, "en").record(TRIGGER, verdict, NOW).event

    sent = JobDispatch.model_validate_json(event.value or b"")
    assert event.topic == "awp.dispatch.orch.v1"
    assert (sent.job_id, sent.target_id, sent.owner.user_id) == (17, 4, 5)
    assert sent.parameter == {"n": 12345678901234567890}
    assert sent.targets[0].node_id == "2"
    assert (sent.scheduled_at, sent.dispatched_at, sent.expires_at) == (NOW, NOW, end)
    assert b'"dispatched_at":"2026-11-23T10:00:01Z"' in (event.value or b"")
    assert dict(event.headers)["ce_time"] == b"2026-11-23T10:00:01Z"


_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(owner=_WORDS | st.none(), sender=_WORDS | st.none(), is_verified=st.booleans())
def test_a_dispatch_is_what_a_json_library_writes_whatever_people_are_called(
    owner: str | None, sender: str | None, is_verified: bool
) -> None:
    trigger = TRIGGER._replace(triggered_by=sender, triggered_by_verified=is_verified)
    end = NOW + timedelta(microseconds=1)
    verdict = Verdict((), (), _job(parameter='{"n":1}'), owner, end)

    event = events.dispatch(TOPICS, trigger, verdict, NOW, '[{"server_id":"7"}]')
    assert event is not None
    body = event.value or b""

    said = {} if sender is None else {"triggered_by": sender, "triggered_by_verified": is_verified}
    assert orjson.loads(body) == {
        "event_id": "fd5985a3-d7be-5dd1-886c-4cbf82c4b210",
        "execution_id": ID,
        "trigger_id": ID,
        "job_id": "17",
        "job_type": "workflow",
        "target_id": "4",
        "owner": {"user_id": "5", "name": owner},
        "kind": "schedule",
        **said,
        "scheduled_at": "2026-11-23T10:00:01Z",
        "dispatched_at": "2026-11-23T10:00:01Z",
        "expires_at": "2026-11-23T10:00:01.000001Z",
        "parameter": {"n": 1},
        "targets": [{"server_id": "7"}],
    }
    assert orjson.dumps(orjson.loads(body)) == body


def test_a_target_names_its_node_and_action_in_a_workflow_only() -> None:
    assert events.render_targets([]) == "[]"
    assert events.render_targets(
        [Target(7, "10.0.0.7", "财务", 3), Target(8, None, "root", None, "2", 9)]
    ) == (
        '[{"server_id":"7","ip":"10.0.0.7","account":"财务","credential_id":"3"},'
        '{"server_id":"8","ip":null,"account":"root","credential_id":null,'
        '"node_id":"2","action_id":"9"}]'
    )


@given(ip=_WORDS | st.none(), account=_WORDS, node_id=_WORDS | st.none())
def test_targets_are_what_a_json_library_writes_whatever_they_are_called(
    ip: str | None, account: str, node_id: str | None
) -> None:
    target = Target(7, ip, account, None, node_id, None)
    long = Target(8, ip, account * 600, 4, None if node_id is None else node_id * 600, 31)
    wanted = [
        {"server_id": "7", "ip": ip, "account": account, "credential_id": None},
        {"server_id": "8", "ip": ip, "account": account * 600, "credential_id": "4"},
    ]
    if node_id is not None:
        wanted[0] |= {"node_id": node_id, "action_id": None}
        wanted[1] |= {"node_id": node_id * 600, "action_id": "31"}

    assert events.render_targets([target, long]) == orjson.dumps(wanted).decode()


def test_a_failure_holds_to_its_model_whatever_the_job_is_called() -> None:
    finding = Finding(FailureCode.JOB_DISABLED, {"job_id": "17"}, "job_disabled:job=17")
    verdict = Verdict((finding,), (), _job(name="长" * 500_000), "x" * 500_000)

    record = OutcomeBuilder(TOPICS, "en").record(TRIGGER, verdict, NOW)

    sent = TriggerFailure.model_validate_json(record.event.value or b"")
    assert sent.code == "job_disabled"
    assert sent.job_name is not None
    assert len(sent.job_name) <= 500
    assert events.size(record.event) < 10_000


def test_a_finding_that_fills_an_event_by_itself_is_cut_until_it_can_be_sent() -> None:
    objects = {"server_id": "7", "server_name": "长" * 500_000, "ip": "x" * 1_500_000}
    finding = Finding(FailureCode.SERVER_OFFLINE, objects, "server_offline:server=7")
    verdict = Verdict((finding,) * 9, (), _job())

    record = OutcomeBuilder(TOPICS, "en").record(TRIGGER, verdict, NOW)

    sent = TriggerFailure.model_validate_json(record.event.value or b"")
    assert events.size(record.event) <= 900 * 1024
    assert (len(sent.findings), sent.findings_omitted) == (9, 0)
    assert {(f.server_id, f.server_name, f.ip) for f in sent.findings} == {
        ("7", "长" * 500, "x" * 500)
    }
    assert len(record.findings or "") > 9 * 2_000_000
    again = events.shorten(record.event, TOPICS, "en").event
    assert events.size(again) < events.size(record.event)


def test_a_dispatch_that_was_refused_becomes_a_failure_of_the_same_execution() -> None:
    event = (
        OutcomeBuilder(TOPICS, "en").record(TRIGGER, Verdict((), (), _job(), "li.wei"), NOW).event
    )
    before = JobDispatch.model_validate_json(event.value or b"")

    shortened = events.shorten(event, TOPICS, "en")

    sent = TriggerFailure.model_validate_json(shortened.event.value or b"")
    assert shortened.event.topic == "awp.job.trigger-failures.v1"
    assert (sent.execution_id, sent.code) == (before.execution_id, "parameter_invalid")
    assert sent.event_id != before.event_id
    assert dict(shortened.event.headers)["ce_id"] == str(sent.event_id).encode()
    assert shortened.failed is not None
    assert shortened.failed.execution_id == str(before.execution_id)


def test_a_dead_letter_carries_its_bytes_reason_and_origin() -> None:
    delivery = Delivery(3, 41, b"17", b"{", [("x", b"1")], 0)
    claim = Claim(1, "awp.job.triggers.v1", "id", 3, 1, 40)

    event = events.dead_letter(TOPICS, DeadLetter(1, delivery, "the body is not JSON"), claim)

    assert event == Event(
        "awp.job.triggers.dlq.v1",
        b"17",
        [
            ("x", b"1"),
            ("dead-letter-reason", b"the body is not JSON"),
            ("dead-letter-topic", b"awp.job.triggers.v1"),
            ("dead-letter-partition", b"3"),
            ("dead-letter-offset", b"41"),
        ],
        b"{",
    )


def test_a_dead_letter_that_is_cut_keeps_our_headers_and_drops_the_producers() -> None:
    delivery = Delivery(3, 41, b"17", b"x" * 900 * 1024, [("tenant", b"north")], 0)
    claim = Claim(1, "awp.job.triggers.v1", "id", 3, 1, 40)

    event = events.dead_letter(TOPICS, DeadLetter(1, delivery, "too large"), claim)

    assert event.headers == [
        ("dead-letter-reason", b"too large"),
        ("dead-letter-topic", b"awp.job.triggers.v1"),
        ("dead-letter-partition", b"3"),
        ("dead-letter-offset", b"41"),
        ("truncated", b"921600"),
    ]
    assert (event.key, event.value) == (b"17", b"x" * 450 * 1024)


def test_a_producers_headers_by_our_names_are_left_out() -> None:
    headers = [
        ("dead-letter-reason", b"none at all"),
        ("x", None),
        ("truncated", b"1"),
        ("dead-letter-notes", b"x" * 1_000_000),
        ("truncated-by", b"us"),
    ]
    claim = Claim(1, "awp.job.triggers.v1", "id", 3, 1, 40)

    letter = DeadLetter(1, Delivery(3, 41, None, b"{", headers, 0), "no JSON")
    event = events.dead_letter(TOPICS, letter, claim)

    assert event.headers == [
        ("x", None),
        ("truncated-by", b"us"),
        ("dead-letter-reason", b"no JSON"),
        ("dead-letter-topic", b"awp.job.triggers.v1"),
        ("dead-letter-partition", b"3"),
        ("dead-letter-offset", b"41"),
    ]


def test_a_dead_letter_of_empty_headers_alone_is_cut_and_can_be_made_smaller() -> None:
    claim = Claim(1, "awp.job.triggers.v1", "id", 3, 1, 40)
    many = Delivery(3, 41, None, b"{", [("", None)] * 300_000, 0)

    event = events.dead_letter(TOPICS, DeadLetter(1, many, "no JSON"), claim)

    assert (event.value, len(event.headers)) == (b"{", 5)


def test_a_dead_letter_that_is_cut_twice_says_how_long_it_was_at_first() -> None:
    claim = Claim(1, "awp.job.triggers.v1", "id", 3, 1, 40)
    large = Delivery(3, 41, None, b"x" * 1_000_000, [], 0)

    event = events.dead_letter(TOPICS, DeadLetter(1, large, "no JSON"), claim)
    again = events.shorten(event, TOPICS, "en").event

    assert len(again.value or b"") < len(event.value or b"") < 1_000_000
    assert [content for name, content in again.headers if name == "truncated"] == [b"1000000"]
