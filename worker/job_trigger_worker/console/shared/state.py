"""What the routes of a console share, made once when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from job_trigger_worker.clock import Clock
from job_trigger_worker.config import Settings
from job_trigger_worker.console.shared.auth.identify import Identify
from job_trigger_worker.console.shared.auth.sessions import Sessions
from job_trigger_worker.console.shared.auth.users import Users
from job_trigger_worker.console.shared.limits import Limiter
from job_trigger_worker.console.shared.live_preflight import LIMIT_S, LivePreflight
from job_trigger_worker.console.shared.metrics import ConsoleMetrics
from job_trigger_worker.console.shared.ports import FailureTail, LetterReplayer, TriggerSender
from job_trigger_worker.console.shared.rendering import Pages
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.storage.db.pool import Pool


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the console needs and does not make itself; what needs Kafka is handed in here."""

    settings: Settings
    pool: Pool
    clock: Clock
    sender: TriggerSender
    replayer: LetterReplayer
    tail: FailureTail
    inventory_limit_s: float = LIMIT_S


@dataclass(frozen=True, slots=True)
class Console:
    """What routes work with, as `request.app.state.console` (`dependencies.console`)."""

    settings: Settings
    pool: Pool
    clock: Clock
    sender: TriggerSender
    replayer: LetterReplayer
    pages: Pages
    users: Users
    sessions: Sessions
    identify: Identify
    masker: Masker
    preflight: LivePreflight
    inventory_limit_s: float
    sign_in_limit: Limiter
    address_limit: Limiter
    run_limit: Limiter
    metrics: ConsoleMetrics
