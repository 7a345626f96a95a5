"""Faust's dialect of the broker settings."""

import ssl
from typing import Any

import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.kafka.settings import KafkaSettings

USER = {"kafka_username": "trigger-worker", "kafka_password": "not for logs"}


def rendered(**settings: Any) -> dict[str, Any]:
    return KafkaSettings.of(Settings(**settings)).faust()


def test_every_broker_is_named_and_nothing_is_sent_without_sasl_or_tls() -> None:
    assert rendered(kafka_brokers="kafka-1:9092, kafka-2:9093", **USER) == {
        "broker": ["aiokafka://kafka-1:9092", "aiokafka://kafka-2:9093"]
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_sasl_in_clear_and_over_tls(protocol: str, mechanism: str) -> None:
    settings = {"kafka_security_protocol": protocol, "kafka_sasl_mechanism": mechanism}
    credentials = rendered(**settings, **USER)["broker_credentials"]
    assert credentials.protocol.value == protocol
    assert credentials.mechanism.value == mechanism
    assert (credentials.username, credentials.password) == ("trigger-worker", "not for logs")
    assert (credentials.ssl_context is not None) == (protocol == "SASL_SSL")
    assert "not for logs" not in repr(credentials)


def test_tls_alone_verifies_the_brokers() -> None:
    credentials = rendered(kafka_security_protocol="SSL")["broker_credentials"]
    assert credentials.protocol.value == "SSL"
    assert credentials.context.verify_mode == ssl.CERT_REQUIRED
    assert credentials.context.check_hostname
