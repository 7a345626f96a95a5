"""What the audit says of a ledger: an equation each, and the name of whatever does not fit."""

from typing import Any

import pytest

from job_trigger_worker.audit.equations import equations
from job_trigger_worker.storage.read.audit import LedgerRow, LostRange

SKIPPED = "the log deleted them before, or `topics resume` skipped them."
TRIGGERS = "awp.job.triggers.v1"


def _row(**changed: Any) -> LedgerRow:
    """Ten deliveries that close: seven records, one sent again, one again delivered, one unread."""
    values: dict[str, Any] = {
        "id": 1,
        "topic": TRIGGERS,
        "topic_id": "first",
        "partition": 0,
        "last_offset": 9,
        "log_end": None,
        "updated_at": None,
        "is_triggers": True,
        "deliveries": 10,
        "records": 7,
        "applied": 0,
        "duplicates": 1,
        "redeliveries": 1,
        "dead_letters": 1,
        "events": 7,
        "published": 5,
        "pruned_records": 0,
        "pruned_repeats": 0,
        "pruned_letters": 0,
        "deleted_before": None,
        "accepted_records": 0,
        "accepted_repeats": 0,
        "accepted_letters": 0,
        "lost": (),
        "rewound": (),
        "is_end_accepted": False,
        "counted_records": 7,
        "counted_dispatched": 4,
        "counted_repeats": 1,
        "counted_letters": 1,
        "waiting": 2,
    }
    return LedgerRow(**values | changed)


def _statuses(**changed: Any) -> LedgerRow:
    counts = dict.fromkeys(
        ("records", "duplicates", "events", "published", "counted_records", "counted_dispatched"), 0
    )
    values = {"id": 2, "topic": "awp.execution.status.v1", "is_triggers": False, "applied": 8}
    nothing = {"counted_repeats": 0, "waiting": 0}
    return _row(**counts | values | nothing | changed)


def _differences(*rows: LedgerRow) -> list[str]:
    return [each for line in equations(rows) for each in line.differences]


def test_one_of_anything_is_said_in_the_singular() -> None:
    one = dict.fromkeys(("records", "counted_records", "events", "published"), 1)
    row = _row(**one, deliveries=4, counted_dispatched=0, waiting=0)

    lines = equations([row])

    assert all(line.holds for line in lines)
    words = [line.words for line in lines]
    assert words[0] == ("4 delivered = 1 record + 1 sent again + 1 delivered again + 1 unreadable")
    assert "1 = 0 dispatched + 1 failure · 0 waiting" in words
    assert "1 record · 1 sent again · 1 dead letter without a record" in words


def test_a_ledger_that_closes_is_said_in_numbers() -> None:
    lines = equations([_row(), _statuses()])

    assert all(line.holds for line in lines)
    assert [f"{line.promise}: {line.words}" for line in lines] == [
        (
            "Every trigger that was read has a record: "
            "10 delivered = 7 records + 1 sent again + 1 delivered again + 1 unreadable"
        ),
        "Every record has its event: 7 = 4 dispatched + 3 failures · 2 waiting",
        (
            "The tables hold what the ledger says: "
            "7 records · 1 sent again · 2 dead letters without a record"
        ),
        (
            "Every status is applied: "
            "10 delivered = 8 applied + 0 sent again + 1 delivered again + 1 unreadable"
        ),
        "Nothing was left unread: no lost offsets that nobody has acknowledged",
        "The database forgot nothing: no rewound offsets that nobody has acknowledged",
    ]


def test_nothing_at_all_closes() -> None:
    assert all(line.holds for line in equations([]))


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"deliveries": 12}, f"{TRIGGERS} partition 0: 12 delivered, 10 in a bin."),
        ({"redeliveries": 0}, f"{TRIGGERS} partition 0: 10 delivered, 9 in a bin."),
        (
            {"waiting": 0},
            (
                f"{TRIGGERS} partition 0: 7 events, 5 published, so 2 should wait in the outbox, "
                "which holds 0."
            ),
        ),
        (
            {"counted_letters": 3},
            (
                f"{TRIGGERS} partition 0: the ledger says 1 dead letter without a record, "
                "awp_dead_letter holds 3."
            ),
        ),
        (
            {"counted_repeats": 0},
            (
                "The ledger says that 1 trigger was sent again, the records' duplicate_count "
                "sums to 0."
            ),
        ),
        (
            {"lost": (LostRange(TRIGGERS, "first", 0, 3, 5, 3),)},
            f"{TRIGGERS} partition 0: offsets 3 to 5 were never read here: {SKIPPED}",
        ),
    ],
)
def test_one_wrong_number_is_one_difference_by_name(
    changed: dict[str, Any], difference: str
) -> None:
    assert _differences(_row(**changed), _statuses()) == [difference]


def test_a_line_whose_sum_does_not_hold_is_red() -> None:
    """A record was deleted by hand; of two others somebody has said so."""
    row = _row(accepted_records=2, counted_records=4, counted_dispatched=1)

    lines = [line for line in equations([row]) if not line.holds]

    assert [(line.words, line.differences[0]) for line in lines] == [
        (
            "7 = 1 dispatched + 3 failures + 2 deleted · 2 waiting",
            "The ledger says 7 events, there are 6 records, the 2 deleted ones included.",
        ),
        (
            (
                "4 records · 1 sent again · 1 dead letter without a record "
                "· deleted: 2 records, 0 dead letters"
            ),
            (
                f"{TRIGGERS} partition 0: the ledger says 7 records, of which 2 were deleted, "
                "awp_job_execution holds 4."
            ),
        ),
    ]


def test_faults_of_two_partitions_do_not_cancel_each_other_out() -> None:
    lines = equations([_row(deliveries=11), _row(id=3, partition=1, deliveries=9)])

    assert len(lines[0].differences) == 2
    assert lines[0].words.startswith("20 delivered = 14 records")


def test_the_topic_id_is_named_where_a_topic_was_made_again() -> None:
    (difference,) = _differences(_row(), _row(id=3, topic_id="second", deliveries=11))

    assert difference.startswith(f"{TRIGGERS} (topic id second) partition 0: ")


def test_a_duplicate_may_be_counted_on_a_record_of_another_partition() -> None:
    first = _row(duplicates=2, redeliveries=0, counted_repeats=0)
    second = _row(id=3, partition=1, duplicates=0, redeliveries=2, counted_repeats=2)

    assert _differences(first, second) == []


def test_records_without_a_ledger_row_are_named() -> None:
    nothing = dict.fromkeys(
        (
            "deliveries",
            "records",
            "duplicates",
            "redeliveries",
            "dead_letters",
            "events",
            "published",
            "counted_repeats",
            "counted_letters",
            "waiting",
        ),
        0,
    )
    orphan = _row(id=9, topic=None, is_triggers=False, counted_records=4, **nothing)

    assert _differences(_row(), orphan) == [
        "The ledger says 7 events, there are 11 records.",
        "ledger row 9, which is gone: the ledger says 0 records, awp_job_execution holds 4.",
    ]
