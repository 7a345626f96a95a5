"""A row of the platform that makes its view raise costs the jobs that need it, and no neighbours.

Through the real intake on a real database, without a broker. What is written by hand below is what
each trigger has to become.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.errors import ConnectionLost, FatalError, Unknown, ViewRaised
from tests.support import sql
from tests.support.brokerless import BrokerlessIntake, IntakeSession, feeding
from tests.support.platform import Platform
from tests.support.statements import saying

JOBS = 102
EMPTY_PARAMETER = """
    alter table awp_automcation_job add column raw text;
    update awp_automcation_job set raw = paramter::text;
    update awp_automcation_job set raw = '' where id = any(array[{ids}]);
    drop view preflight_job;
    create view preflight_job as select id as job_id, name, job_type, target_id, owner_id, enabled,
        raw::jsonb as paramter, max_lateness_s, version from awp_automcation_job;
"""
RAISES = "case when {row} then concat('no number')::bigint end"
"""What only a row raises, and no planner: `concat` is not immutable."""


@pytest.fixture
def feed(database: str) -> Iterator[BrokerlessIntake]:
    with feeding(database) as feed:
        yield feed


@pytest.fixture
def taker(feed: BrokerlessIntake) -> IntakeSession:
    return feed.taker()


def _deliveries(jobs: Sequence[int], first: int = 0) -> list[Delivery]:
    now = datetime.now(UTC).isoformat()
    return [
        Delivery(
            0,
            first + place,
            None,
            json.dumps({"job_id": str(job_id), "scheduled_at": now, "n": place}).encode(),
            (),
            0,
        )
        for place, job_id in enumerate(jobs)
    ]


def _plain_jobs(feed: BrokerlessIntake, count: int) -> list[int]:
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        return [platform.action_job() for _ in range(count)]


def _decided(feed: BrokerlessIntake, taker: IntakeSession, jobs: Sequence[int]) -> dict[int, str]:
    """Code of each job's record (`passed` without one) after one batch of a trigger for each."""
    taker.write(_deliveries(jobs), {0: taker.take(0)})
    rows = feed.rows(
        "select job_id, coalesce(trigger_code, 'passed') as code from awp_job_execution"
    )
    return {row["job_id"]: row["code"] for row in rows}


def _redefine(database: str, view: str, column: str, expression: str) -> None:
    """Have a view say an expression in the place of a column."""
    definition = sql.value(database, f"select pg_get_viewdef('{view}')").rstrip().rstrip(";")
    names = [
        name
        for (name,) in sql.rows(
            database,
            "select column_name from information_schema.columns "
            f"where table_name = '{view}' order by ordinal_position",
        )
    ]
    listed = ", ".join(expression if name == column else name for name in names)
    sql.execute(
        database, f"create or replace view {view} as select {listed} from ({definition}) as whole"
    )


def test_a_job_with_an_empty_parameter_has_its_record_and_its_neighbours_go_on(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = _plain_jobs(feed, JOBS)
    bad = jobs[4]
    sql.execute(database, EMPTY_PARAMETER.format(ids=bad))

    with caplog.at_level(logging.WARNING):
        codes = _decided(feed, taker, jobs)

    assert codes == dict.fromkeys(jobs, "passed") | {bad: "internal_error"}
    (record,) = feed.rows("select * from awp_job_execution where job_id = :id", id=bad)
    assert record["trigger_message"] == (
        f"What job {bad} needs cannot be read: the database raises 22P02 for job_id={bad} "
        "in the view preflight_job."
    )
    assert record["causes"] == [f"internal_error:view=preflight_job,job_id={bad}"]
    (finding,) = record["findings"]
    named = {name: finding[name] for name in ("job_id", "view", "sqlstate", "row")}
    assert named == {
        "job_id": str(bad),
        "view": "preflight_job",
        "sqlstate": "22P02",
        "row": f"job_id={bad}",
    }
    (line,) = [each for each in caplog.records if "action=row_unreadable" in each.getMessage()]
    said = line.getMessage()
    assert line.levelno == logging.WARNING
    assert f" job_id={bad} " in said
    assert " partition=0 offset=4 " in said
    assert "preflight_job" in said
    assert "22P02" in said


def test_one_account_that_cannot_be_read_costs_the_jobs_that_run_on_it(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, caplog: pytest.LogCaptureFixture
) -> None:
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        bad, good = platform.target(), platform.target()
        on_bad = [platform.action_job([good, bad]) for _ in range(25)]
        on_good = [platform.action_job([good]) for _ in range(16)]
    raising = RAISES.format(row=f"server_id = {bad[0]}")
    _redefine(
        database, "preflight_account", "credential_id",
        f"coalesce({raising}, credential_id) as credential_id",
    )  # fmt: skip

    codes = _decided(feed, taker, [*on_bad, *on_good])

    assert codes == dict.fromkeys(on_bad, "internal_error") | dict.fromkeys(on_good, "passed")
    causes = feed.rows("select distinct causes from awp_job_execution where causes is not null")
    assert [row["causes"] for row in causes] == [
        [f"internal_error:view=preflight_account,server_id={bad[0]},account=deploy"]
    ]
    lines = [line for each in caplog.records if "=row_unreadable " in (line := each.getMessage())]
    assert len(lines) == 21  # or a row that 1,000 triggers need would flood the log
    assert lines[-1] == "action=row_unreadable more=5"


ROWS: dict[str, tuple[str, str, str]] = {
    "preflight_server": ("name", "server_id = {server}", "server_id={server}"),
    "preflight_account": (
        "credential_id",
        "server_id = {server}",
        "server_id={server}, account=deploy",
    ),
    "preflight_credential": (
        "kind",
        "credential_id = {credential}",
        "credential_id={credential}",
    ),
    "preflight_owner": ("name", "owner_id = {owner}", "owner_id={owner}"),
    "preflight_automation": (
        "name",
        "target_id = {action} and job_type = 'action'",
        "job_type=action, target_id={action}",
    ),
    "preflight_grant": (
        "principal_kind",
        "principal_id = {owner} and target_id = {action}",
        "job_type=action, target_id={action}, principal_id={owner}",
    ),
}
"""View: a column that raises, for which row, and how the record names it."""


@pytest.mark.parametrize("view", ROWS)
@pytest.mark.parametrize("is_alone", [False, True], ids=["among others", "alone in its batch"])
def test_a_row_of_any_view_costs_the_job_that_needs_it(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, view: str, is_alone: bool
) -> None:
    with feed.engine.begin() as connection:
        platform = Platform(connection)
        others = [platform.action_job() for _ in range(6)]
        made = {
            "credential": (credential := platform.credential()),
            "server": (server := platform.server()),
            "owner": (owner := platform.user("zhao.min")),
            "action": (action := platform.action()),
        }
        target = platform.account(server, credential_id=credential)
        platform.grant("action", action, user=owner)
        bad = platform.action_job([target], owner_id=owner, target_id=action)
    column, row, named = ROWS[view]
    raising = RAISES.format(row=row.format(**made))
    kind = "bigint" if column == "credential_id" else "text"
    _redefine(database, view, column, f"coalesce(({raising})::{kind}, {column}) as {column}")

    codes = _decided(feed, taker, [bad] if is_alone else [*others, bad])

    expected = {bad: "internal_error"} | ({} if is_alone else dict.fromkeys(others, "passed"))
    assert codes == expected
    (record,) = feed.rows("select * from awp_job_execution where job_id = :id", id=bad)
    assert f"22P02 for {named.format(**made)} in the view {view}." in record["trigger_message"]


def test_a_view_of_which_nothing_can_be_read_is_an_outage_and_says_its_name(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = _plain_jobs(feed, 12)
    _redefine(database, "preflight_server", "state", "(1 / (server_id - server_id))::text as state")
    claims = {0: taker.take(0)}

    with pytest.raises(
        ViewRaised, match=r"^The view preflight_server cannot be read \(22012\): div"
    ):
        taker.intake.decide(_deliveries(jobs), claims)

    assert feed.rows("select from awp_job_execution") == []


def test_a_view_that_raises_for_half_of_its_rows_is_told_apart_by_row(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = _plain_jobs(feed, 60)
    bad = jobs[1::2]
    sql.execute(database, EMPTY_PARAMETER.format(ids=",".join(map(str, bad))))

    codes = _decided(feed, taker, jobs)

    assert codes == {job_id: "internal_error" if job_id in bad else "passed" for job_id in jobs}


def test_a_bad_row_among_a_thousand_costs_some_forty_statements_more(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = _plain_jobs(feed, 1000)
    sql.execute(database, EMPTY_PARAMETER.format(ids=jobs[613]))
    claims = {0: taker.take(0)}
    said: list[str] = []

    with saying(feed.engine, said.append):
        taker.intake.decide(_deliveries(jobs), claims)

    reads = [statement for statement in said if "from preflight_" in statement]
    assert len(reads) <= 1 + 2 * 10 + 1 + 7


def test_more_bad_rows_than_a_batch_can_tell_apart_make_the_batch_smaller(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = _plain_jobs(feed, 600)
    sql.execute(database, EMPTY_PARAMETER.format(ids=",".join(map(str, jobs))))
    claims = {0: taker.take(0)}

    with pytest.raises(ViewRaised, match=r"^The view preflight_job cannot be read"):
        taker.intake.decide(_deliveries(jobs), claims)

    sql.execute(database, "update awp_automcation_job set raw = paramter where id % 2 = 0")
    with pytest.raises(Unknown, match=r"More rows of the view preflight_job raise .* than one"):
        taker.intake.decide(_deliveries(jobs), claims)
    codes = _decided(feed, taker, jobs[:200])

    assert sorted(codes.values()) == ["internal_error"] * 100 + ["passed"] * 100


def test_what_is_read_apart_is_of_one_moment(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    """A server and its account that go away meanwhile are both there, or both gone."""
    jobs = _plain_jobs(feed, 8)
    sql.execute(database, EMPTY_PARAMETER.format(ids=jobs[3]))
    claims = {0: taker.take(0)}
    gone: list[bool] = []

    def take_away(statement: str) -> None:
        if "from preflight_server" in statement and not gone:
            gone.append(True)
            sql.execute(database, "delete from awp_server_account; delete from awp_server")

    with saying(feed.engine, take_away):
        decided = taker.intake.decide(_deliveries(jobs), claims)
    taker.intake.write(decided, claims, ())

    codes = {row["code"] for row in feed.rows(
        "select coalesce(trigger_code, 'passed') as code from awp_job_execution"
    )}  # fmt: skip
    assert codes == {"passed", "internal_error"}


STRUCTURE = {
    "missing": (
        "drop view preflight_server",
        "The view preflight_server cannot be read (42P01)",
        "Define it over the platform's tables",
    ),
    "without a column": (
        """drop view preflight_server;
        create view preflight_server as select id as server_id, name, ip from awp_server""",
        "The view preflight_server cannot be read (42703)",
        "Give it every column that preflight reads",
    ),
    "with a column of another type": (
        """drop view preflight_credential; create view preflight_credential as
        select array[id] as credential_id, kind, usable from awp_credential""",
        "The view preflight_credential cannot be read (42846)",
        "Correct its definition",
    ),
}


@pytest.mark.parametrize("case", STRUCTURE)
def test_a_view_that_is_not_as_it_has_to_be_stops_the_worker_and_is_named(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, case: str
) -> None:
    statement, said, remedy = STRUCTURE[case]
    jobs = _plain_jobs(feed, 2)
    claims: dict[int, Claim] = {0: taker.take(0)}
    sql.execute(database, statement)

    with pytest.raises(FatalError) as stopped:
        taker.intake.decide(_deliveries(jobs), claims)

    words: Any = str(stopped.value)
    assert words.startswith(said), words
    assert remedy in words


OF_A_VALUE = {
    "42P01": "length(cast(cast(concat('no_such_table') as regclass) as text))",
    "0A000": "cast(cast(concat('NaN') as numeric) as int)",
}


@pytest.mark.parametrize("state", OF_A_VALUE)
def test_a_row_that_raises_what_a_view_raises_that_does_not_fit_costs_its_own_jobs(
    database: str, feed: BrokerlessIntake, taker: IntakeSession, state: str
) -> None:
    """From the first batch on, and after one that was planned before there was such a row."""
    jobs = _plain_jobs(feed, 6)
    bad = jobs[2]
    said = f"max_lateness_s + case when job_id in (select n from odd) then {OF_A_VALUE[state]} end"
    sql.execute(database, "create table odd (n bigint)")
    _redefine(database, "preflight_job", "max_lateness_s", f"({said})::int as max_lateness_s")
    sql.execute(database, "update awp_automcation_job set max_lateness_s = 3600")
    assert _decided(feed, taker, jobs) == dict.fromkeys(jobs, "passed")
    feed.empty()
    sql.execute(database, f"insert into odd values ({bad})")

    with pytest.raises(ConnectionLost):
        taker.intake.decide(_deliveries(jobs), {0: taker.take(0)})
    for _ in range(3):
        feed.empty()
        assert _decided(feed, taker, jobs) == dict.fromkeys(jobs, "passed") | {
            bad: "internal_error"
        }
    feed.empty()
    sql.execute(database, "delete from odd")
    assert _decided(feed, taker, jobs) == dict.fromkeys(jobs, "passed")


def test_a_view_that_raises_such_a_thing_for_every_row_is_an_outage_until_it_is_redefined(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = _plain_jobs(feed, 2)
    definition = sql.value(database, "select pg_get_viewdef('preflight_job')")
    _redefine(database, "preflight_job", "version", f"({OF_A_VALUE['42P01']})::int as version")
    claims = {0: taker.take(0)}
    for expected in (ViewRaised, ConnectionLost, ViewRaised):
        with pytest.raises(expected):
            taker.intake.decide(_deliveries(jobs), claims)

    sql.execute(database, f"create or replace view preflight_job as {definition}")
    assert _decided(feed, taker, jobs) == dict.fromkeys(jobs, "passed")


def test_a_view_that_goes_away_under_a_worker_stops_it_in_its_next_session(
    database: str, feed: BrokerlessIntake, taker: IntakeSession
) -> None:
    jobs = _plain_jobs(feed, 2)
    assert _decided(feed, taker, jobs) == dict.fromkeys(jobs, "passed")
    claims = {0: taker.take(0)}
    sql.execute(database, "drop view preflight_server")
    with pytest.raises(ConnectionLost):
        taker.intake.decide(_deliveries(jobs), claims)
    with pytest.raises(FatalError, match=r"^The view preflight_server cannot be read \(42P01\)"):
        taker.intake.decide(_deliveries(jobs), claims)
