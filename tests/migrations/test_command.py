from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from job_trigger_worker.embedded.child import free_port
from job_trigger_worker.embedded.postgres import programs
from job_trigger_worker.storage.schema import revisions
from tests.support.postgres import PostgresServer
from tests.support.sql import SHAPE, execute, rows, value


def migrate(url: str, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from job_trigger_worker.cli import main; main()",
            "migrate",
            *arguments,
        ],
        env=os.environ | {"TRIGGER_WORKER_DATABASE_URL": url},
        cwd=Path(__file__).parents[2],
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_up_is_the_default_and_says_where_the_database_is(empty: str) -> None:
    done = migrate(empty)
    assert (done.returncode, done.stderr) == (0, "up 0001\nup 0002\nup 0003\n")
    assert done.stdout == "The database is at 0003; the newest is 0003.\n"


def test_json_is_one_object_on_the_last_line(empty: str) -> None:
    result = json.loads(migrate(empty, "--to", "0002", "--json").stdout)
    del result["seconds"], result["missing_views"]
    assert result == {
        "action": "up",
        "revision": "0002",
        "head": "0003",
        "is_current": False,
        "steps": ["0001", "0002"],
        "problems": [],
        "warnings": [],
    }
    assert json.loads(migrate(empty, "current", "--json").stdout)["revision"] == "0002"


def test_down_goes_one_back_when_it_is_confirmed(filled: str) -> None:
    revisions.upgrade(filled)
    refused = migrate(filled, "down", answer="n\n")
    assert refused.returncode == 2
    assert revisions.current(filled).revision == "0003"
    assert migrate(filled, "down", answer="y\n").returncode == 0
    assert revisions.current(filled).revision == "0002"
    assert migrate(filled, "down", "--yes", "--to", "base").returncode == 0
    assert revisions.current(filled).revision is None


def test_the_question_before_going_down_names_what_goes_and_how_much(filled: str) -> None:
    revisions.upgrade(filled)
    execute(
        filled,
        """
        insert into awp_trigger_ledger (topic, topic_id, "partition") values ('t', 'i', 0);
        insert into awp_dead_letter (ledger_id, origin_offset, reason, headers)
        select 1, n, 'no JSON', '\\x90' from generate_series(1, 2) n;
        """,
    )

    asked = migrate(filled, "down", answer="n\n").stderr.splitlines()

    assert asked[:4] == [
        "Going down from 0003 to 0002 drops, with what is in it:",
        "    awp_trigger_database: 1 row",
        "    awp_trigger_ledger: 1 row",
        "    awp_dead_letter: 2 dead letters",
    ]
    assert asked[4].startswith("    of awp_automcation_job (500 rows) the columns ")
    assert asked[5].startswith("    of awp_job_execution (2,000 records) the columns ")
    assert "trigger_code" in asked[5].split("columns ")[1].split(", ")
    assert asked[6].startswith("    what holds nothing: awp_trigger_outbox, awp_trigger_note, ")
    assert asked[7] == (
        "Only a dump brings it back; deploy/README.md says under 'Upgrading' what follows."
    )
    assert asked[8].startswith("Go on? [y/N]:")
    assert revisions.current(filled).revision == "0003"
    asked = migrate(filled, "down", "--to", "base").stderr.splitlines()
    assert "    awp_job_execution: 2,000 records" in asked
    assert "    awp_server: 9 rows" in asked


def test_down_without_an_answer_changes_nothing(filled: str) -> None:
    refused = migrate(filled, "down")
    assert refused.returncode == 2
    assert refused.stderr.endswith(
        "[y/N]:\ntrigger-worker: Nothing was changed. Answer y, or pass --yes.\n"
    )
    assert revisions.current(filled).revision == "0001"


def test_an_existing_platform_is_stamped_and_brought_up_in_one_command(stamped: str) -> None:
    execute(stamped, "drop table awp_credential")
    done = migrate(stamped, "up", "--stamp", "0001")
    assert (done.returncode, done.stderr) == (0, "up 0002\nup 0003\n")
    assert "Not there: preflight_credential." in done.stdout


def test_printed_sql_makes_the_same_schema(postgres: PostgresServer, empty: str) -> None:
    url = postgres.create("t_printed", template="template0")
    psql(url, migrate(url, "--sql").stdout)
    revisions.upgrade(empty)
    assert rows(url, SHAPE) == rows(empty, SHAPE)
    assert revisions.current(url).is_current
    psql(url, migrate(url, "down", "--sql", "--to", "base").stdout)
    assert rows(url, "select viewname from pg_views where schemaname = 'public'") == []
    assert revisions.current(url).revision is None
    postgres.drop("t_printed")


def test_printed_sql_for_an_existing_platform_stamps_it(stamped: str) -> None:
    psql(stamped, migrate(stamped, "--sql", "--stamp", "0001").stdout)
    assert revisions.current(stamped).is_current
    assert value(stamped, "select count(*) from awp_job_execution") == 2000


def psql(url: str, statements: str) -> None:
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run(
        [programs() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", address],
        input=statements,
        text=True,
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("current", "--sql"), "`migrate current` only says where the database is"),
        (("down", "--stamp", "0001"), "--stamp goes with `migrate up`"),
        (("--to", "9999"), "There is no revision 9999. The revisions are 0001, 0002, 0003;"),
        (("--stamp", "9999"), "There is no revision 9999."),
        (("down", "--yes", "--to", "9999"), "There is no revision 9999."),
        (("--sql", "--to", "9999"), "There is no revision 9999."),
    ],
)
def test_nonsense_is_refused_with_exit_2(
    empty: str, arguments: tuple[str, ...], words: str
) -> None:
    done = migrate(empty, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_wrong_password_is_one_sentence_without_the_password(database: str) -> None:
    url = make_url(database).set(password="open-sesame")  # noqa: S106 - a wrong one
    done = migrate(url.render_as_string(hide_password=False), "current")
    assert done.returncode == 1
    assert done.stderr.startswith("trigger-worker: The database refuses the connection:")
    assert "password authentication failed" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "open-sesame" not in done.stderr + done.stdout


def test_an_unreachable_database_is_one_sentence_without_the_password(closed_port: int) -> None:
    done = migrate(f"postgresql+psycopg2://me:open-sesame@127.0.0.1:{closed_port}/awp")
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "TRIGGER_WORKER_DATABASE_URL" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "open-sesame" not in done.stderr + done.stdout


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    return free_port()
