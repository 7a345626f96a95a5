"""PostgreSQL over TLS, verified: everything of ours connects, and says why it cannot."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from tests.support import services, sql
from tests.support.certificates import Authority
from tests.support.command import trigger_worker
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.secured_postgres import SecuredPostgres, running_secured
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess, environment, running

Start = Callable[..., WorkerProcess]
real_kafka = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
ROOT = Path(__file__).parents[2]
LOGIN, PASSWORD = "awp_worker", "open-sesame-4721"
CERTIFIED = SecuredPostgres.certified
PASSPHRASE = "locked-sesame-4722"  # noqa: S105 - of a key that lives for this module
WRONG = "shut-sesame-4723"
SECRETS = (PASSWORD, PASSPHRASE, WRONG)
ENDED_S = 30.0
SERVERS = (
    "Its certificate has expired, or no authority in sslrootcert has signed it: have it renewed, "
    "or correct sslrootcert in TRIGGER_WORKER_DATABASE_URL."
)
OURS = (
    "Name a client certificate that is valid there, and its key, as sslcert and sslkey in "
    "TRIGGER_WORKER_DATABASE_URL."
)
ADDRESS = "Correct TRIGGER_WORKER_DATABASE_URL."
LET_IN = (
    "Correct TRIGGER_WORKER_DATABASE_URL (user, sslmode, sslcert, sslkey), or have its pg_hba.conf "
    "let it in."
)
KEY = "Correct sslkey in TRIGGER_WORKER_DATABASE_URL, or its sslpassword."


@pytest.fixture(scope="module")
def secured_postgres() -> Iterator[SecuredPostgres]:
    """A server with TLS, and a template that our own command has migrated over it."""
    with running_secured(Path(services.secured_postgres_choice().detail)) as server:
        sql.alone(server.url(), "create database template")
        ended = trigger_worker(
            "migrate", "--json", env={"TRIGGER_WORKER_DATABASE_URL": server.url("template")}
        )
        assert (ended.status, ended.json["is_current"]) == (0, True), ended.stderr
        sql.execute(server.url("template"), (ROOT / "deploy/sql/roles.sql").read_text())
        for login in (LOGIN, CERTIFIED):
            sql.execute(
                server.url(),
                f"create role {login} login password '{PASSWORD}' "
                "in role trigger_worker, trigger_console",
            )
        yield server


@pytest.fixture
def name(secured_postgres: SecuredPostgres) -> Iterator[str]:
    """A fresh, migrated database on it."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    sql.alone(secured_postgres.url(), f"create database {name} template template")
    yield name
    sql.alone(secured_postgres.url(), f"drop database {name} with (force)")


@pytest.fixture
def database(secured_postgres: SecuredPostgres, name: str) -> str:
    """Its address for its owner, with which the test itself looks at it."""
    return secured_postgres.url(name)


@pytest.fixture
def addresses(secured_postgres: SecuredPostgres, name: str, tmp_path: Path) -> dict[str, str]:
    """Addresses that are right, and those that are wrong in one respect."""
    server, other = secured_postgres, Authority(tmp_path / "other", "other")
    ours, theirs = server.authority.issue(CERTIFIED), other.issue(CERTIFIED)
    expired = server.authority.issue(CERTIFIED, days=-1)
    locked = str(ours.locked(PASSPHRASE))

    def certified(cert: Path, key: Path | str, **query: str) -> str:
        return server.url_of(CERTIFIED, None, name, sslcert=str(cert), sslkey=str(key), **query)

    def by_password(password: str = PASSWORD, **more: Any) -> str:
        return server.url_of(LOGIN, password, name, **more)

    return {
        "a password": by_password(),
        "a certificate": certified(ours.cert, ours.key),
        "a certificate whose key is locked": certified(ours.cert, locked, sslpassword=PASSPHRASE),
        "another authority": by_password(sslrootcert=str(other.cert)),
        "no such authority": by_password(sslrootcert="/nowhere/ca.pem"),
        "another name": by_password(host="localhost"),
        "a wrong password": by_password(WRONG),
        "no TLS": by_password(sslmode="disable"),
        "a mode that is none": by_password(sslmode="verify"),
        "a parameter that is none": by_password(sslrootcrt="x"),
        "no client certificate": server.url_of(CERTIFIED, None, name),
        "a client certificate of another authority": certified(theirs.cert, theirs.key),
        "a client certificate that has expired": certified(expired.cert, expired.key),
        "a locked key without its passphrase": certified(ours.cert, locked),
        "a locked key with another passphrase": certified(ours.cert, locked, sslpassword=WRONG),
    }


REFUSALS = {
    "another authority": ("certificate verify failed", SERVERS),
    "no such authority": (
        'root certificate file "/nowhere/ca.pem" does not exist',
        "Correct sslrootcert in TRIGGER_WORKER_DATABASE_URL.",
    ),
    "another name": (
        'does not match host name "localhost"',
        "Name the host as its certificate does, in TRIGGER_WORKER_DATABASE_URL.",
    ),
    "a wrong password": (f'28P01: password authentication failed for user "{LOGIN}"', ADDRESS),
    "no TLS": ("no encryption", LET_IN),
    "a mode that is none": ('invalid sslmode value: "verify"', ADDRESS),
    "a parameter that is none": ('invalid connection option "sslrootcrt"', ADDRESS),
    "no client certificate": ("connection requires a valid client certificate", LET_IN),
    "a client certificate of another authority": ("alert unknown ca", OURS),
    "a client certificate that has expired": ("alert certificate expired", OURS),
    "a locked key without its passphrase": ("bad decrypt", KEY),
    "a locked key with another passphrase": ("bad decrypt", KEY),
}


def no_secret(*words: str) -> None:
    """Fail where a secret stands in what was said."""
    for said in words:
        assert not [secret for secret in SECRETS if secret in said], said


@real_kafka
@pytest.mark.parametrize(
    "way", ["a password", "a certificate", "a certificate whose key is locked"]
)
def test_everything_of_ours_connects(
    start: Start,
    settings: Settings,
    addresses: dict[str, str],
    load: Load,
    judge: Judge,
    tmp_path: Path,
    way: str,
) -> None:
    changes = {"database_url": SecretStr(addresses[way]), "console_listen": "127.0.0.1:0"}
    own = settings.model_copy(update=changes)
    env = {"TRIGGER_WORKER_LOG_LEVEL": "DEBUG"}
    worker = start(changes, env=env)
    load.fire(12)
    assert judge.settled(load.sent).records == 12
    said = []
    for arguments in (
        ["audit", "--deep", "--json"],
        ["dlq", "list", "--json"],
        ["migrate", "current", "--json"],
        ["preflight", str(load.jobs[0]), "--json"],
        ["history", str(load.jobs[0]), "--json"],
    ):
        ended = trigger_worker(*arguments, env=environment(own) | env)
        assert ended.status == 0, (arguments, ended.stderr)
        said += [ended.stdout, ended.stderr]
    with running(own, tmp_path / "console.log", command="console", env=env, wait=False) as console:
        at = wait_until(
            lambda: console.words().partition("The console is at ")[2].partition("\n")[0],
            ENDED_S,
            "the console's address",
        )
        wait_until(lambda: _status(f"{at}/readyz") == 200, ENDED_S, "a console that is ready")
        said.append(console.words())
    sessions = sql.rows(
        judge.database,
        "select ssl from pg_stat_ssl join pg_stat_activity using (pid) "
        "where application_name = 'trigger-worker'",
    )
    assert sessions
    assert all(is_encrypted for (is_encrypted,) in sessions)
    assert worker.stop() == 0
    no_secret(*said, worker.words())


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_wrong_is_said_with_exit_1(addresses: dict[str, str], case: str) -> None:
    words, remedy = REFUSALS[case]
    for arguments in (["audit"], ["migrate", "current"]):
        env = {"TRIGGER_WORKER_DATABASE_URL": addresses[case]}
        _is_said(trigger_worker(*arguments, env=env, timeout_s=ENDED_S), words, remedy)


def _is_said(ended: Any, words: str, remedy: str) -> None:
    assert (ended.status, ended.stdout) == (1, ""), ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("trigger-worker: The database refuses the connection: ")
    assert words in ended.stderr
    assert ended.stderr.endswith(f". {remedy}\n"), ended.stderr
    no_secret(ended.stderr)


@real_kafka
@pytest.mark.parametrize(
    "case", ["another authority", "another name", "no client certificate", "a mode that is none"]
)
def test_a_worker_says_it_and_never_joins_its_group(
    start: Start,
    addresses: dict[str, str],
    topics: Topics,  # noqa: ARG001 - they are there before it starts
    case: str,
) -> None:
    words, remedy = REFUSALS[case]
    worker = start({"database_url": SecretStr(addresses[case])}, wait=False)
    assert wait_until(worker.child.exit_status, ENDED_S, "its end") == 1, worker.words()
    last = worker.words().splitlines()[-1]
    assert words in last
    assert last.endswith(remedy)
    assert "action=assigned" not in worker.words()
    assert "Traceback" not in worker.words()
    no_secret(worker.words())


def test_a_server_whose_certificate_has_expired_is_said_with_exit_1(
    secured_postgres: SecuredPostgres, addresses: dict[str, str]
) -> None:
    expired = secured_postgres.authority.issue("server", days=-1)
    secured_postgres.stop()
    secured_postgres.start(expired)
    try:
        env = {"TRIGGER_WORKER_DATABASE_URL": addresses["a password"]}
        _is_said(trigger_worker("audit", env=env), "certificate verify failed", SERVERS)
    finally:
        secured_postgres.stop()
        secured_postgres.start()
