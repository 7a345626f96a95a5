"""Three hours of the demo platform, written by the worker's own code, without a broker.

The same in every run: for pages in a browser and for pictures of them. They are looked at at `NOW`.
Until `BROKE` server db-07 was there, so that its 31 jobs succeeded before they failed.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import Connection, text

from job_trigger_worker.config import Settings
from job_trigger_worker.demo import inventory as demo_inventory
from job_trigger_worker.demo import plan as demo_plan
from job_trigger_worker.demo import platform as demo_platform
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import OutboxRow, Record
from job_trigger_worker.domain.slots import next_slots
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.metrics import IntakeMetrics, Metrics
from job_trigger_worker.pipeline.decision import BatchDecision
from job_trigger_worker.pipeline.status import StatusIntake
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import changes, ledger
from tests.support.history import NOW
from tests.support.intakes import make_intake

ZONE = "Asia/Shanghai"
BEGAN, BROKE = NOW - timedelta(hours=3), NOW - timedelta(minutes=47)
SILENT, OVERDUE, REPEATED = 52, 88, 118
"""Jobs: no service answers for the first, the second has stopped to fire, the third fires twice."""

UNREADABLE = (b"\x93\x00job", b'{"job": 17}', b"[]", b'{"job_id": "17", ')
_TOPICS = Topics.under("awp")
_MINUTE = timedelta(minutes=1)
_ENDS = (
    ("failed", "Exit status 1: no space left on device."),
    ("failed", "Exit status 124: timed out after 600 s."),
    ("cancelled", "Stopped by zhao.min."),
    ("failed", "ssh: connection reset by peer."),
)


def fill(database: str) -> None:
    """Fill an empty, migrated database, in seconds."""
    engine = make_engine(Settings(database_url=SecretStr(database)))
    session = Session(engine)
    try:
        with session.transaction() as connection:
            _platform(connection)
        decided = list(_triggers(session))
        _statuses(session, decided)
        with session.transaction() as connection:
            _changes(connection)
    finally:
        session.close()
        engine.dispose()


def _platform(connection: Connection) -> None:
    """The platform as it was at first: db-07 in it, and no job changed since."""
    demo_platform.fill(connection)
    dead = demo_inventory.DEAD_SERVER
    connection.execute(
        text("insert into awp_server (id, name, ip, state) values (:id, :name, :ip, 'on')"),
        {
            "id": dead,
            "name": demo_inventory.server_name(dead),
            "ip": demo_inventory.server_ip(dead),
        },
    )
    connection.execute(
        text(
            "insert into awp_server_account (server_id, account, enabled, credential_id) select "
            "cast(:id as bigint), account, enabled, credential_id from awp_server_account "
            "where server_id = 6 on conflict do nothing"
        ),
        {"id": dead},
    )
    connection.execute(
        text("update awp_automcation_job set updated_at = :at"), {"at": NOW - timedelta(days=9)}
    )


def _triggers(session: Session) -> Iterator[tuple[datetime, BatchDecision]]:
    """Fire every slot, a batch a minute; what was decided, and when."""
    clock = _Turned()
    intake = make_intake(session, _TOPICS, clock=clock)
    feed = _Feed(session, intake, _TOPICS.triggers)
    is_broken = False
    for at, bodies in sorted(_fired().items()):
        if at >= BROKE and not is_broken:
            is_broken = True
            with session.transaction() as connection:
                demo = {"id": demo_inventory.DEAD_SERVER}
                connection.execute(text("delete from awp_server where id = :id"), demo)
        clock.at = at + timedelta(milliseconds=210 + 37 * at.minute)
        yield clock.at, feed.take(bodies)


def _fired() -> dict[datetime, list[bytes]]:
    """Bodies of triggers by minute, as common-job sends them."""
    fired: dict[datetime, list[bytes]] = defaultdict(list)
    for entry in demo_plan.entries():
        until = NOW - 20 * _MINUTE if entry.job_id == OVERDUE else NOW
        for slot in next_slots(entry.schedule, ZONE, BEGAN - _MINUTE, 200):
            if slot >= until:
                break
            firing = demo_plan.fire(entry, slot)
            body = firing.raw or firing.trigger.model_dump_json(exclude_none=True).encode()  # type: ignore[union-attr]
            fired[slot.astimezone(NOW.tzinfo)] += [body] * (1 + (entry.job_id == REPEATED))
    for minutes, job_id in ((3, 17), (11, 12), (26, 33)):
        at = NOW - minutes * _MINUTE
        manual = {"job_id": str(job_id), "kind": "manual", "triggered_by": "li.wei"}
        named = {"trigger_id": f"00000000-0000-4000-8000-{job_id:012}", "fired_at": at}
        fired[at].append(orjson.dumps(manual | named))
    for place, body in enumerate(UNREADABLE):
        fired[NOW - (9 + 31 * place) * _MINUTE].append(body)
    return fired


def _statuses(session: Session, batches: Sequence[tuple[datetime, BatchDecision]]) -> None:
    """What action and orch said of the runs: most succeeded, the newest are still under way."""
    dice = random.Random(7)  # noqa: S311 - how runs end, no secret
    bodies: list[bytes] = []
    for decided_at, decided in batches:
        for _, record in decided.outcomes:
            if isinstance(record, Record) and record.code is None:
                bodies += _run(record, decided_at, dice)
    metrics = IntakeMetrics(Metrics(CollectorRegistry()), _TOPICS.statuses)
    intake = StatusIntake(session=session, topics=_TOPICS, metrics=metrics)
    _Feed(session, intake, _TOPICS.statuses).take(bodies)


def _run(record: Record, at: datetime, dice: random.Random) -> Iterator[bytes]:
    if record.trigger.job_id == SILENT and at > NOW - 12 * _MINUTE:
        return
    end_s, message = dice.uniform(9, 140), None
    word = "succeeded"
    if record.verdict.job is not None and record.verdict.job.target_id == 14:
        word, message, end_s = "rejected", "Port scans run between 01:00 and 05:00 only.", 0.3
    elif dice.random() < 0.05:
        word, message = dice.choice(_ENDS)
    steps = [(0.2, "accepted", None), (dice.uniform(0.4, 6), "running", None)]
    for after_s, status, said in [*steps, (end_s, word, message)]:
        moment = at + timedelta(seconds=after_s)
        if moment <= NOW:
            yield orjson.dumps(
                {
                    "execution_id": str(record.execution_id),
                    "job_type": record.verdict.job.job_type if record.verdict.job else "action",
                    "status": status,
                    "message": said,
                    "at": moment,
                }
            )


def _changes(connection: Connection) -> None:
    """Letters and changes are from then, too."""
    connection.execute(
        text("update awp_dead_letter set created_at = :now - id * interval '7 minutes'"),
        {"now": NOW},
    )
    for job_id in (17, 118):
        changes.write(
            connection,
            login="zhao.min",
            object_kind="job",
            object_id=str(job_id),
            action="edit",
            before={"schedule": "0 2 * * *"},
            after={"schedule": "3-59/20 * * * *"},
        )
    connection.execute(text("update awp_console_change set at = :at"), {"at": BROKE})


class _Turned:
    """A clock that stands where it is put."""

    at = BEGAN

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


class _Feed:
    """One partition of a topic, its deliveries in order."""

    def __init__(self, session: Session, intake: Any, topic: str) -> None:
        self._intake = intake
        with session.transaction() as connection:
            self._claim = ledger.take(
                connection,
                topic=topic,
                topic_id=topic,
                owner="demo/1",
                log_starts={0: 0},
            )[0]
        self._rows: Sequence[OutboxRow] = ()
        self._offset = 0

    def take(self, bodies: Sequence[bytes]) -> Any:
        """Decide and write a batch; what was written before counts as published."""
        batch = [
            Delivery(0, self._offset + place, None, body, (), 0)
            for place, body in enumerate(bodies)
        ]
        self._offset += len(batch)
        claims = {0: self._claim}
        decided = self._intake.decide(batch, claims)
        handled = self._intake.write(decided, claims, self._rows)
        self._rows = handled.rows
        self._claim = self._claim.at(handled.positions[0])
        return decided
