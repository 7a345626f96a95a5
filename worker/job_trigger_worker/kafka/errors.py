"""Which answers of brokers cannot be fixed by waiting, and how they are worded."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from job_trigger_worker.errors import FatalError

REFUSALS = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001  # librdkafka's own codes begin with _
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""A wrong password, or a right that is not granted."""

SIGN_IN = KafkaError._AUTHENTICATION  # noqa: SLF001
"""What librdkafka says of a wrong password, and of a broker that goes away while it is asked: only
`connectivity.check` knows which."""

REMEDY = "Correct the TRIGGER_WORKER_KAFKA_… settings, or grant the right (deploy/acls.md)."


FAILURES = (KafkaException, SystemError)
"""What a call of confluent-kafka raises when the client fails. `flush` goes on after a fatal error:
the callbacks that it runs then fail with a SystemError, whose cause it is."""


def first_error(failure: BaseException) -> KafkaError:
    """The error that a failure carries; raises the failure where it carries none."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, KafkaException):
            error: KafkaError = cause.args[0]
            return error
        cause = cause.__cause__
    raise failure


def is_fatal(error: KafkaError) -> bool:
    """True when the client is of no use any more.

    A call on such a client says no more than that (`_FATAL`); its next poll raises the cause, once.
    """
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001


def describe(error: KafkaError) -> str:
    """What librdkafka says, for a sentence of ours: without the dot that ends some of it.

    Where it quotes an answer without words, what the code means stands in their place.
    """
    said = error.str().strip().rstrip(".")
    if said and not said.endswith(":"):
        return said
    return f"{said} {KafkaError(error.code()).str()}".strip()


def authorization_error(error: KafkaError) -> FatalError:
    """The answer to a refusal: what it was, and what a person can do."""
    return FatalError(f"The brokers refuse the worker: {describe(error)}.", remedy=REMEDY)


def no_right(error: KafkaError, *, group: str, topic: str) -> FatalError:
    """What a consumer's refusal is for a person: which right is missing, on the group or topic."""
    if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
        return FatalError(
            f"The worker may not join the group {group}: {describe(error)}.",
            remedy="Grant its principal READ on the consumer group.",
        )
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return may_not_read(topic, error)
    return authorization_error(error)


def duplicate_member(error: KafkaError, *, group: str, member: str) -> FatalError:
    """What it is for a person when a member with a name is of no use any more.

    librdkafka has no other reason for that, and does not tell its code.
    """
    return FatalError(
        f"Another process has the name {member} in the group {group}: {describe(error)}.",
        remedy="Give each worker a TRIGGER_WORKER_GROUP_INSTANCE_ID of its own.",
    )


def may_not_read(topic: str, error: KafkaError) -> FatalError:
    """What it is for a person when brokers refuse what a reader of a topic asks."""
    return FatalError(
        f"The worker may not read {topic}: {describe(error)}.",
        remedy="Grant its principal READ on the topic and on the consumer group.",
    )
