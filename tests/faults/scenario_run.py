"""One run of a scenario: a platform, topics, traffic and workers, and the judgement at the end."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any

import psycopg2
from confluent_kafka import Consumer, KafkaException, TopicPartition
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import TriggerWorkerError
from job_trigger_worker.kafka.admin import TopicAdmin
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.faults.environment import Environment
from tests.faults.traffic import Traffic
from tests.support import checker, evidence, sql
from tests.support.checker import Kind, Violation
from tests.support.crashing import ARMED, CLOCK_SHIFT_S, Crash
from tests.support.evidence import Evidence, Verdict
from tests.support.load import Slot
from tests.support.platform import Platform, servers
from tests.support.proxy import Proxy
from tests.support.topics import Range, quiet_client, read_whole
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

PARTITIONS = 6
RECOVERY_S = 60.0
START_S = 180.0
"""How long everything may take to begin: several arenas begin together, on brokers just started."""
_LOOK_S = 0.1
_SAMPLE_S = 2.0
_DAY_S = 86_400
_AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError)
"""What a database that dies meanwhile has us raise."""

_UP_TO = """
    select count(*) from awp_job_execution
    where scheduled_at <= '{at}' and scheduled_at <> all ('{{{unknown}}}')
"""
"""Each firing has a slot of its own. Those of which it is not known whether they are there count
for nothing: they would hide others."""
PENDING = "select count(*) from awp_trigger_outbox"
_REWOUND = """
    select topic, partition, rewound::text from awp_trigger_ledger where not isempty(rewound)
"""
_BEHIND = "select count(*) from awp_job_reprojection"


@dataclass(slots=True)
class Tally:
    """What a run counted while it went on."""

    faults: int = 0
    recover_s: float = 0.0
    violations: list[Violation] = field(default_factory=list)


class ScenarioRun:
    """Where a scenario plays: `start` workers, do harm, call `fault` for each, and `recovered`.

    Workers reach their database through `proxy`, and the brokers through the cluster's links where
    `is_linked`. Traffic flows from `begin` on. `unreadable` names batches of triggers that a
    scenario has made so.
    """

    def __init__(
        self,
        environment: Environment,
        name: str,
        rng: Random,
        folder: Path,
        *,
        is_linked: bool = False,
    ) -> None:
        self.environment = environment
        self.cluster = environment.cluster
        self.rng = rng
        self.folder = folder
        self.name = name
        self.topics = Topics.under(name)
        self.verdicts: dict[int, Verdict] = {}
        self.workers: list[WorkerProcess] = []
        self.tally = Tally()
        self.changes: dict[str, Any] = {}
        self._is_linked = is_linked
        self._started = 0
        self.unreadable: list[Range] = []
        self._apart: set[int] = set()
        self.may_expire: set[Slot] = set()
        self._is_over = Event()
        self._looking = Lock()
        self._is_forgetting = self._has_forgotten = False
        self._sampler = Thread(target=self._sample, name="sampler", daemon=True)
        environment.create(name)
        self.proxy = Proxy(self.database)
        self.proxy.listen()
        self.traffic = self._prepared()

    @property
    def database(self) -> str:
        """The address of the run's database, past the proxy."""
        return self.environment.url(self.name)

    @property
    def group(self) -> str:
        """The workers' consumer group."""
        return f"{self.name}-worker"

    def settings(self, **changes: Any) -> Settings:
        """What a worker is started with: short timeouts, and what the scenario changed."""
        brokers = self.cluster.linked_address if self._is_linked else self.cluster.address
        plain: dict[str, Any] = {
            "database_url": SecretStr(self.proxy.url),
            "kafka_brokers": brokers,
            "topic_prefix": self.name,
            "consumer_group": self.group,
            "max_poll_interval_ms": 6000,
            "session_timeout_ms": 3000,
            "metadata_interval_ms": 1000,
            "default_max_lateness_s": _DAY_S,
            "worker_listen": "127.0.0.1:0",
        }
        return Settings(**plain | self.changes | changes)

    def begin(self, workers: int) -> None:
        """Let traffic flow into so many workers, and return when they have begun to work."""
        self.traffic.start()
        self.start(workers)
        self._sampler.start()
        self.recovered(START_S)
        self.tally.recover_s = 0.0  # this was the start

    def start(self, count: int = 1, **more: Any) -> list[WorkerProcess]:
        """Start workers, side by side, and return when they are ready.

        `more` as for `launch`.
        """
        started = [self.launch(**more) for _ in range(count)]
        for worker in started:
            wait_until(
                worker.is_ready,
                START_S,
                f"a ready worker; its log is {worker.log}",
                every_s=_LOOK_S,
            )
        return started

    def launch(
        self, *, crash: Crash | None = None, clock_shift_s: float = 0.0, **changes: Any
    ) -> WorkerProcess:
        """Start a worker and do not wait; one that may die of `crash`, or whose clock is wrong."""
        self._started += 1
        armed = crash.environment() if crash else {}
        if clock_shift_s:
            armed |= {CLOCK_SHIFT_S: str(clock_shift_s)}
        worker = WorkerProcess(
            self.settings(**changes),
            self.folder / f"worker-{self._started}.log",
            **({"program": ARMED} if armed else {}),  # type: ignore[arg-type]
            env=armed,
            wait=False,
        )
        self.workers.append(worker)
        return worker

    def kill(self, worker: WorkerProcess) -> None:
        """SIGKILL, a fault."""
        self.fault()
        self.workers.remove(worker)
        worker.kill()
        self._look_at_offsets()

    def stop(self, worker: WorkerProcess) -> None:
        """SIGTERM, and a violation unless it ends with 0 in time."""
        self.workers.remove(worker)
        status = worker.stop()
        if status:
            self.broken(Kind.ENDED, f"a worker asked to stop ended with {status}: {worker.log}")

    def died(self, worker: WorkerProcess) -> None:
        """Wait until a worker has died of its crash, a fault."""
        status = wait_until(worker.child.exit_status, RECOVERY_S, f"a crash, see {worker.log}")
        self.workers.remove(worker)
        assert status is not None
        assert status < 0, f"it ended with {status} before its crash: {worker.log}"
        self.fault()
        self._look_at_offsets()

    def fault(self) -> None:
        """Count a harm that is being done."""
        self.tally.faults += 1

    @contextlib.contextmanager
    def heard(self, *words: str) -> Iterator[None]:
        """A block after which a worker has to have said one of these in its log."""
        before = {worker.log: _count(worker, words) for worker in self.workers}
        yield
        wait_until(
            lambda: any(
                _count(worker, words) > before.get(worker.log, 0) for worker in self.workers
            ),
            RECOVERY_S,
            f"a worker that says {' or '.join(words)}",
            every_s=_LOOK_S,
        )

    @contextlib.contextmanager
    def forgetting(self) -> Iterator[None]:
        """A block in which the database goes back: offsets are ahead of its records meanwhile."""
        with self._looking:
            self._is_forgetting = self._has_forgotten = True
        try:
            yield
        finally:
            self._is_forgetting = False

    def broken(self, kind: Kind, detail: str) -> None:
        """Note a violation that the scenario itself has seen."""
        self.tally.violations.append(Violation(kind, detail))

    def rest(self, least_s: float, most_s: float) -> None:
        """Let some time pass, drawn between the two."""
        time.sleep(self.rng.uniform(least_s, most_s))

    def recovered(self, deadline_s: float = RECOVERY_S) -> None:
        """Wait until everything acknowledged by now is recorded; the longest such wait counts."""
        began = time.monotonic()
        slots = {each.slot for each in self.traffic.sent()}
        if not slots:
            wait_until(self.traffic.sent, deadline_s, "a first trigger taken by the brokers")
            slots = {each.slot for each in self.traffic.sent()}
        last = max(at for _, at in slots)
        unknown = ",".join(f'"{at}"' for _, at in self.traffic.unanswered())
        statement = _UP_TO.format(at=last, unknown=unknown)
        self.look_until(statement, lambda found: found >= len(slots), deadline_s)
        self.tally.recover_s = max(self.tally.recover_s, time.monotonic() - began)

    def quiet(self, deadline_s: float = RECOVERY_S) -> None:
        """Stop the traffic for now, and wait until all of it is recorded, published and shown."""
        self.traffic.pause()
        self.recovered(deadline_s)
        self.look_until(PENDING, lambda pending: pending == 0, deadline_s)
        if self.workers:
            self.look_until(_BEHIND, lambda behind: behind == 0, deadline_s)

    def look_until(
        self, statement: str, is_wanted: Callable[[int], bool], deadline_s: float = RECOVERY_S
    ) -> None:
        """Ask the database itself until its one number is as wanted; it may be away meanwhile.

        Raises AssertionError with the last answer when that does not come in time.
        """
        end = time.monotonic() + deadline_s
        found: int | str = "none"
        while time.monotonic() < end:
            with contextlib.suppress(*_AWAY), sql.session(self.database) as held:
                while time.monotonic() < end:
                    with held, held.cursor() as cursor:
                        cursor.execute(statement)
                        ((found,),) = cursor.fetchall()
                    if is_wanted(int(found)):
                        return
                    time.sleep(_LOOK_S)
            time.sleep(_LOOK_S)
        raise AssertionError(f"not within {deadline_s:.0f} s (last answer: {found}): {statement}")

    def end(self) -> Evidence:
        """Let everything come to rest, end the workers in order, and gather what is left.

        Also of a run that does not come to rest: what it lacks says more than that it does.
        """
        self.proxy.heal()
        try:
            self.quiet()
        except AssertionError as stuck:
            self.broken(Kind.STUCK, f"at the end: {stuck}")
        if self.workers:
            self._wait_for_owners()
        self._is_over.set()
        self._sampler.join(30)
        for worker in list(self.workers):
            self.stop(worker)
        if not self._has_forgotten and (gone_back := sql.rows(self.database, _REWOUND)):
            self.broken(Kind.FORGOTTEN, f"says the ledger, and nothing was: {gone_back}")
        count = evidence.count(self.database, self.topics.triggers)
        log = evidence.log(self.topics.triggers, self._read)
        found = self._evidence(self._committed())
        return replace(found, count=count, log=log, unreadable=len(self.unreadable))

    @contextlib.contextmanager
    def twin(self) -> Iterator[ScenarioRun]:
        """Another run in the same environment, with a worker and traffic, judged when it ends.

        Of what it counts, only violations count here.
        """
        place = self.folder / "twin"
        place.mkdir()
        rng = Random(self.rng.random())  # noqa: S311 - no secret
        with playing(self.environment, f"{self.name}-twin", rng, place) as made:
            try:
                made.begin(1)
                yield made
                made.tally.violations += checker.violations(made.end())
            finally:
                self.tally.violations += made.tally.violations

    def close(self) -> None:
        """End whatever still runs."""
        self._is_over.set()
        with contextlib.suppress(AssertionError):
            self.traffic.stop()
        for worker in self.workers:
            worker.kill()
        self.proxy.refuse()
        with contextlib.suppress(TriggerWorkerError), self.admin() as admin:
            admin.delete(self.topics.all())  # what stays disturbs nobody
        self.environment.drop(self.name)

    def add_job(self, verdict: Verdict, *, is_refused: bool = False, **parameter: Any) -> None:
        """One more job, whose parameter holds more than its targets; traffic fires it, too.

        `is_refused` when the brokers will not take its dispatches.
        """
        engine = create_engine(self.database, poolclass=NullPool)
        with engine.begin() as connection:
            platform = Platform(connection)
            target = platform.target()
            job_id = platform.action_job(parameter={"servers": servers([target]), **parameter})
        self.verdicts[job_id] = verdict
        if is_refused:
            self._apart.add(job_id)
        self.traffic.also(job_id)

    def partitions(self) -> int:
        """How many the topic of triggers has."""
        with self.admin() as admin:
            return admin.describe((self.topics.triggers,))[self.topics.triggers].partitions

    def admin(self) -> TopicAdmin:
        """For topics; to be closed."""
        return TopicAdmin(self.kafka(), timeout_s=RECOVERY_S)

    def _prepared(self) -> Traffic:
        with self.admin() as admin:
            admin.create(self.topics, partitions=PARTITIONS)
        engine = create_engine(self.database, poolclass=NullPool)
        with engine.begin() as connection:
            self.verdicts = _jobs(Platform(connection))
        return Traffic(
            self.cluster.address,
            self.topics.triggers,
            list(self.verdicts),
            Random(self.rng.random()),  # noqa: S311 - no secret
        )

    def kafka(self) -> KafkaSettings:
        """How to reach the brokers, past the links."""
        return KafkaSettings.of(
            Settings(kafka_brokers=self.cluster.address, topic_prefix=self.name)
        )

    def _wait_for_owners(self) -> None:
        """Of workers that live: a ledger row names its owner also when that was killed."""
        everything = self.partitions()

        def owned() -> int:
            return sum(worker.partitions(self.topics.triggers) for worker in self.workers)

        try:
            wait_until(
                lambda: owned() == everything, RECOVERY_S, "an owner of each", every_s=_LOOK_S
            )
        except AssertionError:
            self.broken(Kind.UNOWNED, f"{owned()} of {everything} partitions have one")

    def _committed(self) -> dict[int, int]:
        """The group's offsets, by partition, asked of the brokers directly."""
        consumer = Consumer({**quiet_client(self.cluster.address), "group.id": self.group})
        try:
            seen = {each.partition for each in self.traffic.sent()}
            places = [TopicPartition(self.topics.triggers, each) for each in sorted(seen)]
            found = consumer.committed(places, timeout=5)
            return {place.partition: place.offset for place in found if place.offset >= 0}
        finally:
            consumer.close()

    def _evidence(self, committed: Mapping[int, int]) -> Evidence:
        return Evidence(
            sent=self.traffic.sent(),
            unknown=self.traffic.unknown(),
            verdicts=self.verdicts,
            records=evidence.records(self.database),
            outcomes=evidence.outcomes(self.topics, self._read),
            jobs=evidence.jobs(self.database),
            apart=frozenset(self._apart),
            may_expire=frozenset(self.may_expire),
            committed=committed,
            generation=self.traffic.generation,
        )

    def _read(self, topic: str) -> Any:
        without = self.unreadable if topic == self.topics.triggers else ()
        return read_whole(self.environment.broker, topic, without=without)

    def _sample(self) -> None:
        """While the run goes on: is an offset ahead of the records?"""
        try:
            while not self._is_over.wait(_SAMPLE_S):
                self._look_at_offsets()
        except Exception:  # noqa: BLE001 - in a thread of its own nobody would hear of it
            self.broken(Kind.UNPLAYED, traceback.format_exc())

    def _look_at_offsets(self) -> None:
        """Says most while the worker that committed them is dead: nothing catches up with them."""
        generation = self.traffic.generation
        with self._looking, contextlib.suppress(KafkaException, *_AWAY):
            if self._is_forgetting:
                return
            committed = self._committed()
            sent, recorded = self.traffic.sent(), evidence.recorded(self.database)
            if generation == self.traffic.generation:
                self.tally.violations += checker.early(committed, sent, recorded, generation)


def _count(worker: WorkerProcess, words: Sequence[str]) -> int:
    said = worker.words()
    return sum(said.count(each) for each in words)


def _jobs(platform: Platform) -> dict[int, Verdict]:
    """Twenty-four jobs, and what the triggers of each come to."""
    off = platform.account(platform.server("db-08", "10.0.0.8", state="off"))
    gone = (999_999, "deploy")
    stranger = platform.user("li.na")
    verdicts: dict[int, Verdict] = {}
    for _ in range(4):
        verdicts[platform.action_job()] = None
        verdicts[platform.action_job([off])] = "server_powered_off"
        verdicts[platform.workflow_job()] = None
        verdicts[platform.action_job()] = None
        verdicts[platform.action_job(enabled=False)] = "job_disabled"
        target = platform.action(f"Of others {len(verdicts)}")
        denied = platform.action_job(target_id=target, owner_id=stranger)
        verdicts[denied] = "permission_denied"
        verdicts[platform.action_job([gone])] = "server_not_found"
    return verdicts


@contextlib.contextmanager
def playing(
    environment: Environment, name: str, rng: Random, folder: Path, *, is_linked: bool = False
) -> Iterator[ScenarioRun]:
    """An run for as long as the block lasts."""
    made = ScenarioRun(environment, name, rng, folder, is_linked=is_linked)
    try:
        yield made
    finally:
        made.close()
