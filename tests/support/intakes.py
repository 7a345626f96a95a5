"""The intake of triggers without a broker, as the worker builds it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from worker.clock import Clock, SystemClock
from worker.deciding import Decider
from worker.domain.topics import Topics
from worker.intake import Intake
from worker.metrics import IntakeMetrics, Metrics
from worker.outcome import Recorder
from worker.projecting import Projector
from worker.storage.engine import Session


def make_intake(
    session: Session,
    topics: Topics,
    *,
    clock: Clock | None = None,
    default_max_lateness_s: int = 3600,
    max_earliness_s: int = 300,
) -> Intake:
    """An intake that writes English and counts for nobody."""
    recorder = Recorder(topics, "en")
    decider = Decider(
        session=session,
        recorder=recorder,
        clock=clock or SystemClock(),
        default_max_lateness_s=default_max_lateness_s,
        max_earliness_s=max_earliness_s,
    )
    metrics = IntakeMetrics(Metrics(CollectorRegistry()), topics.triggers)
    projector = Projector(session, metrics, clock or SystemClock())
    return Intake(decider, session=session, recorder=recorder, projector=projector, metrics=metrics)
