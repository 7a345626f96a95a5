"""An audit becomes green again by a person's word, which is kept with name and reason."""

from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.audit.run import Audit, run
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.storage.write import ledger
from tests.support import sql
from tests.support.command import Ended, trigger_worker

FILLED = """
    insert into awp_trigger_ledger
        (topic, topic_id, "partition", last_offset, deliveries, records, duplicates, dead_letters,
         events, published)
    values ('awp.job.triggers.v1', 'some-id', 0, 19, 20, 10, 4, 6, 10, 10);
    insert into awp_job_execution (job_id, execution_id, idempotency_key, trigger_status,
        ledger_id, origin_offset, duplicate_count, decided_at)
    select 1, u, u, 1, 1, n, case when n < 4 then 1 else 0 end,
        now() - make_interval(days => 100 - n)
    from (select gen_random_uuid() u, n from generate_series(0, 9) n) x;
    insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, created_at)
    select 1, n, 'no JSON', '\\x90', now() - make_interval(days => 100)
    from generate_series(10, 15) n;
"""


@pytest.fixture
def filled(database: str) -> str:
    """Ten records, four repeats, six dead letters of which nobody can read a job: it closes."""
    sql.execute(database, FILLED)
    assert _audit(database).closes
    return database


def _audit(database: str) -> Audit:
    return run(
        Settings(database_url=SecretStr(database)), is_offline=True, progress=lambda *_: None
    )


def _differences(found: Audit) -> list[str]:
    return [each for line in found.lines for each in line.differences]


def _acknowledge(database: str, what: str, *flags: str) -> Ended:
    return trigger_worker(
        *("audit", "--offline", "--acknowledge", what, "--reason", "seen and kept", *flags),
        env={"TRIGGER_WORKER_DATABASE_URL": database},
    )


def _green_again(database: str, what: str) -> list[dict[str, Any]]:
    ended = _acknowledge(database, what, "--by", "li", "--json")
    assert (ended.status, ended.json["closes"]) == (0, True), ended.stdout + ended.stderr
    assert _audit(database).closes
    newest: list[dict[str, Any]] = ended.json["acknowledgements"]
    assert (newest[0]["by"], newest[0]["reason"]) == ("li", "seen and kept")
    shown = trigger_worker("audit", "--offline", env={"TRIGGER_WORKER_DATABASE_URL": database})
    assert "acknowledged by li" in shown.stdout
    assert "seen and kept" in shown.stdout
    return newest


def test_a_letter_whose_job_can_be_read_is_red_until_somebody_accepts_it(filled: str) -> None:
    """The trigger has no record; of a letter without a job nobody could have made one."""
    sql.execute(filled, "update awp_dead_letter set job_id = 7 where origin_offset in (11, 12)")

    found = _audit(filled)
    assert len(_differences(found)) == 2
    assert "dead letter 2 (job 7)" in _differences(found)[0]

    one = _acknowledge(filled, "letters=2")
    assert one.status == 1
    assert [each for each in _differences(_audit(filled)) if "dead letter 3 (job 7)" in each]
    _green_again(filled, "letters")


def test_letters_that_cannot_be_accepted_are_named_with_why(filled: str) -> None:
    """Of six one waits for a word, one has it, one was sent again, one has a record."""
    sql.execute(
        filled,
        """
        update awp_dead_letter set job_id = 7 where origin_offset in (11, 12, 13, 14);
        update awp_dead_letter set replayed_at = now() where origin_offset = 13;
        update awp_dead_letter set execution_id = gen_random_uuid() where origin_offset = 14;
        """,
    )
    assert _acknowledge(filled, "letters=3").status == 1
    counted = "select count(*) from awp_acknowledgement"
    assert sql.value(filled, counted) == 1

    none = _acknowledge(filled, "letters=2,77,78")
    assert (none.status, none.stderr) == (
        1,
        (
            "trigger-worker: There is no dead letter 77, 78. Nothing was acknowledged. "
            "`trigger-worker dlq list --all` names them.\n"
        ),
    )
    answered = _acknowledge(filled, "letters=1,3,4,5")
    assert [line for line in answered.stdout.splitlines() if line.startswith("Dead letter ")] == [
        "Dead letter 1 needs no acknowledgement: its job cannot be read.",
        "Dead letter 3 is settled: it was acknowledged before.",
        "Dead letter 4 is settled: it was sent again.",
        "Dead letter 5 needs no acknowledgement: it has a record.",
    ]
    assert "nothing is open of letters" not in answered.stdout  # letter 2 is
    assert sql.value(filled, counted) == 1

    one = _acknowledge(filled, "letters=1,2", "--json").json
    assert (one["acknowledged"], one["not_open"]) == (1, [{"letter": 1, "why": "no_job"}])


def test_a_letter_that_was_replayed_or_has_its_record_is_nobody_s_worry(filled: str) -> None:
    sql.execute(
        filled,
        """
        update awp_dead_letter set job_id = 7, replayed_at = now() where origin_offset = 11;
        insert into awp_dead_letter
            (ledger_id, origin_offset, reason, headers, job_id, execution_id)
        select 1, 0, 'no zone', '\\x90', 1, execution_id from awp_job_execution
        where origin_offset = 0;
        """,
    )
    assert _audit(filled).closes


def test_what_the_log_deleted_unread_is_red_until_it_is_acknowledged(filled: str) -> None:
    sql.execute(filled, "update awp_trigger_ledger set lost = '{[3,6)}'")

    assert "offsets 3 to 5 were never read here" in _differences(_audit(filled))[0]
    _green_again(filled, "lost")

    sql.execute(filled, "update awp_trigger_ledger set lost = '{[3,6),[8,9)}'")
    (difference,) = _differences(_audit(filled))
    assert "offsets 8 to 8 were never read here" in difference


def test_what_brokers_had_lost_already_is_not_told_as_unread_when_the_topic_goes(
    filled: str,
) -> None:
    """Its log had ended at 100 and was cut to 15; then the topic was deleted."""
    sql.execute(filled, "update awp_trigger_ledger set last_offset = 99, log_end = 100, epoch = 1")
    with create_engine(filled, poolclass=NullPool).begin() as connection:
        ledger.go_back(connection, Claim(1, "awp.job.triggers.v1", "some-id", 0, 1, 99), 15)
        (gone,) = ledger.lose_replaced(connection, "awp.job.triggers.v1", "another-id")

    assert (gone.first, gone.seen) == (15, 0)


def test_what_the_database_forgot_is_red_until_it_is_acknowledged(filled: str) -> None:
    sql.execute(filled, "update awp_trigger_ledger set rewound = '{[3,6)}'")

    (difference,) = _differences(_audit(filled))
    assert "the database forgot what was committed of offsets 3 to 5" in difference
    _green_again(filled, "rewound")


def test_rows_deleted_by_hand_are_red_until_acknowledged_and_no_further_ones_pass(
    filled: str,
) -> None:
    sql.execute(
        filled,
        "delete from awp_job_execution where origin_offset < 3;"
        "delete from awp_dead_letter where origin_offset = 10",
    )
    assert len(_differences(_audit(filled))) == 4  # records, letters, repeats; their events

    newest = _green_again(filled, "deleted")
    assert [(each["records"], each["letters"], each["repeats"]) for each in newest] == [(3, 1, 3)]

    sql.execute(filled, "delete from awp_job_execution where origin_offset = 5")
    events, records = _differences(_audit(filled))
    assert events == "The ledger says 10 events, there are 9 records, the 3 deleted ones included."
    assert "awp_job_execution holds 6" in records


def test_nothing_is_acknowledged_without_a_reason(filled: str) -> None:
    ended = trigger_worker(
        "audit",
        "--offline",
        "--acknowledge",
        "lost",
        env={"TRIGGER_WORKER_DATABASE_URL": filled},
    )
    assert ended.status == 2
    assert "--reason" in ended.stderr
    assert sql.value(filled, "select count(*) from awp_acknowledgement") == 0


def test_what_cannot_be_acknowledged_is_said(filled: str) -> None:
    assert _acknowledge(filled, "everything").status == 2
    assert _acknowledge(filled, "letters=two").status == 2
    sql.execute(filled, "update awp_trigger_ledger set deliveries = deliveries + 1")
    assert _acknowledge(filled, "deleted").status == 1
    assert sql.value(filled, "select count(*) from awp_acknowledgement") == 0


def test_the_name_is_the_user_s_own_unless_another_is_given(filled: str) -> None:
    sql.execute(filled, "update awp_trigger_ledger set lost = '{[3,6)}'")
    assert _acknowledge(filled, "lost").status == 0
    assert sql.value(filled, "select acknowledged_by from awp_acknowledgement")


def test_what_retain_deletes_is_counted_and_the_audit_still_closes(filled: str) -> None:
    """Records are 91 to 100 days old. One is its job's newest; one letter waits for an answer."""
    sql.execute(
        filled,
        """
        insert into awp_automcation_job (id, name, job_type, last_execution_id)
        select 1, 'nightly', 'action', id from awp_job_execution where origin_offset = 2;
        update awp_dead_letter set job_id = 7 where origin_offset = 12;
        """,
    )

    def retain(*flags: str) -> Ended:
        return trigger_worker("retain", *flags, env={"TRIGGER_WORKER_DATABASE_URL": filled})

    assert retain("--older-than", "90d").status == 2  # nobody has said yes
    assert retain("--older-than", "1d", "--yes").status == 2
    ended = retain("--older-than", "2292h", "--yes", "--json")
    assert (ended.status, ended.json) == (0, {"records": 4, "letters": 5}), ended.stderr
    left = "select array_agg(origin_offset order by origin_offset) from {}"
    assert sql.value(filled, left.format("awp_job_execution")) == [2, 5, 6, 7, 8, 9]
    assert sql.value(filled, left.format("awp_dead_letter")) == [12]
    (difference,) = _differences(_audit(filled))
    assert "dead letter 3 (job 7)" in difference  # it stays, and so does the question
    _green_again(filled, "letters")
    assert retain("--older-than", "2292h", "--yes", "--json").json == {"records": 0, "letters": 1}
    assert _audit(filled).closes


def test_where_a_batch_could_not_be_unpacked_is_kept_for_whoever_reads_the_log(
    filled: str,
) -> None:
    """The log may hold the batch for longer; without its letter no deep audit gets past it."""
    sql.execute(filled, "update awp_dead_letter set last_offset = 13 where origin_offset = 13")
    _green_again(filled, "letters")

    ended = trigger_worker(
        *("retain", "--older-than", "90d", "--yes", "--json"),
        env={"TRIGGER_WORKER_DATABASE_URL": filled},
    )

    assert (ended.status, ended.json["letters"]) == (0, 5), ended.stderr
    assert sql.rows(filled, "select origin_offset, last_offset from awp_dead_letter") == [(13, 13)]
    assert _audit(filled).closes
