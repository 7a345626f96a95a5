"""Commands say what they have to say under every locale: in bytes that the terminal can show."""

import json
import os
import subprocess

import pytest

from tests.support import sql
from tests.support.command import TRIGGER_WORKER

LOCALES = {
    "gbk": {"PYTHONIOENCODING": "gbk"},
    "posix": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}
ENCODINGS = {"gbk": "gbk", "posix": "ascii"}
each_locale = pytest.mark.parametrize("locale", LOCALES)


def _run(database: str, locale: str, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [TRIGGER_WORKER, *arguments],
        capture_output=True,
        check=False,
        timeout=60,
        env=os.environ | {"TRIGGER_WORKER_DATABASE_URL": database} | LOCALES[locale],
    )
    encoding = ENCODINGS[locale]
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


@pytest.fixture
def told(database: str) -> str:
    """A database with a job, a failure and a dead letter whose words no old encoding has."""
    sql.execute(
        database,
        """
        insert into awp_trigger_ledger (topic, topic_id, "partition", last_offset, deliveries,
            records, dead_letters, events, published)
        values ('awp.job.triggers.v1', 'one', 0, 1, 2, 1, 1, 1, 1);
        insert into awp_automcation_job (id, name, job_type, target_id, owner_id)
        values (7, 'Näité 清理 🧹', 'action', 1, 1);
        insert into awp_job_execution (job_id, job_name, execution_id, idempotency_key,
            trigger_status, trigger_code, trigger_message, scheduled_at, decided_at, ledger_id,
            origin_offset, causes)
        select 7, 'Näité 清理 🧹', u, u, 2, 'server_not_found', 'Server 7 – 清理 🧹 is gone → ✗',
            now(), now(), 1, 0, '{server_not_found:server=7}'
        from (select gen_random_uuid() u) x;
        insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value)
        values (1, 1, 'the body is not JSON: 清理 🧹 …', '\\x90', convert_to('清理 🧹', 'UTF8'));
        """,
    )
    return database


@each_locale
def test_every_reading_command_speaks(told: str, locale: str) -> None:
    for arguments in (
        ("audit", "--offline"),
        ("failures", "--since", "1h"),
        ("dlq", "show", "1"),
    ):
        status, out, err = _run(told, locale, *arguments)
        assert "Traceback" not in err, (arguments, err)
        assert "codec can't" not in out + err, (arguments, err)
        assert status in (0, 1), (arguments, err)
        assert out.strip(), arguments


@each_locale
def test_the_verdict_can_be_told_from_its_opposite(told: str, locale: str) -> None:
    closed = _run(told, locale, "audit", "--offline")
    sql.execute(told, "update awp_trigger_ledger set deliveries = 9")
    open_ = _run(told, locale, "audit", "--offline")

    assert (closed[0], open_[0]) == (0, 1)
    (good,) = [line for line in closed[1].splitlines() if "2 delivered =" in line]
    (bad,) = [line for line in open_[1].splitlines() if "9 delivered =" in line]
    assert good.split()[-1] in {"✓", "OK"}
    assert bad.split()[-1] in {"✗", "NO"}


@each_locale
def test_json_is_json_in_every_locale(told: str, locale: str) -> None:
    for arguments in (("history", "7"),):
        _, out, err = _run(told, locale, *arguments, "--json")
        assert out.count("\n") == 1, (arguments, err)
        assert isinstance(json.loads(out), dict)


@each_locale
def test_an_error_is_said_in_one_sentence(locale: str) -> None:
    status, _, err = _run(
        "postgresql+psycopg2://nobody@127.0.0.1:1/awp", locale, "audit", "--offline"
    )
    assert status == 1
    assert err.startswith("trigger-worker: ")
    assert "Traceback" not in err
