"""Fixtures on real parts: a PostgreSQL, an Apache Kafka and an embedded broker a session.

Tests that use real Kafka carry the marker `kafka` by themselves, those in a real browser `browser`.
Where it cannot run they are deselected, never skipped, and the last lines say so; with CI=true that
is a failure.
"""

import gc
import os
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.embedded.broker import EmbeddedBroker
from job_trigger_worker.embedded.child import free_port
from job_trigger_worker.kafka.admin import TopicAdmin, answers
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support import properties, services
from tests.support.kafka import KafkaNode
from tests.support.postgres import PostgresServer, serving
from tests.support.secured_postgres import SecuredPostgres, running_secured
from tests.support.topics import Broker

PARTITIONS = 3
properties.load()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL, with a migrated template."""
    with serving() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The address of a fresh, migrated, empty database."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield postgres.create(name)
    postgres.drop(name)


@pytest.fixture(scope="module")
def other_major(request: pytest.FixtureRequest) -> Iterator[SecuredPostgres]:
    """A PostgreSQL of another major than the embedded one, as an indirect parameter says."""
    with running_secured(Path(services.other_postgres_choice(request.param).detail)) as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer() -> str:
    """What a test asks for that starts PgBouncers (`tests.support.pgbouncer`)."""
    return services.pgbouncer_choice().detail


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """Real Apache Kafka; not to be stopped by a test (see `kafka_node`)."""
    with services.running_kafka(services.kafka_choice()) as broker:
        yield broker


@pytest.fixture(scope="module")
def own_node() -> Iterator[KafkaNode]:
    """The module's own Kafka node; `kafka_node` is what tests use."""
    with services.running_node() as node:
        yield node


@pytest.fixture
def kafka_node(own_node: KafkaNode) -> KafkaNode:
    """A running Kafka node that a test may `kill()` and `start()` again."""
    return own_node.start()


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The embedded broker (Tansu)."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker") / "broker.log").start()
    yield services.Address("embedded", broker.address)
    broker.stop()


@pytest.fixture(params=["kafka", "embedded"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """The broker under test: each test runs on both.

    A test asks for one with `@pytest.mark.parametrize("broker", ["kafka"], indirect=True)`;
    "node" is a Kafka of the module's own, which it may kill.
    """
    names = {"kafka": "kafka", "embedded": "embedded_broker", "node": "kafka_node"}
    found: Broker = request.getfixturevalue(names[request.param])
    return found


@pytest.fixture
def unused_address() -> str:
    """A loopback host:port where nobody listens."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def topics(request: pytest.FixtureRequest, broker: Broker, topic_prefix: str) -> Iterator[Topics]:
    """The six topics, fresh, with three partitions or as an indirect parameter says."""
    names = Topics.under(topic_prefix)
    with TopicAdmin(kafka_settings(broker, topic_prefix)) as admin:
        admin.create(names, partitions=getattr(request, "param", PARTITIONS))
    yield names
    if answers(broker.address, timeout_s=1):  # a test may have ended its broker
        with TopicAdmin(kafka_settings(broker, topic_prefix)) as admin:
            admin.delete(names.all())


@pytest.fixture
def settings(broker: Broker, database: str, topic_prefix: str) -> Settings:
    """Settings of a worker on the broker and the database under test, with short timeouts."""
    return Settings(
        database_url=SecretStr(database),
        kafka_brokers=broker.address,
        topic_prefix=topic_prefix,
        consumer_group=f"{topic_prefix}-worker",
        max_poll_interval_ms=6000,
        session_timeout_ms=6000,
        metadata_interval_ms=1000,
        worker_listen="127.0.0.1:0",
        streams_listen="127.0.0.1:0",
    )


def pytest_configure(config: pytest.Config) -> None:
    """kafka-python leaves a socket open when nobody listens; closed by the collector, harmless."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")


def kafka_settings(broker: Broker, topic_prefix: str) -> KafkaSettings:
    return KafkaSettings.of(Settings(kafka_brokers=broker.address, topic_prefix=topic_prefix))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own TRIGGER_WORKER_… variables never reach a test."""
    for name in [name for name in os.environ if name.startswith("TRIGGER_WORKER_")]:
        monkeypatch.delenv(name)


def _needs_kafka(item: pytest.Item) -> bool:
    return "kafka" in getattr(item, "fixturenames", ()) or _broker_of(item) == "kafka"


def _needs_node(item: pytest.Item) -> bool:
    names = {"kafka_node", "own_node"} & set(getattr(item, "fixturenames", ()))
    return bool(names) or _broker_of(item) == "node"


def _needs_browser(item: pytest.Item) -> bool:
    return "chromium" in getattr(item, "fixturenames", ())


def _needs_secured_postgres(item: pytest.Item) -> bool:
    return "secured_postgres" in getattr(item, "fixturenames", ())


def _needs_foreign_postgres(item: pytest.Item) -> bool:
    return "foreign_postgres" in getattr(item, "fixturenames", ())


def _lacks_other_major(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    major = callspec.params.get("other_major") if callspec else None
    return major is not None and not services.other_postgres_choice(major).is_available


def _needs_pgbouncer(item: pytest.Item) -> bool:
    return "pgbouncer" in getattr(item, "fixturenames", ())


def _broker_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("broker") or callspec.params.get("rig") if callspec else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs real Kafka, or a browser."""
    if _needs_kafka(item) or _needs_node(item):
        item.add_marker(pytest.mark.kafka)
    if _needs_browser(item):
        item.add_marker(pytest.mark.browser)


@pytest.hookimpl(trylast=True)  # after -k and -m: what nobody asked for is not missing
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs real Kafka, TLS of PostgreSQL or a browser, where there is none."""
    out = [
        item
        for item in items
        if (_needs_kafka(item) and not services.kafka_choice().is_available)
        or (_needs_node(item) and not services.node_choice().is_available)
        or (_needs_secured_postgres(item) and not services.secured_postgres_choice().is_available)
        or (_needs_foreign_postgres(item) and not services.foreign_postgres_choice().is_available)
        or _lacks_other_major(item)
        or (_needs_pgbouncer(item) and not services.pgbouncer_choice().is_available)
        or (_needs_browser(item) and not services.browser_choice().is_available)
    ]
    if out:
        config.stash[NOT_RUN] = len(out)
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


NOT_RUN = pytest.StashKey[int]()


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    """Say which services this run uses, where it uses any."""
    return services.said() if any(map(_uses_services, items)) else []


def _uses_services(item: pytest.Item) -> bool:
    names = set(getattr(item, "fixturenames", ()))
    return bool({"postgres", "kafka", "kafka_node", "broker", "chromium"} & names)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What could not run is a failure where somebody relies on the run.

    The sockets of the last test are collected here: afterwards no filter holds any more.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    if NOT_RUN in session.config.stash and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Words that nobody can miss about what did not run."""
    count = terminalreporter.config.stash.get(NOT_RUN, 0)
    if count:
        terminalreporter.section("NOT RUN", red=True, bold=True)
        for sentence in services.missing():
            terminalreporter.line(sentence, red=True, bold=True)
        terminalreporter.line(f"Tests left out: {count}", red=True, bold=True)
