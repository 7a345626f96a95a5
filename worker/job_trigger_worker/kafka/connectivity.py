"""Whether the brokers let us in, and why not, before a client is left to try for ever.

A client takes a certificate that it cannot trust, and kafka-python also a wrong password, for a
broker that is away: it tries again until its time is up, and then says that it was.
"""

from __future__ import annotations

import logging
import re
import socket
import struct
import time

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from job_trigger_worker.errors import FatalError
from job_trigger_worker.kafka import tls
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_admin
from job_trigger_worker.kafka.tls import Side, TlsMismatch
from job_trigger_worker.logs import logger

log = logger(__name__)

_CONNECT_S = 2.0
_SIGN_IN_S = 5.0
_SECOND_OPINION_S = 1.0
"""How long another broker may take to let in whom one has refused."""
_POLL_S = 0.05
_API_VERSIONS = struct.pack("!ihhih", 10, 18, 0, 0, -1)
"""The one request that a broker answers before anybody has signed in."""
_NOISE = re.compile(r"^.*SASL authentication error: | \(after \d+ms in state .*$", re.DOTALL)


def check(kafka: KafkaSettings, timeout_s: float = 10.0) -> None:
    """Return when a broker lets us in, and also when none answers within `timeout_s`.

    A broker that is away is reported by the client that needs it; one that does not answer costs 5
    s here, whatever the timeout. Raises `FatalError` when no broker that answers has a certificate
    that we trust, takes ours, or takes user and password.
    """
    deadline = time.monotonic() + timeout_s
    if kafka.uses_tls and not _talks_tls(kafka, deadline):
        return
    if kafka.uses_sasl:
        _check_sasl(kafka, min(deadline, time.monotonic() + _SIGN_IN_S))


def _talks_tls(kafka: KafkaSettings, deadline: float) -> bool:
    """False where nobody answers."""
    context = kafka.ssl_context()
    first: FatalError | None = None
    for address in kafka.brokers.split(","):
        host, _, port = address.strip().rpartition(":")
        host = host.strip("[]")
        left_s = min(_CONNECT_S, deadline - time.monotonic())
        if left_s <= 0:
            break
        try:
            connection = socket.create_connection((host, int(port)), timeout=left_s)
            fault = tls.fault(connection, context, host, hello=_API_VERSIONS)
        except OSError:
            continue
        if fault is None:
            return True
        first = first or _said(address.strip(), fault, has_certificate=bool(kafka.cert_file))
    if first is not None:
        raise first
    return False


def _said(address: str, fault: TlsMismatch, *, has_certificate: bool) -> FatalError:
    if fault.side is Side.THEIRS:
        return FatalError(
            f"The certificate of the broker at {address} cannot be trusted: {fault.words}.",
            remedy="Correct TRIGGER_WORKER_KAFKA_CA_FILE or the name in "
            "TRIGGER_WORKER_KAFKA_BROKERS, or have the broker's certificate renewed.",
        )
    if fault.side is Side.OURS:
        what = "refuses our certificate" if has_certificate else "wants a certificate of ours"
        return FatalError(
            f"The broker at {address} {what} ({fault.words}).",
            remedy="Set TRIGGER_WORKER_KAFKA_CERT_FILE and TRIGGER_WORKER_KAFKA_KEY_FILE to a "
            "certificate that has not expired and whose authority the broker trusts.",
        )
    return FatalError(
        f"The broker at {address} does not talk TLS with us ({fault.words}).",
        remedy="Check that TRIGGER_WORKER_KAFKA_SECURITY_PROTOCOL is that of its listener.",
    )


def _check_sasl(kafka: KafkaSettings, deadline: float) -> None:
    refusals: list[tuple[float, KafkaError]] = []

    def note(error: KafkaError) -> None:
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001
            refusals.append((time.monotonic(), error))

    config = {**kafka.confluent(), "log_level": 0, "error_cb": note}
    admin = AdminClient(config, logger=logging.getLogger(__name__))
    asked = admin.describe_cluster(request_timeout=max(0.1, deadline - time.monotonic()))
    try:
        while not asked.done() and time.monotonic() < deadline:
            admin.poll(_POLL_S)
            if refusals and time.monotonic() - refusals[0][0] > _SECOND_OPINION_S:
                break
    finally:
        close_admin(admin)
    has_answer = asked.done() and asked.exception() is None
    if refusals and not has_answer:
        raise FatalError(
            f"The brokers at {kafka.brokers} do not let the user {kafka.username} in: "
            f"{_NOISE.sub('', refusals[0][1].str()).rstrip('.')}.",
            remedy="Correct TRIGGER_WORKER_KAFKA_USERNAME, TRIGGER_WORKER_KAFKA_PASSWORD or "
            "TRIGGER_WORKER_KAFKA_SASL_MECHANISM.",
        )
