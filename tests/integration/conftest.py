"""A rig: a platform, six topics and a real worker that a module's tests share."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.admin import TopicAdmin
from tests.conftest import kafka_settings
from tests.support.postgres import PostgresServer
from tests.support.rig import Rig
from tests.support.sql import execute
from tests.support.topics import Broker
from tests.support.worker import running

ROOT = Path(__file__).parents[2]
PROGRAM = """
from job_trigger_worker.cli import main
from job_trigger_worker.preflight import checks, runner

def raises(trigger, job, facts, at):
    if job.name == "raise in a check":
        raise RuntimeError("a fault of ours")
    return ()

runner.judge.__kwdefaults__["checks"] = (*checks.CHECKS, raises)
main()
"""
"""The worker, with one check more that raises for a job of that name."""


@pytest.fixture(scope="module", params=["kafka", "embedded"])
def rig(
    request: pytest.FixtureRequest,
    postgres: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rig]:
    """A worker on each broker, for the length of the module."""
    names = {"kafka": "kafka", "embedded": "embedded_broker"}
    broker: Broker = request.getfixturevalue(names[request.param])
    name = uuid.uuid4().hex[:12]
    database = postgres.create(f"t_{name}")
    settings = Settings(
        database_url=SecretStr(_least_privileged(database, name)),
        kafka_brokers=broker.address,
        topic_prefix=f"t{name}",
        consumer_group=f"g{name}",
        max_poll_interval_ms=6000,
        session_timeout_ms=6000,
        metadata_interval_ms=1000,
        worker_listen="127.0.0.1:0",
    )
    log: Path = tmp_path_factory.mktemp("rig") / "worker.log"
    topics = Topics.under(settings.topic_prefix)
    with TopicAdmin(kafka_settings(broker, settings.topic_prefix)) as admin:
        admin.create(topics, partitions=3)
        with running(settings, log, program=PROGRAM) as worker:
            rig = Rig(broker, topics, database, settings, worker)
            yield rig
            rig.close()
        admin.delete(topics.all())
    postgres.drop(f"t_{name}")
    execute(postgres.admin_url, f"drop role awp_{name}")


@pytest.fixture
def roles(database: str) -> Iterator[dict[str, str]]:
    """The address of the database for a login in each of the three roles."""
    execute(database, (ROOT / "deploy/sql/roles.sql").read_text())
    logins = {}
    for role in ("trigger_worker", "trigger_console", "trigger_reader"):
        name = f"u_{uuid.uuid4().hex[:12]}"
        execute(database, f"create user {name} password '{name}' in role {role}")
        address = make_url(database).set(username=name, password=name)
        logins[role] = address.render_as_string(hide_password=False)
    yield logins
    for login in logins.values():
        execute(database, f"drop user {make_url(login).username}")


def _least_privileged(database: str, name: str) -> str:
    """The address of the database for a login that has what deploy/sql gives, and no more."""
    execute(database, (ROOT / "deploy/sql/roles.sql").read_text())
    execute(database, f"create role awp_{name} login password '{name}' in role trigger_worker")
    address = make_url(database).set(username=f"awp_{name}", password=name)
    return address.render_as_string(hide_password=False)
