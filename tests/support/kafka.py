"""Apache Kafka without Docker: jars by Maven into a cache, KRaft nodes on loopback."""

from __future__ import annotations

import base64
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from job_trigger_worker.embedded.child import Child, free_port, last_lines
from job_trigger_worker.kafka.admin import answers
from tests.support.freezing import freeze

POM = Path(__file__).parent / "jars" / "pom.xml"
OLDEST_JAVA = 17
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
_DOWNLOAD_TIMEOUT_S = 600.0
_PORTS_TRIED = 3


class NoKafka(Exception):
    """Apache Kafka cannot run here; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime new enough for Kafka."""

    binary: str
    version: int


def find_java() -> Java:
    """The Java of JAVA_HOME, else of PATH; raises `NoKafka` when there is none, or an old one."""
    home = os.environ.get("JAVA_HOME")
    binary = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not binary or not os.access(binary, os.X_OK):
        where = f"JAVA_HOME ({home})" if home else "PATH"
        raise NoKafka(f"There is no Java on {where}. Install Java {OLDEST_JAVA} or newer.")
    said = subprocess.run(
        [binary, "-version"], capture_output=True, text=True, timeout=30, check=False
    ).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if not found or int(found[1]) < OLDEST_JAVA:
        raise NoKafka(
            f"{binary} is {said.splitlines()[0] if said else 'no Java'}; "
            f"Kafka needs Java {OLDEST_JAVA} or newer."
        )
    return Java(binary, int(found[1]))


def kafka_version() -> str:
    """The version that the tests run on, as the pom says."""
    return str(re.findall(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text())[0])


def jars_folder() -> Path:
    """Where the jars are, or will be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "job-trigger-worker" / f"kafka-{kafka_version()}"


def ensure_jars() -> Path:
    """The folder with the jars; downloaded (54 MB) when it is not there.

    The folder appears whole or not at all, also when two runs begin at once. Raises `NoKafka`
    when Maven is missing or cannot download.
    """
    folder = jars_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
                libs = Path(beside) / "libs"
                _download(libs)
                libs.rename(folder)
    return folder


def _download(into: Path) -> None:
    maven = shutil.which("mvn")
    if not maven:
        raise NoKafka(f"Kafka's jars are not in {jars_folder()} and there is no mvn to fetch them.")
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    try:
        done = subprocess.run(
            [*command, f"-DoutputDirectory={into}"],
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoKafka(f"Maven did not end within {_DOWNLOAD_TIMEOUT_S:.0f} s.") from None
    if done.returncode or not list(into.glob("kafka_*.jar")):
        raise NoKafka(f"Maven could not download Kafka:\n{done.stdout[-2000:]}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Seat:
    """A node's place in a cluster: its number, the cluster's id, and where all controllers are.

    `link` is a second way to the node, which clients may be sent: the port that it advertises
    there, for a proxy before it.
    """

    node_id: int
    cluster_id: str
    controllers: tuple[int, ...]
    link: int

    @property
    def voters(self) -> str:
        """The quorum, as Kafka's properties name it."""
        return ",".join(f"{i}@127.0.0.1:{port}" for i, port in enumerate(self.controllers, 1))


def new_cluster_id() -> str:
    """What a cluster's storage is formatted with."""
    return base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")


class KafkaNode:
    """One node, broker and controller, with its data under `folder`.

    Ports and data stay the same from `start` to `start`: `kill` and `start` again is a crash.
    With a `password` it has a second listener, where the user `worker` signs in (SASL PLAIN) and
    may do what no ACL denies. With a `seat` it is one of a cluster (`tests.support.cluster`). For
    measurements, `is_for_speed` has its code compiled as well as Java can.
    """

    name = "kafka"

    def __init__(
        self,
        folder: Path,
        *,
        heap: str = "512m",
        password: str = "",
        seat: Seat | None = None,
        is_for_speed: bool = False,
    ) -> None:
        self.folder = folder
        self.log_path = folder / "kafka.log"
        self.seat = seat
        self._heap = heap
        self._password = password
        self._is_for_speed = is_for_speed
        self._port = 0
        self._second_port = 0
        self._child: Child | None = None
        self._java = find_java().binary
        self._jars = ensure_jars()

    @property
    def address(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self._port}"

    @property
    def guarded_address(self) -> str:
        """host:port of the listener where `worker` signs in."""
        assert self._password, "the node has no such listener"
        return f"127.0.0.1:{self._second_port}"

    @property
    def link_port(self) -> int:
        """Where the node listens for what comes by the link of its seat."""
        assert self.seat is not None, "the node has no such listener"
        return self._second_port

    @property
    def pid(self) -> int:
        """The Java process; valid while it runs."""
        assert self._child is not None, "the node was not started"
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.exit_status() is None

    def start(self) -> KafkaNode:
        """Start and return when it answers; raises with the log's end when it does not."""
        if self.is_running:
            return self
        is_new = not self._port
        for _ in range(_PORTS_TRIED if is_new else 1):
            if is_new:  # somebody may take a port between choice and start
                self.format()
            self.launch()
            if self.has_started():
                return self
            self.kill()
        raise AssertionError(f"Kafka did not start; {self.log_path} ends:\n{self._log_end()}")

    def launch(self) -> None:
        """Start the process of a formatted node and do not wait."""
        self._child = Child(self._command("kafka.Kafka", self._properties()), self.log_path)

    def has_started(self) -> bool:
        """Wait until it answers; False when it ended, or does not answer in time."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.is_running and time.monotonic() < deadline:
            if answers(self.address, timeout_s=2.0):
                return True
        return False

    def stop(self) -> None:
        """End it in order."""
        if self._child:
            self._child.stop(STOP_TIMEOUT_S)
            self._child = None

    def kill(self) -> None:
        """End it as a power cut of the process would (SIGKILL)."""
        if self._child:
            self._child.kill()
            self._child = None

    def freeze(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        if self._child:
            freeze(self._child.pid)

    def wake(self) -> None:
        """SIGCONT."""
        if self._child:
            self._child.send(signal.SIGCONT)

    def format(self) -> None:
        """New ports and an empty log."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._port, self._second_port = free_port(), free_port()
        self._properties().write_text(self._configured(self._said()))
        cluster_id = self.seat.cluster_id if self.seat else new_cluster_id()
        done = subprocess.run(
            self._command(
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={cluster_id}",  # one argument: an id may begin with a dash
                f"--config={self._properties()}",
            ),
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"Kafka's storage format failed:\n{done.stdout}{done.stderr}"

    def _said(self) -> str:
        """The node's properties."""
        seat = self.seat or Seat(1, "", (free_port(),), 0)
        said = _PROPERTIES.format(
            node=seat.node_id,
            voters=seat.voters,
            port=self._port,
            controller=seat.controllers[seat.node_id - 1],
            data=self.folder / "data",
            copies=len(seat.controllers),
            least=(len(seat.controllers) + 1) // 2,
        )
        if self.seat:
            said = _with_listener(said, "LINK", self._second_port) + _LINKED.format(
                port=self._port, link=self.seat.link
            )
        if self._password:
            said = _with_listener(said, "SASL_PLAINTEXT", self._second_port) + _GUARDED.format(
                password=self._password
            )
        return said

    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _configured(self, properties: str) -> str:
        """What a node of another kind makes of its server.properties."""
        return properties

    def _command(self, main: str, *args: object) -> list[str]:
        return [
            *(self._java, f"-Xmx{self._heap}", "-XX:+UseSerialGC", "-Xshare:auto"),
            # The second compiler takes a good third of what a short life costs.
            *([] if self._is_for_speed else ["-XX:TieredStopAtLevel=1"]),
            *("-cp", f"{self._jars}/*", main, *map(str, args)),
        ]

    def _log_end(self) -> str:
        return last_lines(self.log_path, 30)


def _with_listener(properties: str, name: str, port: int) -> str:
    return properties.replace(",CONTROLLER://", f",{name}://127.0.0.1:{port},CONTROLLER://", 1)


_PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\\
  SASL_PLAINTEXT:SASL_PLAINTEXT,LINK:PLAINTEXT
log.dirs={data}
default.replication.factor={copies}
min.insync.replicas={least}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=3
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={least}
transaction.state.log.num.partitions=3
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
replica.lag.time.max.ms=3000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=16777216
"""

_LINKED = """\
advertised.listeners=PLAINTEXT://127.0.0.1:{port},LINK://127.0.0.1:{link}
"""

_GUARDED = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_worker="{password}";
"""
