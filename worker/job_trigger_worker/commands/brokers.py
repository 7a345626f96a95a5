"""What every command that talks to brokers shares: `--brokers`, `--topic-prefix`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import click

from job_trigger_worker.config import load
from job_trigger_worker.kafka.settings import KafkaSettings

Command = TypeVar("Command", bound=Callable[..., Any])


def broker_flags(command: Command) -> Command:
    """Add the two flags, as arguments `brokers` and `topic_prefix`."""
    for flag, words in (
        ("--topic-prefix", "First part of every topic's name."),
        ("--brokers", "Brokers, host:port, comma-separated."),
    ):
        command = click.option(flag, metavar="TEXT", help=words)(command)
    return command


def kafka_of(brokers: str | None, topic_prefix: str | None) -> KafkaSettings:
    """The brokers meant by the flags, else by the environment.

    kafka-python's own log is silenced: commands say in one sentence what was wrong.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    return KafkaSettings.of(load(kafka_brokers=brokers, topic_prefix=topic_prefix))
