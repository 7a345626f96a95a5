"""The demo platform has a canary, and it is one of the jobs that start."""

from job_trigger_worker.demo import jobs as demo_jobs
from job_trigger_worker.demo.platform import _job_rows


def test_one_job_of_the_demo_is_a_canary() -> None:
    marked = [row for row in _job_rows() if row["is_canary"]]
    assert [row["name"] for row in marked] == [demo_jobs.CANARY_JOB_NAME]
    assert marked[0]["enabled"]
