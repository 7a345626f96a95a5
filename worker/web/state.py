"""What the routes of a console share, made once when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from worker.clock import Clock
from worker.config import Settings
from worker.domain.masking import Masker
from worker.storage.pool import Pool
from worker.web.auth.identify import Identify
from worker.web.auth.sessions import Sessions
from worker.web.auth.users import Users
from worker.web.brokers import FailureTail, LetterReplayer, TriggerSender
from worker.web.exporting import Exports
from worker.web.limits import Limiter
from worker.web.live.hub import Hub
from worker.web.live.shared import Shared
from worker.web.live.sums import Sums
from worker.web.live.told import Telling
from worker.web.live_preflight import LivePreflight
from worker.web.rendering import Pages


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the console needs and does not make itself; what needs Kafka is handed in here."""

    settings: Settings
    pool: Pool
    clock: Clock
    sender: TriggerSender
    replayer: LetterReplayer
    tail: FailureTail


@dataclass(frozen=True, slots=True)
class Console:
    """What routes work with, as `request.app.state.console` (`asking.console`)."""

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
    exports: Exports
    sign_in_limit: Limiter
    address_limit: Limiter
    run_limit: Limiter
    hub: Hub
    telling: Telling
    sums: Shared[Sums]
    sum_parts: Shared[bytes]
