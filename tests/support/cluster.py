"""Apache Kafka in three nodes, of which one may die: replication 3, two of them in sync."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka.admin import AdminClient

from job_trigger_worker.embedded.child import free_port
from tests.support.kafka import KafkaNode, Seat, new_cluster_id
from tests.support.link import Link
from tests.support.topics import quiet_client, set_topic
from tests.support.waiting import wait_until

NODES = 3
_TRIES = 3
_ANSWER_S = 10.0
_READY_S = 120.0
_FORMED_S = 60.0


class KafkaCluster:
    """Three nodes, each broker and controller, with a link of ours before each.

    Clients of `address` reach the nodes directly; those of `linked_address` through `links`, also
    when a broker tells them where the others are.
    """

    name = "kafka"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes: dict[int, KafkaNode] = {}
        self.links: dict[int, Link] = {}

    @property
    def address(self) -> str:
        """host:port of every node, comma-separated."""
        return ",".join(node.address for node in self.nodes.values())

    @property
    def linked_address(self) -> str:
        """The same through the links."""
        return ",".join(f"127.0.0.1:{link.port}" for link in self.links.values())

    def start(self) -> KafkaCluster:
        """Start a new cluster; ready when every node can lead. Raises with a log's end if not."""
        for attempt in range(1, _TRIES + 1):
            self._form(self._folder / f"try-{attempt}")
            with ThreadPoolExecutor(NODES) as pool:
                list(pool.map(KafkaNode.format, self.nodes.values()))
            for number, node in self.nodes.items():
                node.launch()
                self.links[number].upstream = ("127.0.0.1", node.link_port)
                self.links[number].listen()
            if all(node.has_started() for node in self.nodes.values()) and self._is_whole():
                return self
            self.close()  # somebody may have taken a port, also one between the controllers
        raise AssertionError(f"the cluster did not start; its logs are under {self._folder}")

    def restore(self) -> None:
        """Heal every link, start every node that does not run, and wait until all are in sync."""
        for link in self.links.values():
            link.heal()
        for node in self.nodes.values():
            node.wake()
            if not node.is_running:
                node.launch()
        for node in self.nodes.values():
            assert node.has_started(), f"a node did not start again; its log is {node.log_path}"
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until every broker is there and every copy of every partition is in sync."""
        wait_until(self._whole(), _READY_S, "all copies in sync on three brokers")

    def _is_whole(self) -> bool:
        """Whether a new cluster becomes whole."""
        with contextlib.suppress(AssertionError):
            wait_until(self._whole(), _FORMED_S, "three brokers")
            return True
        return False

    def _whole(self) -> Callable[[], bool]:
        admin = AdminClient(quiet_client(self.address))

        def is_whole() -> bool:
            found = admin.list_topics(timeout=_ANSWER_S)
            partitions = [p for t in found.topics.values() for p in t.partitions.values()]
            return len(found.brokers) == NODES and all(
                len(each.isrs) == len(each.replicas) for each in partitions
            )

        return is_whole

    def leader(self, topic: str, partition: int) -> KafkaNode:
        """The node that leads a partition now."""
        admin = AdminClient(quiet_client(self.address))

        def leads() -> int:
            return int(
                admin.list_topics(topic, _ANSWER_S).topics[topic].partitions[partition].leader
            )

        wait_until(lambda: leads() in self.nodes, _READY_S, f"a leader of {topic}/{partition}")
        return self.nodes[leads()]

    def coordinator(self, group: str) -> KafkaNode:
        """The node that coordinates a consumer group now."""
        admin = AdminClient(quiet_client(self.address))
        found = admin.describe_consumer_groups([group])[group].result(_ANSWER_S)
        return self.nodes[int(found.coordinator.id)]

    def set_topic(self, topic: str, name: str, value: str) -> None:
        """Change a setting of a topic; brokers hear of it one after the other."""
        set_topic(self.address, topic, name, value)

    def kill(self) -> None:
        """SIGKILL of every node at once."""
        for node in self.nodes.values():
            node.kill()

    def close(self) -> None:
        """End everything."""
        for link in self.links.values():
            link.refuse()
        self.kill()

    def _form(self, folder: Path) -> None:
        controllers = tuple(free_port() for _ in range(NODES))
        cluster_id = new_cluster_id()
        for number in range(1, NODES + 1):
            link = Link(("127.0.0.1", 0))
            link.listen()
            seat = Seat(number, cluster_id, controllers, link.port)
            self.links[number] = link
            self.nodes[number] = KafkaNode(folder / f"node-{number}", heap="320m", seat=seat)


@contextlib.contextmanager
def running_cluster() -> Iterator[KafkaCluster]:
    """A cluster for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="kafka-cluster-") as folder:
        cluster = KafkaCluster(Path(folder))
        try:
            yield cluster.start()
        finally:
            cluster.close()
