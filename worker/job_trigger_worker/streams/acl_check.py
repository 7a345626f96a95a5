"""Checks that the streams have the rights they need: Faust would say nothing, or wait for ever."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.errors import describe
from job_trigger_worker.kafka.shutdown import close_admin
from job_trigger_worker.logs import logger

log = logger(__name__)

_ASK_S = 5.0
_ANSWER_S = 2 * _ASK_S
_READ, _WRITE = AclOperation.READ, AclOperation.WRITE
_REFUSALS = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)


def check(confluent: Mapping[str, Any], *, source: str, changelog: str, group: str) -> None:
    """Return when the brokers would let us read `source`, keep `changelog` and join `group`.

    Both topics exist. Brokers that do not say what we may do are believed to allow it. Raises
    `FatalError` that names the right which is missing, `Transient` when they do not answer.
    """
    config = {**confluent, "log_level": 0, "error_cb": lambda _: None}
    admin = AdminClient(config, logger=logging.getLogger(__name__))
    try:
        topics = admin.describe_topics(
            TopicCollection([source, changelog]),
            include_authorized_operations=True,
            request_timeout=_ASK_S,
        )
        groups = admin.describe_consumer_groups(
            [group], include_authorized_operations=True, request_timeout=_ASK_S
        )
        for what, asked, needed in (
            (f"topic {source}", topics[source], (_READ,)),
            (f"topic {changelog}", topics[changelog], (_READ, _WRITE)),
            (f"consumer group {group}", groups[group], (_READ,)),
        ):
            _require(what, asked, needed)
    finally:
        close_admin(admin)


def _require(what: str, asked: Future[Any], needed: Collection[AclOperation]) -> None:
    try:
        allowed = asked.result(timeout=_ANSWER_S).authorized_operations
    except TimeoutError:
        raise Transient(f"The brokers do not describe the {what} in time.") from None
    except KafkaException as failure:
        error: KafkaError = failure.args[0]
        if error.code() not in _REFUSALS:
            raise Transient(
                f"The brokers do not describe the {what}: {describe(error)}."
            ) from failure
        allowed = []
    else:
        if not allowed:
            return
    missing = [each.name for each in needed if each not in allowed]
    if missing:
        raise FatalError(
            f"The streams have no right to {' and '.join(missing)} the {what}.",
            remedy="Grant it to their principal (deploy/acls.md).",
        )
