"""What a measurement runs on: PostgreSQL that syncs to the disk, a broker, fresh topics."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.embedded.broker import EmbeddedBroker
from job_trigger_worker.embedded.postgres import EmbeddedPostgres
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.storage.schema import revisions
from tests.benchmarks import inventory
from tests.support.postgres import PostgresServer
from tests.support.sql import session
from tests.support.topics import Broker

BrokerFor = Callable[[], AbstractContextManager[Broker]]


@dataclass(frozen=True, slots=True)
class Stage:
    """A database server with a filled platform as its template, and a folder for logs.

    `postgres` is the server's process.
    """

    server: PostgresServer
    folder: Path
    postgres: EmbeddedPostgres

    @contextmanager
    def set(
        self, broker: Broker, *, partitions: int, template: str | None = None
    ) -> Iterator[Settings]:
        """A fresh copy of the platform (or of another template) and fresh topics.

        Both are gone afterwards.
        """
        name = f"b{secrets.token_hex(5)}"
        with ExitStack() as stack:
            url = self.server.create(name, template=template)
            stack.callback(self.server.drop, name)
            yield stack.enter_context(self.beside(url, broker, partitions=partitions))

    @contextmanager
    def beside(self, url: str, broker: Broker, *, partitions: int) -> Iterator[Settings]:
        """Fresh topics for a database that is there; they are gone afterwards."""
        name = f"b{secrets.token_hex(5)}"
        is_embedded = broker.name == "embedded"
        settings = Settings(
            database_url=SecretStr(url),
            kafka_brokers=broker.address,
            topic_prefix=name,
            consumer_group=name,
            worker_listen="127.0.0.1:0",
            max_poll_interval_ms=6_000 if is_embedded else 60_000,
        )
        kafka = KafkaSettings.of(settings)
        with ExitStack() as stack:
            with TopicAdmin(kafka) as admin:
                admin.create(kafka.topics, partitions=partitions)
                stack.callback(_delete, kafka)
            yield settings


def _delete(kafka: KafkaSettings) -> None:
    with TopicAdmin(kafka) as admin:
        admin.delete(kafka.topics.all())


@contextmanager
def built(*, shared_buffers: str = "") -> Iterator[Stage]:
    """A stage in a folder on the disk (not in memory), removed at the end.

    PostgreSQL has its default settings, but for `shared_buffers` where given.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="awp-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = EmbeddedPostgres(folder / "postgres", fsync=True)
        stack.callback(postgres.stop)
        if shared_buffers:
            _alter(postgres.start().url, f"shared_buffers = '{shared_buffers}'")
            postgres.stop()
        server = PostgresServer(postgres.start().url, "bench_template")
        url = server.create(server.template, template="template0")
        revisions.upgrade(url)
        inventory.fill(url)
        with session(url) as opened:
            opened.autocommit = True
            opened.cursor().execute("vacuum analyze")
        yield Stage(server, folder, postgres)


def _alter(url: str, setting: str) -> None:
    with session(url) as opened:
        opened.autocommit = True
        opened.cursor().execute(f"alter system set {setting}")


@contextmanager
def embedded_broker(folder: Path) -> Iterator[Broker]:
    """An embedded broker of one's own: it keeps everything in memory, so none lives long."""
    broker = _Embedded(folder / "broker.log")
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


class _Embedded(EmbeddedBroker):
    name = "embedded"
