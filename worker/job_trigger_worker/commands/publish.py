"""`trigger-worker publish`: send triggers, by job id or from a file."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import click
from pydantic import ValidationError
from rich.console import Console

from job_trigger_schemas import JobTrigger, explain
from job_trigger_schemas.publisher import (
    NotAcknowledged,
    Published,
    TriggerPublisher,
    describe,
)
from job_trigger_worker.commands.brokers import broker_flags, kafka_of
from job_trigger_worker.commands.ids import JOB_ID
from job_trigger_worker.commands.output import as_json, console, finish
from job_trigger_worker.commands.trigger_file import TriggerFile
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.errors import UsageError
from job_trigger_worker.kafka.publisher import connect
from job_trigger_worker.kafka.settings import KafkaSettings

Kind = Literal["manual", "schedule"]

BATCH = 5_000
"""Triggers sent and acknowledged together; what a file holds in memory."""

SOURCE = "trigger-worker-publish"


@click.command(name="publish")
@click.argument("job_ids", nargs=-1, metavar="[JOB_ID]...", type=JOB_ID)
@click.option("--at", metavar="TIME", help="The slot, RFC 3339 with a zone: 2026-11-20T08:00:00Z.")
@click.option(
    "--kind",
    type=click.Choice(["manual", "schedule"]),
    help="Default: schedule with --at, otherwise manual.",
)
@click.option("--file", "path", metavar="FILE", help="A JobTrigger in JSON a line; - for stdin.")
@broker_flags
@as_json
def command(
    *,
    job_ids: tuple[int, ...],
    at: str | None,
    kind: Kind | None,
    path: str | None,
    brokers: str | None,
    topic_prefix: str | None,
    as_json: bool,
) -> None:
    """Send triggers: one for each JOB_ID, or those of a file.

    A JOB_ID alone fires its job now: kind manual, a new trigger_id, your login name as
    triggered_by; each call runs the job again. With --at it is the scheduled slot of that time, the
    same that the scheduler would send: sent twice, it runs once. A file is checked whole before its
    first line is sent.
    """
    kafka = kafka_of(brokers, topic_prefix)
    if path is None:
        _send_jobs(kafka, _by_hand(job_ids, at, kind), as_json=as_json)
        return
    if job_ids or at or kind:
        raise UsageError(
            "--file says by itself which jobs, when and of what kind.",
            remedy="Leave JOB_ID, --at and --kind out, or --file.",
        )
    with TriggerFile(path) as file:
        _send_file(kafka, file, as_json=as_json)


def _by_hand(job_ids: Sequence[int], at: str | None, kind: Kind | None) -> list[JobTrigger]:
    if not job_ids:
        raise UsageError("Nothing to send.", remedy="Give job ids, or --file.")
    kind = kind or ("schedule" if at else "manual")
    if kind == "schedule" and not at:
        raise UsageError("A schedule trigger needs its slot.", remedy="Add --at TIME.")
    now = datetime.now(UTC).isoformat()
    return [_trigger(job_id, kind, at, now) for job_id in job_ids]


def _trigger(job_id: int, kind: Kind, at: str | None, now: str) -> JobTrigger:
    fields: dict[str, Any] = {"job_id": job_id, "kind": kind, "triggered_by": _login()}
    if kind == "manual":
        fields |= {"trigger_id": str(uuid4()), "fired_at": at or now}
    else:
        fields |= {"scheduled_at": at or now, "fired_at": now}
    try:
        return JobTrigger.model_validate(fields)
    except ValidationError as error:
        raise UsageError(
            f"--at {at} cannot be used: {explain(error)}.",
            remedy="TIME looks like 2026-11-20T08:00:00Z.",
        ) from None


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


def _send_jobs(kafka: KafkaSettings, triggers: list[JobTrigger], *, as_json: bool) -> None:
    with connect(kafka, source=SOURCE) as publisher:
        published, failure = _publish(publisher, triggers)
    result = _result(kafka, len(published), failure)
    result["triggers"] = [_described(each) for each in published]

    def show(out: Console) -> None:
        for each in published:
            out.print(f"sent {each.trigger.kind} trigger of {describe(each.trigger)}", markup=False)
        _show_failure(failure)

    finish(result, as_json=as_json, show=show, is_good=failure is None)


def _send_file(kafka: KafkaSettings, file: TriggerFile, *, as_json: bool) -> None:
    began = time.monotonic()
    sent = 0
    failure: NotAcknowledged | None = None
    with connect(kafka, source=SOURCE, compression="lz4") as publisher:
        for batch in file.batches(BATCH):
            published, failure = _publish(publisher, batch)
            sent += len(published)
            console(stderr=True).print(f"sent {sent:,} of {file.count:,}", markup=False)
            if failure:
                break
    result = _result(kafka, sent, failure)
    result |= {"of": file.count, "seconds": round(time.monotonic() - began, 3)}

    def show(out: Console) -> None:
        triggers = pluralize(file.count, "trigger")
        out.print(f"{sent:,} of {triggers} sent in {result['seconds']} s")
        _show_failure(failure)

    finish(result, as_json=as_json, show=show, is_good=failure is None)


def _publish(
    publisher: TriggerPublisher, triggers: list[JobTrigger]
) -> tuple[Sequence[Published], NotAcknowledged | None]:
    try:
        return publisher.publish(triggers), None
    except NotAcknowledged as failure:
        return failure.published, failure


def _result(kafka: KafkaSettings, sent: int, failure: NotAcknowledged | None) -> dict[str, Any]:
    return {
        "topic": kafka.topics.triggers,
        "published": sent,
        "not_acknowledged": [describe(each) for each in failure.failed[:100]] if failure else [],
        "error": str(failure) if failure else None,
    }


def _described(published: Published) -> dict[str, Any]:
    return {
        **published.trigger.model_dump(mode="json", exclude_none=True),
        "partition": published.partition,
        "offset": published.offset,
    }


def _show_failure(failure: NotAcknowledged | None) -> None:
    if failure:
        console(stderr=True).print(f"trigger-worker: {failure}", markup=False, soft_wrap=True)
