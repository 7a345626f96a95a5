"""`failures`, `history` and `show`, as the person on call and a script use them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from tests.support.command import Ended, trigger_worker
from tests.support.platform import Platform
from tests.support.platform_types import redefine
from tests.support.records import History

GONE = "server_not_found:server=7"
RUN = "0197f2b0-0000-7000-8000-000000000001"
TRIGGER = "6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"
NOW = datetime.now(UTC)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = create_engine(database, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def filled(engine: Engine, database: str) -> str:
    """Job 17 failed twice of late and once long ago, after a run that succeeded."""
    with engine.begin() as connection:
        platform, history = Platform(connection), History(connection)
        platform.action_job(name="每日对账", id=17)
        history.run(history.passed(17, NOW - timedelta(days=3)), "succeeded")
        history.failed(17, NOW - timedelta(days=2), GONE)
        history.failed(17, NOW - timedelta(minutes=20), GONE)
        history.failed(
            17, NOW - timedelta(minutes=10), GONE, execution_id=RUN, trigger_id=TRIGGER,
            triggered_by="li\x1b[31m", triggered_by_verified=True,
            message="Server 7 \x1b[2J is gone.",
        )  # fmt: skip
        history.without_us(404)
    return database


def run(database: str, *arguments: str) -> Ended:
    env = {"TRIGGER_WORKER_DATABASE_URL": database, "TZ": "UTC"}
    return trigger_worker(*arguments, env=env)


def gone(node: str | None = None) -> str:
    """The findings of a job whose server 7 is gone, as they are stored."""
    told = f"{'' if node is None else f'Node {node}: '}Server 7 does not exist."
    found = {"code": "server_not_found", "message": told, "server_id": "7"}
    return json.dumps([found if node is None else found | {"node_id": node}])


def test_failures_name_what_broke_in_the_last_hour(filled: str) -> None:
    ended = run(filled, "failures")
    assert ended.status == 0
    assert "2 triggers failed since" in ended.stdout
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert ["JOBS", "TRIGGERS", "LAST", "WHAT", "BROKE"] in lines
    assert any(line[:2] == ["1", "2"] and line[-2:] == ["is", "gone."] for line in lines)
    assert "\x1b" not in ended.stdout
    told = run(filled, "failures", "--since", "3d", "--json").json
    assert [(c["cause"], c["jobs"], c["triggers"]) for c in told["causes"]] == [(GONE, 1, 3)]
    assert [row["id"] for row in told["latest"]] == ["4", "3", "2"]
    assert (told["causes_in_all"], told["window"]["is_complete"]) == (1, True)


def test_a_cause_is_named_without_the_node_of_whichever_job_came_last(
    engine: Engine, database: str
) -> None:
    with engine.begin() as connection:
        history = History(connection)
        history.failed(16, NOW - timedelta(minutes=20), GONE, findings=gone())
        history.failed(17, NOW - timedelta(minutes=10), GONE, findings=gone("2"))
    ended = run(database, "failures")
    causes, _, latest = ended.stdout.partition("RECORD")
    assert causes.splitlines()[-2].split()[-5:] == ["Server", "7", "does", "not", "exist."]
    assert "Node" not in causes
    assert latest
    (told,) = run(database, "failures", "--json").json["causes"]
    assert (told["jobs"], told["message"]) == (2, "Server 7 does not exist.")


def test_no_failure_is_said_and_good(database: str) -> None:
    ended = run(database, "failures", "--since", "2026-11-20T08:00:00Z")
    assert (ended.status, ended.stdout) == (
        0,
        "No trigger has failed since 2026-11-20 08:00:00+00:00.\n",
    )


def test_history_lists_the_records_of_a_job(filled: str) -> None:
    told = run(filled, "history", "17", "--json").json
    assert [(r["id"], r["status"]) for r in told["records"]] == [
        ("4", "trigger_failed"),
        ("3", "trigger_failed"),
        ("2", "trigger_failed"),
        ("1", "succeeded"),
    ]
    ended = run(filled, "history", "17", "--limit", "1")
    assert ended.status == 0
    assert "trigger_failed" in ended.stdout
    assert "li\\x1b[31m (verified)" in ended.stdout
    assert ended.stdout.endswith("There are more; --limit shows them.\n")
    good = run(filled, "history", "17", "--status", "succeeded", "--json").json
    assert [r["id"] for r in good["records"]] == ["1"]
    late = run(filled, "history", "17", "--since", "1h", "--json").json
    assert [r["id"] for r in late["records"]] == ["4", "3"]


def test_history_of_a_job_that_is_gone(filled: str) -> None:
    told = run(filled, "history", "404", "--json").json
    assert [(r["id"], r["status"], r["message"]) for r in told["records"]] == [("5", "blank", None)]
    ended = run(filled, "history", "405")
    assert (ended.status, ended.stdout) == (1, "There is no such record of job 405.\n")


def test_show_tells_of_a_job(filled: str) -> None:
    ended = run(filled, "show", "17")
    assert ended.status == 0
    shown = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines())
    assert shown["job"] == "17 每日对账 (action)"
    assert shown["status"] == "trigger_failed"
    assert shown["failing"].startswith("3 in a row since ")
    assert shown["message"] == r"Server 7 \x1b[2J is gone."
    told = run(filled, "show", "17", "--json").json
    (found,) = told["found"]
    assert (found["kind"], found["job"]["status"]) == ("job", "trigger_failed")
    statuses = [outcome["status"] for outcome in found["last_outcomes"]]
    assert statuses == ["succeeded", *["trigger_failed"] * 3]


def test_show_puts_nothing_in_brackets_that_is_not_known(filled: str) -> None:
    unknown = {"name": "null::text", "job_type": "null::text", "owner_id": "null::bigint"}
    redefine(filled, "console_job", unknown | {"owner_name": "null::text"})
    lines = run(filled, "show", "17").stdout.splitlines()
    assert lines[0].split() == ["job", "17"]
    assert ["owner", "unknown"] in [line.split() for line in lines]


@pytest.mark.parametrize(
    ("written", "kind"), [("4", "record"), (RUN, "execution"), (TRIGGER, "trigger")]
)
def test_show_tells_of_a_record_by_each_of_its_ids(filled: str, written: str, kind: str) -> None:
    told = run(filled, "show", written, "--json").json
    (found,) = told["found"]
    assert (found["kind"], found["record"]["record"]["id"]) == (kind, "4")
    assert found["record"]["previous_id"] == "3"
    ended = run(filled, "show", written)
    assert ended.status == 0
    assert "\x1b" not in ended.stdout
    assert f"execution    {RUN}\n" in ended.stdout
    assert "schedule, by li\\x1b[31m (verified)\n" in ended.stdout


@pytest.mark.parametrize("written", ["99", "x", TRIGGER[:-1] + "9", "\x1b[2J"])
def test_show_of_nothing_says_so(filled: str, written: str) -> None:
    ended = run(filled, "show", written)
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.startswith(
        "trigger-worker: No job, record, trigger or execution has the id "
    )
    assert "\x1b" not in ended.stderr
    ended = run(filled, "show", written, "--json")
    assert (ended.status, ended.json["found"]) == (1, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["failures", "--since", "yesterday"],
        ["failures", "--since", "2026-11-20T08:00:00"],
        ["failures", "--limit", "0"],
        ["history"],
        ["history", "x"],
        ["history", "1", "--status", "good"],
        ["show"],
    ],
)
def test_what_cannot_be_is_refused(database: str, arguments: list[str]) -> None:
    ended = run(database, *arguments)
    assert (ended.status, ended.stdout) == (2, "")


def test_a_database_that_is_away_is_one_sentence(unused_address: str) -> None:
    url = f"postgresql+psycopg2://me:open-sesame@{unused_address}/awp"
    for arguments in (["failures"], ["history", "1"], ["show", "1"]):
        ended = run(url, *arguments)
        assert (ended.status, ended.stdout) == (1, "")
        assert ended.stderr.startswith("trigger-worker: The database is away")
        assert "correct TRIGGER_WORKER_DATABASE_URL, and run the command again" in ended.stderr
        assert "open-sesame" not in ended.stderr
