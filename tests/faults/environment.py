"""What runs stand on: a Kafka cluster of three, and a PostgreSQL that may be killed."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from job_trigger_worker.embedded.postgres import EmbeddedPostgres
from job_trigger_worker.storage.schema import revisions
from tests.support.cluster import KafkaCluster
from tests.support.postgres import PostgresServer, folder
from tests.support.services import Address

_ONE_AT_A_TIME = Lock()
"""Alembic keeps what it works on in its module."""


class Environment:
    """One PostgreSQL of its own, with a migrated template, beside a cluster."""

    def __init__(self, cluster: KafkaCluster, postgres: EmbeddedPostgres, place: Path) -> None:
        self.cluster = cluster
        self.postgres = postgres
        self.place = place
        self._template = f"awp_template_{secrets.token_hex(4)}"
        server = self._server()
        server.create(self._template, template="template0")
        with _ONE_AT_A_TIME:
            revisions.upgrade(server.url(self._template))

    @property
    def broker(self) -> Address:
        """The cluster, past all links."""
        return Address("kafka", self.cluster.address)

    def url(self, database: str) -> str:
        """The address of a database, as the server stands now."""
        return self._server().url(database)

    def create(self, database: str) -> None:
        """Make a fresh, migrated database."""
        self._server().create(database)

    def drop(self, database: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._server().drop(database)

    def _server(self) -> PostgresServer:
        return PostgresServer(self.postgres.url, self._template)


@contextlib.contextmanager
def environment(cluster: KafkaCluster) -> Iterator[Environment]:
    """An environment for as long as the block lasts."""
    with folder() as place:
        postgres = EmbeddedPostgres(place)  # one that forgets what it committed is none
        made = None
        try:
            made = Environment(cluster, postgres.start(), place)
            yield made
        finally:
            (made.postgres if made else postgres).stop()  # a scenario may have put another there
