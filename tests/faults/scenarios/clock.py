"""The worker's clock is wrong."""

from __future__ import annotations

import signal
from functools import partial

from tests.faults.scenario_run import RECOVERY_S, ScenarioRun
from tests.faults.scenarios.scenario import Scenario
from tests.support import sql
from tests.support.checker import Kind
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess

_HOUR_S = 3600.0
_TIMES = 2
_SHIFTED = """
    select count(*) from awp_job_execution
    where abs(extract(epoch from decided_at - created_at)) > 1800
"""


def shift(run: ScenarioRun, *, shift_s: float) -> None:
    """One whose clock is wrong joins one whose clock is right, and decides nothing.

    Its partitions wait, loudly, until its clock is set right; then it is set wrong again while it
    works.
    """
    run.fault()
    wrong = run.launch(clock_shift_s=shift_s)
    for _ in range(_TIMES):
        _until_it_says_so(wrong)
        run.rest(0.5, 2.0)
        wrong.child.send(signal.SIGUSR1)
        run.recovered()
        run.fault()
        wrong.child.send(signal.SIGUSR1)
    _until_it_says_so(wrong)
    run.stop(wrong)
    run.recovered()
    if shifted := sql.value(run.database, _SHIFTED):
        run.broken(Kind.WRONG_VERDICT, f"{shifted} decisions by a clock that is wrong")


def _until_it_says_so(worker: WorkerProcess) -> None:
    wait_until(
        lambda: worker.get("/readyz") and "nothing is decided" in worker.why_not("/readyz"),
        RECOVERY_S,
        f"a worker that says that its clock is wrong; its log is {worker.log}",
    )


SCENARIOS = (
    Scenario("clock an hour ahead", partial(shift, shift_s=_HOUR_S)),
    Scenario("clock an hour behind", partial(shift, shift_s=-_HOUR_S)),
)
