"""How what a broker answers is said."""

import pytest
from confluent_kafka import KafkaError
from sqlalchemy import create_engine

from job_trigger_worker.config import Settings
from job_trigger_worker.kafka.errors import describe
from job_trigger_worker.kafka.group_check import check_group
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.storage.db.engine import Session


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, "ConsumerGroupDescribe: "),
            "ConsumerGroupDescribe: Broker: Coordinator load in progress",
        ),
        (
            KafkaError(KafkaError.COORDINATOR_NOT_AVAILABLE, ""),
            "Broker: Coordinator not available",
        ),
        (
            KafkaError(KafkaError.NOT_COORDINATOR, "Failed to get committed offsets: no."),
            "Failed to get committed offsets: no",
        ),
        (KafkaError(KafkaError._TIMED_OUT), "Local: Timed out"),
    ],
)
def test_a_reason_is_never_empty(error: KafkaError, said: str) -> None:
    assert describe(error) == said


def test_a_group_that_nobody_tells_of_at_the_start_is_asked_again_and_that_is_said(
    unused_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    nobody_asked = Session(create_engine("postgresql+psycopg2://nowhere/"))
    check_group(nobody_asked, KafkaSettings.of(Settings(kafka_brokers=unused_address)), "workers")
    (line,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    said = 'action=group_not_checked topic=awp.job.triggers.v1 reason="The brokers at '
    assert line.startswith(said)
