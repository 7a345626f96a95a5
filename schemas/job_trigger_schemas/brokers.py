"""What the publisher and the reader need from brokers before they start (kafka-python)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from threading import Event
from typing import Any, NamedTuple, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import (
    AuthorizationError,
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    RetriableError,
    SaslAuthenticationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from job_trigger_schemas.errors import BrokersAway, NotAuthorized, TopicMissing

Options = Mapping[str, Any]
"""Keyword arguments of kafka-python's clients: TLS, SASL, `client_id`."""

CLIENT_ID = "job-trigger-schemas"
_RECONNECT_MS = 2_000
"""How long after an outage the client may be without its brokers; by itself it is half a minute."""


def options(brokers: str, given: Options | None) -> dict[str, Any]:
    """Keyword arguments of a client of these brokers: host:port, comma-separated."""
    addresses = [each.strip() for each in brokers.split(",")]
    ours = {"client_id": CLIENT_ID, "reconnect_backoff_max_ms": _RECONNECT_MS}
    return {**ours, **(given or {}), "bootstrap_servers": addresses}


Client = TypeVar("Client")


def connected(make: Callable[..., Client], *arguments: str, **config: Any) -> Client:
    """A client of kafka-python, made by its class.

    One that cannot connect leaves nothing behind: by itself, each try would leave a thread and four
    open files, which a process that tries again and again has to run out of.
    """
    parts: list[Any] = []

    def part(**given: Any) -> Any:
        parts.append(make.DEFAULT_CONFIG["kafka_client"](**given))  # type: ignore[attr-defined]
        return parts[-1]

    try:
        return make(*arguments, **config, kafka_client=part)
    except BaseException:
        for each in parts:
            each.close()
        raise


class Partitions(NamedTuple):
    """The partitions of a topic, by whether they have a leader at present."""

    led: tuple[int, ...]
    leaderless: tuple[int, ...]


def require_topic(client: Options, topic: str, *, timeout_s: float) -> Partitions:
    """Return when the topic exists: its partitions.

    Raises `BrokersAway` when no broker answers within about `timeout_s`, `TopicMissing`, and
    `NotAuthorized` when the brokers do not let us in, or not at this topic.
    """
    timeout_ms = max(1, int(timeout_s * 1000))
    known = {
        name: value for name, value in client.items() if name in KafkaAdminClient.DEFAULT_CONFIG
    }
    deadlines = {"bootstrap_timeout_ms": timeout_ms, "request_timeout_ms": timeout_ms}
    with errors_of_ours(client, timeout_s):
        admin = connected(KafkaAdminClient, **known | deadlines)
        try:
            (described,) = admin.describe_topics([topic])
        finally:
            admin.close()
        error = for_code(described["error_code"])
        if error is UnknownTopicOrPartitionError:
            raise TopicMissing(
                f"The topic {topic} does not exist at {named(client)}.",
                remedy="Create it (`trigger-worker topics create`), or name another one.",
            )
        if described["error_code"] and not issubclass(error, RetriableError):
            raise error(topic)
    leaders = {each["partition_index"]: each["leader_id"] for each in described["partitions"]}
    return Partitions(
        led=tuple(sorted(each for each, leader in leaders.items() if leader >= 0)),
        leaderless=tuple(sorted(each for each, leader in leaders.items() if leader < 0)),
    )


def topic_id(consumer: KafkaConsumer, topic: str) -> str:
    """The topic's id by what a consumer last heard of it; empty where it heard of none."""
    found = _cluster(consumer).topic_id(topic)
    return str(found) if found else ""


def partitions(consumer: KafkaConsumer, topic: str) -> AbstractSet[int]:
    """The topic's partitions by what a consumer last heard of it.

    Raises `LeaderNotAvailableError` where it heard of none.
    """
    found: AbstractSet[int] | None = _cluster(consumer).partitions_for_topic(topic)
    if not found:
        raise LeaderNotAvailableError(topic)
    return found


def refresh(consumer: KafkaConsumer, timeout_s: float) -> None:
    """Make a consumer ask about its topics again, if brokers answer within `timeout_s`."""
    is_over = Event()
    _cluster(consumer).request_update().add_both(lambda _: is_over.set())
    is_over.wait(timeout_s)


def _cluster(consumer: KafkaConsumer) -> Any:
    return consumer._cluster  # noqa: SLF001 (a consumer has no other way to it)


@contextmanager
def errors_of_ours(client: Options, timeout_s: float) -> Iterator[None]:
    """Raise what kafka-python raises as the error that says what to do."""
    try:
        yield
    except SaslAuthenticationFailedError as error:
        raise NotAuthorized(
            f"The brokers at {named(client)} do not let us in: {error}.",
            remedy="Correct user, password or SASL mechanism.",
        ) from error
    except AuthorizationError as error:
        raise NotAuthorized(
            f"The brokers at {named(client)} refuse a right: {error}.",
            remedy="Grant it (deploy/acls.md of job-trigger-worker).",
        ) from error
    except (RetriableError, KafkaConnectionError) as error:
        raise no_answer(client, timeout_s, error) from error


def no_answer(client: Options, timeout_s: float, error: KafkaError) -> BrokersAway:
    """What to raise when brokers do not answer in time; kafka-python's log may know why.

    A broker that refuses a password says so and hangs up, and that client only notices the latter.
    """
    has_password = str(client.get("security_protocol", "")).startswith("SASL")
    more = ", user and password (a refused one looks the same)" if has_password else ""
    return BrokersAway(
        f"No answer from the brokers at {named(client)} within {timeout_s:g} s ({error}).",
        remedy=f"Check that they run, their addresses, certificates{more}.",
    )


def named(client: Options) -> str:
    """The brokers of a client, as a person writes them."""
    return ",".join(client["bootstrap_servers"])
