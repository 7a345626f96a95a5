"""`trigger-worker worker`: the process that production runs."""

from __future__ import annotations

import signal

import click

from job_trigger_worker import logs
from job_trigger_worker.config import load
from job_trigger_worker.runtime.worker import Worker


@click.command("worker")
@click.option("--listen", metavar="HOST:PORT", help="Where to serve /metrics, /livez and /readyz.")
@click.option("--group", help="Consumer group.")
@click.option("--topic-prefix", help="First part of every topic's name.")
@click.option("--language", type=click.Choice(["en", "zh"]), help="Language of messages.")
def command(
    listen: str | None, group: str | None, topic_prefix: str | None, language: str | None
) -> None:
    """Consume triggers: preflight, record, dispatch or failure event.

    SIGTERM and SIGINT hand everything over and end with 0. Start as many as there are partitions.
    """
    settings = load(
        worker_listen=listen,
        consumer_group=group,
        topic_prefix=topic_prefix,
        message_language=language,
    )
    logs.configure(settings)
    worker = Worker(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
