"""Everything on this machine: started in order, as much as possible at once, and stopped in order.

PostgreSQL and the broker live as long as the run. The worker and the streams are the processes that
production runs, told by the environment where things are.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event as Flag

from sqlalchemy import Engine

from job_trigger_worker.config import PREFIX, Settings, load
from job_trigger_worker.demo import env_file
from job_trigger_worker.demo import platform as demo_platform
from job_trigger_worker.demo.data_folder import DataFolder
from job_trigger_worker.demo.probes import read_figures
from job_trigger_worker.demo.progress import Progress, doing
from job_trigger_worker.demo.services import Services
from job_trigger_worker.demo.sign_in_link import ConsoleAccess, listener
from job_trigger_worker.demo.supervisor import SupervisedChild
from job_trigger_worker.embedded.broker import EmbeddedBroker
from job_trigger_worker.embedded.postgres import EmbeddedPostgres
from job_trigger_worker.errors import FatalError
from job_trigger_worker.kafka.admin import DEFAULT_PARTITIONS, TopicAdmin
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicIds
from job_trigger_worker.storage.db.engine import make_engine
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.schema import revisions
from job_trigger_worker.storage.write import acknowledgements, ledger
from job_trigger_worker.storage.write.acknowledgements import Kind

JOIN_TIMEOUT_S = 30.0
WORKER_STOP_S = 1.5
CONSOLE_STOP_S = 1.0
STREAMS_STOP_S = 1.0

_POLL_S = 0.05
_KEPT = ("MESSAGE_LANGUAGE", "LOG_LEVEL", "LOG_FORMAT")
"""Settings of a person's that hold here too; all others say where something else is."""

_BROKER = {"kafka_security_protocol": "PLAINTEXT", "topic_prefix": "awp"}
_WORKER = {
    "consumer_group": "job-trigger-worker",
    # A joining group waits half of this on the embedded broker; it is the least that is allowed.
    "max_poll_interval_ms": 6_000,
    # How long the group waits for a killed worker before it lets the next one join.
    "session_timeout_ms": 2_000,
    # The embedded broker looks at a waiting fetch only every quarter of this.
    "fetch_wait_ms": 10,
    "metadata_interval_ms": 5_000,
}
"""What a run sets beside its addresses, whatever the environment says."""


class Interrupted(FatalError):
    """A person ended the start."""


class Stack:
    """The parts of a run. `start` once, then `stop`; `stop` also ends what a failed start left."""

    def __init__(self, folder: DataFolder, progress: Progress, stopping: Flag) -> None:
        self.folder = folder
        self.partitions = DEFAULT_PARTITIONS
        self._progress = progress
        self._stopping = stopping
        self._postgres = EmbeddedPostgres(folder.postgres)
        self._broker = EmbeddedBroker(folder.log("broker"))
        self._ends = ExitStack()

    settings: Settings
    _variables: dict[str, str]
    kafka: KafkaSettings
    engine: Engine
    worker: SupervisedChild
    streams: SupervisedChild
    door: ConsoleAccess

    def start(self, *, has_console: bool = True) -> None:
        """Start everything but what fires triggers; returns when the worker has its partitions.

        Raises `FatalError` with what did not work, `Interrupted` when `stopping` was set.
        """
        with ThreadPoolExecutor(2) as pool:
            database = pool.submit(self._start_database)
            broker = pool.submit(self._start_broker)
            database.result()
            broker.result()
        self._go_on()
        with doing(self._progress, "settings", "its data folder") as words:
            env_file.write(self.folder.env, self._variables)
            self._ends.callback(self.folder.env.unlink, missing_ok=True)
            words.append(f"for other commands: {self.folder.env_command}")
        self._forget_former_broker()
        with doing(self._progress, "worker", "its start") as words:
            self.worker = self._child("worker", "WORKER_LISTEN")
            self._ends.callback(lambda: self.worker.stop(WORKER_STOP_S))
            words.append(f"process {self.worker.pid}")
        with doing(self._progress, "streams", "its start") as words:
            self.streams = self._child("streams", "STREAMS_LISTEN")
            self._ends.callback(lambda: self.streams.stop(STREAMS_STOP_S))
            words.append(f"process {self.streams.pid}")
        if has_console:
            self._start_console()
        with doing(self._progress, "demo platform", "PostgreSQL") as words:
            with self.engine.begin() as connection:
                demo_platform.fill(connection)
            words.append("200 jobs, their owners, servers and accounts")
        with doing(self._progress, "services", "the dispatch topics") as words:
            services = Services(self.kafka, self.partitions)
            services.start()
            self._ends.callback(services.stop)
            words.append("stand-ins for action and orch")
        waits_for = "the broker to let it join its group (some 4 s)"
        with doing(self._progress, "partitions", waits_for) as words:
            self._wait_for_partitions()
            words.append(f"the worker has all {self.partitions}")

    def stop(self) -> None:
        """Worker, streams, services, broker, PostgreSQL; twice does nothing. Within 4 s."""
        self.stop_processes()
        self._ends.close()
        if hasattr(self, "engine"):
            self.engine.dispose()
        self._broker.stop()
        self._postgres.stop()

    def stop_processes(self) -> None:
        """End the worker, which hands over, and then the streams; the database stays."""
        if hasattr(self, "worker"):
            self.worker.stop(WORKER_STOP_S)
        if hasattr(self, "streams"):
            self.streams.stop(STREAMS_STOP_S)

    def has_partitions(self) -> bool:
        """True when the worker that runs now owns every partition of the trigger topic."""
        triggers = self.kafka.topics.triggers
        figures = read_figures(self.worker.listen, triggers)
        return figures is not None and figures.partitions.get(triggers, 0) >= self.partitions

    def _start_database(self) -> None:
        with doing(self._progress, "PostgreSQL", "its data folder") as words:
            self._postgres.start()
            words.append(f"process {self._postgres.pid}, data in {self.folder.shown()}")
        with doing(self._progress, "migrations", "PostgreSQL") as words:
            state = revisions.upgrade(self._postgres.url)
            words.append(f"the schema is at {state.revision}")

    def _start_broker(self) -> None:
        with doing(self._progress, "broker", "its first answer") as words:
            self._broker.start()
            words.append(f"process {self._broker.pid}, in memory, at {self._broker.address}")
        with doing(self._progress, "topics", "the broker"):
            kafka = KafkaSettings.of(load(**_BROKER, kafka_brokers=self._broker.address))
            with TopicAdmin(kafka) as admin:
                admin.create(kafka.topics, partitions=self.partitions)

    def _forget_former_broker(self) -> None:
        """Say of what a former run's broker held unread that it is gone, as the broker is.

        It keeps nothing, and this run is a demo: no person has to acknowledge it.
        """
        with TopicIds(self.kafka) as topic_ids:
            found = {name: topic_ids.describe(name) for name in self.kafka.topics.consumed()}
        with self.engine.begin() as connection:
            for name, topic in found.items():
                ledger.lose_replaced(connection, name, topic.topic_id if topic else None)
            acknowledgements.acknowledge(
                connection,
                Kind.LOST,
                by="trigger-worker run",
                reason="The demo's broker keeps nothing: what it held unread is gone with it.",
                triggers=self.kafka.topics.triggers,
            )

    def _start_console(self) -> None:
        with doing(self._progress, "console", "its start") as words:
            listen = listener()
            self._variables[f"{PREFIX}CONSOLE_LISTEN"] = listen
            console = self._child("console", "CONSOLE_METRICS_LISTEN")
            self._ends.callback(lambda: console.stop(CONSOLE_STOP_S))
            pool = Pool(self.settings)
            self._ends.callback(pool.close)
            self.door = ConsoleAccess(pool, listen)
            words.append(f"process {console.pid}, at http://{listen}")

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise Interrupted("Stopped before everything had started.")
        ours = {
            "database_url": self._postgres.url,
            "kafka_brokers": self._broker.address,
            **_BROKER,
            **_WORKER,
        }
        self.settings = load(**ours)
        self._variables = {PREFIX + name.upper(): str(value) for name, value in ours.items()}
        self.kafka = KafkaSettings.of(self.settings)
        self.engine = make_engine(self.settings)

    def _child(self, command: str, listener: str) -> SupervisedChild:
        """A process that comes back, each time with its listener at another port."""
        program = Path(sys.executable).with_name("trigger-worker")
        return SupervisedChild(
            [str(program), command],
            self.folder.log(command),
            lambda listen: self._environment() | {PREFIX + listener: listen},
        )

    def _environment(self) -> dict[str, str]:
        kept = {PREFIX + name for name in _KEPT}
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(PREFIX) or name in kept
        }
        return inherited | self._variables

    def _wait_for_partitions(self) -> None:
        self.wait(self.has_partitions, JOIN_TIMEOUT_S, "The worker did not get its partitions")

    def wait(self, condition: Callable[[], bool], timeout_s: float, complaint: str) -> None:
        """Return when a condition holds.

        Raises `FatalError` with the worker's last words when it does not in time or the worker
        cannot run, `Interrupted` when a person does not want to wait.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self._stopping.wait(_POLL_S):
                raise Interrupted("Stopped before everything had started.")
            if self.worker.is_failing or time.monotonic() > deadline:
                raise FatalError(
                    f"{complaint}. Its log ends:\n{self.worker.last_words()}\n",
                    remedy=f"The whole log is {self.worker.log_path}.",
                )
