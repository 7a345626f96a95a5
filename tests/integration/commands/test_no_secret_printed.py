"""Passwords and passphrases of settings stand in nothing that anybody can read.

Of runs that work, tests/faults/test_secure_kafka.py and test_secure_postgres.py look through all
that was said; here are help, errors and outages.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import httpx
import pytest
from click.testing import CliRunner

from job_trigger_worker.cli import app
from job_trigger_worker.config import Settings, load
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support.certificates import Authority
from tests.support.command import trigger_worker
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess, running

DATABASE, BROKERS, KEY, CLIENT = (f"{word}-sesame-474{n}" for n, word in enumerate("abcd"))
WAIT_S = 30.0
SECRETS = (DATABASE, BROKERS, KEY, CLIENT)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture
def env(authority: Authority, unused_address: str) -> dict[str, str]:
    """Every secret that there is, and nobody who answers."""
    certificate = authority.issue("client")
    return {
        "TRIGGER_WORKER_DATABASE_URL": f"postgresql+psycopg2://li:{DATABASE}@{unused_address}/awp"
        f"?sslmode=verify-full&sslrootcert={authority.cert}&sslpassword={CLIENT}",
        "TRIGGER_WORKER_KAFKA_BROKERS": unused_address,
        "TRIGGER_WORKER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "TRIGGER_WORKER_KAFKA_USERNAME": "li",
        "TRIGGER_WORKER_KAFKA_PASSWORD": BROKERS,
        "TRIGGER_WORKER_KAFKA_CA_FILE": str(authority.cert),
        "TRIGGER_WORKER_KAFKA_CERT_FILE": str(certificate.cert),
        "TRIGGER_WORKER_KAFKA_KEY_FILE": str(certificate.locked(KEY)),
        "TRIGGER_WORKER_KAFKA_KEY_PASSWORD": KEY,
        "TRIGGER_WORKER_LOG_LEVEL": "DEBUG",
        "TRIGGER_WORKER_LOG_FORMAT": "json",
        "TRIGGER_WORKER_WORKER_LISTEN": "127.0.0.1:0",
        "TRIGGER_WORKER_STREAMS_LISTEN": "127.0.0.1:0",
        "TRIGGER_WORKER_CONSOLE_LISTEN": "127.0.0.1:0",
        "TRIGGER_WORKER_CONSOLE_METRICS_LISTEN": "127.0.0.1:0",
    }


def no_secret(said: str) -> None:
    """Fail where a secret stands in what was said."""
    assert said
    assert not [secret for secret in SECRETS if secret in said], said


def commands(group: click.Group, *before: str) -> Iterator[list[str]]:
    """Every command, and every command of a command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        yield [*before, name]
        if isinstance(found, click.Group):
            yield from commands(found, *before, name)


def test_no_help_shows_one(env: dict[str, str]) -> None:
    every = list(commands(app))
    assert ["dlq", "replay"] in every
    for arguments in ([], *every):
        shown = CliRunner().invoke(app, [*arguments, "--help"], env=env)
        assert shown.exit_code == 0, arguments
        no_secret(shown.output)


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "--json"),
        ("dlq", "list"),
        ("history", "1"),
        ("migrate", "current"),
        ("preflight", "1"),
    ],
    ids=" ".join,
)
def test_no_error_shows_one(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    ended = trigger_worker(*arguments, env=env)
    assert ended.status == 1, ended.stderr
    no_secret(ended.stderr + ended.stdout)


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        ("audit", "DATABASE_URL", f"no address at all, {DATABASE}"),
        ("audit", "DATABASE_URL", f"nonsense://li:{DATABASE}@db/awp"),
        ("audit", "DATABASE_URL", f"postgresql+psycopg2://li:{DATABASE}@db:port/awp"),
        ("audit", "DATABASE_URL", f"postgresql+psycopg2://li:not@escaped:{DATABASE}@db/awp"),
        ("worker", "DATABASE_URL", f"postgresql+psycopg2://li:not@{DATABASE}@db.invalid:5432/awp"),
        ("migrate", "DATABASE_URL", f"postgresql+psycopg2://li:not@escaped:{DATABASE}@db/awp"),
        ("console", "DATABASE_URL", f"postgresql+psycopg2://li:not@escaped:{DATABASE}@db/awp"),
        ("audit", "DATABASE_URL", f"postgresql+psycopg2://li:{DATABASE}@db/awp?sslmode=none"),
        ("topics check", "KAFKA_SASL_MECHANISM", "ROT13"),
        ("topics check", "KAFKA_USERNAME", ""),
        ("topics check", "KAFKA_KEY_FILE", "/nowhere/key.pem"),
        ("topics check", "KAFKA_KEY_PASSWORD", CLIENT),
    ],
)
def test_no_wrong_setting_shows_one(
    env: dict[str, str], command: str, name: str, value: str
) -> None:
    ended = trigger_worker(*command.split(), env=env | {f"TRIGGER_WORKER_{name}": value})
    assert ended.status in (1, 2), ended.stderr
    assert "Traceback" not in ended.stderr
    no_secret(ended.stderr)


@pytest.mark.parametrize("command", ["worker", "streams"])
def test_nothing_that_waits_shows_one(env: dict[str, str], tmp_path: Path, command: str) -> None:
    log = tmp_path / f"{command}.log"
    with running(Settings(), log, command=command, env=env, wait=False) as process:
        wait_until(lambda: "wait_for_brokers" in process.words(), WAIT_S, "that it waits")
        address = f"http://{_listening(process)}"
        for path in ("/metrics", "/readyz", "/livez"):
            no_secret(httpx.get(address + path, timeout=5).text)
        assert process.stop() == 0
        no_secret(process.words())


def test_no_page_of_a_console_without_a_database_shows_one(
    env: dict[str, str], tmp_path: Path
) -> None:
    with running(
        Settings(), tmp_path / "console.log", command="console", env=env, wait=False
    ) as console:
        at = wait_until(
            lambda: re.findall(r"The console is at (\S+)\n", console.words()), WAIT_S, "its address"
        )[0]
        wait_until(lambda: _page(f"{at}/livez"), WAIT_S, "that it serves")
        for path in ("/readyz", "/jobs", "/login", "/api/v1/jobs"):
            no_secret(_page(at + path))
        assert console.stop() == 0
        no_secret(console.words())


def test_settings_never_represent_one(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings = load()
    no_secret(f"{settings!r} {settings} {KafkaSettings.of(settings)!r}")


def _listening(process: WorkerProcess) -> str:
    found = re.search(r'"action": "listening", "address": "([0-9.:]+)"', process.words())
    assert found, process.words()
    return found[1]


def _page(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=10)
    except httpx.TransportError:
        return ""
    return f"{answer.status_code} {answer.text}"
