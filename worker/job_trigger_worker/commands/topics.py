"""`trigger-worker topics`: create the six topics, check them, and say where to go on."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.console import Console

from job_trigger_worker.commands.brokers import broker_flags, kafka_of
from job_trigger_worker.commands.database import WORKER, asking
from job_trigger_worker.commands.output import as_json, finish
from job_trigger_worker.config import load
from job_trigger_worker.kafka.admin import (
    BROKER_DEFAULT,
    DEFAULT_PARTITIONS,
    CreatedTopic,
    TopicAdmin,
)
from job_trigger_worker.kafka.resume import Resumed, Source, resume_positions
from job_trigger_worker.kafka.topic_check import TopicReport, check, unknowns
from job_trigger_worker.storage.write.acknowledgements import Kind


@click.group()
def command() -> None:
    """Create and check the topics; say where to read on."""


@command.command("create")
@click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=DEFAULT_PARTITIONS,
    show_default=True,
    help="Partitions of each new topic: as many workers can share the load.",
)
@click.option(
    "--replication",
    type=click.IntRange(1, 100),
    metavar="N",
    default=None,
    help="Replicas of each new topic; default: what the brokers are set to.",
)
@broker_flags
@as_json
def create_command(
    *,
    partitions: int,
    replication: int | None,
    brokers: str | None,
    topic_prefix: str | None,
    as_json: bool,
) -> None:
    """Create what is missing. Topics that exist are left as they are."""
    kafka = kafka_of(brokers, topic_prefix)
    with TopicAdmin(kafka) as admin:
        created = admin.create(
            kafka.topics, partitions=partitions, replication=replication or BROKER_DEFAULT
        )
    finish(
        {"brokers": kafka.brokers, "topics": [asdict(each) for each in created]},
        as_json=as_json,
        show=lambda out: _show_created(out, created, partitions),
    )


@command.command("check")
@broker_flags
@as_json
def check_command(*, brokers: str | None, topic_prefix: str | None, as_json: bool) -> None:
    """Say what is missing or unfit, and what to do. Exit 1 when triggers could be lost."""
    kafka = kafka_of(brokers, topic_prefix)
    with TopicAdmin(kafka) as admin:
        states = admin.describe(kafka.topics.all())
        report = check(kafka.topics, states, brokers=admin.broker_count())
    finish(
        {
            "ok": report.is_good,
            "brokers": kafka.brokers,
            "topics": [
                {
                    "name": each.name,
                    "topic_id": each.topic_id,
                    "partitions": each.partitions,
                    "replicas": each.replicas,
                }
                for each in states.values()
            ],
            "problems": [asdict(each) for each in report.problems],
            "not_known": report.not_known,
        },
        as_json=as_json,
        show=lambda out: _show_report(out, report, len(states)),
        is_good=report.is_good,
    )


@command.command("resume")
@click.option(
    "--from",
    "source",
    type=click.Choice([each.value for each in Source]),
    required=True,
    help="Which of the two is right: the database's ledger or the group's offsets.",
)
@broker_flags
@as_json
@asking(WORKER)
def resume_command(
    *, source: str, brokers: str | None, topic_prefix: str | None, as_json: bool
) -> None:
    """Make the group's offsets and the database agree. Stop the workers first.

    For when the worker says that the group's offsets belong to another database, or that this one
    has never read the topic. --from database: read on where its ledger stands, and what it does not
    know from the beginning of the log; what the group had read beyond is decided again, and is a
    rewound range. --from group: read on where the group stands; what lies before it and has no
    record here is a lost range. The audit fails until somebody accepts either.
    """
    settings = load(kafka_brokers=brokers, topic_prefix=topic_prefix)
    resumed = resume_positions(settings, Source(source))
    finish(
        {
            "from": source,
            "group": settings.consumer_group,
            "partitions": [asdict(each) for each in resumed],
        },
        as_json=as_json,
        show=lambda out: _show_resumed(out, resumed),
    )


def _show_resumed(out: Console, resumed: list[Resumed]) -> None:
    for each in resumed:
        counts = f", {each.skipped:,} skipped" if each.skipped else ""
        if each.repeated:
            counts += f", {each.repeated:,} decided again"
        out.print(
            f"{each.topic} partition {each.partition}: next is offset {each.offset:,}{counts}",
            soft_wrap=True,
            markup=False,
        )
    for kind, is_noted in (
        (Kind.LOST, any(each.skipped for each in resumed)),
        (Kind.REWOUND, any(each.repeated for each in resumed)),
    ):
        if is_noted:
            out.print(
                f"`trigger-worker audit` fails until somebody accepts that (--acknowledge {kind}).",
                soft_wrap=True,
            )


def _show_created(out: Console, created: list[CreatedTopic], partitions: int) -> None:
    for each in created:
        words = "created" if each.is_new else "exists"
        if not each.is_new and each.partitions != partitions:
            words = f"exists, with {each.partitions} partitions (not changed)"
        out.print(f"{each.name}: {words}", soft_wrap=True, markup=False)


def _show_report(out: Console, report: TopicReport, found: int) -> None:
    for each in report.problems:
        out.print(
            f"{each.severity.upper()} {each.topic}: {each.problem} {each.remedy}",
            soft_wrap=True,
            markup=False,
        )
    for sentence in unknowns(report, found=found):
        out.print(sentence, soft_wrap=True, markup=False)
    if report.is_good:
        out.print(f"{found} topics are fit for use.")
