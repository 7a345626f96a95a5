"""Every command helps, and says in one sentence why it cannot be used like that."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from job_trigger_worker.cli import app
from tests.support.command import trigger_worker

MOST = "Give a whole number from 1 to 9223372036854775807"


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    """The words that lead to each command, those of groups included."""
    yield names
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from commands(found, *names, name)
        else:
            yield (*names, name)


@pytest.mark.parametrize("names", list(commands(app)), ids=" ".join)
def test_the_help_of_every_command_fits_80_columns_without_a_blemish(
    names: tuple[str, ...],
) -> None:
    ended = CliRunner().invoke(app, [*names, "-h"], terminal_width=80, prog_name="trigger-worker")
    assert ended.exit_code == 0
    assert max(map(len, ended.output.splitlines())) <= 80
    for blemish in ("[[", "]]", "INTEGER RANGE", "default: None"):
        assert blemish not in ended.output
    usage, *rest = ended.output.splitlines()
    assert usage.startswith(" ".join(("Usage: trigger-worker", *names, "[OPTIONS]")))
    assert [line for line in rest if line.endswith("...")] == []


def test_the_help_says_how_long_a_password_is() -> None:
    ended = CliRunner().invoke(app, ["users", "add", "-h"], terminal_width=80)
    assert "A password has 12 to 1024 characters." in " ".join(ended.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("preflight", "x"), f"'x' is not a job id. {MOST}."),
        (("preflight", "17", "0"), f"'0' is not a job id. {MOST}."),
        (("preflight", "--", "-1"), f"'-1' is not a job id. {MOST}."),
        (("publish", "0"), f"'0' is not a job id. {MOST}."),
        (("publish", "1_7"), f"'1_7' is not a job id. {MOST}."),
        (("publish", "9223372036854775808"), f"'9223372036854775808' is not a job id. {MOST}."),
        (("publish", "\x1b[31m"), f"'�[31m' is not a job id. {MOST}."),
        (
            ("dlq", "show", "x"),
            f"'x' is not a dead letter id. {MOST}; `trigger-worker dlq list --all` names them.",
        ),
        (
            ("dlq", "replay", "1", "1.5"),
            f"'1.5' is not a dead letter id. {MOST}; `trigger-worker dlq list --all` names them.",
        ),
    ],
)
def test_an_id_that_is_none_is_one_sentence_and_exit_2(
    arguments: tuple[str, ...], words: str
) -> None:
    ended = trigger_worker(*arguments)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == f"trigger-worker: {words}\n"


@pytest.mark.parametrize(
    ("command", "variable"),
    [("worker", "TRIGGER_WORKER_WORKER_LISTEN"), ("streams", "TRIGGER_WORKER_STREAMS_LISTEN")],
)
def test_a_listener_that_is_none_is_one_sentence_and_exit_2(command: str, variable: str) -> None:
    ended = trigger_worker(command, "--listen", "9321")
    assert ended.status == 2
    assert ended.stderr.startswith(f"trigger-worker: The setting {variable} cannot be used: '9321'")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "env", "words"),
    [
        (
            ("worker", "--listen", "127.0.0.1:0"),
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": "/nope"},
            "TRIGGER_WORKER_KAFKA_CA_FILE (/nope) cannot be used: No such file or directory.",
        ),
        (
            ("worker",),
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_USERNAME": "li.wei"},
            "The setting TRIGGER_WORKER_KAFKA_PASSWORD cannot be used: SASL_SSL needs it.",
        ),
        (
            ("publish", "17"),
            {"KAFKA_BROKERS": "zz:yy"},
            "The setting TRIGGER_WORKER_KAFKA_BROKERS cannot be used: 'zz:yy' is not a host:port",
        ),
    ],
)
def test_settings_of_brokers_that_cannot_be_are_one_sentence_and_exit_2(
    command: tuple[str, ...], env: dict[str, str], words: str
) -> None:
    ended = trigger_worker(
        *command, env={f"TRIGGER_WORKER_{name}": value for name, value in env.items()}
    )
    assert ended.status == 2
    assert ended.stderr.splitlines()[-1].startswith(f"trigger-worker: {words}")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("flags", [(), ("--deep",)], ids=["plain", "deep"])
def test_an_audit_without_brokers_says_what_to_do(
    database: str, unused_address: str, flags: tuple[str, ...]
) -> None:
    env = {"TRIGGER_WORKER_DATABASE_URL": database, "TRIGGER_WORKER_KAFKA_BROKERS": unused_address}
    ended = trigger_worker("audit", *flags, env=env)
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"trigger-worker: The brokers at {unused_address} do not ")
    assert ended.stderr.endswith(
        "Start the brokers or correct TRIGGER_WORKER_KAFKA_BROKERS, and run the audit again. "
        "`trigger-worker audit --offline` asks the tables alone, which proves less.\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        ("audit",),
        ("audit", "--offline", "--acknowledge", "lost", "--reason", "seen"),
        ("preflight", "17"),
        ("dlq", "list"),
        ("dlq", "show", "1"),
        ("dlq", "replay", "--all"),
    ],
    ids=" ".join,
)
def test_a_database_that_is_away_is_named_with_what_to_do(
    command: tuple[str, ...], unused_address: str
) -> None:
    url = f"postgresql+psycopg2://me:open-sesame@{unused_address}/awp"
    ended = trigger_worker(*command, env={"TRIGGER_WORKER_DATABASE_URL": url})
    assert ended.status == 1
    words = ended.stdout + ended.stderr
    assert f"port {unused_address.rpartition(':')[2]} failed: Connection refused" in words
    assert words.endswith(
        "Start the database or correct TRIGGER_WORKER_DATABASE_URL, and run the command again.\n"
    )
    assert words.count("\n") == 1
    assert "open-sesame" not in words


@pytest.mark.parametrize("command", ["worker", "streams", "console", "migrate"])
def test_what_only_tests_may_set_is_refused(command: str) -> None:
    crash = "TRIGGER_WORKER_TEST_CRASH_AT"
    ended = trigger_worker(command, env={crash: "a.module:function before 1 SIGKILL "})
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"trigger-worker: {crash} can only be used by this project's own tests. Remove it from "
        "the environment.\n"
    )


def test_what_is_no_setting_is_named_and_the_command_goes_on() -> None:
    env = {
        "TRIGGER_WORKER_SESSION_TIMEOUT": "5",
        "TRIGGER_WORKER_NOTHING_LIKE_IT_AT_ALL": "5",
        "TRIGGER_WORKER_PORT_8321_TCP_ADDR": "10.0.0.7",  # Kubernetes, of a service of this name
        "TRIGGER_WORKER_SERVICE_HOST": "10.0.0.7",
        "TRIGGER_WORKER_CONSOLE_PORT": "tcp://10.0.0.7:8321",
        "TRIGGER_WORKER_WORKER_PORT": "9321",  # a person's
    }
    ended = trigger_worker("users", "list", "--help", env=env)
    assert ended.status == 0
    assert ended.stderr == (
        "trigger-worker: TRIGGER_WORKER_NOTHING_LIKE_IT_AT_ALL is not a setting and changes "
        "nothing: docs/settings.md lists every setting.\ntrigger-worker: "
        "TRIGGER_WORKER_SESSION_TIMEOUT is not a setting and changes nothing: "
        "TRIGGER_WORKER_SESSION_TIMEOUT_MS is one; docs/settings.md lists every "
        "setting.\ntrigger-worker: TRIGGER_WORKER_WORKER_PORT is not a setting and changes "
        "nothing: TRIGGER_WORKER_WORKER_LISTEN is one; docs/settings.md lists every setting.\n"
    )
