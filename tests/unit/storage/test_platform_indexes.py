"""Which tables a plan of PostgreSQL reads as a whole: `explain (format json)`, shortened."""

from typing import Any

import pytest

from job_trigger_worker.storage.platform.indexes import read_whole

COND = "(id = '1'::bigint)"
PLANS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no index": ({"Node Type": "Seq Scan", "Relation Name": "task", "Filter": COND}, ["task"]),
    "an index that finds it": (
        {"Node Type": "Index Scan", "Relation Name": "task", "Index Cond": COND},
        [],
    ),
    "an index that is read from end to end": (
        {"Node Type": "Index Only Scan", "Relation Name": "task", "Filter": COND},
        ["task"],
    ),
    "a bitmap of what an index finds": (
        {
            "Node Type": "Bitmap Heap Scan",
            "Relation Name": "task",
            "Recheck Cond": COND,
            "Plans": [{"Node Type": "Bitmap Index Scan", "Index Cond": COND}],
        },
        [],
    ),
    # So PostgreSQL 15 avoids a sequential scan where the key is of another type.
    "a bitmap of everything": (
        {
            "Node Type": "Bitmap Heap Scan",
            "Relation Name": "task",
            "Filter": "((task_id)::bigint = '1'::bigint)",
            "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "task_pkey"}],
        },
        ["task"],
    ),
}


@pytest.mark.parametrize("case", PLANS)
def test_a_plan_reads_a_table_as_a_whole_where_no_condition_finds_its_rows(case: str) -> None:
    plan, tables = PLANS[case]
    joined = {"Node Type": "Nested Loop", "Plans": [plan, PLANS["an index that finds it"][0]]}
    assert list(read_whole(plan)) == tables
    assert list(read_whole(joined)) == tables
