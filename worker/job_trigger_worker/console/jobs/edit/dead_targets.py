"""Which rows of an edit a click takes out: those that are gone, or those that are powered off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from job_trigger_worker.console.jobs.edit.draft import Place, Row, ServerList
from job_trigger_worker.console.shared.live_preflight import LivePreflightResult
from job_trigger_worker.domain.codes import FailureCode

Why = Literal["gone", "off"]

_CODES = {
    "gone": {
        FailureCode.SERVER_NOT_FOUND,
        FailureCode.SERVER_OFFLINE,
        FailureCode.ACCOUNT_NOT_FOUND,
        FailureCode.CREDENTIAL_NOT_FOUND,
    },
    "off": {FailureCode.SERVER_POWERED_OFF},
}
"""A server that is powered off may be on again tomorrow, so it goes by a click of its own."""


def dead_targets(
    lists: Iterable[ServerList], rows: dict[Place | Row, Row], live: LivePreflightResult, why: Why
) -> set[Place | Row]:
    """The keys of the rows that preflight finds dead."""
    nodes = {each.place: each.node_id for each in lists}
    found = {
        (each.objects.get("node_id"), each.objects.get("server_id"), each.objects.get("account"))
        for each in live.findings
        if each.code in _CODES[why]
    }
    return {
        key
        for key, row in rows.items()
        if (nodes.get(row.list), row.server, row.account) in found
        or (nodes.get(row.list), row.server, None) in found
    }
