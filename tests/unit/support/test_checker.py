"""The checker finds each way in which a promise can be broken, and nothing where none is."""

from dataclasses import replace

import pytest

from tests.support.checker import Kind, repeats, violations
from tests.support.evidence import FAILED, PASSED, Count, Evidence, Job, Outcome, Record
from tests.support.load import Sent

T1, T2, T3 = (f"2026-01-01T00:00:0{second}.000000+00:00" for second in (1, 2, 3))
OFF = "server_powered_off"

SENT = [
    Sent(1, T1, partition=0, offset=0, topic_generation=0),
    Sent(1, T2, partition=0, offset=1, topic_generation=0),
    Sent(2, T3, partition=0, offset=2, topic_generation=0),
]
RECORDS = [
    Record(11, 1, T1, "e1", PASSED, None),
    Record(12, 1, T2, "e2", PASSED, None),
    Record(13, 2, T3, "e3", FAILED, OFF),
]
OUTCOMES = [
    Outcome("dispatch", 0, 0, PASSED, "e1", "i1", 1, T1),
    Outcome("dispatch", 0, 1, PASSED, "e2", "i2", 1, T2),
    Outcome("failures", 0, 0, FAILED, "e3", "i3", 2, T3, OFF),
]
GOOD = Evidence(
    sent=SENT,
    unknown=frozenset(),
    verdicts={1: None, 2: OFF},
    records=RECORDS,
    outcomes=OUTCOMES,
    jobs=[Job(1, PASSED, 12), Job(2, FAILED, 13), Job(3, None, None)],
    committed={0: 3},
)


def _kinds(**changes: object) -> list[Kind]:
    return [each.kind for each in violations(replace(GOOD, **changes))]  # type: ignore[arg-type]


def test_a_trigger_of_which_no_broker_says_where_it_stands_needs_a_record_and_has_no_place() -> (
    None
):
    somewhere = replace(SENT[0], offset=None)
    late = [OUTCOMES[1], OUTCOMES[0], OUTCOMES[2]]
    assert _kinds(outcomes=late) == [Kind.DISORDER]
    assert _kinds(sent=[somewhere, *SENT[1:]], outcomes=late) == []
    assert _kinds(sent=[somewhere, *SENT[1:]], records=RECORDS[1:], outcomes=OUTCOMES[1:]) == [
        Kind.LOST
    ]


def test_in_a_topic_made_anew_an_offset_beyond_its_end_is_of_the_one_before() -> None:
    anew = [replace(each, topic_generation=1) for each in SENT]
    lost = {"sent": anew, "records": RECORDS[1:], "outcomes": OUTCOMES[1:], "generation": 1}
    assert _kinds(**lost) == [Kind.LOST, Kind.EARLY]
    assert _kinds(**lost, committed={0: 4}) == [Kind.LOST]


def test_what_keeps_every_promise_has_no_violation() -> None:
    assert violations(GOOD) == []
    assert repeats(GOOD.outcomes) == 0


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        (
            {"records": RECORDS[1:], "outcomes": OUTCOMES[1:]},
            [Kind.LOST, Kind.EARLY],
        ),
        ({"records": RECORDS[1:]}, [Kind.LOST, Kind.STRAY, Kind.EARLY]),
        ({"outcomes": OUTCOMES[:2]}, [Kind.SILENT]),
        ({"sent": SENT[1:]}, [Kind.INVENTED]),
        ({"outcomes": [*OUTCOMES, replace(OUTCOMES[0], event_id="i9")]}, [Kind.TWO_IDS]),
        (
            {"outcomes": [*OUTCOMES, replace(OUTCOMES[0], execution_id="e9")]},
            [Kind.STRAY, Kind.AGAIN],
        ),
        (
            {"outcomes": [*OUTCOMES[:2], replace(OUTCOMES[2], status=PASSED)]},
            [Kind.WRONG_TOPIC],
        ),
        (
            {"outcomes": [replace(OUTCOMES[0], job_type="workflow"), *OUTCOMES[1:]]},
            [Kind.WRONG_TOPIC],
        ),
        ({"outcomes": [*OUTCOMES[:2], replace(OUTCOMES[2], code="expired")]}, [Kind.MISTAKEN]),
        ({"outcomes": [OUTCOMES[1], OUTCOMES[0], OUTCOMES[2]]}, [Kind.DISORDER]),
        ({"outcomes": [replace(OUTCOMES[0], job_id=2), *OUTCOMES[1:]]}, [Kind.MISTAKEN]),
        (
            {"outcomes": [replace(OUTCOMES[0], scheduled_at=T2), *OUTCOMES[1:]]},
            [Kind.MISTAKEN, Kind.AGAIN],
        ),
        ({"outcomes": [*OUTCOMES, replace(OUTCOMES[0], partition=1)]}, [Kind.SCATTERED]),
        ({"jobs": [*GOOD.jobs[:1], Job(2, FAILED, 13, "old")]}, [Kind.STALE]),
        ({"verdicts": {1: None, 2: None}}, [Kind.WRONG_VERDICT]),
        ({"verdicts": {1: OFF, 2: OFF}}, [Kind.WRONG_VERDICT] * 2),
        ({"verdicts": {1: None, 2: "job_disabled"}}, [Kind.WRONG_VERDICT]),
        ({"jobs": [Job(1, PASSED, 11), *GOOD.jobs[1:]]}, [Kind.STALE]),
        ({"jobs": [*GOOD.jobs[:1], Job(2, PASSED, 13)]}, [Kind.STALE]),
        ({"jobs": [*GOOD.jobs[:2], Job(3, FAILED, 9)]}, [Kind.STALE]),
    ],
)
def test_each_broken_promise_is_found(changes: dict[str, object], kinds: list[Kind]) -> None:
    assert _kinds(**changes) == kinds


def test_two_records_of_one_trigger_are_found() -> None:
    again = Record(14, 1, T2, "e4", PASSED, None)
    event = Outcome("dispatch", 0, 2, PASSED, "e4", "i4", 1, T2)
    jobs = [Job(1, PASSED, 14), *GOOD.jobs[1:]]
    assert _kinds(records=[*RECORDS, again], outcomes=[*OUTCOMES, event], jobs=jobs) == [
        Kind.TWICE,
        Kind.AGAIN,
    ]


def test_a_repeat_under_the_same_id_is_counted_and_is_no_violation() -> None:
    outcomes = [*OUTCOMES, OUTCOMES[0]]
    assert _kinds(outcomes=outcomes) == []
    assert repeats(outcomes) == 1


def test_a_repeat_does_not_count_for_the_order() -> None:
    assert _kinds(outcomes=[OUTCOMES[0], OUTCOMES[1], OUTCOMES[0], OUTCOMES[2]]) == []


def test_the_order_is_that_of_the_topic_as_it_was_first() -> None:
    anew = replace(SENT[1], offset=0, topic_generation=1)
    sent = [SENT[0], anew, SENT[2]]
    assert _kinds(sent=sent, committed={}) == []
    assert _kinds(sent=sent, committed={}, outcomes=[OUTCOMES[1], OUTCOMES[0], OUTCOMES[2]]) == [
        Kind.DISORDER
    ]


def test_a_trigger_that_was_sent_to_two_partitions_has_no_place_in_the_order() -> None:
    elsewhere = replace(SENT[0], partition=1, offset=7)
    swapped = [OUTCOMES[1], OUTCOMES[0], OUTCOMES[2]]
    assert _kinds(sent=[*SENT, elsewhere], outcomes=swapped) == []


def test_what_brokers_refuse_keeps_the_order_of_its_job() -> None:
    sent = [*SENT, Sent(2, "2026-01-01T00:00:04.000000+00:00", 0, 3, 0)]
    records = [*RECORDS, Record(14, 2, sent[3].scheduled_at, "e4", FAILED, OFF)]
    events = [
        *OUTCOMES,
        Outcome("failures", 0, 1, FAILED, "e4", "i4", 2, sent[3].scheduled_at, OFF),
    ]
    jobs = [GOOD.jobs[0], Job(2, FAILED, 14)]
    whole = {"sent": sent, "records": records, "jobs": jobs, "apart": frozenset({2})}
    late = [replace(each, topic="dispatch") for each in events]
    assert _kinds(**whole, outcomes=[late[2], late[0], late[1], late[3]]) == []
    assert _kinds(**whole, outcomes=[late[3], late[2], *late[:2]]) == [Kind.DISORDER]


def test_a_trigger_without_an_answer_may_be_there_or_not() -> None:
    assert _kinds(sent=SENT[1:], unknown=frozenset({(1, T1)})) == []
    assert _kinds(unknown=frozenset({(1, "2026-01-01T00:00:09.000000+00:00")})) == []


def test_an_offset_of_another_topic_says_nothing() -> None:
    without = {"records": RECORDS[1:], "outcomes": OUTCOMES[1:]}
    assert _kinds(**without, generation=1) == [Kind.LOST]
    assert _kinds(**without, committed={0: 0}) == [Kind.LOST]


def test_a_slot_from_ahead_is_no_newer_than_its_decision() -> None:
    before = "2026-01-01T00:00:01.500000+00:00"
    ahead = [RECORDS[0], replace(RECORDS[1], decided_at=before), RECORDS[2]]
    late = replace(RECORDS[0], id=15, scheduled_at=T2, decided_at=T3)
    assert _kinds(records=ahead) == []
    assert _kinds(records=[replace(ahead[1], id=12), late, RECORDS[2], RECORDS[0]])[-1:] == [
        Kind.STALE
    ]


def test_what_may_be_too_late_when_it_is_decided_is_no_wrong_verdict() -> None:
    expired = [RECORDS[0], replace(RECORDS[1], status=FAILED, code="expired"), RECORDS[2]]
    events = [OUTCOMES[0], replace(OUTCOMES[1], topic="failures", status=FAILED, code="expired")]
    jobs = [Job(1, FAILED, 12), *GOOD.jobs[1:]]
    whole = {"records": expired, "outcomes": [*events, OUTCOMES[2]], "jobs": jobs}
    assert Kind.WRONG_VERDICT in _kinds(**whole)
    assert Kind.WRONG_VERDICT not in _kinds(**whole, may_expire=frozenset({(1, T2)}))


COUNT = Count(
    deliveries=4,
    records=3,
    duplicates=0,
    redeliveries=1,
    dead_letters=0,
    events=3,
    published=3,
    waiting=0,
    on_records=0,
)


@pytest.mark.parametrize(
    ("changes", "violations"),
    [
        ({}, 0),
        ({"deliveries": 5}, 1),
        ({"published": 2, "waiting": 1}, 2),
        ({"deliveries": 3, "records": 2}, 1),
        ({"deliveries": 5, "duplicates": 1}, 2),
        ({"deliveries": 5, "duplicates": 1, "on_records": 1}, 1),
    ],
)
def test_a_count_that_does_not_close_is_found(changes: dict[str, int], violations: int) -> None:
    assert _kinds(count=replace(COUNT, **changes)) == [Kind.MISCOUNTED] * violations


def test_a_trigger_sent_again_is_a_repeat_in_the_ledger_and_on_its_record() -> None:
    again = replace(SENT[2], offset=3)
    counted = replace(COUNT, deliveries=5, duplicates=1, on_records=1)
    assert _kinds(sent=[*SENT, again], count=counted) == []
    assert _kinds(sent=[*SENT, again], count=COUNT) == [Kind.MISCOUNTED]


def test_what_stands_in_the_topic_twice_is_a_repeat_however_often_it_was_acknowledged() -> None:
    log = [*(each.slot for each in SENT), SENT[2].slot]
    counted = replace(COUNT, deliveries=5, duplicates=1, on_records=1)
    assert _kinds(log=log, count=counted) == []
    assert _kinds(log=log, count=COUNT) == [Kind.MISCOUNTED]
    assert _kinds(sent=SENT[1:], unknown=frozenset({(1, T1)}), log=log, count=counted) == []
    assert _kinds(generation=1, log=[SENT[2].slot], count=counted, committed={}) == []


def test_a_trigger_in_the_topic_has_a_record_whether_it_was_acknowledged_or_not() -> None:
    late = (2, "2026-01-01T00:00:09.000000+00:00")
    assert _kinds(unknown=frozenset({late}), log=[late]) == [Kind.LOST]
