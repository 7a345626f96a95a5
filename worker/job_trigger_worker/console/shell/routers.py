"""Every router of the API, in the order of its document."""

from __future__ import annotations

from job_trigger_worker.console.account import json as me
from job_trigger_worker.console.export import json as exports
from job_trigger_worker.console.failures import json as failures
from job_trigger_worker.console.failures import stream_json as stream
from job_trigger_worker.console.history import json as executions
from job_trigger_worker.console.jobs import json as jobs
from job_trigger_worker.console.jobs.edit import json as job_edit
from job_trigger_worker.console.jobs.run import json as job_changes
from job_trigger_worker.console.jobs.run import triggers_json as triggers

# Exports first: `/jobs/export` would else be a job's id.
ROUTERS = (
    exports.router,
    jobs.router,
    job_changes.router,
    job_edit.router,
    triggers.router,
    executions.router,
    failures.router,
    stream.router,
    me.router,
)
