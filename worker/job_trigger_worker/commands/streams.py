"""`trigger-worker streams`: windows over the failure topic."""

from __future__ import annotations

import signal
from functools import partial

import click

from job_trigger_worker import logs
from job_trigger_worker.clock import SystemClock
from job_trigger_worker.config import load
from job_trigger_worker.kafka.settings import KafkaSettings


@click.command("streams")
@click.option("--listen", metavar="HOST:PORT", help="Where to serve /windows, /metrics, /readyz.")
@click.option("--topic-prefix", help="First part of every topic's name.")
def command(listen: str | None, topic_prefix: str | None) -> None:
    """Count the failures of the last 1, 15 and 60 minutes, by code and by cause.

    Run one. It shares nothing with the worker: its end never stops a trigger. The counts come back
    from their changelog after a restart. SIGTERM and SIGINT end it with 0.
    """
    settings = load(streams_listen=listen, topic_prefix=topic_prefix)
    logs.configure(settings)
    is_stopping = False

    def remember(*_: object) -> None:
        nonlocal is_stopping
        is_stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, remember)
    # Faust takes its time to import: other commands never pay for it.
    from job_trigger_worker.kafka import connectivity  # noqa: PLC0415
    from job_trigger_worker.runtime.streams import StreamsProcess  # noqa: PLC0415
    from job_trigger_worker.streams import acl_check  # noqa: PLC0415
    from job_trigger_worker.streams.app import StreamsConfig  # noqa: PLC0415
    from job_trigger_worker.streams.changelog import Changelog  # noqa: PLC0415

    kafka = KafkaSettings.of(settings)
    config = StreamsConfig(
        broker=kafka.faust(),
        topic=kafka.topics.failures,
        changelog=f"{settings.topic_prefix}.streams.failures.changelog.v1",
        group=f"{settings.topic_prefix}.streams",
        # A restart waits that long for the one before it, if that was killed.
        session_timeout_s=min(settings.session_timeout_ms / 1000, 10.0),
        rebalance_timeout_s=min(settings.max_poll_interval_ms / 1000, 60.0),
        metadata_interval_s=settings.metadata_interval_ms / 1000,
        data_folder="",
    )
    process = StreamsProcess(
        config,
        Changelog(kafka.confluent(), config.changelog),
        settings.streams_listen,
        SystemClock(),
        check_access=partial(connectivity.check, kafka),
        check_rights=partial(
            acl_check.check,
            kafka.confluent(),
            source=config.topic,
            changelog=config.changelog,
            group=config.group,
        ),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.stop())
    if is_stopping:
        process.stop()
    process.run()
