"""Cells that no spreadsheet calculates, and values that any reader can take."""

from typing import Any

import pytest

from job_trigger_worker.console.export.csv_rows import cell
from job_trigger_worker.console.shared.models.values import TooDeep, plain, whole


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (-3, -3),
        (0.25, 0.25),
        ("log-backup", "log-backup"),
        ("每日, 对账", "每日, 对账"),
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r\n=1", "'\r\n=1"),
        ("＝1+1", "'＝1+1"),
        (["=a", "b"], "'=a; b"),
        ([], ""),
    ],
)
def test_nothing_in_a_cell_is_a_formula(value: Any, shown: Any) -> None:
    assert cell(value) == shown


def test_ids_become_texts_and_nothing_else_does() -> None:
    stored = {"server_id": 7, "id": 8, "count": 9, "is_id": True, "of": [{"job_id": 2**63}]}
    assert plain(stored) == {
        "server_id": "7",
        "id": "8",
        "count": 9,
        "is_id": True,
        "of": [{"job_id": "9223372036854775808"}],
    }
    assert whole({"server_id": 7, "text": "half \ud83d"}) == {"server_id": 7, "text": "half ?"}


def test_what_is_too_deep_is_not_followed() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [deep]
    assert "…" in str(plain(deep))
    with pytest.raises(TooDeep):
        whole(deep)
