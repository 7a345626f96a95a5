"""The intake of triggers without a broker, as the worker builds it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from job_trigger_worker.clock import Clock, SystemClock
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.metrics import IntakeMetrics, Metrics
from job_trigger_worker.pipeline.decision import Decider
from job_trigger_worker.pipeline.intake import Intake
from job_trigger_worker.pipeline.job_projection import Projector
from job_trigger_worker.pipeline.outcome import OutcomeBuilder
from job_trigger_worker.storage.db.engine import Session


def make_intake(
    session: Session,
    topics: Topics,
    *,
    clock: Clock | None = None,
    default_max_lateness_s: int = 3600,
    max_earliness_s: int = 300,
) -> Intake:
    """An intake that writes English and counts for nobody."""
    recorder = OutcomeBuilder(topics, "en")
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
