"""The broker settings in librdkafka's dialect, and what it would refuse with a traceback."""

from pathlib import Path
from typing import Any

import pytest

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import UsageError
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.consumer_config import session_of
from job_trigger_worker.kafka.settings import KafkaSettings


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_a_file_that_is_not_there_is_named(name: str) -> None:
    settings: dict[str, Any] = {"kafka_security_protocol": "SSL", f"kafka_{name}": Path("/nope")}
    with pytest.raises(UsageError) as refused:
        KafkaSettings.of(Settings(**settings)).confluent()
    assert str(refused.value) == (
        f"TRIGGER_WORKER_KAFKA_{name.upper()} (/nope) cannot be used: No such file or directory. "
        "Name a readable file with certificates in PEM form."
    )


@pytest.mark.parametrize("name", ["ca_file", "cert_file"])
def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.pem"
    file.write_text("no certificate")
    settings: dict[str, Any] = {"kafka_security_protocol": "SSL", f"kafka_{name}": file}
    with pytest.raises(
        UsageError, match=rf"^TRIGGER_WORKER_KAFKA_{name.upper()} \({file}\) cannot"
    ):
        KafkaSettings.of(Settings(**settings)).confluent()


@pytest.mark.parametrize(
    ("max_poll_interval_ms", "session_timeout_ms", "metadata_interval_ms"),
    [(86_400_000, 3_600_000, 3_600_000), (6_000, 1_000, 500), (6_000, 3_600_000, 500)],
)
def test_a_consumer_can_be_made_of_the_most_and_the_least(
    unused_address: str,
    max_poll_interval_ms: int,
    session_timeout_ms: int,
    metadata_interval_ms: int,
) -> None:
    settings = Settings(
        kafka_brokers=unused_address,
        max_poll_interval_ms=max_poll_interval_ms,
        session_timeout_ms=session_timeout_ms,
        metadata_interval_ms=metadata_interval_ms,
    )
    consumer = TopicConsumer(
        KafkaSettings.of(settings),
        settings,
        "t.job.triggers.v1",
    )
    consumer.join(lambda _: None, lambda _: None)
    consumer.close()


def test_a_heartbeat_fits_a_session_that_the_poll_interval_shortens() -> None:
    settings = Settings(max_poll_interval_ms=6_000, session_timeout_ms=60_000)
    assert session_of(settings) == {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 600}
    settings = Settings(max_poll_interval_ms=6_000, session_timeout_ms=1_000)
    assert session_of(settings) == {"session.timeout.ms": 1_000, "heartbeat.interval.ms": 300}
