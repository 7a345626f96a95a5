"""What a database that does not let us in makes a worker raise."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import TriggerWorkerError
from job_trigger_worker.storage.db.engine import Session, make_engine


def raised_by(url: str) -> TriggerWorkerError:
    """What a worker's session raises that connects there; fails when it connects."""
    engine = make_engine(Settings(database_url=SecretStr(url)))
    session = Session(engine)
    with pytest.raises(TriggerWorkerError) as raised, session.transaction():
        pass
    session.close()
    engine.dispose()
    return raised.value
