"""Numbers that a platform's views may not say: fractions, NaN, negative ones, arrays of no ids.

Each costs the jobs that need it, is named by preflight and by `platform check`, and never stands
for another number. Through the real intake on a real database, without a broker but for the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.platform.check import check
from tests.support import sql
from tests.support.brokerless import BrokerlessIntake, feeding
from tests.support.platform import Platform
from tests.support.platform_types import redefine
from tests.support.topics import Broker, produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import running

ID = "a whole number from 1 to 9223372036854775807"


@pytest.fixture
def feed(database: str) -> Iterator[BrokerlessIntake]:
    with feeding(database) as feed:
        yield feed


@pytest.fixture
def jobs(feed: BrokerlessIntake) -> list[int]:
    """Three jobs: 1 and 3 of user 1, who is granted it, 2 of user 2, by way of group 1."""
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        platform.group()
        target = platform.target("db-1", "10.0.0.1")
        first = platform.action_job([target])
        other = platform.user("li.wei", groups=[1])
        platform.grant("action", 1, group=1)
        return [first, platform.action_job([target], owner_id=other), platform.action_job([target])]


def _messages(feed: BrokerlessIntake, jobs: list[int]) -> list[str | None]:
    """What became of a trigger of each job in one batch: its message, None where it passed."""
    now = datetime.now(UTC).isoformat()
    bodies = [json.dumps({"job_id": str(job), "scheduled_at": now}).encode() for job in jobs]
    taker = feed.taker()
    batch = [Delivery(0, place, None, body, (), 0) for place, body in enumerate(bodies)]
    taker.write(batch, {0: taker.take(0)})
    found = feed.rows("select job_id, trigger_code, trigger_message from awp_job_execution")
    said = {row["job_id"]: row for row in found}
    assert {row["trigger_code"] for row in found} <= {None, "inventory_invalid"}, found
    return [said[job]["trigger_message"] for job in jobs]


def _problems(feed: BrokerlessIntake) -> list[str]:
    return [finding.message for finding in check(feed.taker().session.snapshot).problems]


NO_GROUPS = {
    "two dimensions": (
        "array[array[1, 2], array[3, 4]]::bigint[]",
        "'{1}'::bigint[]",
        "{{1,2},{3,4}}",
    ),
    "null among them": ("array[1, null]::bigint[]", "'{1}'::bigint[]", "{1,NULL}"),
    "zero": ("array[1, 0]::int[]", "'{1}'::int[]", "{1,0}"),
    "fraction": ("array[0.6]", "array[1.0]", "{0.6}"),
    "float": ("array[1.4]::float8[]", "array[1]::float8[]", "{1.4}"),
    "NaN": ("array['NaN']::numeric[]", "array[1]::numeric[]", "{NaN}"),
    "zeros in front": ("array['01']", "array['1']", "{01}"),
    "blank": ("array[' 1']", "array['1']", '{" 1"}'),
    "null among texts": ("array['1', null]", "array['1']", "{1,NULL}"),
    "texts of two dimensions": ("array[array['1'], array['2']]", "array['1']", "{{1},{2}}"),
    "text": ("'{01}'::text", "'{1, 7}'::text", "{01}"),
    "text that is no array": ("'1,2'::text", "'{}'::text", "1,2"),
}


@pytest.mark.parametrize(("bad", "good", "value"), NO_GROUPS.values(), ids=list(NO_GROUPS))
def test_groups_that_are_no_array_of_ids_grant_nothing_and_are_named(
    database: str, feed: BrokerlessIntake, jobs: list[int], bad: str, good: str, value: str
) -> None:
    """Owner 2's groups cannot be read; user 1's can."""
    said = f"case owner_id when 2 then {bad} else {good} end"
    redefine(database, "preflight_owner", {"group_ids": said})

    assert _messages(feed, jobs) == [
        None,
        (
            f"User 2 (li.wei), the job's owner, has group_ids '{value}' in the view "
            "preflight_owner; an array of whole numbers from 1 to 9223372036854775807 is allowed."
        ),
        None,
    ]
    assert _problems(feed) == [
        (
            f"preflight_owner.group_ids is '{value}' in 1 row (owner_id=2); it has to be an array "
            "of whole numbers from 1 to 9223372036854775807."
        )
    ]


@pytest.mark.parametrize(
    ("groups", "value"),
    [
        ("array['']", '{""}'),
        ("array['x', 'y']", "{x,y}"),
        ("array['NaN']::numeric[]", "{NaN}"),
        ("'1,2'::text", "1,2"),
        ("array[array[1, 2]]", "{{1,2}}"),
    ],
)
def test_groups_that_a_view_says_of_everybody_are_no_outage(
    database: str, feed: BrokerlessIntake, jobs: list[int], groups: str, value: str
) -> None:
    """A constant is cast while the statement is planned, unless it is written so that it is not."""
    redefine(database, "preflight_owner", {"group_ids": groups})
    assert _messages(feed, jobs[1:2]) == [
        (
            f"User 2 (li.wei), the job's owner, has group_ids '{value}' in the view "
            "preflight_owner; an array of whole numbers from 1 to 9223372036854775807 is allowed."
        )
    ]
    (problem,) = _problems(feed)
    assert problem.startswith(f"preflight_owner.group_ids is '{value}' in 2 rows (owner_id=1; ")


@pytest.mark.parametrize(
    "groups",
    [
        "array[1.0, 7.00]",
        "'{1}'::float8[]",
        "array['1', '9223372036854775807']",
        "'{ 1 , 7 }'::text",
    ],
)
def test_whole_numbers_of_any_type_are_groups(
    database: str, feed: BrokerlessIntake, jobs: list[int], groups: str
) -> None:
    redefine(database, "preflight_owner", {"group_ids": groups})
    assert _messages(feed, jobs) == [None, None, None]
    assert _problems(feed) == []


NO_IDS = [
    (kind, value)
    for kind in ("numeric", "float8", "float4")
    for value in ("NaN", "Infinity", "-Infinity", "0.6", "1.4", "0", "1e30")
]


@pytest.mark.parametrize(
    ("kind", "value"), [*NO_IDS, ("bigint", "0"), ("int", "-1"), ("text", "7.0")]
)
def test_a_number_that_is_no_id_stands_for_no_other_object(
    database: str, feed: BrokerlessIntake, jobs: list[int], kind: str, value: str
) -> None:
    bad = f"'{value}'::{kind}"
    shown = sql.value(database, f"select cast({bad} as text)")
    redefine(
        database,
        "preflight_job",
        {
            "owner_id": f"case job_id when 1 then {bad} else owner_id::{kind} end",
            "target_id": f"case job_id when 2 then {bad} else target_id::{kind} end",
        },
    )

    assert _messages(feed, jobs) == [
        f"Job 1 (log-backup) has owner_id '{shown}' in the view preflight_job; {ID} is allowed.",
        f"Job 2 (log-backup) has target_id '{shown}' in the view preflight_job; {ID} is allowed.",
        None,
    ]
    assert _problems(feed) == [
        f"preflight_job.target_id is '{shown}' in 1 row (job_id=2); it has to be {ID}.",
        f"preflight_job.owner_id is '{shown}' in 1 row (job_id=1); it has to be {ID}.",
    ]


@pytest.mark.parametrize("bad", ["0.6", "1.4::float8", "'NaN'::numeric"])
def test_a_credential_that_is_no_id_is_no_other_credential(
    database: str, feed: BrokerlessIntake, jobs: list[int], bad: str
) -> None:
    redefine(database, "preflight_account", {"credential_id": bad})
    value = bad.partition("::")[0].strip("'")
    assert _messages(feed, jobs[:1]) == [
        (
            f"Account 'deploy' on db-1 has credential_id '{value}' in the view "
            f"preflight_account; {ID} is allowed."
        )
    ]


@pytest.mark.parametrize("kind", ["numeric(8,2)", "float8", "float4", "oid"])
def test_a_whole_number_is_an_id_whatever_its_type(
    database: str, feed: BrokerlessIntake, jobs: list[int], kind: str
) -> None:
    columns = {name: f"{name}::{kind}" for name in ("job_id", "target_id", "owner_id")}
    redefine(database, "preflight_job", columns)
    redefine(database, "preflight_account", {"credential_id": f"credential_id::{kind}"})
    redefine(database, "preflight_grant", {"principal_id": f"principal_id::{kind}"})
    assert _messages(feed, jobs) == [None, None, None]
    assert _problems(feed) == []


NO_NUMBERS = {
    "negative": ("-1", "3600", "-1"),
    "negative text": ("'-3600'", "'3600'", "-3600"),
    "fraction": ("0.5", "3600.0", "0.5"),
    "NaN": ("'NaN'::numeric", "3600", "NaN"),
    "Infinity": ("'Infinity'::float8", "3600", "Infinity"),
    "too large": ("1e30", "3600", "1000000000000000000000000000000"),
    "empty": ("''", "'+03600 '", ""),
    "word": ("'PT1H'", "'3600'", "PT1H"),
}


@pytest.mark.parametrize("column", ["max_lateness_s", "version"])
@pytest.mark.parametrize(("bad", "good", "value"), NO_NUMBERS.values(), ids=list(NO_NUMBERS))
def test_a_number_that_is_not_0_or_more_costs_its_own_job(
    database: str,
    feed: BrokerlessIntake,
    jobs: list[int],
    column: str,
    bad: str,
    good: str,
    value: str,
) -> None:
    said = f"case job_id when 1 then {bad} when 2 then {good} end"
    redefine(database, "preflight_job", {column: said})

    assert _messages(feed, jobs) == [
        (
            f"Job 1 (log-backup) has {column} '{value}' in the view preflight_job; "
            "a whole number, 0 or more, is allowed."
        ),
        None,
        None,
    ]
    assert _problems(feed) == [
        (
            f"preflight_job.{column} is '{value}' in 1 row (job_id=1); it has to be a whole "
            "number, 0 or more."
        )
    ]


def test_a_flag_of_bits_is_one(database: str, feed: BrokerlessIntake, jobs: list[int]) -> None:
    redefine(database, "preflight_job", {"enabled": "case job_id when 3 then B'10' else B'1' end"})
    assert _messages(feed, jobs) == [
        None,
        None,
        (
            "Job 3 (log-backup) has enabled '10' in the view preflight_job; true or false, yes or "
            "no, y or n, on or off, 1 or 0 is allowed."
        ),
    ]
    assert _problems(feed) == [
        (
            "preflight_job.enabled is '10' in 1 row (job_id=3); it has to be true or false, yes or "
            "no, y or n, on or off, 1 or 0."
        )
    ]


@pytest.mark.parametrize("kind", ["inet", "cidr"])
@pytest.mark.parametrize("written", ["10.0.0.0/24", "fd00::/64", "10.0.0.7"])
def test_an_address_goes_out_without_its_mask(
    database: str, feed: BrokerlessIntake, jobs: list[int], kind: str, written: str
) -> None:
    redefine(database, "preflight_server", {"ip": f"'{written}'::{kind}"})
    assert _messages(feed, jobs[:1]) == [None]
    (ledger,) = feed.rows("select id from awp_trigger_ledger")
    (event,) = feed.waiting(ledger["id"])
    assert event.value is not None
    assert json.loads(event.value)["targets"][0]["ip"] == written.partition("/")[0]


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
def test_a_worker_goes_on_beside_rows_that_no_cast_takes(
    broker: Broker,
    database: str,
    topics: Topics,
    settings: Settings,
    jobs: list[int],
    tmp_path: Path,
) -> None:
    """A whole worker: groups of two dimensions, and NaN that a view itself casts."""
    said = "case owner_id when 2 then array[array[1, 2]] else group_ids end"
    redefine(database, "preflight_owner", {"group_ids": said})
    said = "case when job_id = 3 then concat('NaN')::numeric::int else max_lateness_s end"
    redefine(database, "preflight_job", {"max_lateness_s": said})

    def codes() -> list[tuple[int, str]]:
        return sql.rows(
            database,
            "select job_id, coalesce(trigger_code, 'passed') from awp_job_execution order by 1",
        )

    now = datetime.now(UTC).isoformat()
    with running(settings, tmp_path / "worker.log") as worker:
        bodies = [json.dumps({"job_id": str(job), "scheduled_at": now}).encode() for job in jobs]
        produce_raw(broker, topics.triggers, [(None, body, []) for body in bodies])
        wait_until(lambda: len(codes()) == 3, 30, "three records")
        assert worker.child.exit_status() is None
    assert codes() == [(1, "passed"), (2, "inventory_invalid"), (3, "internal_error")]
